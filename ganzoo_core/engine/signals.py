"""Signals that ask a run to stop: finish the step, save and stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

_STOPS_AT_ONCE_IF_REPEATED = (signal.SIGINT, signal.SIGTERM)
_STOPS_ONCE = tuple(
    getattr(signal, name) for name in ("SIGHUP", "SIGXCPU") if hasattr(signal, name)
)
"""SIGHUP: the terminal was closed. The shell and the kernel both send it. SIGXCPU: the limit of CPU
time; the kernel sends it once a second."""


class StopOnSignal:
    """A context that records the first signal and restores the previous handlers at its end.

    A second Ctrl-C or SIGTERM stops at once.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.previous_handlers: dict[int, Any] = {}

    def __enter__(self) -> StopOnSignal:
        if threading.current_thread() is threading.main_thread():
            for number in (*_STOPS_AT_ONCE_IF_REPEATED, *_STOPS_ONCE):
                if number in _STOPS_ONCE and signal.getsignal(number) is signal.SIG_IGN:
                    continue  # `nohup` ignores SIGHUP
                self.previous_handlers[number] = signal.signal(number, self.on_signal)
        return self

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Record a signal. Ctrl-C and SIGTERM get their previous handler for the second time.

        Other signals keep this handler: Ctrl-C reaches all ranks of a run, and the SIGTERM of the
        launcher follows it.
        """
        self.signal = self.signal or number
        if number in _STOPS_AT_ONCE_IF_REPEATED:
            signal.signal(number, self.previous_handlers.pop(number))

    def restore(self) -> None:
        """Restore the previous handlers."""
        for number, handler in self.previous_handlers.items():
            signal.signal(number, handler)
        self.previous_handlers = {}

    def __exit__(self, *error: object) -> None:
        self.restore()
