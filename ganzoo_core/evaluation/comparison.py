"""Compare evaluations: mean and standard deviation over the seeds of each configuration.

Runs with equal options, apart from the seed, are one configuration. A configuration is the best of
a value only if Welch's t test over seeds separates it from every other one, after Holm's correction
over all tests of the table. Only values with equal settings are compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo_core.config.overrides import flatten
from ganzoo_core.errors import DataError, UsageError, suggest
from ganzoo_core.evaluation.seed_statistics import holm_adjusted, welch_p_value
from ganzoo_core.report.run_page import run_model_name
from ganzoo_core.training.evaluation_file import find_evaluation, read_evaluation
from ganzoo_core.training.run_folder import RunFolder

SIGNIFICANCE_LEVEL = 0.05
"""Probability of at most this for any false mark in a table."""
_OPTIONS_WITHOUT_EFFECT = {
    "data.path",  # `data.fingerprint` identifies the images
    "train.checkpoint_every",
    "train.device",
    "train.evaluate_every",
    "train.log_every",
    "train.metrics",
    "train.monitor",
    "train.num_eval_samples",
    "train.sample_every",
    "train.save_total_limit",
    "train.seed",
    "train.track",
}
"""Options that may differ between the runs of one configuration."""


@dataclass(frozen=True)
class _EvaluatedRun:
    """One evaluation; options and seed are None if the folder has no config.toml."""

    path: str
    results: dict[str, Any]
    options: dict[str, Any] | None
    seed: int | None

    @property
    def options_key(self) -> str:
        return self.path if self.options is None else json.dumps(self.options, sort_keys=True)


@dataclass(frozen=True)
class Configuration:
    """The runs that count as one row or column of the comparison."""

    name: str
    options: dict[str, Any]
    """Value of each option in `EvaluationComparison.option_names`; None where it has none."""
    runs: tuple[str, ...]
    """Paths, in the order given."""
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class SeedSummary:
    """One value of one configuration."""

    values: tuple[float, ...]
    """One for each seed."""
    std_error: float | None = None
    """Sampling error of a single run; it does not contain the spread over seeds."""

    @property
    def mean(self) -> float:
        """Return the mean over seeds."""
        return float(np.mean(self.values))

    @property
    def std(self) -> float | None:
        """Return the standard deviation over seeds (n - 1); None for one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "mean": self.mean, "std": self.std}


@dataclass(frozen=True)
class MetricRow:
    """One value of all configurations."""

    metric: str
    name: str
    better: str
    """higher, lower, or empty for neither."""
    summaries: tuple[SeedSummary | None, ...]
    """Of each configuration; None where it was not measured."""
    is_compared: bool = True
    """Whether the settings are equal and one direction is better."""
    best: int | None = None
    """Index of the configuration that is better than every other; None if there is no such one."""
    p_values: dict[tuple[int, int], float] = field(default_factory=dict)
    """Adjusted p value of each pair of configurations that was tested."""
    baseline_values: tuple[float | None, ...] = ()
    """Of each baseline, if the settings are equal."""

    @property
    def title(self) -> str:
        """Return the metric, with the name of the value where it is another word."""
        name = self.name.replace("_", " ")
        return name if self.name == self.metric else f"{self.metric} {name}"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "metric": self.metric,
            "name": self.name,
            "better": self.better,
            "is_compared": self.is_compared,
            "best": self.best,
            "summaries": [None if one is None else one.to_json() for one in self.summaries],
            "p_values": [{"pair": list(pair), "p": p} for pair, p in self.p_values.items()],
            "baseline_values": self.baseline_values,
        }


