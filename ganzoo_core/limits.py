"""The limits of untrusted files, in one table: sizes, counts and times.

A value beyond its limit is an error of one line, before the memory is taken. `TABLE` holds all of
them; docs/reference/limits.md prints it.
"""

from __future__ import annotations

import errno
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_ValueT = TypeVar("_ValueT", int, float)
_MIB, _GIB = 2**20, 2**30


@dataclass(frozen=True)
class Limit:
    """One row of the table."""

    value: float
    unit: str
    """bytes, pixels, seconds or what is counted."""
    meaning: str


TABLE: list[Limit] = []
"""Every limit, in the order of this file."""


def _limit(value: _ValueT, unit: str, meaning: str) -> _ValueT:
    TABLE.append(Limit(value, unit, meaning))
    return value


IMAGE_PIXELS = _limit(80_000_000, "pixels", "one image, before it is decoded")
IMAGE_BYTES = _limit(256 * _MIB, "bytes", "one image file, before it is read")
DATA_FILE_BYTES = _limit(2 * _GIB, "bytes", "any other file of a data set that is read whole")
IMAGE_SIZE = _limit(2048, "pixels", "edge of the images of a model (`data.image_size`)")
IMAGE_CHANNELS = _limit(64, "channels", "channels of the images of a model")
LABEL_LENGTH = _limit(200, "characters", "the name of a class")
DRAWN_LABEL_LENGTH = _limit(40, "characters", "a name that is drawn into a picture; longer is cut")
CLASSES = _limit(10_000, "classes", "classes of a pretrained folder")

MAT_INFLATED_BYTES = _limit(2 * _GIB, "bytes", "a decompressed variable of a .mat file")
MAT_SMALL_BYTES = _limit(128 * _MIB, "bytes", "what every variable of a .mat file may expand to")
MAT_RATIO = _limit(20, "times", "expansion of a variable of a .mat file beyond that")
MAT_ELEMENTS = _limit(3_000_000, "elements", "cells and fields of a .mat file")
MAT_NESTING = _limit(16, "levels", "cells and structs inside each other in a .mat file")
GZIP_SMALL_BYTES = _limit(_GIB, "bytes", "what every gzipped tar may expand to")
GZIP_RATIO = _limit(20, "times", "expansion of a gzipped tar beyond that")

INDEX_BYTES = _limit(4 * _MIB, "bytes", "`ganzoo.json`, a configuration, or an evaluation")
LOG_BYTES = _limit(_GIB, "bytes", "metrics.jsonl, of a million lines 300 MB")
CARD_BYTES = _limit(_MIB, "bytes", "the model card of a pretrained folder")
REGISTRY_BYTES = _limit(_MIB, "bytes", "a registry")
JSON_ENTRIES = _limit(100_000, "entries", "keys and items of an index, all together")
JSON_NESTING = _limit(16, "levels", "lists and tables inside each other in JSON and TOML")
JSON_TEXT_LENGTH = _limit(10_000, "characters", "one text of an index")
FOLDER_FILES = _limit(1_000, "files", "files of a pretrained folder")
FILE_BYTES = _limit(64 * _GIB, "bytes", "one file of a pretrained folder")

TENSOR_HEADER_BYTES = _limit(8 * _MIB, "bytes", "the header of a .safetensors file")
TENSORS = _limit(20_000, "tensors", "tensors of one file")
TENSOR_DIMENSIONS = _limit(16, "dimensions", "dimensions of one tensor")
TENSOR_NAME_LENGTH = _limit(500, "characters", "the name of a tensor")
EMPTY_TENSOR_SIZE = _limit(65_536, "elements", "any dimension of a tensor without elements")
CHECKPOINT_ENTRIES = _limit(100_000, "entries", "keys of the tables of a .pt file, all together")
CHECKPOINT_NESTING = _limit(16, "levels", "tables inside each other in a .pt file")
PICKLE_BYTES = _limit(4 * _GIB, "bytes", "a pickle of another program")
PICKLE_OPCODES = _limit(2_000_000, "opcodes", "operations in a pickle of another program")
BUILD_BYTES = _limit(128 * _MIB, "bytes", "what the constructor of any stored model may allocate")
BUILD_RATIO = _limit(16, "times", "the bytes of the weights: what it may allocate beyond that")
BUILD_TENSORS = _limit(200_000, "tensors", "tensors that the constructor of a stored model makes")

CHILD_BYTES = _limit(256 * _MIB, "bytes", "memory of verify, import and pull beside torch")
CHILD_RATIO = _limit(12, "times", "the bytes of their input: memory beyond that")
CHILD_CPU_SECONDS = _limit(30.0, "seconds", "processor time of verify and import")
CHILD_BYTES_PER_SECOND = _limit(5 * _MIB, "bytes/s", "of their input: more time for large files")
PULLED_CHECKPOINT_BYTES = _limit(
    512 * _MIB, "bytes", "a checkpoint of a registry: the input that pull counts for its memory"
)
PULL_CPU_SECONDS = _limit(3600.0, "seconds", "processor time of pull")
CHILD_WALL_RATIO = _limit(10, "times", "the processor time: the deadline of verify and import")

CONNECT_SECONDS = _limit(30.0, "seconds", "without a byte from a server, and for a connection")
HEADER_SECONDS = _limit(60.0, "seconds", "until the headers of an answer are complete")
RATE_WINDOW_SECONDS = _limit(60.0, "seconds", "over which the rate of a download is measured")
MIN_BYTES_PER_SECOND = _limit(4096, "bytes/s", "the slowest download that goes on")
DOWNLOAD_BYTES = _limit(64 * _GIB, "bytes", "a download of unknown size")
CACHE_LOCK_SECONDS = _limit(60.0, "seconds", "waiting for another process that writes the cache")


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a plain file.

    Raises:
        OSError: it cannot be read, is a pipe or a device, or is larger than `max_bytes`.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe blocks, and a device may have no end
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    if status.st_size > max_bytes:
        raise OSError(errno.EFBIG, f"larger than {max_bytes:,} bytes", str(path))
    with path.open("rb") as file:
        return file.read(max_bytes)


def cut_label(text: str) -> str:
    """Return a name as it is drawn: at most `DRAWN_LABEL_LENGTH` characters."""
    return text if len(text) <= DRAWN_LABEL_LENGTH else f"{text[: DRAWN_LABEL_LENGTH - 1]}\u2026"
