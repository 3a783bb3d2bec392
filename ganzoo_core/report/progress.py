"""Progress on stderr: a live bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

PERIOD = 5.0
"""Seconds between plain lines."""


class Progress:
    """One task at a time: preparing data, then training."""

    def __init__(self, quiet: bool = False, *, silent: bool = False) -> None:
        self.quiet, self.silent = quiet or silent, silent
        self.bar: Any = None
        self.task: Any = None
        self.title, self.note, self.unit, self.of = "", "", 1.0, "images"
        self.begun = self.last = 0.0
        self.first: int | None = None

    def start(self, title: str, *, images_each: int = 1, of: str = "images") -> None:
        """Begin a task; `images_each` turns its steps into images/s, or whatever it is made of."""
        self.stop()
        self.title, self.note, self.unit, self.of = title, "", float(images_each), of
        self.begun = self.last = time.monotonic()
        self.first = None
        if self.quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self.bar.start()
        self.task = self.bar.add_task(title, total=None, note="")

    def advance(self, done: int, total: int) -> None:
        """Move to `done` of `total`."""
        if self.quiet:
            return
        now = time.monotonic()
        self.first = max(done - 1, 0) if self.first is None else self.first
        speed = self.unit * (done - self.first) / max(now - self.begun, 1e-9)
        text = f"{speed:,.0f} {self.of}/s  {self.note}".rstrip()
        if self.bar:
            self.bar.update(self.task, completed=done, total=total, note=text)
        elif now - self.last >= PERIOD or done == total:
            self.last = now
            left = (total - done) * self.unit / max(speed, 1e-9)
            print(
                f"{self.title} {done}/{total}  {text}  {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def say(self, text: str) -> None:
        """Print one line above the bar."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Print a line that quiet does not hold back; only a silent one, of a second rank, does."""
        if self.silent:
            return
        if self.bar:
            self.bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def stop(self) -> None:
        """End the task."""
        if self.bar:
            self.bar.stop()
            self.bar = None
