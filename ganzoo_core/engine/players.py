"""A player at work: its parameters, optimiser, average, and one optimiser step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from ganzoo_core.engine.average import Average
from ganzoo_core.engine.world import World
from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.interfaces import Model, Player


class ActivePlayer:
    """What the Trainer keeps for one player."""

    def __init__(
        self, model: Model, name: str, player: Player, device: torch.device, scaler: bool
    ) -> None:
        self.name = name
        self.params = dict(named_params(model, name, player))
        self.nets: list[nn.Module] = [getattr(model, net) for net in player.nets]
        self.optim = player.optim(self.params.values())
        self.scaler = torch.amp.GradScaler(device.type, enabled=scaler)
        self.average = Average(model, player.nets, player.ema) if player.ema else None

    def begin(self) -> None:
        """Forget the gradients of the step before."""
        self.optim.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss, into this player's parameters only."""
        torch.autograd.backward(self.scaler.scale(loss), inputs=list(self.params.values()))

    def step(self, world: World, clip: float | None, go: bool | Tensor = True) -> Tensor:
        """Reduce the gradients over the ranks, clip them, and step; return their norm, 0-d.

        Args:
            go: a 0-d bool tensor takes the step back where it says no, without being read.
        """
        if world.size > 1:
            for param in self.params.values():
                if param.grad is None:  # every rank must send the same tensors
                    param.grad = torch.zeros_like(param)
            world.mean_([p.grad for p in self.params.values() if p.grad is not None])
        self.scaler.unscale_(self.optim)
        params = list(self.params.values())
        norm = torch.nn.utils.get_total_norm(
            [p.grad for p in params if p.grad is not None], foreach=True
        )
        if clip is not None:
            torch.nn.utils.clip_grads_with_norm_(params, clip, norm, foreach=True)
        with self.reversible(world.all(go)) if isinstance(go, Tensor) else nullcontext():
            self.scaler.step(self.optim)
        self.scaler.update()
        # fp16 overflows now and then by design: the scaler passes such a step over
        return norm.nan_to_num(posinf=0.0) if self.scaler.is_enabled() else norm

    @contextmanager
    def reversible(self, go: Tensor) -> Iterator[None]:
        """Put weights and optimiser back as they were unless `go`; nothing waits for the device.
        A state that the step began counts as zero before it."""
        before = {name: value.clone() for name, value in self.moving()}
        yield
        with torch.no_grad():
            for name, value in self.moving():
                old = before.get(name, torch.zeros_like(value))
                value.copy_(torch.where(go.to(value.device), value, old))

    def moving(self) -> Iterator[tuple[str, Tensor]]:
        """Yield all that a step changes: weights, and the optimiser's state by name."""
        for name, param in self.params.items():
            yield name, param.detach()
            for key, value in self.optim.state.get(param, {}).items():
                if isinstance(value, Tensor):
                    yield f"{name}.{key}", value

    def restart(self) -> None:
        """Forget the past: the optimiser's state, and the average, which begins at the weights."""
        self.optim.state.clear()
        if self.average:
            self.average.begin()

    def rate(self, factor: float) -> None:
        """Set every learning rate to a share of its own."""
        for group in self.optim.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    def state(self) -> dict[str, Tensor]:
        """Return optimiser and average by name, ``optim.g.generator.conv.weight.exp_avg``."""
        out = {
            f"optim.{self.name}.{name}.{key}": torch.as_tensor(value)
            for name, param in self.params.items()
            for key, value in self.optim.state.get(param, {}).items()
        }
        if self.average:
            out |= {f"ema.{self.name}.{k}": v for k, v in self.average.state().items()}
        if self.scaler.is_enabled():
            out |= {
                f"scaler.{self.name}.{k}": torch.tensor(v)
                for k, v in self.scaler.state_dict().items()
            }
        return out

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the state of `state()` back.

        Moments go into `empty_like(param)`: fused Adam reads raw memory, and a contiguous moment
        beside a channels_last weight would be permuted without a word.
        """
        self.optim.state.clear()  # a run that goes back to its first round had none
        for name, param in self.params.items():
            prefix = f"optim.{self.name}.{name}."
            for key, value in part(state, prefix).items():
                if value.shape == param.shape:
                    self.optim.state[param][key] = torch.empty_like(param).copy_(value)
                else:
                    self.optim.state[param][key] = value.to(param.device, copy=True)
        if self.average:
            shadow = self.average.state()
            for key, value in part(state, f"ema.{self.name}.").items():
                if key in shadow:
                    shadow[key].copy_(value)
        if self.scaler.is_enabled():
            found = part(state, f"scaler.{self.name}.")
            if found:
                self.scaler.load_state_dict({k: v.item() for k, v in found.items()})


def part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the entries under a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def named_params(model: Model, name: str, player: Player) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield a player's parameters by their full name.

    Raises:
        UsageError: the player names a network that the model lacks.
    """
    for net in player.nets:
        if not isinstance(getattr(model, net, None), nn.Module):
            nets = [n for n, _ in model.named_children()]
            raise UsageError(
                f"player {name!r} names the network {net!r}, which {type(model).__name__} "
                f"lacks.{suggest(net, nets)}"
            )
        for key, param in getattr(model, net).named_parameters():
            yield f"{net}.{key}", param


class Freezer:
    """Switches which parameters record a graph."""

    def __init__(self, players: Iterable[ActivePlayer]) -> None:
        self.params = {p.name: list(p.params.values()) for p in players}
        self.free = ""
        self.thawed = 0

    def only(self, name: str) -> None:
        """Let just one player's parameters learn."""
        self.free = name
        for player, params in self.params.items():
            if player != name:
                set_grad(params, False)
        set_grad(self.params[name], True)  # last, since two players may share networks

    @contextmanager
    def thaw(self) -> Iterator[None]:
        """Let all players' parameters record a graph for a while."""
        for params in self.params.values():
            set_grad(params, True)
        self.thawed += 1
        try:
            yield
        finally:
            self.thawed -= 1
            if not self.thawed:  # one `once` may call another
                self.only(self.free)


def set_grad(params: list[nn.Parameter], on: bool) -> None:
    """Set requires_grad of many parameters."""
    for param in params:
        param.requires_grad_(on)
