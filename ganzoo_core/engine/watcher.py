"""Who looks on while a Trainer works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganzoo_core.interfaces import Model


class Watcher:
    """Who wants to know how a run goes: the run folder, a progress bar, trackers. This one does
    not: so are the watchers of all ranks but the first."""

    def advanced(self, round: int, total: int) -> None:
        """Take note of a round that is done."""

    def logged(self, record: dict[str, Any]) -> None:
        """Take one line of metrics.jsonl."""

    def sampled(self, model: Model, round: int) -> None:
        """Draw pictures from the averaged model."""

    def saved(self, path: Path) -> None:
        """Take note of a checkpoint that is safely on disk."""

    def rewound(self, line: int, why: str) -> None:
        """Drop the lines after round `line`: the run went back to a checkpoint."""
