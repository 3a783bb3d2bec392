"""Files over https, in and out: resumed, whole or not there, of the length and hash announced."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from ganzoo_core import __version__
from ganzoo_core.errors import OutputError, WeightsError
from ganzoo_core.files import sha256 as hash_of
from ganzoo_core.files.atomic import reason, sync_folder

OFFLINE = "GANZOO_OFFLINE"
TOKEN = "GANZOO_TOKEN"
"""Sent as a bearer token with uploads, and with nothing else."""
SECONDS = 30.0
"""Of silence after which a server counts as out of reach."""
TRIES = 4
CHUNK = 2**18
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
Progress = Callable[[int, int], None]
FAILURES = (OSError, HTTPException, ValueError)
"""What urllib raises: no network, a refusal, an answer that is no HTTP."""


def offline() -> bool:
    """Tell whether the network is switched off."""
    return os.environ.get(OFFLINE, "0") not in {"", "0"}


def refuse_offline(url: str) -> None:
    """Refuse to reach out where the user said no.

    Raises:
        WeightsError: names the switch.
    """
    if offline():
        raise WeightsError(f"{url} is not in the cache and {OFFLINE} is set: unset it to download")


def check_url(url: str) -> str:
    """Return a URL that may be opened.

    Raises:
        WeightsError: it is neither https nor http to this very machine.
    """
    with suppress(ValueError):
        parts = urllib.parse.urlsplit(url)
        safe = parts.scheme == "https" or (
            parts.scheme == "http" and (parts.hostname or "") in LOOPBACK
        )
        if (
            safe
            and parts.hostname
            and "@" not in parts.netloc
            and url.isprintable()
            and " " not in url
        ):
            return url
    raise WeightsError(f"{url[:200]}: only https:// is opened, without a user name in it")


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https; never from an upload, never to this machine from outside."""

    def redirect_request(  # noqa: PLR0917 - the library's signature
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Check where an answer sends us."""
        try:
            check_url(newurl)
        except WeightsError as error:
            raise WeightsError(f"{req.full_url} redirects to {error}") from None
        here = urllib.parse.urlsplit(req.full_url).hostname in LOOPBACK
        if not here and urllib.parse.urlsplit(newurl).hostname in LOOPBACK:
            raise WeightsError(f"{req.full_url} redirects to {newurl}: refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows http, https and proxies, and no other scheme."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        Redirects,
        urllib.request.HTTPErrorProcessor,
    ):
        director.add_handler(handler())
    return director


def ask(url: str, headers: dict[str, str], **more: Any) -> Any:
    """Open a URL; returns the response."""
    headers = {"User-Agent": f"ganzoo-core/{__version__}", "Accept-Encoding": "identity", **headers}
    request = urllib.request.Request(check_url(url), headers=headers, **more)
    return opener().open(request, timeout=SECONDS)


def download(
    url: str,
    path: Path,
    *,
    sha256: str = "",
    size: int | None = None,
    limit: int = 2**40,
    progress: Progress | None = None,
) -> None:
    """Fetch a file; it appears whole or not at all. With a hash, a part goes on where it ended.

    Args:
        size: bytes it must have, where they are known.
        limit: bytes after which an answer is cut off and refused.

    Raises:
        WeightsError: no network, refused, another length or hash; offline.
        OutputError: the folder cannot be written.
    """
    refuse_offline(url)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not sha256:
            part.unlink(missing_ok=True)
        if size == 0:
            part.touch()
        fetch(url, part, size, limit if size is None else size, progress)
        if sha256 and (found := hash_of(part)) != sha256:
            part.unlink()
            raise WeightsError(
                f"{url} is not the file it should be: sha256 {found[:16]}..., not {sha256[:16]}..."
            )
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason(error)}") from error


def fetch(url: str, part: Path, size: int | None, limit: int, progress: Progress | None) -> None:
    """Bring a part file to its full length, in several tries as long as each brings more."""
    for _ in range(TRIES):
        have = part.stat().st_size if part.exists() else 0
        if size is not None and have >= size:
            break
        why = attempt(url, part, have, limit, progress)
        if not why:
            break
        if not part.exists() or part.stat().st_size <= have:
            raise WeightsError(f"{url} cannot be downloaded: {why}")
    else:
        raise WeightsError(f"{url} cannot be downloaded: {why}; run it again to go on")
    found = part.stat().st_size
    if size is not None and found != size:
        part.unlink()
        raise WeightsError(f"{url} has {found:,} bytes, not {size:,}: not the file it should be")


def attempt(url: str, part: Path, have: int, limit: int, progress: Progress | None) -> str:
    """Append what the server sends; return why it ended early, or nothing."""
    try:
        answer = ask(url, {"Range": f"bytes={have}-"} if have else {})
    except FAILURES as error:
        if isinstance(error, urllib.error.HTTPError) and error.code == 416:
            part.unlink(missing_ok=True)  # the part is longer than the file: it was another one
        return complaint(error)
    with answer:
        have = have if continues(answer, have) else 0
        total = announced(answer, have)
        if total is not None and total > limit:
            return discard(part, f"the server announces {total:,} bytes, more than {limit:,}")
        with part.open("ab" if have else "wb") as file:
            while True:
                try:
                    data = answer.read1(CHUNK)
                except FAILURES as error:
                    return complaint(error)
                if not data:
                    break
                have += len(data)
                if have > limit:
                    break
                file.write(data)
                if progress:
                    progress(have, total or max(have, 1))
            file.flush()
            os.fsync(file.fileno())
    if have > limit:
        return discard(part, f"the server sends more than {limit:,} bytes")
    if total is not None and have < total:
        return f"the server sent {have:,} of {total:,} bytes"
    return ""


def discard(part: Path, why: str) -> str:
    """Remove a part that cannot become the file."""
    part.unlink(missing_ok=True)
    return why


def continues(answer: Any, have: int) -> bool:
    """Tell whether an answer goes on at byte `have`."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "")
    return bool(have and answer.status == 206 and found and int(found[1]) == have)


def announced(answer: Any, have: int) -> int | None:
    """Return the whole length that an answer promises, or None."""
    length = answer.headers.get("Content-Length") or ""
    return have + int(length) if length.isdecimal() else None


def complaint(error: BaseException) -> str:
    """Say a failure of the network in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server says {error.code} {error.reason}"
    cause = getattr(error, "reason", None) or error
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(text).splitlines()[0][:200]


def upload(url: str, path: Path) -> None:
    """Put a file under a URL.

    Raises:
        WeightsError: no network, or refused; the server's answer is in the message.
    """
    refuse_offline(url)
    token = os.environ.get(TOKEN, "")
    headers = {
        "Content-Length": str(path.stat().st_size),
        "Content-Type": "application/octet-stream",
    }
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with path.open("rb") as file, ask(url, headers, data=file, method="PUT"):
            pass
    except FAILURES as error:
        raise WeightsError(f"{url} cannot be uploaded: {complaint(error)}") from None
