"""The Trainer: rounds of steps. It freezes, runs backward and steps; it knows no model."""

from __future__ import annotations

import math
import signal
import time
from pathlib import Path

import torch
from torch import Tensor

from ganzoo_core.config import TrainConfig
from ganzoo_core.data import Batches, Images
from ganzoo_core.engine.average import with_averages
from ganzoo_core.engine.checkpoints import latest, save_checkpoint
from ganzoo_core.engine.guards import NOTICE, RETRIES, require_finite, require_sound
from ganzoo_core.engine.place import fits_on, prepared
from ganzoo_core.engine.plan import Leg, make_plan, rate_factor, rounds_in
from ganzoo_core.engine.players import ActivePlayer, Freezer, part
from ganzoo_core.engine.setup import Setup, require_compiler
from ganzoo_core.engine.signals import Stop
from ganzoo_core.engine.turn import EngineTurn, Log, Scene
from ganzoo_core.engine.watcher import Watcher
from ganzoo_core.engine.world import World
from ganzoo_core.errors import DivergedError, Interrupted, WeightsError
from ganzoo_core.files import copy_strictly
from ganzoo_core.interfaces import Model, Stage, Step, seed_at


class Trainer:
    """Trains a model through its stages. Everything but parameters, buffers and optimisers is a
    function of (seed, stage, round), so a run continues from any round bit by bit."""

    def __init__(
        self,
        model: Model,
        images: Images | None,
        config: TrainConfig,
        setup: Setup,
        watcher: Watcher,
        *,
        world: World | None = None,
    ) -> None:
        self.config, self.setup, self.watcher = config, setup, watcher
        self.world = world or World()
        self.parts = self.world.parts(config.batch, config.accumulate)
        self.device = torch.device(setup.device)
        self.model = prepared(model, self.device, self.world)
        self.images = images
        self.stages = model.stages()
        self.plan = make_plan(self.stages, config, len(images) if images else 0)
        fp16 = setup.precision == "fp16"
        self.players = {
            name: ActivePlayer(model, name, player, self.device, fp16)
            for name, player in model.players().items()
        }
        if config.compile:  # after the averages, which stay plain copies
            require_compiler()
            for net in {id(n): n for p in self.players.values() for n in p.nets}.values():
                net.compile(dynamic=False)
        self.freezer = Freezer(self.players.values())
        self.log = Log()
        self.leg: Leg | None = None
        self.round = 0
        self.retries = 0
        self.lowest = math.inf
        self.means: dict[str, float] = {}
        """Of the last line of metrics."""
        self.seconds = 0.0
        self.seen = torch.zeros(
            (), dtype=torch.float32 if setup.device == "mps" else torch.float64, device=self.device
        )
        self.order()

    def order(self) -> None:
        """Lay out noise and data for this seed; after a divergence they take another course."""
        seed = self.config.seed
        self.seed = seed_at(seed, "retry", self.retries) if self.retries else seed
        resident = fits_on(self.device, self.images)
        self.batches = {
            s.name: Batches(
                self.images,
                s.draw,
                self.config.batch,
                self.device,
                self.seed,
                s.name,
                rank=self.world.rank,
                ranks=self.world.size,
                resident=resident,
            )
            for s in self.stages
        }

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

    def turns(self, leg: Leg, round: int, draw: int) -> list[EngineTurn]:
        """Draw a fresh batch, number `draw` of this round of the stage, in its micro-batches."""
        scene = self.scene(leg.stage)
        batch = self.batches[leg.stage.name](round * leg.draws + draw)
        micros, first = self.config.accumulate, self.world.rank * self.config.accumulate
        bounds = [len(batch) * i // micros for i in range(micros + 1)]
        shares = [batch[bounds[i] : bounds[i + 1]] for i in range(micros)]
        return [EngineTurn(scene, x, round, draw, first + i) for i, x in enumerate(shares)]

    def scene(self, stage: Stage) -> Scene:
        """Return what all turns of a stage share."""
        size, images = self.config.batch, len(self.images) if self.images else 0
        return Scene(
            seed=self.seed,
            stage=stage.name,
            seen=self.seen,
            log=self.log,
            world=self.world,
            parts=self.parts,
            thaw=self.freezer.thaw,
            rounds=lambda epochs: rounds_in(epochs, stage, size, images),
            restart=lambda player: self.players[player].restart(),
        )

    def play(self, leg: Leg) -> None:
        """Pass once through a stage's steps."""
        if leg is not self.leg:
            self.enter(leg)
        round = self.round - leg.start
        factor = rate_factor(self.round, self.plan.total, self.config.schedule, self.config.warmup)
        for name in leg.players:
            self.players[name].rate(factor)
        turns, draw = self.turns(leg, round, 0), 0
        for step in leg.stage.steps:
            go = asked(step, turns[-1])
            for repetition in range(step.repeat):
                draw += repetition > 0
                if go is False:
                    continue
                if repetition:
                    turns = self.turns(leg, round, draw)
                self.step(step, turns, go)
        self.round += 1
        self.seen += self.config.batch
        self.world.mean_([b for b in self.model.buffers() if b.is_floating_point()])
        for name in leg.players:  # in every round, also where `every` passes the player over
            if average := self.players[name].average:
                average.update(
                    (self.round - self.begins(name)) * self.config.batch, self.config.batch
                )

    def begins(self, player: str) -> int:
        """Return the round in which a player first learns."""
        legs = [leg for leg in self.plan.legs if leg.end > leg.start]  # a stage may be skipped
        return next(leg.start for leg in legs if player in leg.players)

    def step(self, step: Step, turns: list[EngineTurn], go: bool | Tensor = True) -> None:
        """One optimiser step: the other players frozen, the loss minimised, `after` run."""
        self.freezer.only(step.player)
        player, low = self.players[step.player], self.setup.dtype != torch.float32
        player.begin()
        for turn in turns:
            if len(turns) > 1:  # to save memory, nothing is kept from one step to the next
                turn.forget()
            turn.seed(step.name)
            with torch.autocast(self.device.type, self.setup.dtype, enabled=low):
                loss = step.loss(turn)
            player.backward(loss / len(turns))
            turn.log(**{step.name: loss})
        norm = player.step(self.world, self.config.clip, go)
        turns[-1].log(**{f"{step.name}_grad": norm})
        if step.after:
            with torch.no_grad(), turns[-1].alike(step.name):
                step.after(turns[-1])

    # --- the run -----------------------------------------------------------------------------

    def run(self, folder: Path) -> None:
        """Train to the end of the plan; checkpoints go into `folder`.

        Raises:
            Interrupted: a signal came; a checkpoint was written.
            DivergedError: a loss is not finite; the last checkpoint is sound.
        """
        self.started = time.perf_counter() - self.seconds
        forked = [self.device] if self.device.type == "cuda" else []
        with Stop() as stop, torch.random.fork_rng(forked):
            if not self.round:
                self.save(folder)  # what a run that diverges or is killed early goes back to
            stopped = False
            while self.round < self.plan.total and not stopped:
                try:
                    self.advance(folder)
                    stopped = self.world.any(stop.signal is not None)
                    if stopped or self.round >= self.plan.total:
                        self.leave_off(folder)
                except DivergedError as error:
                    self.roll_back(folder, error)
            if self.round >= self.plan.total:  # saved first: a full disk costs a picture, no round
                self.watcher.sampled(self.averaged(), self.round)
            if stopped and self.round < self.plan.total:
                raise self.interrupted(stop.signal or signal.SIGTERM, folder)

    def advance(self, folder: Path) -> None:
        """Play one round, and do what is due after it."""
        self.play(self.plan.at(self.round))
        self.seconds = time.perf_counter() - self.started
        self.report()
        if self.due(self.config.checkpoint_every) and self.round < self.plan.total:
            self.save(folder)

    def leave_off(self, folder: Path) -> None:
        """Save where the run stops; at its end, write the line of a window cut short.

        Raises:
            DivergedError: a loss or weight is not finite.
        """
        if self.round >= self.plan.total:
            self.write_log()  # the checkpoint keeps its values
        self.save(folder)

    def roll_back(self, folder: Path, error: DivergedError) -> None:
        """Go back to the last checkpoint and on from there with other noise and order.

        Raises:
            DivergedError: it did so `RETRIES` times already.
        """
        if self.retries >= RETRIES:
            raise error
        retries, at = self.retries + 1, self.round
        self.restore(folder)
        self.retries = retries
        self.order()
        self.started = time.perf_counter() - self.seconds
        self.watcher.rewound(
            self.line,
            f"{error.what} is not finite at round {at}: back to round {self.round}, "
            f"with other noise and order (attempt {retries} of {RETRIES})",
        )

    def interrupted(self, number: int, folder: Path) -> Interrupted:
        """Say where a signal stopped the run."""
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        return Interrupted(
            f"stopped by {name} after round {self.round} of {self.plan.total}; "
            f"continue with: ganzoo resume {folder.parent}",
            128 + number,
        )

    def due(self, every: int) -> bool:
        """Tell whether something that happens every so many rounds is due."""
        return self.round % every == 0

    def report(self) -> None:
        """Write a line and draw a grid when they are due."""
        self.watcher.advanced(self.round, self.plan.total)
        if self.due(self.config.log_every):
            self.write_log()
            self.log.clear()
        elif self.due(NOTICE):
            self.finite()
        if self.due(NOTICE):
            require_sound(self.model, self.round)
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
        self.means = values
        leg = self.plan.at(self.round - 1)
        done = self.round * self.config.batch
        self.watcher.logged(
            {
                "round": self.round,
                "rounds": self.plan.total,
                "stage": leg.stage.name,
                "images": done,
                "seconds": round(self.seconds, 3),
                **values,
            }
        )

    def finite(self) -> dict[str, float]:
        """Return the means of the line being gathered.

        Raises:
            DivergedError: a value is not finite.
        """
        return require_finite(self.log.means(self.world), self.round)

    @property
    def line(self) -> int:
        """The last round with a line of metrics that stays; values after it are in the checkpoint.

        A line cut short by the end of the run stays with it, and is made anew by a longer one.
        """
        done = self.round >= self.plan.total
        return self.round if done else self.round - self.round % self.config.log_every

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
        values = self.finite() or self.means  # right after a line, nothing is gathered yet
        require_sound(self.model, self.round)
        best = values.get(self.config.best, math.inf)
        self.lowest = min(self.lowest, best)
        about = {
            "round": self.round,
            "seconds": round(self.seconds, 3),
            "retries": self.retries,
            "model": type(self.model).__name__,
            "seed": self.config.seed,
            "lowest": self.lowest if math.isfinite(self.lowest) else None,
        }
        if self.world.main:
            is_best = math.isfinite(best) and best == self.lowest
            path = save_checkpoint(folder, self.state(), about, self.config.keep, best=is_best)
            self.watcher.saved(path)
        self.world.wait()

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
        self.leg, self.means = None, {}
        self.round = checkpoint.about["round"]
        self.retries = int(checkpoint.about.get("retries", 0))
        lowest = checkpoint.about.get("lowest")
        self.lowest = math.inf if lowest is None else float(lowest)
        self.order()
        self.seconds = float(checkpoint.about.get("seconds", 0))
        self.seen.fill_(self.round * self.config.batch)
        return skipped


@torch.no_grad()
def asked(step: Step, turn: EngineTurn) -> bool | Tensor:
    """Tell whether a step is due in a round: a tensor leaves it to the device."""
    if turn.round % step.every:
        return False
    answer = True if step.when is None else step.when(turn)
    return answer if isinstance(answer, Tensor) else bool(answer)
