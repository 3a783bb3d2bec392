"""The values of an evaluation, and how evaluation.json keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganzoo_core.errors import DataError
from ganzoo_core.files import write_json
from ganzoo_core.metrics.metric_value import MetricValue
from ganzoo_core.report import Progress
from ganzoo_core.training.evaluation_file import (
    EVALUATION_FILE,
    EVALUATION_FORMAT,
    read_evaluation,
)
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.training.run_page import write_page
from ganzoo_core.training.trackers import Trackers


@dataclass
class Evaluation:
    """The metric values of one model, and how they were measured."""

    model: str
    results: dict[str, dict[str, MetricValue]] = field(default_factory=dict)
    """Metric -> name -> value."""
    baselines: dict[str, dict[str, dict[str, MetricValue]]] = field(default_factory=dict)
    """Metric -> baseline -> name -> value, for metrics with baselines."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metric -> all that must be equal for its values to compare."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Metric -> why it does not apply."""
    notes: list[str] = field(default_factory=list)
    weights_sha256: str = ""
    """Of the file of the evaluated weights; empty without a model."""
    path: Path | None = None
    """Of the written evaluation.json."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""

        def values_json(values: Mapping[str, MetricValue]) -> dict[str, Any]:
            return {name: value.to_json() for name, value in values.items()}

        results: dict[str, dict[str, Any]] = {}
        for metric, values in self.results.items():
            results[metric] = {"settings": self.settings[metric], "values": values_json(values)}
            if metric in self.baselines:
                results[metric]["baselines"] = {
                    name: values_json(one) for name, one in self.baselines[metric].items()
                }
        return {
            "format": EVALUATION_FORMAT,
            "model": self.model,
            "weights_sha256": self.weights_sha256,
            "results": results,
            "skipped": self.skipped,
            "notes": self.notes,
        }


def save_evaluation(evaluation: Evaluation, folder: Path | None, run: Path | None) -> Evaluation:
    """Write the values into evaluation.json of a folder, beside those of other metrics that it
    has of the same weights, and update the page of a run.

    Args:
        evaluation: the new values; notes are added about values that they replace.
        folder: of evaluation.json; None to write nothing.
        run: the run folder, if it is one.
    """
    if folder is not None:
        evaluation.path = folder / EVALUATION_FILE
        write_json(evaluation.path, _merge_stored(evaluation, evaluation.path))
        if run is not None:
            write_page(RunFolder(run))
            Trackers(Progress().warning).call_hook(
                "ganzoo_run_evaluated", run=run, evaluation=evaluation.to_json()
            )
    return evaluation


def _merge_stored(evaluation: Evaluation, path: Path) -> dict[str, Any]:
    """Return the new values and the stored ones of other metrics."""
    try:
        stored = read_evaluation(path) if path.exists() else None
    except DataError:  # damaged, or of another version
        stored = None
    if stored is None or not stored["results"]:
        return evaluation.to_json()
    is_same = evaluation.weights_sha256 or stored["model"] == evaluation.model
    if not is_same or stored.get("weights_sha256") != evaluation.weights_sha256:
        evaluation.notes.append(
            f"former values of {', '.join(stored['results'])} are removed: they are those of other "
            "weights"
        )
        return evaluation.to_json()
    for name, new in evaluation.settings.items():
        old = stored["results"].get(name, {}).get("settings", new)
        if changed := sorted(k for k in {*old, *new} if old.get(k) != new.get(k)):
            evaluation.notes.append(
                f"{name} replaces a value with other settings ({', '.join(changed)})"
            )
    new_json = evaluation.to_json()
    kept = {k: v for k, v in stored["results"].items() if k not in new_json["results"]}
    if not kept:
        return new_json
    new_metrics = {*new_json["results"], *(name.partition("[")[0] for name in new_json["results"])}
    skipped = {k: v for k, v in stored["skipped"].items() if k not in new_metrics}
    return {
        **new_json,
        "results": {**kept, **new_json["results"]},
        "skipped": {**skipped, **new_json["skipped"]},
        "notes": list(dict.fromkeys([*stored["notes"], *new_json["notes"]])),
    }
