"""Random and TPE search by optuna.

A study is built again for each trial from the trials on disk, and the sampler is seeded by the
number of the trial. So a search that was killed goes on with the trials that it would have had, and
many machines need no database.
"""

import hashlib
import json

from filelock import FileLock

from ganzoo_core.errors import UsageError, suggest
from ganzoo_sweep.plan import parse_range
from ganzoo_sweep.pruning import intermediate_values, value_key

SAMPLERS = ("grid", "random", "tpe")
PRUNERS = ("none", "median")


def import_optuna():
    """Import optuna.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise UsageError(
            "--sampler random and tpe need optuna: pip install 'ganzoo-sweep[search]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def ask_point(sweep):
    """Add the options of the next trial to the sweep. Returns False if it has all its trials."""
    from ganzoo_core.files import write_json

    optuna = import_optuna()
    folder = sweep.path / "trials"
    folder.mkdir(exist_ok=True)
    with FileLock(sweep.path / "trials.lock"):
        points = sweep.points()
        number = len(points)
        if number >= sweep.search["trials"]:
            return False
        distributions = make_distributions(optuna, sweep.plan["grid"])
        study = optuna.create_study(
            direction=sweep.search["direction"], sampler=_sampler(optuna, sweep.search, number)
        )
        for i, values in enumerate(points):
            study.add_trial(past_trial(optuna, sweep, i, values, distributions))
        params = study.ask(distributions).params
        values = {key: v if isinstance(v, str) else repr(v) for key, v in params.items()}
        write_json(folder / f"{number:03d}.json", {"values": values})
    return True


def objective(sweep, point):
    """Return the mean objective over the seeds of a point; None if a seed has not finished."""
    values = []
    for run in (run for run in sweep.runs() if run.point == point):
        result = sweep.result(run)
        if result is None or result["status"] != "finished":
            return None
        values.append(read_value(sweep.run_folder(run), sweep.search["objective"]))
    return sum(values) / len(values)


def read_value(folder, name):
    """Return a value of the evaluation of a run.

    Args:
        folder: the run folder.
        name: ``kid`` or ``precision``, the name of a value; ``prdc.precision`` with its metric.

    Raises:
        UsageError: the evaluation has no such value.
    """
    file = folder / "report" / "evaluation.json"
    results = json.loads(file.read_text(encoding="utf-8"))["results"]
    found = {}
    for metric, result in results.items():
        for key, value in result["values"].items():
            found[f"{metric}.{key}"] = found[key] = float(value["value"])
    if name not in found:
        raise UsageError(f"the evaluation has no value {name!r}.{suggest(name, found)}")
    return found[name]


def make_distributions(optuna, grid):
    """Return the optuna distribution of each option of a grid."""
    distributions = {}
    for key, texts in grid.items():
        ends = parse_range(texts[0]) if len(texts) == 1 else None
        if ends is None:
            distributions[key] = optuna.distributions.CategoricalDistribution(texts)
        elif all(isinstance(end, int) for end in ends[:2]):
            distributions[key] = optuna.distributions.IntDistribution(*ends)
        else:
            distributions[key] = optuna.distributions.FloatDistribution(*ends)
    return distributions


def _sampler(optuna, search, number):
    digest = hashlib.sha256(f"{search['seed']} {number}".encode()).digest()
    seed = int.from_bytes(digest[:4], "big")
    if search["sampler"] == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    # Running trials count as poor ones, so that parallel trials differ.
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def past_trial(optuna, sweep, point, texts, distributions):
    """Return a trial on disk as optuna has it: complete, running, or failed."""
    states = optuna.trial.TrialState
    read = {"IntDistribution": int, "FloatDistribution": float, "CategoricalDistribution": str}
    params = {key: read[type(distributions[key]).__name__](text) for key, text in texts.items()}
    results = [sweep.result(run) for run in sweep.runs() if run.point == point]
    value = objective(sweep, point)
    ended = {result["status"] for result in results if result}
    intermediate = {}
    if "failed" in ended:
        state, value = states.FAIL, None
    elif "pruned" in ended:
        state, value = states.PRUNED, None
        intermediate = _mean_intermediate_values(sweep, point)
    else:
        state = states.RUNNING if value is None else states.COMPLETE
    return optuna.trial.create_trial(
        state=state,
        params=params,
        distributions=distributions,
        value=value,
        intermediate_values=intermediate,
    )


def _mean_intermediate_values(sweep, point):
    """Return step -> mean over the seeds of a point that have a value there."""
    values = {}
    for run in (run for run in sweep.runs() if run.point == point):
        for step, value in intermediate_values(sweep, run, value_key(sweep)).items():
            values.setdefault(step, []).append(value)
    return {step: sum(ones) / len(ones) for step, ones in sorted(values.items())}
