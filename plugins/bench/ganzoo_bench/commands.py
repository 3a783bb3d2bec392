"""`ganzoo bench gans`: many models on the same images and the same budget."""

from datetime import timedelta
from pathlib import Path

import click
from ganzoo_sweep import plan as plans
from ganzoo_sweep.display import RunDisplay

from ganzoo_bench.plan import GANBenchmark, data_options, select_models
from ganzoo_core.cli import completers, output
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import zoo

_METRICS = "fid,kid,prdc,gan-test,gan-train"
_PLAN_OPTIONS = (
    *("names", "data", "budget", "images", "seeds", "preset", "size", "assignments", "metrics"),
    *("num_samples", "feature_extractor", "device", "out"),
)


@click.command(
    "gans",
    epilog=output.examples(
        "ganzoo bench gans --data fashion-mnist:DIR --budget 10m",
        "ganzoo bench gans dcgan sngan r3gan --data people --budget 10m --dry-run",
        "ganzoo bench gans --resume sweeps/gans-1a2b3c4d",
    ),
)
@click.argument("names", nargs=-1, metavar="[MODEL...]", shell_complete=completers.complete_models)
@click.option(
    "--data",
    metavar="NAME[:PATH]",
    shell_complete=completers.complete_datasets,
    help="The images of all models.",
)
@click.option("--budget", default="", metavar="10m|1h", help="Time of training of each run.")
@click.option(
    "--images", type=click.IntRange(1), metavar="N", help="Images of each run, not a time."
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    metavar="N",
    help="Runs of each model, with the seeds 0, 1, ...",
)
@click.option(
    "--size", type=int, default=32, show_default=True, metavar="S", help="Edge of the images."
)
@click.option("--preset", default="", metavar="P", help="Of every model; default: quick.")
@click.option(
    "--set", "assignments", multiple=True, metavar="a.b=v", help="Override an option of all models."
)
@click.option(
    "--metrics",
    default=_METRICS,
    show_default=True,
    metavar="A,B,...",
    help="As of ganzoo evaluate; those of labels are left out for models without.",
)
@click.option(
    "-n",
    "num_samples",
    type=click.IntRange(2),
    default=5000,
    show_default=True,
    metavar="N",
    help="As of ganzoo evaluate.",
)
@click.option(
    "--feature-extractor",
    default="",
    metavar="FILE|DIR|NAME",
    help="As of ganzoo evaluate; default: the classifier of the data or, without labels, the "
    "evaluator that was trained on the data.",
)
@click.option("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Runs at a time; more than one shares the machine that the speed was measured on.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write.")
@click.option(
    "--resume",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Continue this benchmark; the same command does too.",
)
@click.option("--run", "run_name", metavar="NAME", help="With --resume: train this run alone.")
@click.option("--retry", is_flag=True, help="With --resume: train the failed runs again.")
@click.option("--dry-run", is_flag=True, help="Measure the speed of each model and print the runs.")
@json_option
@quiet_option
def gans(**options):
    """Train every MODEL on the same images with the same budget, evaluate all alike, and compare.

    Without MODEL: all that sample and accept the data. The same command again, or --resume DIR,
    continues a benchmark that was stopped or killed.
    """
    if options["folder"] is not None:
        benchmark, left_out = _reopen(options), {}
    else:
        for name in ("run_name", "retry"):
            if options[name]:
                raise UsageError(f"--{name.removesuffix('_name')} needs --resume DIR")
        plan, left_out = _make_plan(options)
        path = options["out"] or plans.default_folder(plan, "gans")
        benchmark = GANBenchmark(path, plan)
        if not options["dry_run"]:
            benchmark = plans.create_sweep(path, plan, GANBenchmark)
    if options["run_name"]:
        from ganzoo_bench.work import run_one

        return run_one(benchmark, benchmark.find_run(options["run_name"]), output.is_quiet())
    for name, reason in left_out.items():
        output.print_note(f"left out {name}: {reason}")
    lengths = _measure(benchmark, write=not options["dry_run"])
    if options["dry_run"]:
        _print_plan(benchmark, lengths, options["as_json"])
        return 0
    if options["retry"]:
        benchmark.forget_failures()
    return _run_all(benchmark, options)


