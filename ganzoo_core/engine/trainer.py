"""The Trainer: rounds of steps. It freezes, runs backward and steps; it knows no model."""

from __future__ import annotations

import math
import signal
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from ganzoo_core.config import TrainConfig
from ganzoo_core.data import Batches, Images
from ganzoo_core.engine.average import with_averages
from ganzoo_core.engine.checkpoints import latest, save_checkpoint
from ganzoo_core.engine.plan import Leg, make_plan
from ganzoo_core.engine.players import ActivePlayer, Freezer, part
from ganzoo_core.engine.setup import Setup, seed_torch
from ganzoo_core.engine.signals import Stop
from ganzoo_core.engine.turn import EngineTurn, Log
from ganzoo_core.errors import DivergedError, Interrupted, WeightsError
from ganzoo_core.files import copy_strictly
from ganzoo_core.interfaces import Model, Step, seed_at


class Watcher(Protocol):
    """Who wants to know how a run goes: the run folder, a progress bar, trackers."""

    def advanced(self, round: int, total: int) -> None:
        """Take note of a round that is done."""

    def logged(self, record: dict[str, Any]) -> None:
        """Take one line of metrics.jsonl."""

    def sampled(self, model: Model, round: int) -> None:
        """Draw pictures from the averaged model."""

    def saved(self, path: Path) -> None:
        """Take note of a checkpoint that is safely on disk."""


