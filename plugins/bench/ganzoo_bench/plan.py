"""The runs of `ganzoo bench gans`: a sweep whose points are models.

The folder of a benchmark is that of a sweep, with these files more:

    lengths.json            the steps of each model that use the budget, and its measured speed
    curves/003-seed-0.json  distance at each checkpoint of a run
"""

from functools import cached_property
from typing import Any

from ganzoo_sweep.plan import Sweep

from ganzoo_core.errors import DataError, GanzooError, UsageError
from ganzoo_core.zoo import zoo

NUM_POINTS = 8
"""Checkpoints of a run, at least; each is a point of the curve."""


class GANBenchmark(Sweep):
    """The folder of a benchmark, and its plan."""

    command = "ganzoo bench gans"

    @property
    def models(self):
        """Return the names of the models, in order."""
        return self.plan["grid"]["model"]

    @cached_property
    def lengths(self):
        """Return the `Length` of each model as JSON values, by name.

        Raises:
            DataError: they have not been measured.
        """
        from ganzoo_core.files import read_json

        path = self.path / "lengths.json"
        if not path.is_file():
            raise DataError(f"{path} is missing: continue with {self.command} --resume {self.path}")
        return read_json(path, dict[str, Any], error=DataError)

    def model(self, run):
        """Return the name of the model of a run."""
        return run.values["model"]

    def options(self, run):
        """Return the options of a run: those of all runs, its seed, and the steps of its model."""
        from ganzoo_core.config import merge

        length = self.lengths[self.model(run)]
        return merge(self.plan["options"], {"train": {"seed": run.seed, **train_options(length)}})


def train_options(length):
    """Return the `[train]` options of a run of a length, with its checkpoints."""
    stages = length["stages"]
    steps = sum(stage["steps"] for stage in stages)
    every = max(1, steps // NUM_POINTS)
    log_every = max(1, every // 10)
    options = {
        "steps": steps,
        "log_every": log_every,
        "checkpoint_every": every - every % log_every,  # a line of metrics.jsonl at each
    }
    return options | stage_steps({s["stage"]: s["steps"] for s in stages})


def stage_steps(steps):
    """Return the `[train]` options that set the length of each of several stages; of one stage,
    `train.steps` does."""
    if len(steps) == 1:
        return {}
    return {name: {"steps": count, "epochs": "none"} for name, count in steps.items()}


def data_options(source, size, assignments):
    """Return every option of `[data]`, so that no preset changes the images of its model.

    Args:
        source: ``NAME[:PATH]``.
        size: edge of the images in pixels.
        assignments: the `[data]` options of `--set`.

    Raises:
        UsageError: an unknown data set or option.
    """
    from ganzoo_core.config import data_config_class, merge, parse, parse_data_source

    section = merge({**parse_data_source(source), "image_size": size}, assignments)
    config = parse(data_config_class(section["name"]), section, "data")
    return config.model_dump(mode="json", exclude_none=True)


def select_models(names, plan):
    """Return the models of a benchmark, and why others are left out, by name.

    Args:
        names: those to take; empty for all that sample and accept the data.
        plan: with `preset` and `options`.

    Raises:
        UsageError: a named model does not exist, cannot sample, or refuses the data.
        DataError: no installed model fits.
    """
    from ganzoo_core.training.dry_run import planned_stages

    chosen, left_out = [], {}
    for name in names or zoo().model_names():
        spec = zoo().model(name)
        try:
            if "sample" not in spec.capabilities:
                raise UsageError(f"{spec.name} lacks the capability sample")
            config = run_config(name, plan)
            planned_stages(config)
        except GanzooError as error:
            if names:
                raise
            left_out[name] = str(error)
        else:
            chosen.append(config.name)
    for name in chosen:
        if chosen.count(name) > 1:
            raise UsageError(f"{name} is given twice: leave one out")
    if not chosen:
        reason = next(iter(left_out.values()), "none is installed")
        raise DataError(f"no model fits {plan['options']['data']['name']}: {reason}")
    return chosen, left_out


def run_config(model, plan, train=None):
    """Return the configuration of a run of a model, with further `[train]` options."""
    from ganzoo_core.config import build_config

    patches = [plan["options"], {"train": train or {}}]
    return build_config(model, preset=plan["preset"], patches=patches)
