"""What a run shows in TensorBoard: the numbers of metrics.jsonl, the grids, the configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo_tensorboard.events import EventFile

COUNTERS = {"round", "rounds"}
"""Numbers of a line that are its place in the run and not a value."""


class Board:
    """The event file of one run, or of one part of a run that was resumed.

    Grids wait until a later line or a checkpoint: those of a run that was killed may lie in
    `samples/` and be drawn once more after resume.
    """

    def __init__(self, run: Path, config: Mapping[str, Any]) -> None:
        self.run = run
        self.last = last_round(run)
        """The last round that is shown, -1 before the first."""
        resumed = self.last >= 0
        self.shown = {path for path in self.grids() if int(path.stem) <= self.last}
        self.events = EventFile(run / "tensorboard", self.last + 1 if resumed else None)
        self.events.text("config", indented(config), max(self.last, 0))

    def logged(self, record: Mapping[str, Any]) -> None:
        """Show the numbers of a line, and the grids before it.

        A line that is not after the last one means that the run went back to a checkpoint.
        """
        round = record["round"]
        if round <= self.last:
            self.go_back(last_round(self.run, before=round) + 1)
        self.last = round
        self.events.scalars(
            {
                name: float(value)
                for name, value in record.items()
                if isinstance(value, int | float) and name not in COUNTERS
            },
            round,
        )
        self.show(round - 1)

    def go_back(self, step: int) -> None:
        """Forget what was shown from a round on: the rest goes into another file."""
        self.events.close()
        self.events = EventFile(self.run / "tensorboard", step)
        self.shown = {path for path in self.shown if int(path.stem) < step}

    def finished(self, status: str) -> None:
        """Show what is left, if the run came to its end, and close."""
        if status == "finished":
            self.show()
        self.events.close()

    def grids(self) -> list[Path]:
        """Return the grids in `samples/`, first to last."""
        return sorted(self.run.glob("samples/[0-9]*.png"))

    def show(self, last: int | None = None) -> None:
        """Write the grids up to a round that are not shown yet."""
        for path in self.grids():
            if path not in self.shown and (last is None or int(path.stem) <= last):
                self.events.image("samples", path, int(path.stem))
                self.shown.add(path)


def last_round(run: Path, before: float = float("inf")) -> int:
    """Return the round of the last line of metrics.jsonl before a round; -1 without one."""
    path = run / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rounds = [json.loads(line)["round"] for line in lines]
    return max((round for round in rounds if round < before), default=-1)


def indented(config: Mapping[str, Any]) -> str:
    """Return the configuration as a Markdown code block, a section a paragraph."""
    parts = []
    for name, section in config.items():
        rows = section.items() if isinstance(section, Mapping) else [("", section)]
        parts.append("\n".join([f"[{name}]", *(f"{key} = {value!r}" for key, value in rows)]))
    return "\n".join(f"    {line}" for line in "\n\n".join(parts).splitlines())
