"""The length of every stage in steps, computed before the first step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ganzoo_core.config import StageConfig, TrainConfig
from ganzoo_core.config.overrides import flatten, merge, stage_options
from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.interfaces import Model, Stage


@dataclass(frozen=True)
class ScheduledStage:
    """A stage with its place in the run: steps `start` to `end`, `end` excluded."""

    stage: Stage
    start: int
    end: int
    batch_size: int
    """Images in a batch of the stage, over all ranks."""

    @property
    def batches_per_step(self) -> int:
        """New batches in a step: one, and one for each repetition of a phase."""
        return _batches_per_step(self.stage)

    @property
    def optimizer_names(self) -> set[str]:
        """The optimizers that the phases of the stage use."""
        return {phase.optimizer for phase in self.stage.phases}


@dataclass(frozen=True)
class Plan:
    """All stages of a run, in order."""

    stages: tuple[ScheduledStage, ...]

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.stages[-1].end

    def images_before(self, step: int) -> int:
        """Return the number of images that the steps before a step of the run use."""
        return sum(
            (min(step, stage.end) - stage.start) * stage.batch_size
            for stage in self.stages
            if step > stage.start
        )

    def stage_at(self, step: int) -> ScheduledStage:
        """Return the stage of a step of the run."""
        return next((stage for stage in self.stages if step < stage.end), self.stages[-1])


def lr_factor(step: int, total_steps: int, scheduler: str, warmup_steps: int) -> float:
    """Return the factor of the learning rate at a step: linear warm-up times the decay."""
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    progress = min(step / max(total_steps, 1), 1.0)
    decay = {
        "constant": 1.0,
        "linear": 1 - progress,
        "constant-linear": min(1.0, 2 * (1 - progress)),
        "cosine": 0.5 * (1 + math.cos(math.pi * progress)),
    }
    return warmup * decay[scheduler]


def lr_schedule(
    optimizer: Any, config: TrainConfig, scheduled: ScheduledStage, total_steps: int
) -> Callable[[int], float]:
    """Return the factor of a learning rate as a function of the step of the run.

    Args:
        optimizer: the options of the optimizer, whose schedule overrides that of `[train]`.
        config: the `[train]` options that hold in the stage.
        scheduled: the stage. If its overrides set a schedule, it runs over the stage only.
        total_steps: of the run.
    """
    scheduler, warmup_steps = schedule_of(optimizer, config)
    start, length = 0, total_steps
    keys = {path.rpartition(".")[2] for path, _ in flatten(scheduled.stage.overrides)}
    if keys & {"lr_scheduler", "warmup_steps"}:
        start, length = scheduled.start, scheduled.end - scheduled.start
    return lambda step: lr_factor(step - start, length, scheduler, warmup_steps)


def schedule_of(optimizer: Any, config: TrainConfig) -> tuple[str, int]:
    """Return the scheduler and the steps of warm-up of an optimizer: its own, or the run's."""
    scheduler = getattr(optimizer, "lr_scheduler", None) or config.lr_scheduler
    warmup_steps = getattr(optimizer, "warmup_steps", None)
    return scheduler, config.warmup_steps if warmup_steps is None else warmup_steps


def _batches_per_step(stage: Stage) -> int:
    return 1 + sum(phase.repeats - 1 for phase in stage.phases)


def configured_stages(model: Model, config: TrainConfig) -> tuple[Stage, ...]:
    """Return the stages of a model, then those that `train.STAGE.phases_of` adds, each with its
    overrides.

    Raises:
        UsageError: `phases_of` names no stage, or an option that no stage may override.
    """
    stages = {stage.name: stage for stage in model.stages()}
    names = tuple(stages)
    for name, stage in stages.items():
        if "data" in stage.overrides:
            raise UsageError(f"stage {name!r}: a model cannot override [data], only train.{name}")
    for name, options in config.stages.items():
        if options.phases_of:
            if name in names:
                raise UsageError(
                    f"train.{name}.phases_of: the model has a stage {name!r}: take another name"
                )
            if options.phases_of not in names:
                raise UsageError(
                    f"train.{name}.phases_of: there is no stage {options.phases_of!r}."
                    f"{suggest(options.phases_of, names)}"
                )
            base = stages[options.phases_of]
            stages[name] = replace(base, name=name, epochs=None, images=None, steps=None)
        if name in stages:
            overrides = merge(stages[name].overrides, options.overrides)
            stages[name] = replace(stages[name], overrides=overrides)
    return tuple(_with_overrides(stage, model, config) for stage in stages.values())


