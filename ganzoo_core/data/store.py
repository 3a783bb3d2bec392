"""The packed store: a data set decoded once into a file of uint8 pixels.

A store is a folder of the cache, named by a hash of the data and the options. It contains
`pixels.u8` ([N, S, S, C]), `hashes.i64` (one hash for each image), `status.u8` (one byte for each
image: pending, decoded, unreadable) and `store.json` with the checksum of each block, written last.
An interrupted build continues where it stopped. A lock keeps two processes from building the same
store. A store without checksums is built again.

Rows are read with preadv, not through a memory map: a file that is truncated while a run reads it
is an error and not a SIGBUS, and each block is compared with its checksum before its first use.
"""

from __future__ import annotations

import hashlib
import json
import os
import weakref
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from pydantic import BaseModel

from ganzoo_core.data.image_hashes import hash_images
from ganzoo_core.data.parallel_decode import iter_decoded
from ganzoo_core.data.transforms import find_transform
from ganzoo_core.errors import DataError, OutputError
from ganzoo_core.files import write_json
from ganzoo_core.files.atomic_write import os_error_message
from ganzoo_core.files.typed import read_json
from ganzoo_core.interfaces import Dataset
from ganzoo_core.zoo.cache import cache_folder

_STORE_VERSION = 2
PENDING, DECODED, UNREADABLE = 0, 1, 2
FLUSH_INTERVAL = 512
"""Images between two writes of the progress."""
BLOCK_BYTES = 2**20
"""About the size of a block: zlib.crc32 takes 0.3 ms for it."""
_MAX_STORE_JSON_BYTES = 256 * 2**20


class _StoreInfo(BaseModel):
    """The content of store.json."""

    shape: list[int]
    sha256: str
    """Of the readable rows."""
    block_crc32: list[int]
    unreadable: dict[str, str]
    """Reason by row."""


