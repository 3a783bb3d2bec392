"""Refuse to overwrite a folder, before torch is imported."""

from __future__ import annotations

from pathlib import Path

from ganzoo_core.errors import OutputError

RESUME_HINT = "or continue it with: ganzoo resume {path}"


_LEFTOVERS = (".lock", ".writable", ".*.part", ".ganzoo-next-*")
"""What a process leaves in a new folder if it is killed before the first file is complete."""


def check_is_empty(path: Path, hint: str = RESUME_HINT) -> None:
    """Refuse to overwrite: the path must not exist, or be a folder that is empty but for the
    leftovers of a process that was killed.

    Raises:
        OutputError: the path exists and is something else.
    """
    if not path.exists():
        return
    is_empty = path.is_dir() and all(
        any(entry.match(pattern) for pattern in _LEFTOVERS) for entry in path.iterdir()
    )
    if not is_empty:
        raise OutputError(
            f"{path} exists already: give another --out, {hint.format(path=path)}".rstrip(", ")
        )