class Trainer:
    """Trains a model through its stages. Everything but parameters, buffers and optimisers is a
    function of (seed, stage, round), so a run continues from any round bit by bit."""

    def __init__(
        self, model: Model, images: Images | None, config: TrainConfig, setup: Setup,
        watcher: Watcher,
    ) -> None:  # fmt: skip
        self.config, self.setup, self.watcher = config, setup, watcher
        self.device = torch.device(setup.device)
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.judges.to(self.device)
        self.images = images
        stages = model.stages()
        self.stages = stages
        self.plan = make_plan(stages, config, len(images) if images else 0)
        self.batches = {
            s.name: Batches(images, s.draw, config.batch, self.device, config.seed, s.name)
            for s in stages
        }
        fp16 = setup.precision == "fp16"
        self.players = {
            name: ActivePlayer(model, name, player, self.device, fp16)
            for name, player in model.players().items()
        }
        self.freezer = Freezer(self.players.values())
        self.log = Log()
        self.leg: Leg | None = None
        self.round = 0
        self.seconds = 0.0
        self.seen = torch.zeros((), dtype=torch.float32 if setup.device == "mps" else torch.float64,
                                device=self.device)  # fmt: skip

    # --- one round ---------------------------------------------------------------------------

    def enter(self, leg: Leg) -> None:
        """Begin a stage, or take it up again. Networks whose player rests are in eval mode, and a
        player that never learns again takes its average for its weights: what later stages see
        is what the bundle will carry."""
        self.leg = leg
        self.model.train()
        learning = {net for name in leg.players for net in self.players[name].nets}
        for player in self.players.values():
            for net in player.nets:
                net.train(net in learning)
        rest = self.stages[self.stages.index(leg.stage) :]
        busy = {step.player for stage in rest for step in stage.steps}
        for name, player in self.players.items():
            if self.round == leg.start and name not in busy and player.average:
                player.average.settle()

    def turn(self, leg: Leg, round: int, draw: int) -> EngineTurn:
        """Draw a fresh batch: number `draw` of this round of the stage."""
        place = (self.config.seed, leg.stage.name, round, draw)
        batch = self.batches[leg.stage.name](round * leg.draws + draw)
        return EngineTurn(batch, self.seen, place, self.log, self.freezer.thaw)

    def play(self, leg: Leg) -> None:
        """Pass once through a stage's steps."""
        if leg is not self.leg:
            self.enter(leg)
        round = self.round - leg.start
        turn, draw = self.turn(leg, round, 0), 0
        for step in leg.stage.steps:
            runs = round % step.every == 0 and (step.when is None or step.when(round))
            for repetition in range(step.repeat):
                draw += repetition > 0
                if not runs:
                    continue
                if repetition:
                    turn = self.turn(leg, round, draw)
                self.step(step, turn)
        self.round += 1
        self.seen += self.config.batch
        for name in leg.players:  # in every round, also where `every` passes the player over
            if average := self.players[name].average:
                average.update(
                    (self.round - self.begins(name)) * self.config.batch, self.config.batch
                )

    def begins(self, player: str) -> int:
        """Return the round in which a player first learns."""
        return next(leg.start for leg in self.plan.legs if player in leg.players)

    def step(self, step: Step, turn: EngineTurn) -> None:
        """One optimiser step: the other players frozen, the loss minimised, `after` run."""
        self.freezer.only(step.player)
        seed_torch(self.device, seed_at(*turn.place, step.name))
        low = self.setup.dtype != torch.float32
        with torch.autocast(self.device.type, self.setup.dtype, enabled=low):
            loss = step.loss(turn)
        self.players[step.player].minimise(loss)
        turn.log(**{step.name: loss})
        if step.after:
            with torch.no_grad():
                step.after(turn)

    # --- the run -----------------------------------------------------------------------------

    def run(self, folder: Path) -> None:
        """Train to the end of the plan; checkpoints go into `folder`.

        Raises:
            Interrupted: a signal came; a checkpoint was written.
            DivergedError: a loss is not finite; the last checkpoint is sound.
        """
        started, begun = time.perf_counter() - self.seconds, self.round
        forked = [self.device] if self.device.type == "cuda" else []
        with Stop() as stop, torch.random.fork_rng(forked):
            while self.round < self.plan.total and stop.signal is None:
                self.play(self.plan.at(self.round))
                self.seconds = time.perf_counter() - started
                self.report()
                if self.due(self.config.checkpoint_every) and self.round < self.plan.total:
                    self.save(folder)
            if self.round >= self.plan.total:
                self.write_log()  # of a window cut short, whose values the checkpoint keeps
            if self.round > begun or not begun:
                self.save(folder)
            if self.round >= self.plan.total:  # saved first: a full disk costs a picture, no round
                self.watcher.sampled(self.averaged(), self.round)
            if stop.signal is not None:
                name = "Ctrl-C" if stop.signal == signal.SIGINT else "SIGTERM"
                raise Interrupted(
                    f"stopped by {name} after round {self.round} of {self.plan.total}; "
                    f"continue with: ganzoo resume {folder.parent}", 128 + stop.signal,
                )  # fmt: skip

    def due(self, every: int) -> bool:
        """Tell whether something that happens every so many rounds is due."""
        return self.round % every == 0

    def report(self) -> None:
        """Write a line and draw a grid when they are due."""
        self.watcher.advanced(self.round, self.plan.total)
        if self.due(self.config.log_every):
            self.write_log()
            self.log.clear()
        if self.due(self.config.sample_every) and self.round < self.plan.total:
            self.watcher.sampled(self.averaged(), self.round)

    def write_log(self) -> None:
        """Hand the means since the last line to the watcher.

        Raises:
            DivergedError: a value is not finite.
        """
        values = self.finite()
        if not values:
            return
        leg = self.plan.at(self.round - 1)
        done = self.round * self.config.batch
        self.watcher.logged({
            "round": self.round, "rounds": self.plan.total, "stage": leg.stage.name,
            "images": done, "seconds": round(self.seconds, 3), **values,
        })  # fmt: skip

    def finite(self) -> dict[str, float]:
        """Return the means of the line being gathered.

        Raises:
            DivergedError: a value is not finite.
        """
        values = self.log.means()
        for name, value in values.items():
            if not math.isfinite(value):
                raise self.diverged(name)
        return values

    def diverged(self, what: str) -> DivergedError:
        """Say what is not finite."""
        return DivergedError(
            f"{what} is not finite at round {self.round}: the last checkpoint is sound; "
            "lower the learning rate or use --precision fp32, then resume or start anew"
        )

    @property
    def line(self) -> int:
        """The last round with a full line of metrics; values after it are in the checkpoint."""
        return self.round - self.round % self.config.log_every

    def averaged(self) -> Model:
        """Return the model with its averaged networks, for sampling and export."""
        return with_averages(self.model, [p.average for p in self.players.values() if p.average])

    # --- state -------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """Return all that changes: parameters, buffers, averages, optimisers."""
        out = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for player in self.players.values():
            out |= player.state()
        return out | self.log.state()

    def save(self, folder: Path) -> None:
        """Write a checkpoint of this round.

        Raises:
            DivergedError: a loss or weight is not finite; the former checkpoint stays.
        """
        self.finite()
        for name, param in self.model.named_parameters():
            if not param.isfinite().all():
                raise self.diverged(name)
        about = {
            "round": self.round, "seconds": round(self.seconds, 3),
            "model": type(self.model).__name__, "seed": self.config.seed,
        }  # fmt: skip
        path = save_checkpoint(folder, self.state(), about, self.config.keep)
        self.watcher.saved(path)

    def restore(self, folder: Path) -> list[str]:
        """Take up the newest sound checkpoint; return what was skipped to reach it.

        Raises:
            WeightsError: there is none, or it is of another model.
        """
        checkpoint, skipped = latest(folder)
        state = checkpoint.state
        copy_strictly(self.model.state_dict(), part(state, "model."), checkpoint.path)
        for player in self.players.values():
            player.restore(state)
        self.log.restore(part(state, "log."), self.device)
        if strangers := sorted(set(self.state()) ^ set(state)):
            raise WeightsError(
                f"{checkpoint.path} belongs to another model or preset: only one of them has "
                f"{strangers[0]!r}"
            )
        self.leg = None
        self.round = checkpoint.about["round"]
        self.seconds = float(checkpoint.about.get("seconds", 0))
        self.seen.fill_(self.round * self.config.batch)
        return skipped
