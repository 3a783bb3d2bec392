"""Writes the HTML page of a run from its folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from ganzoo_core.errors import DataError
from ganzoo_core.report.run_page import write_html
from ganzoo_core.training.evaluation_file import read_evaluation
from ganzoo_core.training.run_folder import RunFolder


def write_page(folder: RunFolder) -> Path:
    """Write ``report/index.html`` from the options, metrics, grids and evaluation of a run.

    Raises:
        OutputError: the file cannot be written.
    """
    evaluation: dict[str, Any] | None = None
    with suppress(DataError):  # the page needs no evaluation, nor one of another version
        evaluation = read_evaluation(folder.path)
    config = folder.read_config()
    folder.report.mkdir(exist_ok=True)
    path = folder.report / "index.html"
    write_html(
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
