"""Train and evaluate one run of a sweep, in the process that holds its claim."""

import shutil
import sys
import traceback

from filelock import Timeout

from ganzoo_core.errors import GanzooError, Interrupted
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_sweep.plan import point_options

CLAIMED_CODE = 75
"""Exit code of a process whose run another process trains (EX_TEMPFAIL of sysexits.h)."""


def run_one(sweep, run, quiet=False):
    """Train and evaluate a run, and record how it ended. Returns the exit code.

    A run with a checkpoint continues from it, bit-exact. The claim is held by this process, so it
    ends with the process, however that ends.

    Raises:
        Interrupted: the run was stopped; it is not recorded and continues at the next start.
    """
    try:
        with sweep.claim(run):
            if sweep.result(run):
                return 0
            return _train_and_evaluate(sweep, run, quiet)
    except Timeout:
        print(f"another process trains {run.name}", file=sys.stderr)
        return CLAIMED_CODE


def _train_and_evaluate(sweep, run, quiet):
    from ganzoo_core import training
    from ganzoo_core.evaluation.api import evaluate

    plan, folder = sweep.plan, RunFolder(sweep.run_folder(run))
    try:
        if folder.last_checkpoint_step():
            training.resume(folder.path, quiet=quiet)
        else:
            shutil.rmtree(folder.path, ignore_errors=True)  # stopped before its first checkpoint
            training.train(
                plan["model"],
                preset=plan["preset"],
                options=point_options(plan, run.values, run.seed),
                out=folder.path,
                quiet=quiet,
            )
        settings = plan["evaluate"]
        evaluate(
            folder.path,
            metrics=settings["metrics"],
            num_samples=settings["num_samples"],
            feature_extractor=settings["feature_extractor"],
            device=settings["device"],
            quiet=quiet,
        )
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
    sweep.write_result(run, "finished")
    return 0
