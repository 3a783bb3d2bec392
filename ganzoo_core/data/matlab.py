"""MATLAB 5 to 7 files, as far as data sets use them: structs, cells, text and numbers.

Not scipy.io.loadmat, because it trusts the file: type codes index a table in C, and of 3,000
files with one changed byte 73 ended the process with a segmentation fault (scipy 1.17).
Source: MathWorks, "MAT-File Format", chapter "Level 5 MAT-File Format".
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = 128
MOST_BYTES = 2**31
"""Of an unzipped variable; the largest of a published set is SVHN's extra part, 1.6 GB."""
MATRIX, COMPRESSED = 14, 15
NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
"""How numbers are stored, by the code of the element ..."""
CLASSES = {
    6: "f8",
    7: "f4",
    8: "i1",
    9: "u1",
    10: "i2",
    11: "u2",
    12: "i4",
    13: "u4",
    14: "i8",
    15: "u8",
}
"""... and what they are in MATLAB, by the class of the matrix: it stores 3.0 as one byte."""
CODECS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
"""How text is stored, by the code of the element."""
CELL, STRUCT, CHAR = 1, 2, 4
DAMAGE = (
    ValueError,
    struct.error,
    zlib.error,
    LookupError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)
"""What reading raises on bytes that make no sense."""


def variable(data: bytes, name: str) -> Any:
    """Return a variable: dict for a (1, 1) struct, str, array, object array of cells, or None.

    Raises:
        One of `DAMAGE`, if the bytes are not a MATLAB 5 to 7 file or are damaged.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[HEADER - 2 : HEADER])
    if order is None:
        raise ValueError("no MATLAB 5 header")
    reader, at = Reader(data, order), HEADER
    while at < len(data):
        kind, start, size, after = reader.element(at, len(data))
        if kind == COMPRESSED:
            plain = inflated(data[start : start + size])
            found, value, _ = Reader(plain, order).matrix(0, len(plain))
        else:
            found, value, _ = reader.matrix(at, after)
        if found == name:
            return value
        at = after
    return None


def inflated(data: bytes) -> bytes:
    """Return a zlib stream unpacked."""
    stream = zlib.decompressobj()
    out = stream.decompress(data, MOST_BYTES)
    if not stream.eof:
        raise ValueError("a variable is cut short, or too large")
    return out


class Reader:
    """Elements of one file or unzipped variable. Each starts with a tag: its code and size.

    Every element lies inside the one it belongs to, which is checked: else a few kilobytes of
    cells that share their content would be read for years.
    """

    def __init__(self, data: bytes, order: str) -> None:
        self.data, self.order = data, order
        self.pair = struct.Struct(f"{order}II")

    def element(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Return code, start of the content, its size in bytes, and where the next one starts.

        Raises:
            ValueError: the content goes on after `end`.
        """
        kind, size = self.pair.unpack_from(self.data, at)
        start, after = at + 8, at + 8 + size
        if kind >> 16:  # a small one: both in the first word, the content in the second
            kind, size, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        elif kind != COMPRESSED:
            after += -size % 8
        if start + size > min(end, len(self.data)):
            raise ValueError("cut short")
        return kind, start, size, after

    def matrix(self, at: int, end: int) -> tuple[str, Any, int]:
        """Return the name and value of a matrix, and where the next one starts."""
        kind, start, size, after = self.element(at, end)
        if kind != MATRIX:
            raise ValueError(f"element of type {kind} where a matrix belongs")
        if not size:
            return "", np.empty((0, 0)), after
        end = start + size
        _, where, _, at = self.element(start, end)
        flags, _ = self.pair.unpack_from(self.data, where)
        _, where, length, at = self.element(at, end)
        shape = struct.unpack_from(f"{self.order}{length // 4}i", self.data, where)
        _, where, length, at = self.element(at, end)
        name = self.data[where : where + length].decode("latin-1")
        if min(shape) < 0:
            raise ValueError(f"shape {shape}")
        return name, self.value(flags & 0xFF, shape, at, end), after

    def value(self, kind: int, shape: tuple[int, ...], at: int, end: int) -> Any:
        """Return the content of a matrix of a class; None for a class that is not needed."""
        if kind == CELL:
            return self.cells(shape, at, end)
        if kind == STRUCT and math.prod(shape) == 1:
            return self.struct(at, end)
        if kind == CHAR:
            return self.text(at, end) if math.prod(shape) else ""
        if kind in CLASSES:
            return self.numbers(CLASSES[kind], shape, at, end)
        return None

    def numbers(self, dtype: str, shape: tuple[int, ...], at: int, end: int) -> NDArray[Any]:
        """Return numbers in their MATLAB type; an imaginary part is left out."""
        if not math.prod(shape):
            return np.empty(shape, dtype)
        kind, start, size, _ = self.element(at, end)
        stored = np.frombuffer(self.data[start : start + size], self.order + NUMBERS[kind])
        return stored.astype(dtype).reshape(shape, order="F")

    def text(self, at: int, end: int) -> str:
        """Return text; rows of a text matrix run together."""
        kind, start, size, _ = self.element(at, end)
        codec = CODECS[kind]
        if codec in {"utf-16", "utf-32"}:
            codec += "-le" if self.order == "<" else "-be"
        return self.data[start : start + size].decode(codec, errors="replace")

    def cells(self, shape: tuple[int, ...], at: int, end: int) -> NDArray[Any]:
        """Return cells as an array of objects."""
        values = []
        for _ in range(math.prod(shape)):  # a false count meets the end of the data
            _, value, at = self.matrix(at, end)
            values.append(value)
        out = np.empty(len(values), object)
        for i, value in enumerate(values):  # out[:] would unpack equal arrays
            out[i] = value
        return out.reshape(shape, order="F")

    def struct(self, at: int, end: int) -> dict[str, Any]:
        """Return the fields of a (1, 1) struct."""
        _, start, _, at = self.element(at, end)
        (width,) = struct.unpack_from(f"{self.order}i", self.data, start)
        _, start, size, at = self.element(at, end)
        fields = {}
        for place in range(start, start + size, width):
            _, fields[self.label(place, width)], at = self.matrix(at, end)
        return fields

    def label(self, at: int, width: int) -> str:
        """Return a name that is padded with zeros."""
        return self.data[at : at + width].partition(b"\0")[0].decode("latin-1")
