"""Find the data set that fits a path: the plugins look at it, without decoding an image."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.zoo.lookup import import_target, zoo
from ganzoo_core.zoo.specs import DatasetSpec


def is_path(text: str) -> bool:
    """Return whether ``NAME[:PATH]`` is a path alone: no data set has the name, and the path exists
    or is written like one."""
    name = zoo().canonical_name("dataset", text.partition(":")[0])
    if name in zoo().names("dataset"):
        return False
    return Path(text).expanduser().exists() or text.startswith((".", "~")) or "/" in text


@cache
def detect_dataset(path: str) -> tuple[str, str]:
    """Return the name of the data set that reads a path, and why, such as "3 class folders".

    Raises:
        DataError: the path does not exist, or no data set reads it.
        UsageError: several data sets read it.
    """
    if not Path(path).expanduser().exists():
        raise DataError(f"--data {path}: no such file or folder")
    specs = [entry.spec for entry in zoo().entries if isinstance(entry.spec, DatasetSpec)]
    found = {
        spec.name: reason
        for spec in specs
        if spec.detect and (reason := import_target(spec.detect)(Path(path).expanduser()))
    }
    if not found:
        raise DataError(
            f"--data {path}: no images found: give a folder or tar of images, a table, or "
            "NAME:PATH with a NAME of `ganzoo list data`"
        )
    if len(found) > 1:
        choices = " or ".join(f"--data {name}:{path}" for name in found)
        raise UsageError(f"--data {path} can be read in several ways: give {choices}")
    return next(iter(found.items()))