def _with_overrides(stage: Stage, model: Model, config: TrainConfig) -> Stage:
    """Return a stage with the phases and batches that the model has with its overrides."""
    if not stage.overrides:
        return stage
    run_config, base = model.config, config.stages.get(stage.name, StageConfig()).phases_of
    where = f"train.{stage.name}.overrides"
    model.set_config(stage_options(run_config, config, stage.overrides, where)[0])
    try:
        found = next(s for s in model.stages() if s.name == (base or stage.name))
    finally:
        model.set_config(run_config)
    return replace(stage, phases=found.phases, batch=found.batch)


def make_plan(
    stages: tuple[Stage, ...],
    config: TrainConfig,
    num_images: int,
    stage_num_images: Mapping[str, int] | None = None,
) -> Plan:
    """Schedule the stages one after another; `train.steps` lengthens or cuts the last one that is
    not skipped.

    Args:
        stages: of the model and of the options.
        config: `[train]`.
        num_images: of the data of the run.
        stage_num_images: of the stages that override `[data]`, by name.

    Raises:
        UsageError: a `train.STAGE` that the model lacks, or a stage without a length.
    """
    names = [stage.name for stage in stages]
    if not names:
        raise UsageError("the model has no stages: there is nothing to train")
    for name in config.stages:
        if name not in names:
            raise UsageError(f"there is no stage 'train.{name}'.{suggest(name, names)}")
    active = [name for name in names if not _is_skipped(config.stages.get(name))]
    last_active = (active or names)[-1]
    start, scheduled = 0, []
    for stage in stages:
        override = config.stages.get(stage.name, StageConfig())
        batch_size = stage.overrides.get("train", {}).get("batch_size", config.batch_size)
        if stage.name == last_active and config.steps is not None:
            end = max(config.steps, start)
        else:
            stage_images = (stage_num_images or {}).get(stage.name, num_images)
            end = start + _stage_length(stage, override, batch_size, stage_images)
        scheduled.append(ScheduledStage(stage, start, end, batch_size))
        start = end
    if config.steps is not None:
        scheduled = [
            replace(s, end=min(s.end, config.steps)) for s in scheduled if s.start <= config.steps
        ]
    return Plan(tuple(scheduled))


def _is_skipped(override: StageConfig | None) -> bool:
    """Return whether a stage is left out, as when `train.init_from` gives its weights."""
    return override is not None and 0 in {override.steps, override.epochs}


def _stage_length(stage: Stage, override: StageConfig, batch_size: int, num_images: int) -> int:
    """Return the length of a stage in steps: from `[train.STAGE]`, else from the model."""
    if _is_skipped(override):
        return 0
    source = override if override.steps is not None or override.epochs is not None else stage
    if source.steps is not None:
        return source.steps
    if isinstance(source, Stage) and source.images is not None:
        return max(1, math.ceil(source.images / (batch_size * _batches_per_step(stage))))
    if source.epochs is None or stage.batch.sampler == "none":
        raise UsageError(
            f"stage {stage.name!r} needs a length in steps: --set train.{stage.name}.steps=N"
        )
    return steps_for_epochs(source.epochs, stage, batch_size, num_images)


def steps_for_epochs(epochs: float, stage: Stage, batch_size: int, num_images: int) -> int:
    """Return the number of steps, at least 1, that so many epochs take in a stage.

    Raises:
        UsageError: the stage uses no data.
    """
    if stage.batch.sampler == "none":
        raise UsageError(f"stage {stage.name!r} uses no data, so it has no epochs: count in steps")
    return max(1, math.ceil(epochs * num_images / (batch_size * _batches_per_step(stage))))
