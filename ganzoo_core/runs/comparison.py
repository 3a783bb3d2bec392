"""Compare evaluations: like with like, or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo_core.errors import DataError, UsageError

FORMAT = 1
NAME = "evaluation.json"
CLEAR = 2.0
"""Standard errors by which the best must lead where errors are known."""


@dataclass(frozen=True)
class Line:
    """One figure of all that are compared."""

    metric: str
    figure: str
    values: tuple[float | None, ...]
    errors: tuple[float | None, ...]
    better: str
    best: int | None
    """Which one leads, where they can be ranked and one clearly does."""
    beside: tuple[float | None, ...] = ()
    """Of each baseline, where all were measured alike."""


@dataclass(frozen=True)
class Comparison:
    """Figures side by side, and what keeps some from being ranked."""

    names: tuple[str, ...]
    lines: tuple[Line, ...]
    differs: dict[str, dict[str, list[Any]]]
    """Metric -> field of the stamp that differs -> its values."""
    baselines: tuple[str, ...] = ()
    """Of metrics that have any: shown beside, never ranked."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        lines = [
            {**line.__dict__, "ranked": line.metric not in self.differs} for line in self.lines
        ]
        return {
            "compared": self.names,
            "baselines": self.baselines,
            "figures": lines,
            "differs": self.differs,
        }


def compare(paths: Sequence[str | Path]) -> Comparison:
    """Put the evaluations of two or more runs side by side.

    Raises:
        UsageError: fewer than two. DataError: one has no evaluation, or a damaged one.
    """
    if len(paths) < 2:
        raise UsageError("give two evaluations or more: ganzoo compare A B")
    read = [read_evaluation(Path(path))["results"] for path in paths]
    metrics = list(dict.fromkeys(name for results in read for name in results))
    differs = {name: found for name in metrics if (found := differences(name, read))}
    beside = baselines(read, [name for name in metrics if name not in differs])
    lines = []
    for name in metrics:
        others = [figures.get(name, {}) for figures in beside.values()]
        lines += lines_of(name, read, others, ranked=name not in differs)
    return Comparison(tuple(map(str, paths)), tuple(lines), differs, tuple(beside))


def baselines(
    read: Sequence[dict[str, Any]], metrics: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return baseline -> metric -> figures, of metrics that all measured alike."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for metric in metrics:
        for results in read:
            for who, figures in results.get(metric, {}).get("baselines", {}).items():
                found.setdefault(who, {}).setdefault(metric, figures)
    return found


def read_evaluation(path: Path) -> dict[str, Any]:
    """Read the evaluation of a run folder, of a folder of `--out`, or a file.

    Raises:
        DataError: there is none, or it is damaged.
    """
    places = [path, path / NAME, path / "report" / NAME]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise DataError(f"{path} has no evaluation: make one with `ganzoo evaluate {path}`")
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise DataError(f"{file} has format {found['format']}, this ganzoo reads {FORMAT}")
        for result in found["results"].values():
            dict(result["stamp"])
            for figures in (result["figures"], *dict(result.get("baselines", {})).values()):
                for figure in figures.values():
                    float(figure["value"]), str(figure["better"])
                    float(figure["error"] or 0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is damaged ({type(error).__name__}: {error})") from None
    return found


def differences(metric: str, read: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the fields of a metric's stamp that are not the same in all that have it."""
    stamps = [results[metric]["stamp"] for results in read if metric in results]
    fields = sorted({field for stamp in stamps for field in stamp})
    found = {field: [stamp.get(field) for stamp in stamps] for field in fields}
    return {field: values for field, values in found.items() if any(v != values[0] for v in values)}


def lines_of(
    metric: str, read: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]], *, ranked: bool
) -> list[Line]:
    """Return the lines of a metric.

    Args:
        others: the figures of each baseline.
    """
    sides = [results.get(metric, {}).get("figures", {}) for results in read]
    lines = []
    for name in dict.fromkeys(key for side in sides for key in side):
        found = [side.get(name, {}) for side in sides]
        values = tuple(figure.get("value") for figure in found)
        errors = tuple(figure.get("error") for figure in found)
        better = next(figure["better"] for figure in found if figure)
        best = leader(values, errors, better) if ranked else None
        beside = tuple(other.get(name, {}).get("value") for other in others)
        lines.append(Line(metric, name, values, errors, better, best, beside))
    return lines


def leader(
    values: Sequence[float | None], errors: Sequence[float | None], better: str
) -> int | None:
    """Return the index of the best value; None where none leads clearly, or better has no sense."""
    known = [i for i, value in enumerate(values) if value is not None]
    if not better or len(known) < 2:
        return None
    sign = 1 if better == "higher" else -1
    order = sorted(known, key=lambda i: -sign * (values[i] or 0.0))
    first, second = order[:2]
    lead = sign * ((values[first] or 0.0) - (values[second] or 0.0))
    noise = ((errors[first] or 0.0) ** 2 + (errors[second] or 0.0) ** 2) ** 0.5
    return first if lead > CLEAR * noise else None
