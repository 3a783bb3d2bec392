"""Ctrl-C and SIGTERM: finish the step, save and stop; a second one stops at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class StopOnSignal:
    """A context that records the first signal and restores the previous handlers at its end."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.previous_handlers: dict[int, Any] = {}

    def __enter__(self) -> StopOnSignal:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous_handlers[number] = signal.signal(number, self.on_signal)
        return self

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Record a signal, and restore its previous handler for the second time it comes.

        Other signals keep this handler: Ctrl-C reaches all ranks of a run, and the SIGTERM of the
        launcher follows it.
        """
        self.signal = self.signal or number
        signal.signal(number, self.previous_handlers.pop(number))

    def restore(self) -> None:
        """Restore the previous handlers."""
        for number, handler in self.previous_handlers.items():
            signal.signal(number, handler)
        self.previous_handlers = {}

    def __exit__(self, *error: object) -> None:
        self.restore()