class StoredPixels:
    """The rows [N, S, S, C] uint8 of a store.

    Args:
        path: pixels.u8; it stays open, so that a store that is built again does not change a run.
        shape: (N, S, S, C).
        block_crc32: the checksum of each block of about `BLOCK_BYTES`.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], block_crc32: list[int]) -> None:
        self.path, self.shape, self.block_crc32 = path, shape, block_crc32
        self.bytes_per_row = int(np.prod(shape[1:]))
        self.block_rows = _block_rows(self.bytes_per_row)
        self.is_verified = np.zeros(len(block_crc32), bool)
        self._file_descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file_descriptor)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return a copy of some rows, [n, S, S, C]. Several threads may call it at once.

        Raises:
            DataError: the file was truncated, or a block differs from its checksum.
        """
        rows = np.asarray(rows, np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.shape[0]:
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {self.shape[0]}")
        blocks = rows // self.block_rows
        for block in np.unique(blocks[~self.is_verified[blocks]]).tolist():
            self._verify(block)
        out = np.empty((len(rows), *self.shape[1:]), np.uint8)
        # neighbors in the file are read in one call
        starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            self._read(int(rows[start]), out[start:end])
        return out

    def take_all(self) -> NDArray[np.uint8]:
        """Return a copy of all rows; raises as `take` does."""
        return self.take(np.arange(self.shape[0]))

    def _verify(self, block: int) -> None:
        start = block * self.block_rows
        end = min(start + self.block_rows, self.shape[0])
        buffer = np.empty((end - start, *self.shape[1:]), np.uint8)
        self._read(start, buffer)
        if zlib.crc32(buffer.data) != self.block_crc32[block]:
            raise DataError(
                f"{self.path} is damaged (the checksum of images {start} to {end - 1} differs): "
                f"remove {self.path.parent} and run the command again"
            )
        self.is_verified[block] = True

    def _read(self, row: int, out: NDArray[np.uint8]) -> None:
        """Read consecutive rows into `out`; one call returns at most 2 GiB."""
        view, position = out.data.cast("B"), row * self.bytes_per_row
        while view:
            try:
                count = os.preadv(self._file_descriptor, [view[: 2**30]], position)
            except OSError as error:
                raise DataError(f"{self.path} cannot be read: {error.strerror}") from error
            if not count:
                raise DataError(
                    f"{self.path} was truncated at byte {position:,}: "
                    f"remove {self.path.parent} and run the command again"
                )
            view, position = view[count:], position + count


def _block_rows(bytes_per_row: int) -> int:
    return max(1, BLOCK_BYTES // bytes_per_row)


@dataclass(frozen=True)
class DecodedPixels:
    """Decoded images, in memory or in a store."""

    rows: NDArray[np.uint8] | StoredPixels
    """[N, S, S, C], including unreadable images (zeros)."""
    unreadable: dict[int, str]
    """Rows that could not be read, with the reason."""
    sha256: str
    """Of the readable rows."""
    hashes: NDArray[np.int64] | None = None
    """[N], see `hash_images`; None where the store has none: `PackedImages` computes them."""


def default_cache_dir() -> Path:
    """Return the folder of all stores, in ``GANZOO_CACHE`` or ~/.cache/ganzoo."""
    return cache_folder() / "data"


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


def find_changed_rows(
    dataset: Dataset,
    stored: StoredPixels,
    unreadable: Collection[int],
    progress: Callable[[int, int], None],
) -> list[int]:
    """Decode a data set again; return the images that differ from their rows in the store.

    The key of a store has the names, sizes and times of the files, so it misses a file that was
    replaced by another one of equal size and time.

    Args:
        dataset: the data set.
        stored: its rows.
        unreadable: the images that could not be read when the store was built.
        progress: called with (done, total).
    """
    length, size, _, channels = stored.shape
    changed = []
    for done, (index, image) in enumerate(iter_decoded(dataset, range(length), size, channels), 1):
        if isinstance(image, str) or index in unreadable:
            is_equal = isinstance(image, str) and index in unreadable
        else:
            is_equal = np.array_equal(stored.take(np.array([index]))[0], image)
        if not is_equal:
            changed.append(index)
        progress(done, length)
    return sorted(changed)


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
    return DecodedPixels(array, unreadable, _pixels_sha256([array], array.shape, unreadable))


def _pixels_sha256(
    blocks: Iterable[NDArray[np.uint8]], shape: tuple[int, ...], unreadable: dict[int, str]
) -> str:
    """Return the sha256 of the shape and the readable rows, given in blocks."""
    digest = hashlib.sha256(repr((shape[0] - len(unreadable), *shape[1:])).encode())
    start = 0
    for block in blocks:
        skipped = [row - start for row in unreadable if start <= row < start + len(block)]
        digest.update(np.delete(block, skipped, axis=0).data if skipped else block.data)
        start += len(block)
    return digest.hexdigest()


def _checksums(
    path: Path, shape: tuple[int, ...], unreadable: dict[int, str]
) -> tuple[str, list[int]]:
    """Return the sha256 of the readable rows of a file, and the crc32 of each block."""
    block_crc32: list[int] = []

    def read_blocks() -> Iterator[NDArray[np.uint8]]:
        with path.open("rb") as file:
            step = _block_rows(int(np.prod(shape[1:])))
            for start in range(0, shape[0], step):
                block = np.empty((min(step, shape[0] - start), *shape[1:]), np.uint8)
                if file.readinto(block.data) != block.nbytes:
                    raise DataError(f"{path} was truncated while it was written")
                block_crc32.append(zlib.crc32(block.data))
                yield block

    return _pixels_sha256(read_blocks(), shape, unreadable), block_crc32


def _open_store(folder: Path, *shape: int) -> DecodedPixels | None:
    """Return a finished store; None if it is missing, incomplete, damaged or without checksums."""
    length, size, channels = shape
    full_shape = (length, size, size, channels)
    pixels = folder / "pixels.u8"
    if not (folder / "store.json").exists():
        return None
    try:
        info = read_json(
            folder / "store.json", _StoreInfo, error=DataError, max_bytes=_MAX_STORE_JSON_BYTES
        )
        unreadable = {int(index): why for index, why in info.unreadable.items()}
        num_bytes = int(np.prod(full_shape))
        num_blocks = -(-length // _block_rows(num_bytes // length)) if length else 0
        if (
            info.shape != list(full_shape)
            or len(info.block_crc32) != num_blocks
            or not all(0 <= index < length for index in unreadable)
            or pixels.stat().st_size != max(num_bytes, 1)
        ):
            return None
        return DecodedPixels(
            StoredPixels(pixels, full_shape, info.block_crc32),
            unreadable,
            info.sha256,
            _read_hashes(folder, length),
        )
    except (OSError, ValueError, DataError):
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
    array = np.memmap(folder / "pixels.u8", np.uint8, "r", shape=shape)
    hash_images(array, range(length)).tofile(folder / "hashes.i64")
    sha256, block_crc32 = _checksums(folder / "pixels.u8", shape, unreadable)
    info = _StoreInfo(
        shape=list(shape),
        sha256=sha256,
        block_crc32=block_crc32,
        unreadable={str(k): v for k, v in sorted(unreadable.items())},
    )
    write_json(folder / "store.json", info.model_dump())
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
        found = read_json(folder / "unreadable.json", dict[str, str], error=DataError)
        unreadable = {int(row): why for row, why in found.items()}
        if len(status) == length and pixels.stat().st_size == max(length * bytes_per_image, 1):
            return status, unreadable
    except (OSError, ValueError, DataError):
        pass
    (folder / "store.json").unlink(missing_ok=True)
    pixels.unlink(missing_ok=True)  # runs that read the former file keep it
    with pixels.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            # a full disk is an error now, not after hours
            os.posix_fallocate(file.fileno(), 0, max(length * bytes_per_image, 1))
        else:
            file.truncate(max(length * bytes_per_image, 1))
    return np.zeros(length, np.uint8), {}
