"""Fetch missing files with torchvision's downloader, checked by md5; say what to do without it."""

from __future__ import annotations

import http.client
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganzoo_core.data.archive import plain
from ganzoo_core.errors import DataError, OutputError

SECONDS = 30.0
"""Of silence after which a server counts as out of reach."""
FAILURES = (OSError, RuntimeError, ValueError, http.client.HTTPException)
"""What a download raises: no network, a refusal, another content than announced."""


@dataclass(frozen=True)
class Remote:
    """A file to fetch."""

    name: str
    urls: tuple[str, ...]
    """Tried one after the other."""
    md5: str


def fetch(files: Sequence[Remote], folder: Path, title: str) -> None:
    """Download files into a folder; each appears there whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
        DataError: no server can be reached; the message says what to fetch by hand.
    """
    for file in files:
        if (folder / file.name).exists():
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as part:
                one(file, Path(part), folder, title)
        except OSError as error:
            raise OutputError(
                f"cannot write {folder}: {plain(error)}; give a path that you may write"
            ) from None


def one(file: Remote, part: Path, folder: Path, title: str) -> None:
    """Download one file from the first server that has it."""
    from torchvision.datasets.utils import download_url

    why = ""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS)  # else a firewall that says nothing is waited for forever
    try:
        for url in file.urls:
            try:
                download_url(url, str(part), file.name, file.md5)
            except FAILURES as error:
                why = why or plain(getattr(error, "reason", None) or error)
            else:
                (part / file.name).replace(folder / file.name)
                return
    finally:
        socket.setdefaulttimeout(before)
    raise DataError(
        f"{title}: {file.name} cannot be downloaded ({why}); on a machine with network "
        f"fetch {file.urls[0]} and put it into {folder}"
    )
