"""Stage lengths turned into rounds, before the first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ganzoo_core.config import StageConfig, TrainConfig
from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.interfaces import Stage


@dataclass(frozen=True)
class Leg:
    """A stage with its place in the run: rounds `start` to `end`, `end` excluded."""

    stage: Stage
    start: int
    end: int

    @property
    def draws(self) -> int:
        """Fresh draws a round: one, and one more for each repetition of a step."""
        return draws_per_round(self.stage)

    @property
    def players(self) -> set[str]:
        """Who learns in this stage."""
        return {step.player for step in self.stage.steps}


@dataclass(frozen=True)
class Plan:
    """All legs of a run."""

    legs: tuple[Leg, ...]

    @property
    def total(self) -> int:
        """Rounds of the run in all."""
        return self.legs[-1].end

    def at(self, round: int) -> Leg:
        """Return the leg that a round belongs to."""
        return next((leg for leg in self.legs if round < leg.end), self.legs[-1])


def rate_factor(round: int, total: int, kind: str, warmup: int) -> float:
    """Return the share of the learning rate in a round: warm-up, then the schedule's fall."""
    rise = min(1.0, (round + 1) / warmup) if warmup else 1.0
    done = min(round / max(total, 1), 1.0)
    fall = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}
    return rise * fall[kind]


def draws_per_round(stage: Stage) -> int:
    """Count the fresh draws of one round."""
    return 1 + sum(step.repeat - 1 for step in stage.steps)


def make_plan(stages: tuple[Stage, ...], config: TrainConfig, images: int) -> Plan:
    """Lay the stages end to end; `train.steps` stretches or cuts the last to fit, of those that
    are not skipped.

    Raises:
        UsageError: a `train.<stage>` that the model lacks, or a stage without a length.
    """
    names = [stage.name for stage in stages]
    if not names:
        raise UsageError("the model has no stages: there is nothing to train")
    for name in config.stages:
        if name not in names:
            raise UsageError(f"there is no stage 'train.{name}'.{suggest(name, names)}")
    played = [name for name in names if not skipped(config.stages.get(name))]
    ends, legs = 0, []
    for stage in stages:
        open_end = stage.name == (played or names)[-1] and config.steps is not None
        given = config.stages.get(stage.name, StageConfig())
        start, ends = ends, ends + rounds_of(stage, given, config.batch, images, open_end)
        if open_end and config.steps is not None:
            ends = max(config.steps, start)
        legs.append(Leg(stage, start, ends))
    if config.steps is not None:
        legs = [
            Leg(x.stage, x.start, min(x.end, config.steps)) for x in legs if x.start <= config.steps
        ]
    return Plan(tuple(legs))


def skipped(given: StageConfig | None) -> bool:
    """Tell whether a stage is left out: its weights are given (`train.init`), or not wanted."""
    return given is not None and 0 in {given.rounds, given.epochs}


def rounds_of(
    stage: Stage, given: StageConfig, batch: int, images: int, open_end: bool = False
) -> int:
    """Return a stage's length in rounds: from the configuration, else from the model.

    Args:
        open_end: `train.steps` says where it ends, so it needs no length of its own.
    """
    if skipped(given):
        return 0
    source = given if given.rounds is not None or given.epochs is not None else stage
    if source.rounds is not None:
        return source.rounds
    if isinstance(source, Stage) and source.images is not None:
        return max(1, math.ceil(source.images / (batch * draws_per_round(stage))))
    if source.epochs is None or stage.draw.how == "none":
        if open_end:
            return 0
        raise UsageError(
            f"stage {stage.name!r} needs a length in rounds: --set train.{stage.name}.rounds=N"
        )
    return rounds_in(source.epochs, stage, batch, images)


def rounds_in(epochs: float, stage: Stage, batch: int, images: int) -> int:
    """Return how many rounds of a stage so many passes over the data take, one at least.

    Raises:
        UsageError: the stage has no data.
    """
    if stage.draw.how == "none":
        raise UsageError(f"stage {stage.name!r} has no data to pass over: count in rounds")
    return max(1, math.ceil(epochs * images / (batch * draws_per_round(stage))))
