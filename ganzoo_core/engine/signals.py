"""Ctrl-C and SIGTERM: finish the round, save, leave; a second one leaves at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Stop:
    """A context that notes the first signal and restores the old handlers."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.old: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.old[number] = signal.signal(number, self.note)
        return self

    def note(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; give the same one its old meaning, should it come again.

        Only the same: Ctrl-C reaches all ranks of a run, and the launcher's SIGTERM follows it.
        """
        self.signal = self.signal or number
        signal.signal(number, self.old.pop(number))

    def restore(self) -> None:
        """Put the old handlers back."""
        for number, handler in self.old.items():
            signal.signal(number, handler)
        self.old = {}

    def __exit__(self, *error: object) -> None:
        self.restore()
