"""Plots of one run or several: panels of metrics.jsonl as the SVG of the page of a run."""

from functools import lru_cache

from ganzoo_core.report.curves import Panel, make_panels, read_metrics
from ganzoo_core.report.svg_plot import downsample_points, make_line_plot

_MAX_CACHED = 64
"""Runs whose records are kept; a line plot needs 300 points of each curve."""


def read_records(run):
    """Return the lines of metrics.jsonl; read again when the file changed."""
    path = run.path / "metrics.jsonl"
    try:
        status = path.stat()
    except OSError:
        return []
    return _read_records(path, status.st_mtime_ns, status.st_size)


@lru_cache(_MAX_CACHED)
def _read_records(path, _mtime, _size):
    return read_metrics(path)


def run_plots(run):
    """Return the line plots of one run, a panel for each kind of quantity."""
    return [make_line_plot(panel) for panel in make_panels(read_records(run))]


def comparison_plots(runs):
    """Return a line plot for each logged quantity with a curve for each run that has it."""
    curves = {}
    for run in runs:
        for panel in make_panels(read_records(run)):
            for key, points in panel.curves.items():
                curves.setdefault(key, {})[run.name] = downsample_points(points)
    return [make_line_plot(Panel(key, by_run)) for key, by_run in curves.items()]


def differing_options(runs):
    """Return (option, value of each run) for the options in which runs differ."""
    flat = [dict(_flatten(run.config)) for run in runs]
    keys = dict.fromkeys(key for options in flat for key in options)
    rows = [(key, [options.get(key, "") for options in flat]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _flatten(config, prefix=""):
    """Yield (dotted name, text of the value) of the options; provenance is left out."""
    for key, value in config.items():
        if isinstance(value, dict):
            if prefix or key != "provenance":
                yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
