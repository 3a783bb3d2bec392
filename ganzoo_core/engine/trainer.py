"""The training loop, independent of the model: each phase freezes the other parameters, runs
backward and updates."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ganzoo_core.config import TrainConfig
from ganzoo_core.config.overrides import stage_options
from ganzoo_core.data import BatchLoader, PackedImages
from ganzoo_core.engine.callback import Callback, EvalValue
from ganzoo_core.engine.checkpoints import load_latest, save_checkpoint
from ganzoo_core.engine.context import EngineStepContext, MetricLog, StageContext
from ganzoo_core.engine.contract import (
    check_buffers_agree,
    check_loss,
    check_stages,
    locate_errors,
    running_statistics,
    scheduler_notice,
)
from ganzoo_core.engine.device import data_fits_on, prepare_model
from ganzoo_core.engine.ema import with_ema_weights
from ganzoo_core.engine.guards import (
    FINITE_CHECK_EVERY,
    MAX_RETRIES,
    require_finite,
    require_finite_weights,
)
from ganzoo_core.engine.optimizers import GradToggler, OptimizerState, strip_prefix
from ganzoo_core.engine.plan import (
    ScheduledStage,
    configured_stages,
    lr_schedule,
    make_plan,
    steps_for_epochs,
)
from ganzoo_core.engine.setup import Setup, require_compiler
from ganzoo_core.engine.signals import StopOnSignal
from ganzoo_core.engine.world import World
from ganzoo_core.errors import DivergedError, Interrupted, PluginError, WeightsError, suggest
from ganzoo_core.files import copy_state_dict
from ganzoo_core.interfaces import Model, Phase, derive_seed


class Trainer:
    """Trains a model through its stages.

    All randomness is a function of (seed, stage, step), so a resumed run is bit-identical to an
    uninterrupted one.

    Args:
        model: the model; it is moved to the device.
        images: the packed data, or None for models that need none.
        config: `[train]`.
        setup: the resolved device and precision.
        callback: receives progress, metrics, samples and checkpoints.
        world: the ranks of the run; default this process alone.
        stage_images: the packed data of the stages that override `[data]`, by name.
    """

    def __init__(
        self,
        model: Model,
        images: PackedImages | None,
        config: TrainConfig,
        setup: Setup,
        callback: Callback,
        *,
        world: World | None = None,
        stage_images: Mapping[str, PackedImages] | None = None,
    ) -> None:
        self.config, self.setup, self.callback = config, setup, callback
        self.world = world or World()
        self.device = torch.device(setup.device)
        self.model = prepare_model(model, self.device, self.world)
        self.images, self.stage_images = images, dict(stage_images or {})
        self.stages = configured_stages(model, config)
        self.plan = make_plan(
            self.stages,
            config,
            len(images) if images else 0,
            {name: len(found) for name, found in self.stage_images.items()},
        )
        self.num_shards = self.world.num_shards(config.batch_size, config.grad_accum_steps)
        for scheduled in self.plan.stages:
            self.world.num_shards(scheduled.batch_size, config.grad_accum_steps)
        self.options = {
            stage.name: stage_options(
                model.config, config, stage.overrides, f"train.{stage.name}.overrides"
            )
            for stage in self.stages
        }
        """The `[model]` and `[train]` options that hold in each stage."""
        use_scaler = setup.precision == "fp16"
        self.optimizers = {
            name: OptimizerState(model, name, spec, self.device, use_scaler)
            for name, spec in model.configure_optimizers().items()
        }
        self.lr_factors: dict[str, Callable[[int], float]] = {}  # of the current stage
        check_stages(model, self.stages, self.optimizers)
        if config.compile:  # after the moving averages are copied, so that they stay uncompiled
            require_compiler()
            modules = {id(m): m for state in self.optimizers.values() for m in state.modules}
            for module in modules.values():
                module.compile(dynamic=False)
        self.grad_toggler = GradToggler(self.optimizers.values())
        self.log = MetricLog()
        self.current_stage: ScheduledStage | None = None
        self.is_first_step = True  # of the current stage in this process
        self.step = 0
        self.retries = 0
        self.best_value = math.inf
        self.last_metrics: dict[str, float] = {}
        self.evaluated: dict[str, EvalValue] = {}  # in this step
        self.notice = ""
        """One line on a restored checkpoint that belongs to another schedule; or empty."""
        self.seconds = 0.0
        float_type = torch.float32 if setup.device == "mps" else torch.float64
        self.images_seen = torch.zeros((), dtype=float_type, device=self.device)
        self.seed_streams()

    def seed_streams(self) -> None:
        """Set the seed and rebuild the batch loaders. Each retry after a divergence gets another
        seed."""
        seed = self.config.seed
        self.seed = derive_seed(seed, "retry", self.retries) if self.retries else seed
        self.batches = {
            scheduled.stage.name: BatchLoader(
                self.images_of(scheduled),
                scheduled.stage.batch,
                scheduled.batch_size,
                self.device,
                self.seed,
                scheduled.stage.name,
                rank=self.world.rank,
                world_size=self.world.size,
                keep_on_device=data_fits_on(self.device, self.images_of(scheduled)),
            )
            for scheduled in self.plan.stages
        }

    def images_of(self, scheduled: ScheduledStage) -> PackedImages | None:
        """Return the data of a stage."""
        return self.stage_images.get(scheduled.stage.name, self.images)

    # --- one step ----------------------------------------------------------------------------

    def train_step(self, scheduled: ScheduledStage) -> None:
        """Pass once through the phases of a stage."""
        if scheduled is not self.current_stage:
            self.start_stage(scheduled)
        stage_step = self.step - scheduled.start
        for name in scheduled.optimizer_names:
            self.optimizers[name].set_lr_factor(self.lr_factors[name](self.step))
        batch_index = 0  # of the step: each repetition of a phase gets a new batch
        contexts = self.step_contexts(scheduled, stage_step, batch_index)
        for phase in scheduled.stage.phases:
            with locate_errors(phase, self.model):
                should_apply = _phase_condition(phase, contexts[-1])
            for repetition in range(phase.repeats):
                if repetition:
                    batch_index += 1
                if should_apply is False:
                    continue
                if repetition:
                    contexts = self.step_contexts(scheduled, stage_step, batch_index)
                self.run_phase(phase, contexts, should_apply)
        self.step += 1
        self.images_seen += scheduled.batch_size
        self.world.all_reduce_mean_([*running_statistics(self.model).values()])
        if self.is_first_step:
            check_buffers_agree(self.model, self.world, self.step)
            self.is_first_step = False
        for name in scheduled.optimizer_names:  # in every step, whatever the phases' intervals
            if ema := self.optimizers[name].ema:
                first_image = self.plan.images_before(self._first_step(name))
                images = self.plan.images_before(self.step) - first_image
                ema.update(images, scheduled.batch_size)

    def run_phase(
        self, phase: Phase, contexts: list[EngineStepContext], should_apply: bool | Tensor = True
    ) -> None:
        """Run one optimizer update: the other optimizers' parameters are frozen, the loss is
        minimized, and `after_step` runs.

        Args:
            phase: the phase.
            contexts: one for each micro-batch.
            should_apply: a 0-d bool tensor; if it is False the update is undone, without a device
                sync.
        """
        self.grad_toggler.enable_only(phase.optimizer)
        optimizer = self.optimizers[phase.optimizer]
        use_autocast = self.setup.dtype != torch.float32
        optimizer.zero_grad()
        for ctx in contexts:
            if len(contexts) > 1:  # cached values of all micro-batches at once would cost memory
                ctx.clear_cache()
            ctx.seed_torch_for(phase.name)
            with locate_errors(phase, self.model):
                with torch.autocast(self.device.type, self.setup.dtype, enabled=use_autocast):
                    loss = phase.loss(ctx)
                check_loss(loss, phase, self.model)
                optimizer.backward(loss / len(contexts))
            ctx.log({f"loss/{phase.name}": loss})
        grad_norm = optimizer.step(self.world, self.stage_config.grad_clip_norm, should_apply)
        ctx = contexts[-1]
        ctx.log({f"grad_norm/{phase.name}": grad_norm})
        if phase.after_step:
            with (
                locate_errors(phase, self.model),
                torch.no_grad(),
                ctx.same_on_all_ranks(phase.name),
            ):
                phase.after_step(ctx)

    def start_stage(self, scheduled: ScheduledStage) -> None:
        """Start or resume a stage.

        Networks whose optimizer has no phase in the stage are put into eval mode. If an optimizer
        is used neither in this stage nor later, its moving average is copied into the model, so
        that later stages use the weights that inference will use.
        """
        self.current_stage, self.is_first_step = scheduled, True
        self._set_options(scheduled)
        self.model.train()
        names = scheduled.optimizer_names
        trained = {module for name in names for module in self.optimizers[name].modules}
        for optimizer in self.optimizers.values():
            for module in optimizer.modules:
                module.train(module in trained)
        remaining = self.stages[self.stages.index(scheduled.stage) :]
        still_used = {phase.optimizer for later in remaining for phase in later.phases}
        for name, optimizer in self.optimizers.items():
            if self.step == scheduled.start and name not in still_used and optimizer.ema:
                optimizer.ema.copy_to_model()

    def _set_options(self, scheduled: ScheduledStage) -> None:
        """Give the model and the optimizers the options that hold in a stage."""
        model_config, self.stage_config = self.options[scheduled.stage.name]
        has_overrides = any(stage.overrides for stage in self.stages)
        if has_overrides:
            self.model.set_config(model_config)
        for name, spec in self.model.configure_optimizers().items():
            lr = getattr(spec.optimizer, "lr", None)
            if has_overrides and lr is not None:
                self.optimizers[name].set_base_lr(lr)
            self.lr_factors[name] = lr_schedule(
                spec.optimizer, self.stage_config, scheduled, self.plan.total_steps
            )

    def step_contexts(
        self, scheduled: ScheduledStage, step: int, batch_index: int
    ) -> list[EngineStepContext]:
        """Return the contexts of a new batch, one for each micro-batch.

        Args:
            scheduled: the stage.
            step: of the stage, from 0.
            batch_index: of the batch within the step.
        """
        stage = self.stage_context(scheduled)
        batch = self.batches[stage.stage](step * scheduled.batches_per_step + batch_index)
        num_micro_batches = self.config.grad_accum_steps
        first_shard = self.world.rank * num_micro_batches  # a shard: one micro-batch of one rank
        bounds = [len(batch) * i // num_micro_batches for i in range(num_micro_batches + 1)]
        return [
            EngineStepContext(
                stage, batch[bounds[i] : bounds[i + 1]], step, batch_index, first_shard + i
            )
            for i in range(num_micro_batches)
        ]

    def stage_context(self, scheduled: ScheduledStage) -> StageContext:
        """Return what all step contexts of a stage share."""
        stage, batch_size = scheduled.stage, scheduled.batch_size
        num_images = len(self.images_of(scheduled) or ())
        return StageContext(
            seed=self.seed,
            stage=stage.name,
            images_seen=self.images_seen,
            log=self.log,
            world=self.world,
            num_shards=self.num_shards,
            enable_all_grads=self.grad_toggler.enable_all,
            epochs_to_steps=lambda epochs: steps_for_epochs(epochs, stage, batch_size, num_images),
            reset_optimizer=self._reset_optimizer,
        )

    def _reset_optimizer(self, name: str) -> None:
        if name not in self.optimizers:
            raise PluginError(
                f"ctx.reset_optimizer: there is no optimizer {name!r}."
                f"{suggest(name, self.optimizers)}"
            )
        self.optimizers[name].reset()

    def _first_step(self, name: str) -> int:
        """Return the step in which an optimizer is first used; skipped stages have no steps."""
        stages = [stage for stage in self.plan.stages if stage.end > stage.start]
        return next(stage.start for stage in stages if name in stage.optimizer_names)

    # --- the run -----------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Whether all steps of the plan are done."""
        return self.step >= self.plan.total_steps

    def run(self, folder: Path) -> None:
        """Train to the end of the plan.

        Args:
            folder: the folder of the checkpoints.

        Raises:
            Interrupted: stopped by a signal, after writing a checkpoint.
            DivergedError: a loss or weight is not finite; the last checkpoint is valid.
        """
        self.started = time.perf_counter() - self.seconds
        rng_devices = [self.device] if self.device.type == "cuda" else []
        with StopOnSignal() as stop, torch.random.fork_rng(rng_devices):
            if not self.step:
                self.save(folder)  # a run that diverges or is killed early restarts here
            stopped = False
            while not self.is_done and not stopped:
                try:
                    self.advance(folder)
                    stopped = self.world.any_rank(stop.signal is not None)
                    if stopped or self.is_done:
                        self._save_final(folder)
                except DivergedError as error:
                    self._roll_back(folder, error)
            if self.is_done:  # after saving, so that a full disk loses no training
                self.callback.on_sample(self.ema_model(), self.step)
            if stopped and not self.is_done:
                raise self._interruption(stop.signal or signal.SIGTERM, folder)

    def advance(self, folder: Path) -> None:
        """Run one step with its log, sample grid and checkpoint."""
        self.train_step(self.plan.stage_at(self.step))
        self.seconds = time.perf_counter() - self.started
        self._report()
        if self._is_due(self.config.checkpoint_every) and not self.is_done:
            self.save(folder)

    def _save_final(self, folder: Path) -> None:
        if self.is_done:
            self._write_log()  # the last line, over the steps since the one before
        self.save(folder)

    def _roll_back(self, folder: Path, error: DivergedError) -> None:
        """Restore the last checkpoint and continue with other random numbers and data order.

        Raises:
            DivergedError: after `MAX_RETRIES` retries.
        """
        if self.retries >= MAX_RETRIES:
            raise error
        retries, failed_step = self.retries + 1, self.step
        self.restore(folder)
        self.retries = retries
        self.seed_streams()
        self.started = time.perf_counter() - self.seconds
        self.callback.on_rollback(
            self.last_logged_step,
            f"{error.nonfinite_name} is not finite at step {failed_step}: back to step "
            f"{self.step}, with another seed (attempt {retries} of {MAX_RETRIES})",
        )

    def _interruption(self, number: int, folder: Path) -> Interrupted:
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        return Interrupted(
            f"stopped by {name} after step {self.step} of {self.plan.total_steps}; "
            f"continue with: ganzoo resume {folder.parent}",
            128 + number,
        )

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0

    def _report(self) -> None:
        """Write a line of metrics and a sample grid, and check for values that are not finite, each
        at its interval."""
        self.callback.on_step(self.step, self.plan.total_steps)
        self._evaluate()
        if self._is_due(self.config.log_every):
            self._write_log()
            self.log.clear()
        elif self._is_due(FINITE_CHECK_EVERY):
            self._finite_metrics()
        if self._is_due(FINITE_CHECK_EVERY):
            require_finite_weights(self.model, self.step)
        is_sample_due = self._is_due(self.config.sample_every) or self.callback.wants_sample()
        if is_sample_due and not self.is_done:
            self.callback.on_sample(self.ema_model(), self.step)

    def _evaluate(self) -> None:
        """Compute `train.metrics` where they are due, and log them with the values of the step.

        The first rank computes them; no weight and no random number of the training changes.
        """
        self.evaluated = {}
        every = self.config.evaluate_every or self.config.checkpoint_every
        if not self.config.metrics or not (self._is_due(every) or self.is_done):
            return
        self.evaluated = self.world.broadcast_object(
            self.callback.on_evaluate(self.ema_model(), self.step) if self.world.is_main else None
        )
        values = {n: torch.tensor(v.value, device=self.device) for n, v in self.evaluated.items()}
        self.log.add(values)

    def _write_log(self) -> None:
        metrics = self._finite_metrics()
        if not metrics:
            return
        self.last_metrics = metrics
        stage = self.plan.stage_at(self.step - 1).stage
        self.callback.on_log(
            {
                "step": self.step,
                "total_steps": self.plan.total_steps,
                "stage": stage.name,
                "images_seen": self.plan.images_before(self.step),
                "seconds": round(self.seconds, 3),
                **metrics,
            }
        )

    def _finite_metrics(self) -> dict[str, float]:
        """Return the means of the values logged since the last line; raises DivergedError."""
        return require_finite(self.log.means(self.world), self.step, self.log.first_nonfinite)

    @property
    def last_logged_step(self) -> int:
        """The last step whose line of metrics.jsonl a resumed run keeps.

        The last line of a run may cover fewer steps; a longer run replaces it.
        """
        return self.step if self.is_done else self.step - self.step % self.config.log_every

    def ema_model(self) -> Model:
        """Return the model with its averaged weights, for sampling and export."""
        return with_ema_weights(self.model, [o.ema for o in self.optimizers.values() if o.ema])

    # --- state -------------------------------------------------------------------------------

    def _schedulers(self) -> dict[str, str]:
        """Return the schedulers of the run by the option that sets them."""
        found: dict[str, str] = {"train.lr_scheduler": self.config.lr_scheduler}
        for name, spec in self.model.configure_optimizers().items():
            if scheduler := getattr(spec.optimizer, "lr_scheduler", None):
                found[f"lr_scheduler of the optimizer {name!r}"] = scheduler
        for name, (_, stage_config) in self.options.items():
            if stage_config.lr_scheduler != self.config.lr_scheduler:
                found[f"train.{name}.overrides.train.lr_scheduler"] = stage_config.lr_scheduler
        return found

    def state_dict(self) -> dict[str, Tensor]:
        """Return everything that training changes: parameters, buffers, moving averages, optimizer
        states and the values of the next line of metrics."""
        state = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for optimizer in self.optimizers.values():
            state |= optimizer.state_dict()
        return state | self.log.state_dict()

    def save(self, folder: Path) -> None:
        """Write a checkpoint of this step.

        Raises:
            DivergedError: a loss or weight is not finite; the previous checkpoint is kept.
        """
        metrics = self._finite_metrics() or self.last_metrics  # the log is empty just after a line
        require_finite_weights(self.model, self.step)
        value = metrics.get(self.config.monitor, math.inf)
        if self.config.monitor.startswith("eval/"):  # of this step alone; lower is better
            evaluated = self.evaluated.get(self.config.monitor, EvalValue(math.inf))
            value = -evaluated.value if evaluated.higher_is_better else evaluated.value
        self.best_value = min(self.best_value, value)
        info = {
            "step": self.step,
            "total_steps": self.plan.total_steps,
            "seconds": round(self.seconds, 3),
            "retries": self.retries,
            "model": type(self.model).__name__,
            "seed": self.config.seed,
            "best_value": self.best_value if math.isfinite(self.best_value) else None,
        }
        if self.world.is_main:
            is_best = math.isfinite(value) and value == self.best_value
            path = save_checkpoint(
                folder, self.state_dict(), info, self.config.save_total_limit, is_best=is_best
            )
            self.callback.on_checkpoint(path)
        self.world.barrier()

    def restore(self, folder: Path) -> list[str]:
        """Load the newest valid checkpoint; return one line for each damaged one that was skipped.

        Raises:
            WeightsError: there is no valid checkpoint, or it belongs to another model.
        """
        checkpoint, skipped = load_latest(folder)
        state = checkpoint.state
        copy_state_dict(self.model.state_dict(), strip_prefix(state, "model."), checkpoint.path)
        for optimizer in self.optimizers.values():
            optimizer.load_state_dict(state)
        self.log.load_state_dict(strip_prefix(state, "log."), self.device)
        if differing := sorted(set(self.state_dict()) ^ set(state)):
            raise WeightsError(
                f"{checkpoint.path} does not match this model or preset: only one of the two has "
                f"{differing[0]!r}"
            )
        info = checkpoint.info
        self.current_stage, self.last_metrics, self.evaluated = None, {}, {}
        self.step = info["step"]
        self.retries = int(info.get("retries", 0))
        self.notice = scheduler_notice(self._schedulers(), info, self.plan.total_steps)
        best_value = info.get("best_value")
        self.best_value = math.inf if best_value is None else float(best_value)
        self.seed_streams()
        self.seconds = float(info.get("seconds", 0))
        self.images_seen.fill_(self.plan.images_before(self.step))
        return skipped


@torch.no_grad()
def _phase_condition(phase: Phase, ctx: EngineStepContext) -> bool | Tensor:
    """Return False to skip the phase, True to run it, or a 0-d bool tensor that decides on the
    device whether its update is applied."""
    if ctx.step % phase.interval:
        return False
    answer = True if phase.condition is None else phase.condition(ctx)
    return answer if isinstance(answer, Tensor) else bool(answer)
