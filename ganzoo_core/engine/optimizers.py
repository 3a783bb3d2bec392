"""The state that the Trainer keeps for each optimizer, and one optimizer update."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from ganzoo_core.engine.ema import EMA
from ganzoo_core.engine.world import World
from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.interfaces import Model, OptimizerSpec


class OptimizerState:
    """An optimizer with its parameters, its gradient scaler and the moving average of its modules.

    Args:
        model: the model that has the modules.
        name: of the optimizer, as in `Model.configure_optimizers`.
        spec: its modules and how to build it.
        device: of the parameters.
        use_scaler: scale the loss, for fp16.
    """

    def __init__(
        self, model: Model, name: str, spec: OptimizerSpec, device: torch.device, use_scaler: bool
    ) -> None:
        self.name = name
        self.params = dict(_named_parameters(model, name, spec))
        self.modules: list[nn.Module] = [getattr(model, module) for module in spec.modules]
        self.optimizer = spec.optimizer(self.params.values())
        self.scaler = torch.amp.GradScaler(device.type, enabled=use_scaler)
        self.ema = EMA(model, spec.modules, spec.ema_halflife) if spec.ema_halflife else None

    def zero_grad(self) -> None:
        """Clear the gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        """Accumulate the gradient of a loss into the parameters of this optimizer only."""
        torch.autograd.backward(self.scaler.scale(loss), inputs=list(self.params.values()))

    def step(
        self, world: World, grad_clip_norm: float | None, should_apply: bool | Tensor = True
    ) -> Tensor:
        """Reduce the gradients over the ranks, clip them, and update; return their norm, 0-d.

        Args:
            world: the ranks.
            grad_clip_norm: the maximum norm; None for no clipping.
            should_apply: a 0-d bool tensor; if it is False the update is undone, without a device
                sync.
        """
        params = list(self.params.values())
        if world.size > 1:
            for param in params:
                if param.grad is None:  # every rank must send the same tensors
                    param.grad = torch.zeros_like(param)
            world.all_reduce_mean_([p.grad for p in params if p.grad is not None])
        self.scaler.unscale_(self.optimizer)
        grads = [p.grad for p in params if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(grads, foreach=True)
        if grad_clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(params, grad_clip_norm, norm, foreach=True)
        undo = nullcontext()
        if isinstance(should_apply, Tensor):
            undo = self._revert_unless(world.all_ranks(should_apply))  # type: ignore[assignment]
        with undo:
            self.scaler.step(self.optimizer)
        self.scaler.update()
        # fp16 overflows now and then by design, and the scaler skips that update
        return norm.nan_to_num(posinf=0.0) if self.scaler.is_enabled() else norm

    @contextmanager
    def _revert_unless(self, should_apply: Tensor) -> Iterator[None]:
        """Undo the update unless `should_apply`, without a device sync. An optimizer state that the
        update created counts as zero before it."""
        before = {name: value.clone() for name, value in self._mutable_state()}
        yield
        with torch.no_grad():
            for name, value in self._mutable_state():
                old = before.get(name, torch.zeros_like(value))
                value.copy_(torch.where(should_apply.to(value.device), value, old))

    def _mutable_state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield everything that an update changes: weights, and the optimizer state by name."""
        for name, param in self.params.items():
            yield name, param.detach()
            for key, value in self.optimizer.state.get(param, {}).items():
                if isinstance(value, Tensor):
                    yield f"{name}.{key}", value

    def reset(self) -> None:
        """Clear the optimizer state and copy the weights into the moving average."""
        self.optimizer.state.clear()
        if self.ema:
            self.ema.reset()

    def set_lr_factor(self, factor: float) -> None:
        """Set every learning rate to its initial value times a factor."""
        for group in self.optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    def set_base_lr(self, lr: float) -> None:
        """Set the learning rate that the factors multiply."""
        for group in self.optimizer.param_groups:
            group["initial_lr"] = lr

    def state_dict(self) -> dict[str, Tensor]:
        """Return optimizer, moving average and scaler by name, such as
        ``optim.g.generator.conv.weight.exp_avg``."""
        state = {
            f"optim.{self.name}.{name}.{key}": torch.as_tensor(value)
            for name, param in self.params.items()
            for key, value in self.optimizer.state.get(param, {}).items()
        }
        if self.ema:
            state |= {f"ema.{self.name}.{k}": v for k, v in self.ema.state_dict().items()}
        if self.scaler.is_enabled():
            scaler = self.scaler.state_dict()
            state |= {f"scaler.{self.name}.{k}": torch.tensor(v) for k, v in scaler.items()}
        return state

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Load what `state_dict` returned.

        Moments are copied into `empty_like(param)`: fused Adam reads raw memory, so a contiguous
        moment of a channels_last weight would be permuted silently.
        """
        self.optimizer.state.clear()  # a run that goes back to its first step had no state
        for name, param in self.params.items():
            for key, value in strip_prefix(state, f"optim.{self.name}.{name}.").items():
                if value.shape == param.shape:
                    self.optimizer.state[param][key] = torch.empty_like(param).copy_(value)
                else:
                    self.optimizer.state[param][key] = value.to(param.device, copy=True)
        if self.ema:
            shadow = self.ema.state_dict()
            for key, value in strip_prefix(state, f"ema.{self.name}.").items():
                if key in shadow:
                    shadow[key].copy_(value)
        if self.scaler.is_enabled():
            scaler = strip_prefix(state, f"scaler.{self.name}.")
            if scaler:
                self.scaler.load_state_dict({k: v.item() for k, v in scaler.items()})


def strip_prefix(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the entries whose name starts with a prefix, without the prefix."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _named_parameters(
    model: Model, name: str, spec: OptimizerSpec
) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters of an optimizer by their full name.

    Raises:
        UsageError: the optimizer names a module that the model lacks.
    """
    for module in spec.modules:
        if not isinstance(getattr(model, module, None), nn.Module):
            known = [n for n, _ in model.named_children()]
            raise UsageError(
                f"optimizer {name!r} names the module {module!r}, which {type(model).__name__} "
                f"lacks.{suggest(module, known)}"
            )
        for key, param in getattr(model, module).named_parameters():
            yield f"{module}.{key}", param


class GradToggler:
    """Sets which parameters require gradients."""

    def __init__(self, optimizers: Iterable[OptimizerState]) -> None:
        self.params = {o.name: list(o.params.values()) for o in optimizers}
        self.enabled = ""
        self.depth = 0

    def enable_only(self, name: str) -> None:
        """Require gradients for the parameters of one optimizer only."""
        self.enabled = name
        for optimizer, params in self.params.items():
            if optimizer != name:
                _set_requires_grad(params, False)
        _set_requires_grad(self.params[name], True)  # last: two optimizers may share modules

    @contextmanager
    def enable_all(self) -> Iterator[None]:
        """Require gradients for all parameters inside the context."""
        for params in self.params.values():
            _set_requires_grad(params, True)
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
            if not self.depth:  # one cached value may compute another
                self.enable_only(self.enabled)


def _set_requires_grad(params: list[nn.Parameter], on: bool) -> None:
    for param in params:
        param.requires_grad_(on)
