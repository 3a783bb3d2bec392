"""Replace several files of a folder as a whole, on any file system.

The new files are written into a folder inside it. One rename of that folder commits them; then each
file moves to its place. If a crash interrupts the moves, the next reader or writer finishes them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganzoo_core.errors import OutputError
from ganzoo_core.files.atomic_write import fsync_directory, os_error_message

_NEXT_PREFIX = ".ganzoo-next-"
_COMMITTED = ".ganzoo-committed"


@contextmanager
def replace_files(folder: Path) -> Iterator[Path]:
    """Yield an empty folder for the new files; at the end, all of them replace those of `folder`.

    Other files of `folder` stay. If the block raises, or every new file equals the one that it
    would replace, nothing changes.

    Args:
        folder: it is created if it is missing.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    new_folder = folder / f"{_NEXT_PREFIX}{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        finish_replacement(folder)
        for leftover in folder.glob(f"{_NEXT_PREFIX}*"):  # of a killed process
            shutil.rmtree(leftover)
        new_folder.mkdir()
        yield new_folder
        if all(_is_same_file(path, folder / path.name) for path in new_folder.iterdir()):
            return
        for path in new_folder.iterdir():
            _fsync_file(path)
        fsync_directory(new_folder)
        new_folder.rename(folder / _COMMITTED)
        fsync_directory(folder)
        finish_replacement(folder)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {os_error_message(error)}") from error
    finally:
        shutil.rmtree(new_folder, ignore_errors=True)


def finish_replacement(folder: Path) -> None:
    """Move the files of an interrupted replacement to their places; usually there are none.

    Raises:
        OutputError: the folder cannot be written.
    """
    committed = folder / _COMMITTED
    if committed.is_symlink() or not committed.is_dir():
        return
    try:
        for path in sorted(committed.iterdir()):
            with suppress(FileNotFoundError):  # another reader moved it
                path.replace(folder / path.name)
                path.unlink(missing_ok=True)  # two hard links to one file: the rename does nothing
        fsync_directory(folder)
        with suppress(FileNotFoundError):
            committed.rmdir()
    except OSError as error:
        raise OutputError(
            f"cannot finish the interrupted change of {folder}: {os_error_message(error)}"
        ) from error


def link_or_copy(source: Path, target: Path) -> None:
    """Make a file appear in a second place: a hard link where the file system has them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _is_same_file(first: Path, second: Path) -> bool:
    """Return whether two files have the same bytes."""
    if second.is_symlink() or not second.is_file():
        return False
    if first.samefile(second):
        return True
    with first.open("rb") as a, second.open("rb") as b:
        while block := a.read(2**20):
            if block != b.read(2**20):
                return False
        return not b.read(1)


def _fsync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
