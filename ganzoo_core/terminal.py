"""The way to the terminal: text of files, plugins and servers without control characters.

`ganzoo` replaces stdout and stderr by `CleanStream`, so that no escape sequence passes, whoever
prints it.
"""

from __future__ import annotations

import re
import sys
from typing import Any, TextIO

_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but line ends and tabs, marks that turn the direction of text, and halves of
surrogate pairs."""


def to_printable(text: object) -> str:
    """Return text of a plugin, file or server as one line without control characters."""
    return "".join(c if c.isprintable() else " " for c in str(text)).strip()


def without_controls(text: str) -> str:
    """Return text with spaces for its control characters; line feeds and tabs stay."""
    return _UNSAFE.sub(" ", text.replace("\r", " "))


def find_control(text: str) -> str:
    """Return the first control character of a text, escaped, or an empty string."""
    found = _UNSAFE.search(text)
    return ascii(found[0])[1:-1] if found else ""


class CleanStream:
    """A text stream that writes spaces for control characters other than line ends and tabs.

    It is no terminal to those who ask, so libraries write plain text without escape sequences.
    """

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        """Write a text."""
        self.raw.write(_UNSAFE.sub(" ", text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        """Return False."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


def clean_standard_streams() -> None:
    """Replace stdout and stderr of this process by streams without control characters."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, CleanStream):
            setattr(sys, name, CleanStream(stream))


def raw_stream(stream: Any) -> TextIO:
    """Return the stream behind a `CleanStream`, for a library that draws with escape sequences.

    All texts given to it must have passed `to_printable`.
    """
    raw: TextIO = stream.raw if isinstance(stream, CleanStream) else stream
    return raw
