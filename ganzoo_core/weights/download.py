"""Download and upload files over HTTPS: resumable, atomic, with a checked length and sha256."""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any

from ganzoo_core import __version__, limits
from ganzoo_core.errors import OutputError, WeightsError
from ganzoo_core.files import file_sha256
from ganzoo_core.files.atomic_write import fsync_directory, os_error_message

ProgressCallback = Callable[[int, int], None]
"""Receives (bytes so far, bytes in total)."""

_OFFLINE_ENV = "GANZOO_OFFLINE"
_TOKEN_ENV = "GANZOO_TOKEN"
"""Sent as a bearer token with uploads, and with no other request."""
_MAX_ATTEMPTS = 4
_CHUNK_BYTES = 2**18
_LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
_NETWORK_ERRORS = (OSError, HTTPException, ValueError)
"""What urllib raises: no network, refused, or an answer that is not HTTP."""


def check_online(url: str) -> None:
    """Check that the user allows network access.

    Raises:
        WeightsError: GANZOO_OFFLINE is set.
    """
    if os.environ.get(_OFFLINE_ENV, "0") not in {"", "0"}:
        raise WeightsError(
            f"{url} is not in the cache and {_OFFLINE_ENV} is set: unset it to download"
        )


def check_url(url: str) -> str:
    """Return a URL that is safe to open.

    Raises:
        WeightsError: it is neither https nor http to this machine, or contains a user name.
    """
    with suppress(ValueError):
        parts = urllib.parse.urlsplit(url)
        is_loopback = parts.scheme == "http" and (parts.hostname or "") in _LOOPBACK_HOSTS
        is_well_formed = parts.hostname and "@" not in parts.netloc
        is_well_formed = is_well_formed and url.isprintable() and " " not in url
        if (parts.scheme == "https" or is_loopback) and is_well_formed:
            return url
    raise WeightsError(f"{url[:200]}: only https:// is allowed, without a user name")


class _SafeRedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https; never for an upload, never from outside to this machine."""

    def redirect_request(  # noqa: PLR0917 - the signature of the library
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            check_url(newurl)
        except WeightsError as error:
            raise WeightsError(f"{req.full_url} redirects to {error}") from None
        is_from_loopback = urllib.parse.urlsplit(req.full_url).hostname in _LOOPBACK_HOSTS
        if not is_from_loopback and urllib.parse.urlsplit(newurl).hostname in _LOOPBACK_HOSTS:
            raise WeightsError(f"{req.full_url} redirects to {newurl}: refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _TimedReader(io.RawIOBase):
    """Reads a socket until a deadline: a server that sends a byte a minute comes to an end."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self.sock, self.raw = sock, raw
        self.deadline = time.monotonic() + limits.HEADER_SECONDS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        seconds_left = self.deadline - time.monotonic()
        if seconds_left <= 0:
            raise TimeoutError("the server is too slow")
        with suppress(OSError, ValueError):  # closed: the read below fails or returns the rest
            self.sock.settimeout(min(limits.CONNECT_SECONDS, seconds_left))
        found: int | None = self.raw.readinto(buffer)
        return found

    def close(self) -> None:
        self.raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    """A response whose headers must be complete after `limits.HEADER_SECONDS`."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.timed = _TimedReader(sock, self.fp.detach())
        self.fp = io.BufferedReader(self.timed)


class _TimedHTTPConnection(HTTPConnection):
    response_class = _TimedResponse


class _TimedHTTPSConnection(HTTPSConnection):
    response_class = _TimedResponse


class _TimedHTTPHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_TimedHTTPConnection, req)


class _TimedHTTPSHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_TimedHTTPSConnection, req)


def _open_url(
    url: str, headers: dict[str, str], secret_headers: dict[str, str], **request_kwargs: Any
) -> Any:
    """Return the response of a URL. The opener handles http, https and proxies, no other scheme.

    Secret headers are not sent to where the server redirects.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        _TimedHTTPHandler,
        _TimedHTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        _SafeRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    headers = {"User-Agent": f"ganzoo-core/{__version__}", "Accept-Encoding": "identity", **headers}
    request = urllib.request.Request(check_url(url), headers=headers, **request_kwargs)
    for name, value in secret_headers.items():
        request.add_unredirected_header(name, value)
    return opener.open(request, timeout=limits.CONNECT_SECONDS)


