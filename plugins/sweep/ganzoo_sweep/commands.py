"""`ganzoo sweep`: a grid or a search over options and seeds, as a folder of runs."""

import shlex
from pathlib import Path

import click

from ganzoo_core.cli import output
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import zoo
from ganzoo_sweep import plan as plans
from ganzoo_sweep.display import RunDisplay
from ganzoo_sweep.search import PRUNERS, SAMPLERS, ask_point, import_optuna

_PLAN_OPTIONS = (
    *("grid", "seeds", "data", "preset", "config_file", "assignments", "steps", "batch_size"),
    *("precision", "sampler", "trials", "minimize", "maximize", "metrics", "num_samples", "out"),
    *("feature_extractor", "pruner"),
)


@click.command(
    epilog=output.examples(
        "ganzoo sweep cgan --grid model.loss.kind=bce,hinge --seeds 0-4",
        "ganzoo sweep cgan --grid model.optim_d.lr=1e-4,4e-4 --dry-run",
        "ganzoo sweep --resume sweeps/cgan-1a2b3c4d",
    )
)
@click.argument("model", required=False)
@click.option(
    "--grid",
    multiple=True,
    metavar="a.b=x,y",
    help="The values of an option; may be repeated. For a search also a range, low..high or "
    "low..high:log.",
)
@click.option("--seeds", default="0", metavar="A-B|A,B", help="Seeds of each point; default 0.")
@click.option("--data", metavar="NAME[:PATH]|PATH", help="As of ganzoo run.")
@click.option("--preset", default="", metavar="P", help="As of ganzoo run.")
@click.option(
    "--config", "config_file", type=click.Path(), metavar="FILE", help="As of ganzoo run."
)
@click.option("--set", "assignments", multiple=True, metavar="a.b=v", help="As of ganzoo run.")
@click.option("--steps", type=int, metavar="N", help="As of ganzoo run.")
@click.option("--batch-size", type=int, metavar="N", help="As of ganzoo run.")
@click.option("--precision", metavar="P", help="As of ganzoo run.")
@click.option("--device", default="auto", metavar="D", help="As of ganzoo run.")
@click.option("--metrics", default="", metavar="A,B,...", help="As of ganzoo evaluate.")
@click.option(
    "-n", "num_samples", type=click.IntRange(1), metavar="N", help="As of ganzoo evaluate."
)
@click.option("--feature-extractor", default="", metavar="FILE|DIR", help="As of ganzoo evaluate.")
@click.option(
    "--sampler",
    type=click.Choice(SAMPLERS),
    default="grid",
    show_default=True,
    help="All points of the grid, or a random or TPE search.",
)
@click.option("--trials", type=click.IntRange(1), metavar="N", help="Points of a search.")
@click.option("--minimize", default="", metavar="VALUE", help="Value of a search, such as kid.")
@click.option("--maximize", default="", metavar="VALUE", help="The same, the larger the better.")
@click.option(
    "--pruner",
    type=click.Choice(PRUNERS),
    default="none",
    show_default=True,
    help="median: stop a run of a search whose metric in training is worse than the median of the "
    "trials before it.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, metavar="N", help="Runs at a time.")
@click.option(
    "--budget", default="", metavar="30m|2h", help="Stop after this time; --resume continues."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the sweep; default: sweeps/MODEL-HASH, the same for the same command.",
)
@click.option(
    "--resume",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Continue this sweep; on many machines at once, with a shared disk.",
)
@click.option("--worker", is_flag=True, help="With --resume: end when no run is left to start.")
@click.option("--run", "run_name", metavar="NAME", help="With --resume: train this run alone.")
@click.option("--retry", is_flag=True, help="With --resume: train the failed runs again.")
@click.option("--dry-run", is_flag=True, help="Check and print the runs; train nothing.")
@click.option("--print-commands", is_flag=True, help="Print one command for each run, for Slurm.")
@json_option
@quiet_option
def sweep(**options):
    """Train MODEL with every point of a grid and every seed, evaluate the runs and compare them.

    The same command again, or --resume DIR, continues a sweep that was stopped or killed.
    """
    opened = _open(options)
    if options["run_name"]:
        from ganzoo_sweep.work import run_one

        run = opened.find_run(options["run_name"])
        code = run_one(opened, run, output.is_quiet())
        if options["as_json"]:
            output.print_json(_run_record(opened, run))
        return code
    if options["dry_run"]:
        return _print_runs(opened, options["as_json"])
    if options["print_commands"]:
        return _print_commands(opened, options["as_json"])
    if options["retry"]:
        opened.forget_failures()
    return _run_all(opened, options)


def _open(options):
    """Return the sweep that the options describe; its folder exists, except for --dry-run."""
    context = click.get_current_context()
    given = [
        name
        for name in ("model", *_PLAN_OPTIONS)
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if options["folder"] is not None:
        if given:
            raise UsageError(
                f"--resume has the options of the sweep already: leave out {', '.join(given)}, or "
                "start another sweep with --out"
            )
        return plans.open_sweep(options["folder"])
    for name in ("worker", "run_name", "retry"):
        if options[name]:
            raise UsageError(f"--{name.removesuffix('_name')} needs --resume DIR")
    if options["model"] is None:
        raise UsageError("give a model, or --resume DIR")
    plan = _make_plan(options)
    plans.check_points(plan)
    path = options["out"] or plans.default_folder(plan, plan["model"])
    if options["dry_run"] and not (path / plans.PLAN_FILE).is_file():
        return plans.Sweep(path, plan)
    return plans.create_sweep(path, plan)


def _make_plan(options):
    """Return the plan: all that decides the results.

    Raises:
        UsageError: options that contradict each other.
    """
    from ganzoo_core.config import merge, parse_assignments, parse_data_source, read_toml

    grid = plans.parse_grid(options["grid"])
    tree = read_toml(Path(options["config_file"])) if options["config_file"] else {}
    if options["data"]:
        tree = merge(tree, {"data": parse_data_source(options["data"])})
    tree = merge(tree, parse_assignments(options["assignments"]))
    train = {name: options[name] for name in ("steps", "batch_size", "precision")}
    train = {name: value for name, value in train.items() if value is not None}
    if options["device"] != "auto":
        train["device"] = options["device"]
    tree = merge(tree, {"train": train})
    if (path := tree.get("data", {}).get("path")) and Path(path).exists():
        tree["data"] = tree["data"] | {"path": str(Path(path).resolve())}
    for key in ("train.seed", *grid):
        branch, name = key.rpartition(".")[::2]
        node = tree
        for part in branch.split("."):
            node = node.get(part, {}) if isinstance(node, dict) else {}
        if isinstance(node, dict) and name in node:
            raise UsageError(f"{key} is set for all runs and varies too: leave one of both out")
    metrics = [name.strip() for name in options["metrics"].split(",") if name.strip()]
    for name in metrics:
        zoo().metric(name)
    return {
        "format": plans.FORMAT,
        "model": _canonical_model(options["model"]),
        "preset": options["preset"],
        "options": tree,
        "grid": grid,
        "seeds": plans.parse_seeds(options["seeds"]),
        "search": _search_settings(options, grid),
        "evaluate": {
            "metrics": metrics,
            "num_samples": options["num_samples"],
            "feature_extractor": options["feature_extractor"],
            "device": options["device"],
        },
    }


def _canonical_model(name):
    """Return the name of a model or a composition as it is registered."""
    composition = zoo().composition(name)
    return composition.name if composition else zoo().model(name).name


def _search_settings(options, grid):
    objective = options["minimize"] or options["maximize"]
    if options["sampler"] == "grid":
        for name in ("trials", "minimize", "maximize"):
            if options[name]:
                raise UsageError(f"--{name} belongs to a search: add --sampler tpe or random")
        if options["pruner"] != "none":
            raise UsageError("--pruner belongs to a search: add --sampler tpe or random")
        for key, texts in grid.items():
            if len(texts) == 1 and plans.parse_range(texts[0]):
                raise UsageError(f"--grid {key}={texts[0]}: a range needs --sampler tpe or random")
        return None
    if not options["trials"] or not objective or (options["minimize"] and options["maximize"]):
        raise UsageError(
            f"--sampler {options['sampler']} needs --trials N and one of --minimize VALUE and "
            "--maximize VALUE, such as --trials 40 --minimize kid"
        )
    if not grid:
        raise UsageError("a search needs --grid, such as --grid model.optim_d.lr=1e-5..1e-3:log")
    import_optuna()
    pruner = {} if options["pruner"] == "none" else {"pruner": options["pruner"]}
    return {
        **pruner,
        "sampler": options["sampler"],
        "trials": options["trials"],
        "objective": objective,
        "direction": "minimize" if options["minimize"] else "maximize",
        "seed": 0,
    }


def _run_record(opened, run):
    """Return the facts of a run as JSON values."""
    result = opened.result(run) or {"status": "to train"}
    if result["status"] == "to train" and (opened.path / "claims").is_dir():
        result["status"] = "running" if opened.is_claimed(run) else "to train"
    return {
        "run": run.name,
        "state": result.pop("status"),
        "seed": run.seed,
        "options": run.values,
        **result,
    }


def _print_runs(opened, as_json):
    """Print the runs with their state."""
    records = [_run_record(opened, run) for run in opened.runs()]
    if as_json:
        output.print_json({"path": str(opened.path), "runs": records})
        return
    rows = [(r["run"], r["state"], r["seed"], *r["options"].values()) for r in records]
    output.print_table(("run", "state", "seed"), rows, extra_columns=[*opened.plan["grid"]])
    search = opened.search
    if search:
        output.print_line(
            f"{search['sampler']} search of {search['trials']} trials: {search['direction']} "
            f"{search['objective']}; {len(opened.points())} so far"
        )
    output.print_line(f"{opened.num_runs} runs in {opened.path}")


def _print_commands(opened, as_json):
    if opened.search:
        raise UsageError(
            "--print-commands: the options of a search follow from its results: start "
            f"`ganzoo sweep --resume {opened.path} --worker` on each machine"
        )
    folder = shlex.quote(str(opened.path.resolve()))
    commands = [f"ganzoo sweep --resume {folder} --run {run.name}" for run in opened.runs()]
    if as_json:
        output.print_json(commands)
        return
    for command in commands:
        output.print_line(command)


def _run_all(opened, options):
    from ganzoo_sweep.runner import SweepRunner, run_command

    budget_s = plans.parse_budget(options["budget"]) if options["budget"] else None
    _report_deleted(opened)
    with RunDisplay(opened, output.is_quiet()) as display:
        runner = SweepRunner(
            opened,
            jobs=options["jobs"],
            budget_s=budget_s,
            make_command=lambda run: run_command(opened, run),
            ask_point=(lambda: ask_point(opened)) if opened.search else None,
            report=display.report,
        )
        is_out_of_budget = runner.run(wait_for_others=not options["worker"])
    open_runs = [run for run in opened.runs() if opened.result(run) is None]
    if open_runs or is_out_of_budget:
        reason = f"--budget {options['budget']} is used" if is_out_of_budget else "not finished"
        output.print_note(
            f"{reason}: {len(open_runs)} runs are left; continue with "
            f"ganzoo sweep --resume {opened.path}"
        )
        if options["worker"]:
            return
    _print_summary(opened, options["as_json"])


def _report_deleted(opened):
    for run in opened.runs():
        file = opened.path / "results" / f"{run.name}.json"
        if file.is_file() and opened.result(run) is None:
            output.print_stderr(f"{opened.run_folder(run)} was deleted: it is trained again")


def _print_summary(opened, as_json):
    from ganzoo_sweep.summary import best_point, failure_error, write_summary

    comparison, paths = write_summary(opened)
    best = best_point(opened) if opened.search else None
    records = [_run_record(opened, run) for run in opened.runs()]
    pruned = [record for record in records if record["state"] == "pruned"]
    if as_json:
        output.print_json(
            {
                "path": str(opened.path),
                "runs": records,
                "best": best and {opened.search["objective"]: best[0], "options": best[1]},
                "files": [str(path) for path in paths],
            }
        )
    elif comparison is not None:
        output.print_line((opened.path / "table.md").read_text(encoding="utf-8").rstrip("\n"))
        for path in paths:
            output.print_line(str(path))
    if pruned and not as_json:
        runs = ", ".join(f"{record['run']} at step {record['step']:,}" for record in pruned)
        output.print_line(f"pruned {len(pruned)} of {opened.num_runs} runs: {runs}")
    if best and not as_json:
        value, values = best
        output.print_line(
            f"best {opened.search['objective']} {value:.4g}: "
            + " ".join(f"--set {shlex.quote(f'{key}={text}')}" for key, text in values.items())
        )
    if error := failure_error(opened):
        raise error
