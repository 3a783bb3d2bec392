"""Train and evaluate one run of a benchmark."""

from ganzoo_sweep import work

from ganzoo_bench.curve import Watch

COLLAPSED_DIVERSITY = 0.25
"""A run has collapsed if the distance between two of its samples, over that between two real
images, is below this: then the samples of a class are nearly one image."""
_METRICS_OF_LABELS = {"gan-test", "gan-train", "intra-fid", "class-histogram"}
"""Left out for a model without labels."""


def run_one(benchmark, run, quiet):
    """Train and evaluate a run, with the distance at each checkpoint. Returns the exit code."""
    with Watch(benchmark, run):
        return work.run_one(benchmark, run, quiet, evaluate=_evaluate)


def _evaluate(benchmark, run, quiet):
    """Evaluate a run with the metrics that its model allows; returns its diversity, and whether it
    has collapsed."""
    from ganzoo_core.evaluation.api import evaluate
    from ganzoo_core.metrics.image_sets import is_conditional
    from ganzoo_core.training import load

    folder = benchmark.run_folder(run)
    settings = dict(benchmark.plan["evaluate"])
    if not is_conditional(load(folder, device="cpu")):
        metrics = settings["metrics"]
        settings["metrics"] = [name for name in metrics if name not in _METRICS_OF_LABELS]
    found = evaluate(folder, quiet=quiet, **settings)
    (value,) = (
        value.value
        for values in found.results.values()
        for name, value in values.items()
        if name == "diversity"
    )
    return {"diversity": float(value), "is_collapsed": bool(value < COLLAPSED_DIVERSITY)}
