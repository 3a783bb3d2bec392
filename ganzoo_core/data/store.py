"""The packed store: a data set decoded once into a memory-mapped file of uint8 pixels.

A store is a folder of the cache, named by what went into it: `pixels.u8` ([N, S, S, C]),
`rows.u8` (one byte an image: to do, done, unreadable), and `store.json`, written last. A build
that was interrupted goes on where it stopped; two processes take turns.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from ganzoo_core.data.decode import decoded
from ganzoo_core.errors import DataError, OutputError
from ganzoo_core.files import write_json
from ganzoo_core.files.atomic import reason
from ganzoo_core.interfaces import Dataset

FORMAT = 1
TODO, DONE, BAD = 0, 1, 2
FLUSH = 512
"""Images between two notes of progress."""


@dataclass(frozen=True)
class Pixels:
    """Decoded images, in memory or mapped from a store."""

    array: NDArray[np.uint8]
    """[N, S, S, C], the unreadable ones included."""
    bad: dict[int, str]
    """Rows that could not be read, and why."""
    sha256: str
    """Over the readable rows."""


def cache_folder() -> Path:
    """Return the folder of stores: ``GANZOO_CACHE``, else the platform's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("GANZOO_CACHE") or user_cache_path("ganzoo")) / "data"


def store_key(dataset: Dataset, size: int, channels: int) -> str:
    """Name a store by what goes into it: options, source files, renderer, size."""
    parts = [
        FORMAT,
        size,
        channels,
        type(dataset).__qualname__,
        dataset.version,
        dataset.source(),
        dataset.config.model_dump(mode="json", exclude={"path"}),
    ]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return f"{dataset.config.name or 'data'}-{size}-{digest[:20]}"


def packed(
    dataset: Dataset,
    length: int,
    size: int,
    channels: int,
    *,
    progress: Callable[[int, int], None] | None = None,
    cache: Path | None = None,
) -> Pixels:
    """Return a data set's pixels: from its store, built if need be; in memory without a cache.

    Raises:
        OutputError: the cache cannot be written; the message says how to move it.
    """
    if cache is None:
        return in_memory(dataset, length, size, channels, progress)
    folder = cache / store_key(dataset, size, channels)
    try:
        if (found := opened(folder, length, size, channels)) is not None:
            return found
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            if opened(folder, length, size, channels) is None:  # another process may have built it
                build(folder, dataset, (length, size, size, channels), progress)
    except OSError as error:
        raise OutputError(
            f"cannot write the data cache {folder}: {reason(error)}; GANZOO_CACHE=DIR moves it"
        ) from error
    found = opened(folder, length, size, channels)
    if found is None:
        raise DataError(f"the store {folder} is damaged: remove that folder and try again")
    return found


def in_memory(
    dataset: Dataset,
    length: int,
    size: int,
    channels: int,
    progress: Callable[[int, int], None] | None,
) -> Pixels:
    """Decode into memory, for data without a name on disk."""
    array = np.zeros((length, size, size, channels), np.uint8)
    bad: dict[int, str] = {}
    for done, (index, image) in enumerate(decoded(dataset, range(length), size, channels), 1):
        if isinstance(image, str):
            bad[index] = image
        else:
            array[index] = image
        if progress:
            progress(done, length)
    return Pixels(array, bad, digest_of(array, bad))


def digest_of(array: NDArray[np.uint8], bad: dict[int, str]) -> str:
    """Return the sha256 over shape and readable rows."""
    digest = hashlib.sha256(repr((len(array) - len(bad), *array.shape[1:])).encode())
    for index, row in enumerate(array):
        if index not in bad:
            digest.update(row.data)
    return digest.hexdigest()


def opened(folder: Path, *shape: int) -> Pixels | None:
    """Open a finished store, or return None for one that is missing, half built or damaged."""
    length, size, channels = shape
    whole = (length, size, size, channels)
    try:
        about = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        bad = {int(index): str(why) for index, why in about["bad"].items()}
        if about["shape"] != list(whole):
            return None
        with (folder / "pixels.u8").open("rb") as file:
            if os.fstat(file.fileno()).st_size != max(int(np.prod(whole)), 1):
                return None
            view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        array = np.frombuffer(view, np.uint8, int(np.prod(whole))).reshape(whole)
        return Pixels(array, bad, about["sha256"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def build(
    folder: Path,
    dataset: Dataset,
    shape: tuple[int, ...],
    progress: Callable[[int, int], None] | None,
) -> None:
    """Decode what is still to do into a store and commit it.

    Pixels are written with pwrite, not through the map: a full disk is then an error and no crash.
    """
    each, length = int(np.prod(shape[1:])), shape[0]
    rows, bad = resumed(folder, length, each)
    todo = np.flatnonzero(rows == TODO).tolist()
    fresh: list[int] = []
    with (folder / "pixels.u8").open("r+b") as file:
        for done, (index, image) in enumerate(decoded(dataset, todo, *shape[2:]), 1):
            if isinstance(image, str):
                bad[index] = image
            else:
                os.pwrite(file.fileno(), image.data, index * each)
            fresh.append(index)
            if len(fresh) == FLUSH or done == len(todo):
                os.fsync(file.fileno())  # the rows are on disk before they are noted as done
                rows[fresh] = [BAD if i in bad else DONE for i in fresh]
                note(folder, rows, bad)
                fresh = []
            if progress:
                progress(length - len(todo) + done, length)
    with (folder / "pixels.u8").open("rb") as file:
        array = np.memmap(file, np.uint8, "r", shape=shape)
        about: dict[str, Any] = {"shape": list(shape), "sha256": digest_of(array, bad)}
    write_json(folder / "store.json", {**about, "bad": {str(k): v for k, v in sorted(bad.items())}})
    (folder / "rows.u8").unlink(missing_ok=True)
    (folder / "bad.json").unlink(missing_ok=True)


def note(folder: Path, rows: NDArray[np.uint8], bad: dict[int, str]) -> None:
    """Write down how far a build has come."""
    write_json(folder / "bad.json", {str(k): v for k, v in bad.items()})
    part = folder / "rows.part"
    part.write_bytes(rows.tobytes())
    part.replace(folder / "rows.u8")


def resumed(folder: Path, length: int, each: int) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Return how far an interrupted build came; from the start if its notes make no sense."""
    pixels = folder / "pixels.u8"
    try:
        rows = np.frombuffer((folder / "rows.u8").read_bytes(), np.uint8).copy()
        bad = json.loads((folder / "bad.json").read_text(encoding="utf-8"))
        if len(rows) == length and pixels.stat().st_size == max(length * each, 1):
            return rows, {int(k): v for k, v in bad.items()}
    except (OSError, ValueError):
        pass
    (folder / "store.json").unlink(missing_ok=True)
    with pixels.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, max(length * each, 1))  # no space: say so now
        else:
            file.truncate(max(length * each, 1))
    return np.zeros(length, np.uint8), {}
