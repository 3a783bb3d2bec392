"""Writes the HTML page of a run from its folder."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganzoo_core.errors import DataError, WeightsError
from ganzoo_core.report.run_page import write_html
from ganzoo_core.training.evaluation_file import read_evaluation
from ganzoo_core.training.failure_boundary import continue_after_failure
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights.index import INDEX_FILE, read_index
from ganzoo_core.zoo import zoo


def write_page(folder: RunFolder) -> Path:
    """Write ``report/index.html`` from the options, metrics, grids and evaluation of a run, with
    the pictures of plugins.

    Raises:
        OutputError: the file cannot be written.
    """
    evaluation: dict[str, Any] | None = None
    with suppress(DataError):  # the page needs no evaluation, nor one of another version
        evaluation = read_evaluation(folder.path)
    index: dict[str, Any] | None = None
    with suppress(WeightsError):  # nor weights
        index = read_index(folder.weights / INDEX_FILE)
    folder.report.mkdir(exist_ok=True)
    path = folder.report / "index.html"
    write_html(
        path,
        run=folder.path,
        config=folder.read_config(),
        config_text=folder.config.read_text(encoding="utf-8"),
        metrics=folder.metrics,
        samples=folder.samples,
        index=index,
        evaluation=evaluation,
        pictures=_plugin_pictures(folder.path),
    )
    return path


def _plugin_pictures(run: Path) -> list[tuple[str, Path]]:
    """Return the titles and paths of the pictures that plugins add; a plugin that fails adds none,
    and its error is printed."""
    pictures: list[tuple[str, Path]] = []
    for plugin in zoo().plugins:

        def report(reason: str, name: str = plugin.name) -> None:
            print(f"plugin {name} has no picture for {run}: {reason}", file=sys.stderr)

        with continue_after_failure(report):
            for found in plugin.call_hook("ganzoo_page_pictures", run=run):
                pictures += [(str(title), Path(path)) for title, path in found]
    return pictures
