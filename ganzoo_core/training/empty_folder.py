"""Refuse to overwrite a folder, before torch is imported."""

from __future__ import annotations

from pathlib import Path

from ganzoo_core.errors import OutputError

RESUME_HINT = "or continue it with: ganzoo resume {path}"


def check_is_empty(path: Path, hint: str = RESUME_HINT) -> None:
    """Refuse to overwrite: the path must not exist, or be an empty folder.

    Raises:
        OutputError: the path exists and is not an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError(
            f"{path} exists already: give another --out, {hint.format(path=path)}".rstrip(", ")
        )
