"""The packed store: a data set decoded once into a memory-mapped file of uint8 pixels.

A store is a folder of the cache, named by a hash of the data and the options. It contains
`pixels.u8` ([N, S, S, C]), `hashes.i64` (one hash for each image), `status.u8` (one byte for each
image: pending, decoded, unreadable) and `store.json`, written last. An interrupted build continues
where it stopped. A lock keeps two processes from building the same store.
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

from ganzoo_core.data.image_hashes import hash_images
from ganzoo_core.data.parallel_decode import iter_decoded
from ganzoo_core.data.transforms import find_transform
from ganzoo_core.errors import DataError, OutputError
from ganzoo_core.files import write_json
from ganzoo_core.files.atomic_write import os_error_message
from ganzoo_core.interfaces import Dataset

_STORE_VERSION = 2
PENDING, DECODED, UNREADABLE = 0, 1, 2
FLUSH_INTERVAL = 512
"""Images between two writes of the progress."""


@dataclass(frozen=True)
class DecodedPixels:
    """Decoded images, in memory or mapped from a store."""

    array: NDArray[np.uint8]
    """[N, S, S, C], including unreadable images (zeros)."""
    unreadable: dict[int, str]
    """Rows that could not be read, with the reason."""
    sha256: str
    """Of the readable rows."""
    hashes: NDArray[np.int64] | None = None
    """[N], see `hash_images`; None where the store has none: `PackedImages` computes them."""


def default_cache_dir() -> Path:
    """Return the folder of all stores, in ``GANZOO_CACHE`` or the platform's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("GANZOO_CACHE") or user_cache_path("ganzoo")) / "data"


def store_key(dataset: Dataset, image_size: int, num_channels: int) -> str:
    """Return the folder name of a store: a hash of options, source files, version and size."""
    parts = [
        _STORE_VERSION,
        image_size,
        num_channels,
        type(dataset).__qualname__,
        dataset.version,
        dataset.fingerprint(),
        dataset.config.model_dump(mode="json", exclude={"path"}),
    ]
    if (transform := find_transform(dataset.config)) is not None:
        parts.append([transform.version, transform.settings()])
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return f"{dataset.config.name or 'data'}-{image_size}-{digest[:20]}"


def open_or_build_store(
    dataset: Dataset,
    length: int,
    image_size: int,
    num_channels: int,
    *,
    progress: Callable[[int, int], None] | None = None,
    cache_dir: Path | None = None,
) -> DecodedPixels:
    """Return the pixels of a data set, from its store, which is built first if it is missing.

    Without `cache_dir` the data set is decoded into memory.

    Raises:
        OutputError: the cache cannot be written; the message names GANZOO_CACHE.
    """
    if cache_dir is None:
        return _decode_in_memory(dataset, length, image_size, num_channels, progress)
    folder = cache_dir / store_key(dataset, image_size, num_channels)
    try:
        if (pixels := _open_store(folder, length, image_size, num_channels)) is not None:
            return pixels
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            # another process may have built it
            if _open_store(folder, length, image_size, num_channels) is None:
                _build_store(
                    folder, dataset, (length, image_size, image_size, num_channels), progress
                )
    except OSError as error:
        raise OutputError(
            f"cannot write the data cache {folder}: {os_error_message(error)}; "
            "set GANZOO_CACHE=DIR to move it"
        ) from error
    pixels = _open_store(folder, length, image_size, num_channels)
    if pixels is None:
        raise DataError(f"the store {folder} is damaged: remove this folder and try again")
    return pixels


def _decode_in_memory(
    dataset: Dataset,
    length: int,
    image_size: int,
    num_channels: int,
    progress: Callable[[int, int], None] | None,
) -> DecodedPixels:
    array = np.zeros((length, image_size, image_size, num_channels), np.uint8)
    unreadable: dict[int, str] = {}
    for done, (index, image) in enumerate(
        iter_decoded(dataset, range(length), image_size, num_channels), 1
    ):
        if isinstance(image, str):
            unreadable[index] = image
        else:
            array[index] = image
        if progress:
            progress(done, length)
    return DecodedPixels(array, unreadable, _pixels_sha256(array, unreadable))


