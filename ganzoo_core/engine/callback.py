"""The interface through which a Trainer reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo_core.interfaces import Model


@dataclass(frozen=True)
class EvalValue:
    """One value of a metric, computed while the run trains."""

    value: float
    higher_is_better: bool = False


class Callback:
    """Receives the events of a run. This base class ignores them; every rank but the first uses
    it."""

    def on_step(self, step: int, total_steps: int) -> None:
        """Called after each step."""

    def wants_sample(self) -> bool:
        """Return whether a sample grid is due now, besides those every `train.sample_every`
        steps."""
        return False

    def on_log(self, record: dict[str, Any]) -> None:
        """Called with each line of metrics.jsonl."""

    def on_sample(self, model: Model, step: int) -> None:
        """Called with the averaged model when a sample grid is due."""

    def on_evaluate(self, model: Model, step: int) -> dict[str, EvalValue]:
        """Called with the averaged model when `train.metrics` are due; returns the values by name,
        ``eval/NAME``."""
        return {}

    def on_checkpoint(self, path: Path) -> None:
        """Called after a checkpoint was written."""

    def on_rollback(self, last_logged_step: int, reason: str) -> None:
        """Called when the run went back to a checkpoint: lines of metrics after
        `last_logged_step` are no longer valid."""
