"""Writes a run's page out of its folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from ganzoo_core.errors import DataError
from ganzoo_core.report.page import write_page
from ganzoo_core.runs.comparison import read_evaluation
from ganzoo_core.runs.folder import RunFolder

NAME = "index.html"


def page(folder: RunFolder) -> Path:
    """Write ``report/index.html`` anew: from the options, the records, the grids, the evaluation.

    Raises:
        OutputError: it cannot be written.
    """
    evaluation: dict[str, Any] | None = None
    with suppress(DataError):  # none yet, or of another version: the page is made without
        evaluation = read_evaluation(folder.path)
    config = folder.read_config()
    folder.report.mkdir(exist_ok=True)
    path = folder.report / NAME
    write_page(
        path,
        config=config,
        config_text=folder.config.read_text(encoding="utf-8"),
        metrics=folder.metrics,
        samples=folder.samples,
        weights=folder.weights,
        evaluation=evaluation,
        data=str(config.get("data", {}).get("name", "")),
    )
    return path
