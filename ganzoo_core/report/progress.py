"""Progress on stderr: a live bar on a terminal, else a plain line every few seconds."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_LINE_INTERVAL_S = 5.0
"""Seconds between plain lines."""
_RATE_WINDOW_S = 60.0
"""The rate and the time left follow from the steps of these last seconds."""
_WINDOW_SPACING_S = 1.0
"""Seconds between the points in time that the window keeps."""


class Progress:
    """Shows one task at a time, such as preparing data, then training.

    It prints nothing more where stderr cannot be written, such as a closed terminal or pipe.

    Args:
        quiet: no bar and no `info`; warnings are printed.
        silent: nothing is printed, for ranks other than 0.
    """

    def __init__(self, quiet: bool = False, *, silent: bool = False) -> None:
        self.quiet, self.silent = quiet or silent, silent
        self.rich_bar: Any = None
        self.rich_task: Any = None
        self.title, self.note, self.items_per_step, self.item_name = "", "", 1.0, "images"
        self._start_time = self.last_line_time = 0.0
        self._window: deque[tuple[float, int]] = deque()
        """(seconds, steps done), oldest first; the oldest is the last one before the window."""

    def start(self, title: str, *, items_per_step: int = 1, item_name: str = "images") -> None:
        """Start a task.

        Args:
            title: printed before the bar.
            items_per_step: items in one unit of `advance`, for the rate in items per second.
            item_name: plural name of the items.
        """
        self.stop()
        self.title, self.note, self.items_per_step, self.item_name = (
            title,
            "",
            float(items_per_step),
            item_name,
        )
        self._start_time = self.last_line_time = time.monotonic()
        self._window.clear()
        if self.quiet or not self._is_terminal():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        self.rich_bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        with self._silence_on_failure():
            self.rich_bar.start()
            self.rich_task = self.rich_bar.add_task(title, total=None, note="")

    def advance(self, done: int, total: int) -> None:
        """Show that `done` of `total` is done."""
        if self.quiet:
            return
        now = time.monotonic()
        steps_per_second = self._recent_rate(now, done)
        rate = f"{steps_per_second * self.items_per_step:,.0f} {self.item_name}/s"
        seconds_left = (total - done) / max(steps_per_second, 1e-9)
        left = f"{format_duration(seconds_left)} left"
        text = "  ".join(part for part in (rate, self.note, left) if part)
        if self.rich_bar:
            with self._silence_on_failure():
                self.rich_bar.update(self.rich_task, completed=done, total=total, note=text)
        elif now - self.last_line_time >= _LINE_INTERVAL_S or done == total:
            self.last_line_time = now
            self.warning(f"{self.title} {done}/{total}  {text}")

    def _recent_rate(self, now: float, done: int) -> float:
        """Return the steps per second in the window, after adding a point to it."""
        window = self._window
        if window and done < window[-1][1]:  # training went back to a checkpoint
            self._start_time = window[-1][0]
            window.clear()
        if not window:
            window.append((self._start_time, max(done - 1, 0)))
        while len(window) > 1 and now - window[1][0] >= _RATE_WINDOW_S:
            window.popleft()
        start, first = window[0]
        if now - window[-1][0] >= _WINDOW_SPACING_S:
            window.append((now, done))
        return (done - first) / max(now - start, 1e-9)

    def info(self, text: str) -> None:
        """Print one line above the bar."""
        if not self.quiet:
            self.warning(text)

    def warning(self, text: str) -> None:
        """Print one line, even if quiet; not if silent."""
        if self.silent:
            return
        with self._silence_on_failure():
            if self.rich_bar:
                self.rich_bar.console.print(text, markup=False, highlight=False)
            else:
                print(text, file=sys.stderr, flush=True)

    def stop(self) -> None:
        """End the task."""
        if self.rich_bar:
            rich_bar, self.rich_bar = self.rich_bar, None
            with self._silence_on_failure():
                rich_bar.stop()

    def _is_terminal(self) -> bool:
        with suppress(AttributeError, OSError, ValueError):  # stderr may be None or closed
            return sys.stderr.isatty()
        return False

    @contextmanager
    def _silence_on_failure(self) -> Iterator[None]:
        try:
            yield
        except (AttributeError, OSError, ValueError):
            self.quiet = self.silent = True


def format_duration(seconds: float) -> str:
    """Return seconds as text in one or two units, such as 95 s, 12 min, 3 h 20 min."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if minutes < 120 else f"{hours:,} h {rest} min"
