"""The lifecycle hooks, passed on to a run's board; cheap to import."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo_core.zoo import hookimpl

if TYPE_CHECKING:
    from ganzoo_tensorboard.board import Board

SWITCH = "GANZOO_TENSORBOARD"
"""Set to 0 in the environment, nothing is written."""

boards: dict[Path, Board] = {}
"""The runs under way in this process, by their folders."""


@hookimpl
def ganzoo_run_started(run: Path, config: Mapping[str, Any]) -> None:
    """Open `<run>/tensorboard/`, and note the configuration."""
    boards.pop(run, None)  # of a run that ended without a word, and is resumed in this process
    if os.environ.get(SWITCH, "1") != "0":
        from ganzoo_tensorboard.board import Board

        boards[run] = Board(run, config)


@hookimpl
def ganzoo_round_logged(run: Path, record: Mapping[str, Any]) -> None:
    """Write the numbers of a line of metrics.jsonl."""
    tell(run, "logged", record)


@hookimpl
def ganzoo_checkpoint_saved(run: Path, path: Path) -> None:
    """Write the grids up to a checkpoint: a resumed run draws only those after it."""
    tell(run, "show", int(path.stem))


@hookimpl
def ganzoo_run_finished(run: Path, status: str) -> None:
    """Write the last grids and close."""
    tell(run, "finished", status)
    boards.pop(run, None)


def tell(run: Path, method: str, *values: Any) -> None:
    """Call a method of a run's board, if it has one; a board that fails is not put back."""
    if board := boards.pop(run, None):
        getattr(board, method)(*values)
        boards[run] = board
