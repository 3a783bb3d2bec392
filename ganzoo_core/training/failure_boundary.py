"""Keeps what accompanies training, such as metrics, grids and trackers, from ending it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ganzoo_core.errors import error_line


class FailureBoundary:
    """Reports the first failure of each part of a run, and lets training continue.

    Args:
        warn: prints one line.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._reported: set[str] = set()

    @contextmanager
    def guard(self, part: str) -> Iterator[None]:
        """Report an exception of the block, SystemExit included, once for each part.

        Args:
            part: what the block writes or shows, as the subject of the message.
        """
        with continue_after_failure(lambda reason: self._report(part, reason)):
            yield

    def _report(self, part: str, reason: str) -> None:
        if part not in self._reported:
            self._reported.add(part)
            self._warn(f"warning: {part} failed ({reason}); training continues")


@contextmanager
def continue_after_failure(report: Callable[[str], None]) -> Iterator[None]:
    """Call `report` with the reason if the block raises anything, and continue after it.

    A KeyboardInterrupt becomes a Ctrl-C: a run that trains saves and stops, and a second one stops
    it at once.
    """
    try:
        yield
    except KeyboardInterrupt:
        signal.raise_signal(signal.SIGINT)
    except BaseException as error:
        reason = error_line(error)
        with suppress(Exception):
            report(reason)