def download(
    url: str,
    path: Path,
    *,
    sha256: str = "",
    size: int | None = None,
    max_bytes: int = limits.DOWNLOAD_BYTES,
    progress: ProgressCallback | None = None,
    secret_headers: dict[str, str] | None = None,
) -> None:
    """Download a file atomically. A server that is too slow is left (`limits`).

    Args:
        sha256: the expected hash. With it a partial download resumes.
        size: the expected length in bytes, if known.
        max_bytes: longer answers are cut off and refused.
        secret_headers: sent to this server, and not to one that it redirects to.

    Raises:
        WeightsError: no network, refused, offline, too slow, or another length or hash than
            expected.
        OutputError: the folder cannot be written.
    """
    check_online(url)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not sha256:
            part.unlink(missing_ok=True)
        if size == 0:
            part.touch()
        _check_free_space(path.parent, url, size or 0)
        max_bytes = max_bytes if size is None else size
        _download_with_retries(
            url, part, size, max_bytes, progress=progress, secret_headers=secret_headers or {}
        )
        if sha256 and (found := file_sha256(part)) != sha256:
            part.unlink()
            raise WeightsError(
                f"{url} has sha256 {found[:16]}..., expected {sha256[:16]}...: refused"
            )
        part.replace(path)
        fsync_directory(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {os_error_message(error)}") from error


def _check_free_space(folder: Path, url: str, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OutputError(
            f"{url} has {size:,} bytes, and {folder} has {free:,} free: GANZOO_CACHE=DIR moves it"
        )


def _download_with_retries(
    url: str,
    part: Path,
    size: int | None,
    max_bytes: int,
    *,
    progress: ProgressCallback | None,
    secret_headers: dict[str, str],
) -> None:
    """Complete a partial file; try again as long as each attempt adds bytes."""
    for _ in range(_MAX_ATTEMPTS):
        num_bytes = part.stat().st_size if part.exists() else 0
        if size is not None and num_bytes >= size:
            break
        failure = _download_once(
            url, part, num_bytes, max_bytes, progress=progress, secret_headers=secret_headers
        )
        if not failure:
            break
        if not part.exists() or part.stat().st_size <= num_bytes:
            raise WeightsError(f"{url} cannot be downloaded: {failure}")
    else:
        raise WeightsError(f"{url} cannot be downloaded: {failure}; run it again to resume")
    found = part.stat().st_size
    if size is not None and found != size:
        part.unlink()
        raise WeightsError(f"{url} has {found:,} bytes, expected {size:,}: refused")


def _download_once(
    url: str,
    part: Path,
    num_bytes: int,
    max_bytes: int,
    *,
    progress: ProgressCallback | None,
    secret_headers: dict[str, str],
) -> str:
    """Append what the server sends after `num_bytes`; return why it ended early, or ""."""
    try:
        headers = {"Range": f"bytes={num_bytes}-"} if num_bytes else {}
        response = _open_url(url, headers, secret_headers)
    except _NETWORK_ERRORS as error:
        if isinstance(error, urllib.error.HTTPError) and error.code == 416:
            part.unlink(missing_ok=True)  # the part is longer than the file: of another version
        return _describe_network_error(error)
    with response:
        num_bytes = num_bytes if _is_partial_response(response, num_bytes) else 0
        length = response.headers.get("Content-Length") or ""
        total = num_bytes + int(length) if re.fullmatch("[0-9]{1,19}", length) else None
        if total is not None and total > max_bytes:
            part.unlink(missing_ok=True)
            return f"the server announces {total:,} bytes, more than {max_bytes:,}"
        window_bytes = 0
        response.timed.deadline = time.monotonic() + limits.RATE_WINDOW_SECONDS
        with part.open("ab" if num_bytes else "wb") as file:
            while True:
                try:
                    data = response.read1(_CHUNK_BYTES)
                except _NETWORK_ERRORS as error:
                    return _describe_network_error(error)
                if not data:
                    break
                num_bytes += len(data)
                window_bytes += len(data)
                if window_bytes >= limits.RATE_WINDOW_SECONDS * limits.MIN_BYTES_PER_SECOND:
                    window_bytes = 0
                    response.timed.deadline = time.monotonic() + limits.RATE_WINDOW_SECONDS
                if num_bytes > max_bytes:
                    break
                file.write(data)
                if progress:
                    progress(num_bytes, total or max(num_bytes, 1))
            file.flush()
            os.fsync(file.fileno())
    if num_bytes > max_bytes:
        part.unlink(missing_ok=True)
        return f"the server sends more than {max_bytes:,} bytes"
    if total is not None and num_bytes < total:
        return f"the server sent {num_bytes:,} of {total:,} bytes"
    return ""


def _is_partial_response(response: Any, offset: int) -> bool:
    """Return whether the response starts at byte `offset`."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range") or "")
    return bool(offset and response.status == 206 and found and int(found[1]) == offset)


def _describe_network_error(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    cause = getattr(error, "reason", None) or error
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(text).splitlines()[0][:200]


def upload(url: str, path: Path) -> None:
    """Upload a file to a URL with PUT.

    Raises:
        WeightsError: no network, or refused; the message holds the status of the server.
    """
    check_online(url)
    token = os.environ.get(_TOKEN_ENV, "")
    headers = {
        "Content-Length": str(path.stat().st_size),
        "Content-Type": "application/octet-stream",
    }
    secret = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with path.open("rb") as file, _open_url(url, headers, secret, data=file, method="PUT"):
            pass
    except _NETWORK_ERRORS as error:
        raise WeightsError(f"{url} cannot be uploaded: {_describe_network_error(error)}") from None
