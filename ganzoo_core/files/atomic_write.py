"""Atomic writes: a temporary file, fsync, rename."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ganzoo_core.errors import OutputError

NO_SPACE = "no space left on the disk: free some and try again"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it on success, delete it on failure.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    _remove_abandoned_parts(path)
    try:
        yield part
        with part.open("rb+") as handle:
            os.fsync(handle.fileno())
        part.replace(path)
        fsync_directory(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {os_error_message(error)}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _remove_abandoned_parts(path: Path) -> None:
    """Remove the temporary files for a path that killed processes left."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        pid = part.name.split(".")[-2]
        with suppress(OSError, ValueError, OverflowError):
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                part.unlink()


def fsync_directory(folder: Path) -> None:
    """Make a rename in a folder durable, where the system supports it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def os_error_message(error: OSError) -> str:
    """Return the message of an OSError, with the remedy for a full disk."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NO_SPACE
    return error.strerror or str(error)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, with sorted keys, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def file_sha256(path: Path) -> str:
    """Return the hex sha256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
