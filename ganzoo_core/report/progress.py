"""Progress on stderr: a live bar on a terminal, else a plain line every few seconds."""

from __future__ import annotations

import sys
import time
from typing import Any

_LINE_INTERVAL_S = 5.0
"""Seconds between plain lines."""


class Progress:
    """Shows one task at a time, such as preparing data, then training.

    Args:
        quiet: no bar and no `info`; warnings are printed.
        silent: nothing is printed, for ranks other than 0.
    """

    def __init__(self, quiet: bool = False, *, silent: bool = False) -> None:
        self.quiet, self.silent = quiet or silent, silent
        self.rich_bar: Any = None
        self.rich_task: Any = None
        self.title, self.note, self.items_per_step, self.item_name = "", "", 1.0, "images"
        self.start_time = self.last_line_time = 0.0
        self.first_step: int | None = None

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
        self.start_time = self.last_line_time = time.monotonic()
        self.first_step = None
        if self.quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.rich_bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self.rich_bar.start()
        self.rich_task = self.rich_bar.add_task(title, total=None, note="")

    def advance(self, done: int, total: int) -> None:
        """Show that `done` of `total` is done."""
        if self.quiet:
            return
        now = time.monotonic()
        self.first_step = max(done - 1, 0) if self.first_step is None else self.first_step
        items_per_second = (
            self.items_per_step * (done - self.first_step) / max(now - self.start_time, 1e-9)
        )
        text = f"{items_per_second:,.0f} {self.item_name}/s  {self.note}".rstrip()
        if self.rich_bar:
            self.rich_bar.update(self.rich_task, completed=done, total=total, note=text)
        elif now - self.last_line_time >= _LINE_INTERVAL_S or done == total:
            self.last_line_time = now
            seconds_left = (total - done) * self.items_per_step / max(items_per_second, 1e-9)
            print(
                f"{self.title} {done}/{total}  {text}  {seconds_left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def info(self, text: str) -> None:
        """Print one line above the bar."""
        if not self.quiet:
            self.warning(text)

    def warning(self, text: str) -> None:
        """Print one line, even if quiet; not if silent."""
        if self.silent:
            return
        if self.rich_bar:
            self.rich_bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def stop(self) -> None:
        """End the task."""
        if self.rich_bar:
            self.rich_bar.stop()
            self.rich_bar = None
