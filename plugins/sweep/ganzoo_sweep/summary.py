"""The table and the figure at the end of a sweep."""

import re

from ganzoo_core.errors import DataError, GanzooError

_SUFFIXES = {"markdown": "md", "latex": "tex", "csv": "csv"}


def write_summary(sweep):
    """Compare the finished runs, and write the tables and figures of a sweep.

    Returns:
        The comparison, and the paths of the files; None and no paths with fewer than two finished
        runs.
    """
    from ganzoo_core.evaluation.comparison import compare_evaluations
    from ganzoo_core.evaluation.comparison_figure import draw_seed_curves

    finished = [
        run for run in sweep.runs() if (sweep.result(run) or {}).get("status") == "finished"
    ]
    if len(finished) < 2:
        return None, []
    comparison = compare_evaluations([sweep.run_folder(run) for run in finished])
    paths = write_tables(comparison, sweep.path)
    for suffix in ("pdf", "svg"):
        for key in _evaluated_keys(sweep.run_folder(finished[0])):
            name = re.sub(r"\W+", "-", key).strip("-")
            paths.append(sweep.path / f"curve-{name}.{suffix}")
            draw_seed_curves(comparison, key, paths[-1])
    return comparison, paths


def write_tables(comparison, folder):
    """Write a comparison as tables, as JSON and as a figure of its values; return the paths."""
    from ganzoo_core.evaluation.comparison_figure import draw_comparison
    from ganzoo_core.evaluation.comparison_table import format_comparison
    from ganzoo_core.files import write_json, write_text

    paths = []
    for kind, suffix in _SUFFIXES.items():
        paths.append(folder / f"table.{suffix}")
        write_text(paths[-1], format_comparison(comparison, kind))
    paths.append(folder / "comparison.json")
    write_json(paths[-1], comparison.to_json())
    for suffix in ("pdf", "svg"):
        paths.append(folder / f"values.{suffix}")
        draw_comparison(comparison, paths[-1])
    return paths


def _evaluated_keys(folder):
    """Return the keys of metrics.jsonl that hold metrics of the run in training: ``eval/kid``."""
    from ganzoo_core.report import read_metrics

    records = read_metrics(folder / "metrics.jsonl")
    return sorted({key for record in records for key in record if key.startswith("eval/")})


def best_point(sweep):
    """Return (value, options) of the best trial of a search; None if none has finished."""
    from ganzoo_sweep.search import objective

    found = []
    for i, values in enumerate(sweep.points()):
        if (value := objective(sweep, i)) is not None:
            found.append((value, values))
    sign = 1 if sweep.search["direction"] == "minimize" else -1
    return min(found, key=lambda one: sign * one[0], default=None)


def failure_error(sweep):
    """Return the error of a sweep with failed runs, with the exit code of the first; None if none
    has failed."""
    failed = [
        (run, result)
        for run in sweep.runs()
        if (result := sweep.result(run)) and result["status"] == "failed"
    ]
    if not failed:
        return None
    run, result = failed[0]
    error = GanzooError(
        f"{len(failed)} of {sweep.num_runs} runs failed, the first in {sweep.log(run)}: "
        f"{result['error']} (--retry trains them again)"
    )
    error.exit_code = result.get("code") or DataError.exit_code
    return error
