"""How many steps of a model use the budget.

A budget in minutes becomes a number of steps once, from the measured speed, so that a run does not
depend on the load of the machine later: seeds have equal lengths, and a run that was killed ends as
it would have. A model of several stages keeps the proportions of its preset.
"""

import math
import tempfile
from pathlib import Path

from ganzoo_bench.plan import NUM_POINTS, run_config, stage_steps
from ganzoo_core.errors import UsageError

_MEASURED_STEPS = 18
"""Steps of each stage that are timed; the first two, which are slow, do not count. The 16 others
have one step with a lazy regularizer of an interval of 16."""
_NEVER = 10**9


def measure_length(model, plan):
    """Return the length of the runs of a model.

    Returns:
        `stages`, a list of `stage`, `steps`, `images` and `seconds_per_step`; and the sums `steps`,
        `images` and `seconds`.

    Raises:
        UsageError: the budget is too short.
    """
    from ganzoo_core.training.dry_run import planned_stages

    planned = planned_stages(run_config(model, plan))
    stages = [stage for stage in planned if stage["job"] == model and stage["steps"]]
    if plan["images"]:
        _scaled_steps(model, plan, stages, [stage["images"] for stage in stages])
    seconds = _seconds_per_step(model, plan, [stage["stage"] for stage in stages])
    costs = [
        stage["images"] if plan["images"] else stage["steps"] * seconds[stage["stage"]]
        for stage in stages
    ]
    rows = [
        {
            "stage": stage["stage"],
            "steps": steps,
            "images": steps * stage["batch_size"],
            "seconds_per_step": seconds[stage["stage"]],
        }
        for stage, steps in zip(stages, _scaled_steps(model, plan, stages, costs), strict=True)
    ]
    return {
        "stages": rows,
        "steps": sum(row["steps"] for row in rows),
        "images": sum(row["images"] for row in rows),
        "seconds": sum(row["steps"] * row["seconds_per_step"] for row in rows),
    }


def _scaled_steps(model, plan, stages, costs):
    """Return the steps of each stage that use the budget.

    Args:
        model: the name of the model.
        plan: with `images` or `budget_s`.
        stages: the planned stages.
        costs: of each stage as it is planned, in images or in seconds.

    Raises:
        UsageError: fewer steps than points of the curve, or a stage without a step.
    """
    planned = [stage["steps"] for stage in stages]
    scale = (plan["images"] or plan["budget_s"]) / sum(costs)
    steps = [int(count * scale + 1e-6) for count in planned]
    if sum(steps) >= NUM_POINTS and all(steps):
        return steps
    least = math.ceil(sum(costs) * max(NUM_POINTS / sum(planned), 1 / min(planned)))
    if plan["images"]:
        flag, remedy = f"--images {plan['images']}", f"--images {least}"
    else:
        flag, remedy = f"--budget {plan['budget']}", f"--budget {least}s"
    raise UsageError(
        f"{flag} is {sum(steps)} steps of {model}, too short for one evaluation: give {remedy} or "
        f"more, or leave {model} out"
    )


def _seconds_per_step(model, plan, stages):
    """Return the seconds of a step of each stage, from a short run."""
    from ganzoo_core import training
    from ganzoo_core.config import merge
    from ganzoo_core.report import read_metrics
    from ganzoo_core.training.run_folder import RunFolder

    train = {
        "steps": _MEASURED_STEPS * len(stages),
        "log_every": 1,
        "sample_every": _NEVER,
        "checkpoint_every": _NEVER,
        "metrics": [],
        "track": [],
        **stage_steps(dict.fromkeys(stages, _MEASURED_STEPS)),
    }
    with tempfile.TemporaryDirectory() as folder:
        options = merge(plan["options"], {"train": train})
        training.train(model, preset=plan["preset"], options=options, out=folder, quiet=True)
        records = read_metrics(RunFolder(Path(folder)).metrics)
    found = {}
    for stage in stages:
        times = [record["seconds"] for record in records if record["stage"] == stage]
        found[stage] = max((times[-1] - times[1]) / (len(times) - 2), 1e-4)
    return found
