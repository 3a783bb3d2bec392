"""Download missing files with torchvision, checked by md5."""

from __future__ import annotations

import http.client
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganzoo_core.data.archive import short_error_message
from ganzoo_core.errors import DataError, OutputError

TIMEOUT_SECONDS = 30.0
"""Timeout without any data from a server."""
_DOWNLOAD_ERRORS = (OSError, RuntimeError, ValueError, http.client.HTTPException)
"""Errors of a download: no network, an HTTP error, a wrong checksum."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to download."""

    name: str
    urls: tuple[str, ...]
    """Tried in this order."""
    md5: str


def download_files(files: Sequence[RemoteFile], folder: Path, dataset_name: str) -> None:
    """Download files into a folder, each atomically.

    Raises:
        OutputError: the folder cannot be written.
        DataError: no server can be reached; the message has the URL for a manual download.
    """
    for file in files:
        if (folder / file.name).exists():
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as part:
                _download_file(file, Path(part), folder, dataset_name)
        except OSError as error:
            raise OutputError(
                f"cannot write {folder}: {short_error_message(error)}; give a writable path"
            ) from None


def _download_file(file: RemoteFile, temp_folder: Path, folder: Path, dataset_name: str) -> None:
    """Download one file from the first server that has it."""
    from torchvision.datasets.utils import download_url

    why = ""
    default_timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)  # a firewall may drop packets silently
    try:
        for url in file.urls:
            try:
                download_url(url, str(temp_folder), file.name, file.md5)
            except _DOWNLOAD_ERRORS as error:
                why = why or short_error_message(getattr(error, "reason", None) or error)
            else:
                (temp_folder / file.name).replace(folder / file.name)
                return
    finally:
        socket.setdefaulttimeout(default_timeout)
    raise DataError(
        f"{dataset_name}: {file.name} cannot be downloaded ({why}); on a machine with network, "
        f"download {file.urls[0]} and put it into {folder}"
    )
