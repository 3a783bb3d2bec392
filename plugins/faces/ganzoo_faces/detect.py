"""What the images at a path are: one folder, class folders, or a table. Reads names only."""

from __future__ import annotations

import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".pgm", ".ppm", ".heic"}
TABLE_SUFFIXES = {".csv", ".tsv", ".jsonl"}
ARROW_SUFFIXES = (".parquet", ".arrow")
_SPLIT_NAMES = {"train", "training", "test", "val", "valid", "validation"}
_MAX_NAMES = 20_000
"""Names of files that are read at most."""


def detect_table(path: Path) -> str:
    """Return why a path is a table of images, or an empty text."""
    if path.is_file():
        return "a table of images" if _is_table(path) else ""
    images, tables = _images_and_tables(path)
    return f"a folder with the table {tables[0]}" if images and len(tables) == 1 else ""


def detect_class_folder(path: Path) -> str:
    """Return why a path holds one folder of images for each class, or an empty text."""
    images, tables = _images_and_tables(path)
    classes = Counter(_class_name(name, path, images) for name in images)
    if len(tables) == 1 or "" in classes or len(classes) < 2 or set(classes) <= _SPLIT_NAMES:
        return ""
    names = ", ".join(sorted(classes)[:5]) + (", ..." if len(classes) > 5 else "")
    return f"{_kind(path)} with {len(classes)} class folders ({names})"


def detect_folder(path: Path) -> str:
    """Return why a path holds images without classes, or an empty text."""
    images, tables = _images_and_tables(path)
    if not images or len(tables) == 1 or detect_class_folder(path):
        return ""
    return f"{_kind(path)} of images, without classes"


def detect_arrow(path: Path) -> str:
    """Return why a path holds parquet or Arrow files, or an empty text."""
    files = arrow_files(path)
    if not files or (path.is_dir() and _images_and_tables(path)[0]):
        return ""
    return f"{len(files)} {Path(files[0]).suffix} file{'s' if len(files) > 1 else ''}"


def arrow_files(path: Path) -> list[str]:
    """Return the names of the parquet files, or else of the Arrow files, at a path, sorted."""
    if not path.is_dir():
        return [path.name] if path.suffix in ARROW_SUFFIXES else []
    names = [name for name in islice(_iter_names(path), _MAX_NAMES) if not _is_hidden(name)]
    found = {s: sorted(str(n) for n in names if n.suffix == s) for s in ARROW_SUFFIXES}
    return found[".parquet"] or found[".arrow"]


def _kind(path: Path) -> str:
    return "a folder" if path.is_dir() else "an archive"


def _class_name(name: PurePosixPath, path: Path, images: list[PurePosixPath]) -> str:
    """Return the class as `class-folder` reads it: the first folder, in an archive the first below
    the folder that holds all images; empty for an image beside the folders."""
    top = PurePosixPath()
    if not path.is_dir():
        top = PurePosixPath(os.path.commonpath([image.parent for image in images]))
    below = name.relative_to(top)
    return below.parts[0] if len(below.parts) > 1 else ""


def _images_and_tables(path: Path) -> tuple[list[PurePosixPath], list[PurePosixPath]]:
    """Return the names of the images and of the tables at a path."""
    names = [name for name in islice(_iter_names(path), _MAX_NAMES) if not _is_hidden(name)]
    images = [name for name in names if name.suffix.lower() in IMAGE_SUFFIXES]
    tables = [name for name in names if _is_table(name)]
    return images, tables


def _is_table(name: PurePosixPath | Path) -> bool:
    return name.suffix.lower() in TABLE_SUFFIXES or name.name == "dataset.json"


def _is_hidden(name: PurePosixPath) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.parts)


def _iter_names(path: Path) -> Iterator[PurePosixPath]:
    if path.is_dir():
        for folder, _, files in os.walk(path):
            yield from (PurePosixPath(Path(folder, file).relative_to(path)) for file in files)
        return
    try:
        with tarfile.open(path) as tar:
            yield from (PurePosixPath(member.name) for member in tar if member.isfile())
    except (tarfile.TarError, OSError, EOFError):
        return
