"""Train and evaluate one run of a sweep, in the process that holds its claim."""

import shutil
import sys
import traceback

from filelock import Timeout

from ganzoo_core.errors import GanzooError, Interrupted, UsageError
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_sweep import pruning

CLAIMED_CODE = 75
"""Exit code of a process whose run another process trains (EX_TEMPFAIL of sysexits.h)."""


def run_one(sweep, run, quiet=False, evaluate=None):
    """Train and evaluate a run, and record how it ended. Returns the exit code.

    A run with a checkpoint continues from it, bit-exact. The claim is held by this process, so it
    ends with the process, however that ends.

    Args:
        sweep: the sweep.
        run: one of its runs.
        quiet: show no progress.
        evaluate: called with (sweep, run, quiet) after the training; returns the fields of the
            result. Default: `ganzoo evaluate` with the options of the sweep.

    Raises:
        Interrupted: the run was stopped; it is not recorded and continues at the next start.
    """
    try:
        with sweep.claim(run):
            if sweep.result(run):
                return 0
            if sweep.pruner and (pruned := pruning.pruned_before(sweep, run)):
                sweep.write_result(run, **pruned)
                return 0
            return _train_and_evaluate(sweep, run, quiet, evaluate or _evaluate)
    except Timeout:
        print(f"another process trains {run.name}", file=sys.stderr)
        return CLAIMED_CODE


def _evaluate(sweep, run, quiet):
    from ganzoo_core.evaluation.api import evaluate

    evaluate(sweep.run_folder(run), quiet=quiet, **sweep.plan["evaluate"])
    return {}


def _train_and_evaluate(sweep, run, quiet, evaluate):
    from ganzoo_core import training

    folder = RunFolder(sweep.run_folder(run))

    def train():
        if folder.last_checkpoint_step():
            training.resume(folder.path, quiet=quiet)
        else:
            shutil.rmtree(folder.path, ignore_errors=True)  # stopped before its first checkpoint
            training.train(
                sweep.model(run),
                preset=sweep.plan["preset"],
                options=sweep.options(run),
                out=folder.path,
                quiet=quiet,
            )

    try:
        if sweep.pruner:
            if (step := _train_or_prune(sweep, run, train)) is not None:
                sweep.write_result(run, "pruned", step=step)
                return 0
        else:
            train()
        fields = evaluate(sweep, run, quiet)
    except Interrupted:
        raise
    except GanzooError as error:
        sweep.write_result(run, "failed", error=str(error), code=error.exit_code)
        print(f"ganzoo: {error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        traceback.print_exc()
        sweep.write_result(run, "failed", error=f"{type(error).__name__}: {error}", code=1)
        return 1
    sweep.write_result(run, "finished", **fields)
    return 0


def _train_or_prune(sweep, run, train):
    """Train a run until the pruner stops it. Returns the step, or None if it was trained to the
    end.

    The lines of a run decide, also those before a kill and of the last step, so that it does not
    matter when a run was stopped.

    Raises:
        UsageError: the run computes no metric that the pruner reads.
        Interrupted: it was stopped by something else.
    """
    records = pruning.read_records(sweep, run)
    if (step := pruning.pruned_step(sweep, run, records)) is not None:
        return step
    try:
        with pruning.Watch(sweep, run):
            train()
    except Interrupted:
        records = pruning.read_records(sweep, run)
        if (step := pruning.pruned_step(sweep, run, records)) is None:
            raise
        return step
    records = pruning.read_records(sweep, run)
    key = pruning.value_key(sweep)
    if not any(key in record for record in records):
        keys = sorted({k for record in records for k in record if k.startswith("eval/")})
        found = ", ".join(keys) or "losses"
        raise UsageError(f"--pruner: no line of metrics.jsonl has {key}, only {found}")
    return pruning.pruned_step(sweep, run, records)
