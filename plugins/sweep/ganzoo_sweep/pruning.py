"""The median pruner of a search: stops a run whose metric is worse than the median of the trials
before it, at the same step.

The decision is a function of the lines of metrics.jsonl and of the finished trials with smaller
numbers. So a search that was killed prunes the runs that it would have pruned.
"""

import os
import signal

_watched = {}
"""Run folder -> function of a line of metrics.jsonl that returns whether to stop the run."""


def pruned_step(sweep, run, records):
    """Return the first step at which the pruner stops a run; None if it does not.

    Args:
        sweep: a sweep with a pruner.
        run: one of its runs.
        records: the lines of its metrics.jsonl, in order.
    """
    from ganzoo_sweep.search import import_optuna

    optuna = import_optuna()
    states, key = optuna.trial.TrialState, value_key(sweep)
    study = optuna.create_study(direction=sweep.search["direction"])
    for other in sweep.runs():
        result = sweep.result(other) or {}
        is_finished = result.get("status") == "finished"
        if other.seed == run.seed and other.point < run.point and is_finished:
            values = intermediate_values(sweep, other, key)
            # The value decides nothing here: the median is that of the intermediate values.
            trial = optuna.trial.create_trial(value=0.0, intermediate_values=values)
            study.add_trial(trial)
    pruner, values = optuna.pruners.MedianPruner(), {}
    for record in records:
        if key not in record:
            continue
        values[record["step"]] = record[key]
        trial = optuna.trial.create_trial(state=states.RUNNING, intermediate_values=values)
        if pruner.prune(study, trial):
            return record["step"]
    return None


def value_key(sweep):
    """Return the key of metrics.jsonl that the pruner reads: ``eval/kid``."""
    return f"eval/{sweep.search['objective'].rpartition('.')[2]}"


def intermediate_values(sweep, run, key):
    """Return step -> value of the lines of metrics.jsonl that have a key."""
    return {r["step"]: r[key] for r in read_records(sweep, run) if key in r}


def read_records(sweep, run):
    """Return the lines of the metrics.jsonl of a run; none before its first line."""
    from ganzoo_core.report import read_metrics

    file = sweep.run_folder(run) / "metrics.jsonl"
    return read_metrics(file) if file.is_file() else []


def pruned_before(sweep, run):
    """Return the result of the run with another seed whose pruning ends the point of this run."""
    results = (
        sweep.result(other)
        for other in sweep.runs()
        if other.point == run.point and other.seed != run.seed
    )
    return next((one for one in results if one and one["status"] == "pruned"), None)


class Watch:
    """Stops the training of a run in this process, with a checkpoint, once the pruner says so."""

    def __init__(self, sweep, run):
        self.sweep, self.run = sweep, run
        self.path = sweep.run_folder(run)

    def __enter__(self):
        _watched[self.path.resolve()] = self._stop_if_pruned

    def __exit__(self, *_):
        _watched.pop(self.path.resolve(), None)

    def _stop_if_pruned(self, record):
        if value_key(self.sweep) not in record:
            return
        records = read_records(self.sweep, self.run)
        if pruned_step(self.sweep, self.run, records) is not None:
            _watched.pop(self.path.resolve())  # a second signal would stop without a checkpoint
            os.kill(os.getpid(), signal.SIGTERM)


def step_logged(path, record):
    """Pass a line of metrics.jsonl to the watch of its run, if there is one."""
    if _watched and (watch := _watched.get(path.resolve())):
        watch(record)
