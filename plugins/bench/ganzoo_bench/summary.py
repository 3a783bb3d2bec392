"""The tables and figures at the end of a benchmark."""

from dataclasses import replace

from ganzoo_bench.curve import METRIC, read_points


def write_summary(benchmark):
    """Compare the finished runs, and write the tables and figures.

    Returns:
        The comparison, and the paths of the files; None and no paths with fewer than two finished
        runs.
    """
    from ganzoo_sweep.summary import write_tables

    from ganzoo_core.evaluation.comparison import compare_evaluations
    from ganzoo_core.evaluation.comparison_figure import draw_curves

    results = [(run, benchmark.result(run) or {}) for run in benchmark.runs()]
    finished = [run for run, result in results if result.get("status") == "finished"]
    if len(finished) < 2:
        return None, []
    comparison = compare_evaluations(
        [benchmark.run_folder(run) for run in finished],
        by=["model"],
        ignored_settings=["labels"],  # a model without labels is compared with the same images
    )
    comparison = replace(
        comparison,
        configurations=tuple(
            replace(one, name=one.options["model"]) for one in comparison.configurations
        ),
        notes=(*comparison.notes, *_notes(benchmark, results)),
    )
    paths = write_tables(comparison, benchmark.path)
    curves = {name: [] for name in benchmark.models}
    for run in finished:
        points = read_points(benchmark, run)
        curves[run.values["model"]].append({p["images_seen"]: p[METRIC] for p in points})
    curves = {name: [c for c in found if c] for name, found in curves.items()}
    if any(curves.values()):
        for suffix in ("pdf", "svg"):
            paths.append(benchmark.path / f"curve.{suffix}")
            draw_curves(curves, METRIC.upper(), paths[-1])
    return comparison, paths


def _notes(benchmark, results):
    """Yield what the table is of: the images, the budget, and the runs that failed."""
    plan, data = benchmark.plan, benchmark.plan["options"]["data"]
    budget = f"{plan['images']:,} images" if plan["images"] else f"{plan['budget']} of training"
    lengths = benchmark.lengths
    steps = ", ".join(f"{name} {lengths[name]['steps']:,}" for name in benchmark.models)
    yield f"{data['name']}, {data['image_size']} px; {budget} for each run, in steps: {steps}"
    for run, result in results:
        if result.get("is_collapsed"):
            yield (
                f"collapsed: {run.values['model']}, seed {run.seed}: the distance between its "
                f"samples is {result['diversity']:.2f} of that between real images"
            )
        elif result.get("status") != "finished":
            reason = result.get("error", "not trained yet")
            yield f"not in the table: {run.values['model']}, seed {run.seed}: {reason}"
