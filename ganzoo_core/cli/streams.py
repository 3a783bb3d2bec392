"""stdout and stderr that the caller closed, or that can no longer be written."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any


def replace_broken_streams() -> None:
    """Send output to /dev/null where the caller closed a stream (`2>&-`), and messages as soon as
    stderr cannot be written: a closed terminal or pipe (`2>&1 | head`), or a full disk."""
    number = os.open(os.devnull, os.O_RDWR)
    while number <= 2:  # a file of a run must not get the number that C code writes messages to
        os.set_inheritable(number, True)
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    if not isinstance(getattr(sys.stderr, "raw", sys.stderr), _MessageStream):
        sys.stderr = _MessageStream(sys.stderr)


class _MessageStream:
    """A text stream that goes to /dev/null after a write fails."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            self._discard()
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._discard()

    def _discard(self) -> None:
        # In place: what is buffered and what C code writes go to /dev/null as well.
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