def _reopen(options):
    context = click.get_current_context()
    given = [
        name
        for name in _PLAN_OPTIONS
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise UsageError(
            f"--resume has the options of the benchmark already: leave out {', '.join(given)}"
        )
    return plans.open_sweep(options["folder"], GANBenchmark)


def _make_plan(options):
    """Return the plan, all that decides the results, and why models are left out, by name.

    Raises:
        UsageError: options that contradict each other. Else see `select_models`.
    """
    from ganzoo_core.config import merge, parse_assignments

    if not options["data"]:
        raise UsageError("give --data NAME[:PATH], or --resume DIR")
    if bool(options["budget"]) == bool(options["images"]):
        raise UsageError("give --budget, such as 10m, or --images N: one of them")
    tree = parse_assignments(options["assignments"])
    for name in ("seed", "steps"):
        if name in tree.get("train", {}):
            raise UsageError(f"--set train.{name}: --{name}s and the budget decide it")
    data = data_options(options["data"], options["size"], tree.pop("data", {}))
    if data["path"] and Path(data["path"]).exists():
        data["path"] = str(Path(data["path"]).resolve())
    metrics = [name.strip() for name in options["metrics"].split(",") if name.strip()]
    for name in metrics:
        if zoo().metric(name).evaluates != "samples":
            raise UsageError(f"--metrics {name}: it does not compare samples: leave it out")
    plan = {
        "format": plans.FORMAT,
        "command": GANBenchmark.command,
        "preset": options["preset"],
        "options": merge(tree, {"data": data, "train": {"device": options["device"]}}),
        "budget": options["budget"],
        "budget_s": plans.parse_budget(options["budget"]) if options["budget"] else None,
        "images": options["images"],
        "seeds": list(range(options["seeds"])),
        "search": None,
        "evaluate": {
            "metrics": list(dict.fromkeys([*metrics, "diversity"])),
            "num_samples": options["num_samples"],
            "feature_extractor": options["feature_extractor"] or _default_features(data),
            "device": options["device"],
        },
    }
    models, left_out = select_models(options["names"], plan)
    if len(models) * options["seeds"] < 2:
        raise UsageError("one run is no comparison: give two models, or --seeds 2")
    return {**plan, "grid": {"model": models}}, left_out


def _default_features(data):
    """Return the feature extractor of a `[data]` section: empty, for its classifier, where the data
    have labels of their own; else the held-out embedder that was trained on the data."""
    from ganzoo_core.config import data_config_class
    from ganzoo_core.training.open_data import open_dataset

    dataset = open_dataset(data_config_class(data["name"])(**data))
    if dataset.metadata().labels is not None:
        return ""
    specs = zoo().evaluators("identity")
    found = [s.name for s in specs if s.train_data == data["name"] and s.held_out]
    if not found:
        raise UsageError(
            f"{data['name']} has no labels of its own, so there is no classifier of it: give "
            "--feature-extractor, such as inception"
        )
    return found[0]


def _measure(benchmark, *, write):
    """Return the length of the runs of each model, measured where that has not been done."""
    from ganzoo_bench.length import measure_length
    from ganzoo_core.files import write_json
    from ganzoo_core.report import Progress

    if (benchmark.path / "lengths.json").is_file():
        return benchmark.lengths
    progress, lengths = Progress(output.is_quiet()), {}
    progress.start("measuring the speed", item_name="models")
    try:
        for i, name in enumerate(benchmark.models):
            progress.note = name
            lengths[name] = measure_length(name, benchmark.plan)
            progress.advance(i + 1, len(benchmark.models))
    finally:
        progress.stop()
    if write:
        write_json(benchmark.path / "lengths.json", lengths)
    return lengths


def _print_plan(benchmark, lengths, as_json):
    num_seeds = len(benchmark.plan["seeds"])
    total = num_seeds * sum(length["seconds"] for length in lengths.values())
    if as_json:
        output.print_json(
            {"path": str(benchmark.path), "runs": lengths, "seeds": num_seeds, "seconds": total}
        )
        return
    rows = [
        (name, f"{v['steps']:,}", f"{v['images']:,}", _duration(v["seconds"]), num_seeds)
        for name, v in lengths.items()
    ]
    output.print_table(("model", "steps", "images", "training", "runs"), rows)
    output.print_line(
        f"{benchmark.num_runs} runs in {benchmark.path}: {_duration(total)} of training, and "
        f"the evaluations: {', '.join(benchmark.plan['evaluate']['metrics'])}"
    )


def _duration(seconds):
    """Return hours:minutes:seconds."""
    return str(timedelta(seconds=round(seconds)))


def _run_all(benchmark, options):
    from ganzoo_sweep.runner import SweepRunner, run_command
    from ganzoo_sweep.summary import failure_error

    from ganzoo_bench.summary import write_summary

    with RunDisplay(benchmark, output.is_quiet()) as display:
        SweepRunner(
            benchmark,
            jobs=options["jobs"],
            budget_s=None,
            make_command=lambda run: run_command(benchmark, run),
            report=display.report,
        ).run()
    comparison, paths = write_summary(benchmark)
    if options["as_json"]:
        values = comparison and comparison.to_json()
        output.print_json(
            {
                "path": str(benchmark.path),
                "comparison": values,
                "files": [str(path) for path in paths],
            }
        )
    elif comparison is not None:
        output.print_line((benchmark.path / "table.md").read_text(encoding="utf-8").rstrip("\n"))
        for path in paths:
            output.print_line(str(path))
    if error := failure_error(benchmark):
        raise error
    return 0
