"""Compare evaluations; only values with equal settings are ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ganzoo_core.errors import UsageError
from ganzoo_core.training.evaluation_file import read_evaluation

_MIN_LEAD_STANDARD_ERRORS = 2.0
"""Lead of the best value over the second, in standard errors, where these are known."""


@dataclass(frozen=True)
class _MetricRow:
    """One value of all compared evaluations."""

    metric: str
    name: str
    values: tuple[float | None, ...]
    std_errors: tuple[float | None, ...]
    better: str
    best: int | None
    """Index of the best evaluation; None if they are not ranked or none leads clearly."""
    baseline_values: tuple[float | None, ...] = ()
    """Of each baseline, if the settings are equal."""


@dataclass(frozen=True)
class EvaluationComparison:
    """Values side by side, and the settings that differ."""

    names: tuple[str, ...]
    rows: tuple[_MetricRow, ...]
    setting_differences: dict[str, dict[str, list[Any]]]
    """Metric -> setting that differs -> its values."""
    baselines: tuple[str, ...] = ()
    """Names of the baselines, which are not ranked."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        rows = [
            {**asdict(row), "is_ranked": row.metric not in self.setting_differences}
            for row in self.rows
        ]
        return {
            "compared": self.names,
            "baselines": self.baselines,
            "rows": rows,
            "setting_differences": self.setting_differences,
        }


def compare_evaluations(paths: Sequence[str | Path]) -> EvaluationComparison:
    """Compare the evaluations of two or more runs.

    Raises:
        UsageError: fewer than two paths.
        DataError: an evaluation is missing or damaged.
    """
    if len(paths) < 2:
        raise UsageError("give two evaluations or more: ganzoo compare A B")
    evaluations = [read_evaluation(Path(path))["results"] for path in paths]
    metrics = list(dict.fromkeys(name for results in evaluations for name in results))
    setting_differences = {
        name: found for name in metrics if (found := _find_setting_differences(name, evaluations))
    }
    baseline_results = _collect_baselines(
        evaluations, [name for name in metrics if name not in setting_differences]
    )
    rows = []
    for name in metrics:
        baseline_values = [values.get(name, {}) for values in baseline_results.values()]
        rows += _make_rows(
            name, evaluations, baseline_values, is_ranked=name not in setting_differences
        )
    return EvaluationComparison(
        tuple(map(str, paths)), tuple(rows), setting_differences, tuple(baseline_results)
    )


def _collect_baselines(
    evaluations: Sequence[dict[str, Any]], metrics: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return baseline -> metric -> name -> value."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for metric in metrics:
        for results in evaluations:
            for baseline, values in results.get(metric, {}).get("baselines", {}).items():
                found.setdefault(baseline, {}).setdefault(metric, values)
    return found


def _find_setting_differences(
    metric: str, evaluations: Sequence[dict[str, Any]]
) -> dict[str, list[Any]]:
    """Return the settings of a metric that differ between evaluations, with their values."""
    settings = [results[metric]["settings"] for results in evaluations if metric in results]
    names = sorted({name for one in settings for name in one})
    found = {name: [one.get(name) for one in settings] for name in names}
    return {name: values for name, values in found.items() if any(v != values[0] for v in values)}


def _make_rows(
    metric: str,
    evaluations: Sequence[dict[str, Any]],
    baseline_results: Sequence[dict[str, Any]],
    *,
    is_ranked: bool,
) -> list[_MetricRow]:
    """Return the rows of a metric; `baseline_results` are the values of each baseline."""
    results_by_run = [results.get(metric, {}).get("values", {}) for results in evaluations]
    rows = []
    for name in dict.fromkeys(key for results in results_by_run for key in results):
        found = [results.get(name, {}) for results in results_by_run]
        values = tuple(value.get("value") for value in found)
        errors = tuple(value.get("std_error") for value in found)
        better = next(value["better"] for value in found if value)
        best = best_index(values, errors, better) if is_ranked else None
        baseline_values = tuple(one.get(name, {}).get("value") for one in baseline_results)
        rows.append(_MetricRow(metric, name, values, errors, better, best, baseline_values))
    return rows


def best_index(
    values: Sequence[float | None], std_errors: Sequence[float | None], better: str
) -> int | None:
    """Return the index of the best value; None if no value leads clearly or `better` is empty."""
    valid = [i for i, value in enumerate(values) if value is not None]
    if not better or len(valid) < 2:
        return None
    sign = 1 if better == "higher" else -1
    order = sorted(valid, key=lambda i: -sign * (values[i] or 0.0))
    first, second = order[:2]
    lead = sign * ((values[first] or 0.0) - (values[second] or 0.0))
    lead_error = ((std_errors[first] or 0.0) ** 2 + (std_errors[second] or 0.0) ** 2) ** 0.5
    return first if lead > _MIN_LEAD_STANDARD_ERRORS * lead_error else None