def _pixels_sha256(array: NDArray[np.uint8], unreadable: dict[int, str]) -> str:
    """Return the sha256 of the shape and the readable rows."""
    digest = hashlib.sha256(repr((len(array) - len(unreadable), *array.shape[1:])).encode())
    for index, row in enumerate(array):
        if index not in unreadable:
            digest.update(row.data)
    return digest.hexdigest()


def _open_store(folder: Path, *shape: int) -> DecodedPixels | None:
    """Return a finished store; None if it is missing, incomplete or damaged."""
    length, size, channels = shape
    full_shape = (length, size, size, channels)
    try:
        store_info = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        unreadable = {int(index): str(why) for index, why in store_info["unreadable"].items()}
        if store_info["shape"] != list(full_shape):
            return None
        with (folder / "pixels.u8").open("rb") as file:
            if os.fstat(file.fileno()).st_size != max(int(np.prod(full_shape)), 1):
                return None
            view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        array = np.frombuffer(view, np.uint8, int(np.prod(full_shape))).reshape(full_shape)
        return DecodedPixels(array, unreadable, store_info["sha256"], _read_hashes(folder, length))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _read_hashes(folder: Path, length: int) -> NDArray[np.int64] | None:
    """Return the hashes of a store; None if an earlier version built it."""
    try:
        hashes = np.fromfile(folder / "hashes.i64", np.int64)
    except OSError:
        return None
    return hashes if len(hashes) == length else None


def _build_store(
    folder: Path,
    dataset: Dataset,
    shape: tuple[int, ...],
    progress: Callable[[int, int], None] | None,
) -> None:
    """Decode the pending images into a store, then write store.json.

    Pixels are written with pwrite, not through the memory map: so a full disk is an error and not
    a SIGBUS.
    """
    bytes_per_image, length = int(np.prod(shape[1:])), shape[0]
    status, unreadable = _load_progress(folder, length, bytes_per_image)
    pending = np.flatnonzero(status == PENDING).tolist()
    unflushed: list[int] = []
    with (folder / "pixels.u8").open("r+b") as file:
        for done, (index, image) in enumerate(iter_decoded(dataset, pending, *shape[2:]), 1):
            if isinstance(image, str):
                unreadable[index] = image
            else:
                os.pwrite(file.fileno(), image.data, index * bytes_per_image)
            unflushed.append(index)
            if len(unflushed) == FLUSH_INTERVAL or done == len(pending):
                os.fsync(file.fileno())  # rows reach the disk before their status
                status[unflushed] = [UNREADABLE if i in unreadable else DECODED for i in unflushed]
                _save_progress(folder, status, unreadable)
                unflushed = []
            if progress:
                progress(length - len(pending) + done, length)
    with (folder / "pixels.u8").open("rb") as file:
        array = np.memmap(file, np.uint8, "r", shape=shape)
        store_info: dict[str, Any] = {
            "shape": list(shape),
            "sha256": _pixels_sha256(array, unreadable),
        }
        hash_images(array, range(length)).tofile(folder / "hashes.i64")
    write_json(
        folder / "store.json",
        {**store_info, "unreadable": {str(k): v for k, v in sorted(unreadable.items())}},
    )
    (folder / "status.u8").unlink(missing_ok=True)
    (folder / "unreadable.json").unlink(missing_ok=True)


def _save_progress(folder: Path, status: NDArray[np.uint8], unreadable: dict[int, str]) -> None:
    write_json(folder / "unreadable.json", {str(k): v for k, v in unreadable.items()})
    part = folder / "status.part"
    part.write_bytes(status.tobytes())
    part.replace(folder / "status.u8")


def _load_progress(
    folder: Path, length: int, bytes_per_image: int
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Return the progress of an interrupted build; none if its files do not fit together."""
    pixels = folder / "pixels.u8"
    try:
        status = np.frombuffer((folder / "status.u8").read_bytes(), np.uint8).copy()
        unreadable = json.loads((folder / "unreadable.json").read_text(encoding="utf-8"))
        if len(status) == length and pixels.stat().st_size == max(length * bytes_per_image, 1):
            return status, {int(k): v for k, v in unreadable.items()}
    except (OSError, ValueError):
        pass
    (folder / "store.json").unlink(missing_ok=True)
    with pixels.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            # a full disk is an error now, not after hours
            os.posix_fallocate(file.fileno(), 0, max(length * bytes_per_image, 1))
        else:
            file.truncate(max(length * bytes_per_image, 1))
    return np.zeros(length, np.uint8), {}
