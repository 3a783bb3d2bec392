"""The exponential moving average of a player's networks."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ganzoo_core.interfaces import Model

RAMP = 0.05
"""Early on, the half-life is at most this share of the images seen (Karras et al. 2020)."""


class Average:
    """Shadow copies of networks: weights and float buffers averaged, integer buffers copied.

    BatchNorm's running statistics are float buffers, so they are averaged over the same past as
    the weights they belong to.
    """

    def __init__(self, model: Model, nets: tuple[str, ...], half_life: float) -> None:
        self.half_life = half_life
        self.nets = {name: copy.deepcopy(getattr(model, name)) for name in nets}
        for net in self.nets.values():
            net.requires_grad_(False)
        live = [t for name in nets for t in values(getattr(model, name))]
        shadow = [t for net in self.nets.values() for t in values(net)]
        pairs = list(zip(shadow, live, strict=True))
        self.floats = [p for p in pairs if p[0].is_floating_point()]
        self.integers = [p for p in pairs if not p[0].is_floating_point()]

    @torch.no_grad()
    def update(self, seen: int, images: int) -> None:
        """Move towards the live weights, after `images` more images of `seen` in all."""
        half_life = max(min(self.half_life, RAMP * seen), 1e-8)
        weight = 1 - 0.5 ** (images / half_life)
        shadow, live = zip(*self.floats, strict=True)
        torch._foreach_lerp_(shadow, [t.detach() for t in live], weight)
        for old, new in self.integers:
            old.copy_(new)

    @torch.no_grad()
    def begin(self) -> None:
        """Make the live weights the average."""
        for shadow, live in (*self.floats, *self.integers):
            shadow.copy_(live)

    @torch.no_grad()
    def settle(self) -> None:
        """Make the average the live weights."""
        for shadow, live in (*self.floats, *self.integers):
            live.copy_(shadow)

    def state(self) -> dict[str, Tensor]:
        """Return every shadow tensor by name, ``generator.conv.weight``."""
        return {f"{n}.{k}": v for n, net in self.nets.items() for k, v in net.state_dict().items()}


def values(net: nn.Module) -> list[Tensor]:
    """Return parameters and buffers in a fixed order."""
    return [*net.parameters(), *net.buffers()]


def with_averages(model: Model, averages: list[Average]) -> Model:
    """Return a view of the model whose averaged networks are the shadow copies.

    All other networks, and the judges, are shared with the model itself.
    """
    view = copy.copy(model)
    view._modules = dict(model._modules)
    for average in averages:
        view._modules.update(average.nets)
    return view