@dataclass(frozen=True)
class EvaluationComparison:
    """Configurations side by side, and the settings that differ."""

    configurations: tuple[Configuration, ...]
    option_names: tuple[str, ...]
    """The options in which the configurations differ, or those of `by`."""
    rows: tuple[MetricRow, ...]
    setting_differences: dict[str, dict[str, list[Any]]]
    """Metric -> setting that differs -> its values."""
    baselines: tuple[str, ...] = ()
    """Names of the baselines, which are not compared."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Path -> why it is not compared."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "configurations": [asdict(one) for one in self.configurations],
            "option_names": self.option_names,
            "baselines": self.baselines,
            "rows": [row.to_json() for row in self.rows],
            "setting_differences": self.setting_differences,
            "skipped": self.skipped,
            "notes": self.notes,
        }


def compare_evaluations(
    paths: Sequence[str | Path],
    *,
    by: Sequence[str] = (),
    metrics: Sequence[str] = (),
    ignored_settings: Sequence[str] = (),
) -> EvaluationComparison:
    """Compare the evaluations of two or more runs.

    Args:
        paths: run folders, `--out` folders of `ganzoo evaluate`, or evaluation.json files.
        by: options such as ``model.loss.kind``. Runs with equal values of these are one
            configuration; the value of a seed is then the mean over the other options.
        metrics: names of metrics, or of single values; default: all.
        ignored_settings: settings of metrics that may differ.

    Raises:
        UsageError: fewer than two paths; an option that no run has; an unknown metric.
        DataError: fewer than two are evaluated, or an evaluation is damaged.
    """
    if len(paths) < 2:
        raise UsageError("give two evaluations or more: ganzoo compare A B")
    runs, skipped, notes = _read_runs(dict.fromkeys(map(str, paths)))
    if len(runs) < 2:
        raise DataError(
            next(iter(skipped.values()), "all paths are one run: give two evaluations or more")
        )
    option_names, groups = _group_runs(runs, by)
    results = [run.results for run in runs]
    names = list(dict.fromkeys(name for one in results for name in one))
    setting_differences = {
        name: found
        for name in names
        if (found := _find_setting_differences(name, results, ignored_settings))
    }
    baselines = _collect_baselines(results, [n for n in names if n not in setting_differences])
    rows = []
    for metric in names:
        for name in dict.fromkeys(key for one in results for key in _values(one, metric)):
            if not metrics or {metric, name} & set(metrics):
                row = _make_row(metric, name, groups, notes)
                rows.append(
                    replace(
                        row,
                        is_compared=bool(row.better) and metric not in setting_differences,
                        baseline_values=tuple(
                            one.get(metric, {}).get(name, {}).get("value")
                            for one in baselines.values()
                        ),
                    )
                )
    for name in metrics:
        known = {word for one in results for m in one for word in (m, *_values(one, m))}
        if name not in known:
            raise UsageError(f"no run has the metric {name!r}.{suggest(name, known)}")
    configurations = _describe_groups(groups, option_names)
    rows = _mark_best(rows)
    selected = {row.metric for row in rows}
    return EvaluationComparison(
        configurations,
        option_names,
        tuple(rows),
        {metric: found for metric, found in setting_differences.items() if metric in selected},
        tuple(baselines),
        skipped,
        tuple(dict.fromkeys([*notes, *_explain_unmarked(rows, configurations)])),
    )


def _read_runs(
    paths: Iterable[str],
) -> tuple[list[_EvaluatedRun], dict[str, str], list[str]]:
    """Return the evaluated runs, the paths without an evaluation, and notes. Of two runs with the
    same options and seed, which are not independent, only the first counts."""
    runs: dict[tuple[str, int | None], _EvaluatedRun] = {}
    skipped, notes = {}, []
    for path in paths:
        if find_evaluation(Path(path)) is None:
            skipped[path] = f"{path} has no evaluation: make one with `ganzoo evaluate {path}`"
            continue
        results, options, seed = read_evaluation(Path(path))["results"], None, None
        folder = RunFolder(Path(path))
        if folder.config.is_file():
            tree = folder.read_config()
            options = {"model": run_model_name(tree)} | {
                name: value
                for name, value in flatten({k: tree.get(k, {}) for k in ("model", "data", "train")})
                if name not in _OPTIONS_WITHOUT_EFFECT | {"model"}  # a model without options
            }
            if fingerprint := tree.get("provenance", {}).get("data"):
                options["data.fingerprint"] = fingerprint
            seed = int(tree.get("train", {}).get("seed", 0))
        run = _EvaluatedRun(path, results, options, seed)
        first = runs.setdefault((run.options_key, seed), run)
        if first is not run:
            notes.append(f"{path} has the options and the seed of {first.path}: not counted")
    return list(runs.values()), skipped, notes


def _group_runs(
    runs: Sequence[_EvaluatedRun], by: Sequence[str]
) -> tuple[tuple[str, ...], list[list[_EvaluatedRun]]]:
    """Return the names of the options in which the groups differ, and the groups.

    Raises:
        UsageError: `by` names an option that no run has, or a run has no options.
    """
    known = {name for run in runs for name in run.options or {}}
    for name in by:
        if name not in known:
            raise UsageError(f"--by {name}: no run has this option.{suggest(name, known)}")
    groups: dict[str, list[_EvaluatedRun]] = {}
    for run in runs:
        if by and run.options is None:
            raise UsageError(f"--by: {run.path} has no config.toml: give run folders")
        options = run.options or {}
        key = json.dumps([options.get(name) for name in by]) if by else run.options_key
        groups.setdefault(key, []).append(run)
    names = tuple(by) or _differing_options([group[0].options or {} for group in groups.values()])
    return names, list(groups.values())


def _differing_options(groups: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the options in which groups differ.

    Options of `[model]` are compared within each model, and those of a table with a `kind` within
    each kind, since another model or loss has other options.
    """
    found = []
    for name in dict.fromkeys(name for options in groups for name in options):
        kind = f"{name.rpartition('.')[0]}.kind"
        scope = ["model"] * name.startswith("model.") + [kind] * (name != kind)
        values_by_scope: dict[str, set[str]] = {}
        for options in groups:
            key = repr([options.get(other) for other in scope])
            values_by_scope.setdefault(key, set()).add(repr(options.get(name)))
        if any(len(values) > 1 for values in values_by_scope.values()):
            found.append(name)
    return tuple(found)


