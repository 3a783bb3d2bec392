"""The exponential moving average of the weights that one optimizer trains."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganzoo_core.interfaces import Model

EMA_RAMPUP = 0.05
"""Early in training the half-life is at most this share of the images before the update (Karras et
al. 2020, arXiv 2006.06676), so the first update copies the weights."""


class EMA:
    """Averaged copies of modules: weights and float buffers averaged, integer buffers copied.

    BatchNorm's running statistics are float buffers, so they are averaged over the same images as
    the weights that they belong to.

    Args:
        model: the model that has the modules.
        modules: their attribute names.
        halflife: in images; or a function that returns it from the images before the update,
            which replaces the ramp.
    """

    def __init__(
        self, model: Model, modules: tuple[str, ...], halflife: float | Callable[[int], float]
    ) -> None:
        self.halflife = halflife
        self.modules = {name: copy.deepcopy(getattr(model, name)) for name in modules}
        for module in self.modules.values():
            module.requires_grad_(False)
        live = [t for name in modules for t in _tensors_of(getattr(model, name))]
        shadow = [t for module in self.modules.values() for t in _tensors_of(module)]
        pairs = list(zip(shadow, live, strict=True))
        self.floats = [pair for pair in pairs if pair[0].is_floating_point()]
        self.integers = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, images_seen: int, new_images: int) -> None:
        """Move the average towards the weights.

        Args:
            images_seen: images since the optimizer was first used, with the new ones.
            new_images: images since the last update.
        """
        images_before = images_seen - new_images
        if callable(self.halflife):
            halflife = self.halflife(images_before)
        else:
            halflife = min(self.halflife, EMA_RAMPUP * images_before)
        weight = 1 - 0.5 ** (new_images / max(halflife, 1e-8))
        shadow, live = zip(*self.floats, strict=True)
        torch._foreach_lerp_(shadow, [t.detach() for t in live], weight)
        for average, value in self.integers:
            average.copy_(value)

    @torch.no_grad()
    def reset(self) -> None:
        """Copy the weights into the average."""
        for average, value in (*self.floats, *self.integers):
            average.copy_(value)

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Copy the average into the weights."""
        for average, value in (*self.floats, *self.integers):
            value.copy_(average)

    def state_dict(self) -> dict[str, Tensor]:
        """Return every averaged tensor by name, ``generator.conv.weight``."""
        return {
            f"{name}.{key}": value
            for name, module in self.modules.items()
            for key, value in module.state_dict().items()
        }


def _tensors_of(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def with_ema_weights(model: Model, emas: list[EMA]) -> Model:
    """Return a view of the model whose averaged modules are the averaged copies.

    All other modules, and the auxiliary networks, are shared with the model itself.
    """
    view = copy.copy(model)
    view._modules = dict(model._modules)
    for ema in emas:
        view._modules.update(ema.modules)
    return view
