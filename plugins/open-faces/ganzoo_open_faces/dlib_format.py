"""Reads values that dlib serialized, without dlib: integers, floats, texts and tensors.

Format: dlib 20, `dlib/serialize.h`, `dlib/float_details.h`, `dlib/cuda/gpu_data.cpp`. An integer is
a control byte, its sign in the highest bit and its number of bytes in the lowest four, and then
that many bytes, the lowest first. A float is two integers, mantissa and exponent. A tensor is a
version, four dimensions, and float32 values in little-endian order.
"""

import math

import numpy as np

from ganzoo_core.errors import WeightsError

_SIGN_BIT = 0x80
_MAX_INT_BYTES = 8
_MAX_TEXT_BYTES = 64
_TENSOR_VERSION = 2
_SPECIAL_EXPONENT = 32000
"""From here on the exponent means an infinity or NaN."""


class DlibReader:
    """Reads the values of a file in order. A file that ends too early, or holds another value than
    the caller expects, is refused.

    Args:
        content: the bytes of the file.
        name: of the file, for messages.
    """

    def __init__(self, content, name):
        self._content, self._name, self._offset = memoryview(content), name, 0

    def fail(self, reason):
        """Raise WeightsError for the current place."""
        raise WeightsError(f"{self._name}: damaged at byte {self._offset:,}: {reason}")

    def read_int(self):
        """Return the next integer."""
        control = self._take(1)[0]
        size = control & 0x0F
        if control & 0x70 or not 1 <= size <= _MAX_INT_BYTES:
            self.fail(f"{control} is no control byte of an integer")
        value = int.from_bytes(self._take(size), "little")
        return -value if control & _SIGN_BIT else value

    def read_float(self):
        """Return the next float, which must be finite."""
        mantissa, exponent = self.read_int(), self.read_int()
        if not -1100 <= exponent <= 1000:
            self.fail(f"a float has the exponent {exponent}")
        return math.ldexp(float(mantissa), exponent)

    def read_bool(self):
        """Return the next bool, a character 0 or 1."""
        value = bytes(self._take(1))
        if value not in {b"0", b"1"}:
            self.fail(f"{value!r} is no bool")
        return value == b"1"

    def read_text(self):
        """Return the next text, of ASCII characters."""
        size = self.read_int()
        if not 0 <= size <= _MAX_TEXT_BYTES:
            self.fail(f"a text of {size:,} bytes")
        return bytes(self._take(size)).decode("ascii", "replace")

    def read_tensor(self):
        """Return the next tensor, float32 [samples, channels, rows, columns]; each value is
        finite."""
        if (version := self.read_int()) != _TENSOR_VERSION:
            self.fail(f"a tensor of version {version}")
        shape = [self.read_int() for _ in range(4)]
        if min(shape) < 0 or 4 * math.prod(shape) > len(self._content) - self._offset:
            self.fail(f"a tensor of shape {shape}")
        values = np.frombuffer(self._take(4 * math.prod(shape)), "<f4").reshape(shape)
        if not np.isfinite(values).all():
            self.fail("a tensor holds values that are not finite")
        return values.astype(np.float32)

    def expect(self, value, *allowed):
        """Return a value that is one of those allowed; refuse another one."""
        if value not in allowed:
            expected = " or ".join(repr(item) for item in allowed)
            self.fail(f"{value!r} in place of {expected}")
        return value

    def finish(self):
        """Refuse bytes after the last value."""
        if left := len(self._content) - self._offset:
            self.fail(f"{left:,} bytes too many")

    def _take(self, size):
        if size > len(self._content) - self._offset:
            self.fail("the file ends too early")
        self._offset += size
        return self._content[self._offset - size : self._offset]