def _describe_groups(
    groups: Sequence[Sequence[_EvaluatedRun]], option_names: Sequence[str]
) -> tuple[Configuration, ...]:
    """Return the configurations. Single runs are named by their path, others by their options."""
    configurations = []
    for group in groups:
        own = group[0].options
        options = {name: (own or {}).get(name) for name in option_names}
        parts = [
            f"{_short_name(name, option_names)}={_option_text(value)}"
            for name, value in options.items()
            if value is not None
        ]
        name = ", ".join(parts) or str((own or {}).get("model", group[0].path))
        if own is None or all(len(other) == 1 for other in groups):
            name = group[0].path
        configurations.append(
            Configuration(
                name,
                options,
                tuple(run.path for run in group),
                tuple(sorted({run.seed for run in group if run.seed is not None})),
            )
        )
    return tuple(configurations)


def _short_name(name: str, others: Sequence[str]) -> str:
    """Return an option without its branch, where that is unambiguous: `loss.kind`."""
    short = name.partition(".")[2] or name
    return name if sum((n.partition(".")[2] or n) == short for n in others) > 1 else short


def _option_text(value: Any) -> str:
    """Return the value of an option in short; a hash as its first digits."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{text[:12]}..." if len(text) > 40 else text


def _values(results: Mapping[str, Any], metric: str) -> dict[str, Any]:
    values: dict[str, Any] = results.get(metric, {}).get("values", {})
    return values


def _make_row(
    metric: str, name: str, groups: Sequence[Sequence[_EvaluatedRun]], notes: list[str]
) -> MetricRow:
    """Return a row; add a note where a seed lacks a run of its group."""
    better, summaries = "", list[SeedSummary | None]()
    for group in groups:
        results = [run.results for run in group if name in _values(run.results, metric)]
        for one in results:
            better = better or str(_values(one, metric)[name]["better"])
        if not results or _find_setting_differences(metric, results):
            summaries.append(None)
            continue
        summaries.append(_summarize_seeds(metric, name, group, notes))
    return MetricRow(metric, name, better, tuple(summaries))


def _summarize_seeds(
    metric: str, name: str, group: Sequence[_EvaluatedRun], notes: list[str]
) -> SeedSummary | None:
    """Return one value for each seed: the mean over the runs of this seed, which differ in other
    options. A seed that lacks one of them is left out."""
    by_seed: dict[int | None, dict[str, dict[str, Any]]] = {}
    for run in group:
        if name in (values := _values(run.results, metric)):
            by_seed.setdefault(run.seed, {})[run.options_key] = values[name]
    most = {key for found in by_seed.values() for key in found}
    complete = {seed: found for seed, found in by_seed.items() if len(found) == len(most)}
    for seed in by_seed.keys() - complete.keys():
        notes.append(f"seed {seed} lacks a run or an evaluation of some options: left out")
    if not complete:
        return None
    means = [float(np.mean([v["value"] for v in found.values()])) for found in complete.values()]
    single = [value for found in complete.values() for value in found.values()]
    error = single[0].get("std_error") if len(single) == 1 else None
    return SeedSummary(tuple(means), error)


def _mark_best(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """Return the rows with the adjusted p values of all pairs and the best configurations."""
    pairs, p_values = [], []
    for i, row in enumerate(rows):
        measured = [(j, one) for j, one in enumerate(row.summaries) if one is not None]
        for (a, first), (b, second) in combinations(measured if row.is_compared else [], 2):
            if (p := welch_p_value(first.values, second.values)) is not None:
                pairs.append((i, (a, b)))
                p_values.append(p)
    adjusted: dict[int, dict[tuple[int, int], float]] = {}
    for (i, pair), p in zip(pairs, holm_adjusted(p_values), strict=True):
        adjusted.setdefault(i, {})[pair] = p
    return [
        replace(row, p_values=adjusted.get(i, {}), best=_best_index(row, adjusted.get(i, {})))
        for i, row in enumerate(rows)
    ]


def _best_index(row: MetricRow, p_values: Mapping[tuple[int, int], float]) -> int | None:
    """Return the configuration with the best mean, if a test separates it from every other one."""
    measured = [i for i, one in enumerate(row.summaries) if one is not None]
    if not row.is_compared or len(measured) < 2:
        return None
    means = {i: one.mean for i, one in enumerate(row.summaries) if one is not None}
    best = (max if row.better == "higher" else min)(measured, key=means.__getitem__)
    is_separated = all(
        p_values.get((min(best, i), max(best, i)), 1.0) < SIGNIFICANCE_LEVEL
        for i in measured
        if i != best
    )
    return best if is_separated else None


def _explain_unmarked(
    rows: Sequence[MetricRow], configurations: Sequence[Configuration]
) -> list[str]:
    """Return why no value can be the best, and what `*` means where one is."""
    num_tests = sum(len(row.p_values) for row in rows)
    notes = []
    if any(row.best is not None for row in rows):
        notes.append(
            "* better than every other configuration: Welch's t test over seeds, p < "
            f"{SIGNIFICANCE_LEVEL} after Holm's correction over {num_tests} tests"
        )
    single = {
        configurations[i].name: None
        for row in rows
        if row.is_compared
        for i, one in enumerate(row.summaries)
        if one is not None and len(one.values) < 2
    }
    if len(single) == len(configurations) > 1:
        notes.append(
            "no *: one seed each, so the spread over seeds is unknown: train each configuration "
            "with two seeds or more (--seed)"
        )
    elif single and len(configurations) > 1:
        notes.append(f"no * beside one seed ({'; '.join(single)}): train more seeds of it (--seed)")
    return notes


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
    metric: str, evaluations: Sequence[dict[str, Any]], ignored: Sequence[str] = ()
) -> dict[str, list[Any]]:
    """Return the settings of a metric that differ between evaluations, with their values."""
    settings = [results[metric]["settings"] for results in evaluations if metric in results]
    names = sorted({name for one in settings for name in one} - set(ignored))
    found = {name: [one.get(name) for one in settings] for name in names}
    return {name: values for name, values in found.items() if any(v != values[0] for v in values)}
