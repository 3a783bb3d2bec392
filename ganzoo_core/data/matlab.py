"""Read MATLAB 5 to 7 files: structs, cells, text and numbers.

scipy.io.loadmat is not used because it trusts the file. Its type codes index a table in C: of
3,000 files with one changed byte, 73 caused a segmentation fault (scipy 1.17).
Source: MathWorks, "MAT-File Format", chapter "Level 5 MAT-File Format".
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core import limits

HEADER_BYTES = 128
_MAX_DIMENSIONS = 32
"""Of a matrix."""
MATRIX, COMPRESSED = 14, 15
_STORAGE_DTYPES = {
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
"""Storage type of numbers, by the type code of the element."""
_MATLAB_CLASS_DTYPES = {
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
"""Type of numbers in MATLAB, by the class of the matrix. MATLAB stores 3.0 as one byte."""
_TEXT_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
"""Encoding of text, by the type code of the element."""
CELL, STRUCT, CHAR = 1, 2, 4
_EMPTY_MATRIX = np.empty((0, 0))
MAT_ERRORS = (
    ValueError,
    struct.error,
    zlib.error,
    LookupError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)
"""Errors of `read_variable` for invalid bytes."""


def read_variable(data: bytes, name: str) -> Any:
    """Return a variable: dict for a (1, 1) struct, str, array, object array of cells, or None.

    Raises:
        One of `MAT_ERRORS`, if the bytes are not a MATLAB 5 to 7 file or are damaged.
    """
    byte_order = {b"IM": "<", b"MI": ">"}.get(data[HEADER_BYTES - 2 : HEADER_BYTES])
    if byte_order is None:
        raise ValueError("no MATLAB 5 header")
    reader, offset = _ElementReader(data, byte_order), HEADER_BYTES
    while offset < len(data):
        type_code, start, size, next_offset = reader.read_tag(offset, len(data))
        if type_code == COMPRESSED:
            decompressed = _decompress(data[start : start + size])
            variable_name, value, _ = _ElementReader(decompressed, byte_order).read_matrix(
                0, len(decompressed)
            )
        else:
            variable_name, value, _ = reader.read_matrix(offset, next_offset)
        if variable_name == name:
            return value
        offset = next_offset
    return None


def _decompress(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    limit = max(limits.MAT_SMALL_BYTES, limits.MAT_RATIO * len(data))
    out = stream.decompress(data, min(limits.MAT_INFLATED_BYTES, limit))
    if not stream.eof:
        raise ValueError("a variable is truncated or too large")
    return out


class _ElementReader:
    """Reads the elements of a file or a decompressed variable. Each starts with a type and a size.

    It checks that every element is inside its parent. Otherwise a few kilobytes of cells with
    shared content could take years to read.
    """

    def __init__(self, data: bytes, byte_order: str) -> None:
        self.data, self.byte_order = data, byte_order
        self.num_elements = self.depth = 0
        self.tag_format = struct.Struct(f"{byte_order}II")

    def read_tag(self, offset: int, end: int) -> tuple[int, int, int, int]:
        """Return type code, start of the content, its size in bytes, and the next offset.

        Raises:
            ValueError: the content extends beyond `end`.
        """
        type_code, size = self.tag_format.unpack_from(self.data, offset)
        start, next_offset = offset + 8, offset + 8 + size
        if type_code >> 16:  # small element: type and size in the first word, content in the second
            type_code, size, start, next_offset = (
                type_code & 0xFFFF,
                type_code >> 16,
                offset + 4,
                offset + 8,
            )
        elif type_code != COMPRESSED:
            next_offset += -size % 8
        if start + size > min(end, len(self.data)):
            raise ValueError("truncated")
        return type_code, start, size, next_offset

    def read_matrix(self, offset: int, end: int) -> tuple[str, Any, int]:
        """Return the name and value of a matrix, and the next offset."""
        type_code, start, size, next_offset = self.read_tag(offset, end)
        if type_code != MATRIX:
            raise ValueError(f"element of type {type_code} instead of a matrix")
        self.num_elements += 1
        if self.num_elements > limits.MAT_ELEMENTS:
            raise ValueError(f"more than {limits.MAT_ELEMENTS:,} cells and fields")
        if not size:
            return "", _EMPTY_MATRIX, next_offset
        end = start + size
        _, content_offset, _, offset = self.read_tag(start, end)
        flags, _ = self.tag_format.unpack_from(self.data, content_offset)
        _, content_offset, length, offset = self.read_tag(offset, end)
        if length > 4 * _MAX_DIMENSIONS:
            raise ValueError(f"{length // 4} dimensions")
        shape = struct.unpack_from(f"{self.byte_order}{length // 4}i", self.data, content_offset)
        _, content_offset, length, offset = self.read_tag(offset, end)
        name = self.data[content_offset : content_offset + length].decode("latin-1")
        if min(shape) < 0:
            raise ValueError(f"shape {shape}")
        if self.depth >= limits.MAT_NESTING:
            raise ValueError(f"cells are nested more than {limits.MAT_NESTING} deep")
        self.depth += 1
        value = self._read_value(flags & 0xFF, shape, offset, end)
        self.depth -= 1
        return name, value, next_offset

    def _read_value(self, class_code: int, shape: tuple[int, ...], offset: int, end: int) -> Any:
        """Return the content of a matrix; None for a class that is not supported."""
        if class_code == CELL:
            return self._read_cells(shape, offset, end)
        if class_code == STRUCT and math.prod(shape) == 1:
            return self._read_struct(offset, end)
        if class_code == CHAR:
            return self.read_text(offset, end) if math.prod(shape) else ""
        if class_code in _MATLAB_CLASS_DTYPES:
            return self._read_numbers(_MATLAB_CLASS_DTYPES[class_code], shape, offset, end)
        return None

    def _read_numbers(
        self, dtype: str, shape: tuple[int, ...], offset: int, end: int
    ) -> NDArray[Any]:
        """Return numbers in their MATLAB type, without an imaginary part."""
        if not math.prod(shape):
            return np.empty(shape, dtype)
        kind, start, size, _ = self.read_tag(offset, end)
        stored = np.frombuffer(
            self.data[start : start + size], self.byte_order + _STORAGE_DTYPES[kind]
        )
        return stored.astype(dtype).reshape(shape, order="F")

    def read_text(self, offset: int, end: int) -> str:
        """Return text; the rows of a text matrix are concatenated."""
        kind, start, size, _ = self.read_tag(offset, end)
        codec = _TEXT_ENCODINGS[kind]
        if codec in {"utf-16", "utf-32"}:
            codec += "-le" if self.byte_order == "<" else "-be"
        return self.data[start : start + size].decode(codec, errors="replace")

    def _read_cells(self, shape: tuple[int, ...], offset: int, end: int) -> NDArray[Any]:
        """Return cells as an array of objects."""
        values = []
        for _ in range(math.prod(shape)):  # a wrong count fails at the end of the data
            _, value, offset = self.read_matrix(offset, end)
            values.append(value)
        out = np.empty(len(values), object)
        for i, value in enumerate(values):  # out[:] would unpack arrays of equal shape
            out[i] = value
        return out.reshape(shape, order="F")

    def _read_struct(self, offset: int, end: int) -> dict[str, Any]:
        """Return the fields of a (1, 1) struct by name."""
        _, start, _, offset = self.read_tag(offset, end)
        (width,) = struct.unpack_from(f"{self.byte_order}i", self.data, start)
        _, start, size, offset = self.read_tag(offset, end)
        fields = {}
        for name_offset in range(start, start + size, width):
            padded_name = self.data[name_offset : name_offset + width]
            name = padded_name.partition(b"\0")[0].decode("latin-1")
            _, fields[name], offset = self.read_matrix(offset, end)
        return fields
