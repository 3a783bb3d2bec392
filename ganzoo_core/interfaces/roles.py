"""Capabilities a model may have, one Protocol each, and the frozen judges it may use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from ganzoo_core.interfaces.turn import Noise


@runtime_checkable
class Samples(Protocol):
    """Capability `sample`: makes images out of noise."""

    def generate(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Return images [n, C, H, W] in [-1, 1]; labels [n] for conditional models."""


@runtime_checkable
class Translates(Protocol):
    """Capability `translate`: turns an image into an image of another class."""

    def translate(self, image: Tensor, label: Tensor) -> Tensor:
        """Return images [N, C, H, W] in [-1, 1] for images like them and target labels [N]."""


@runtime_checkable
class Embeds(Protocol):
    """Capability `embed`, role `identity`: photographs of one person lie close together."""

    input_size: int
    """Edge it was trained at, in pixels; `embed` resizes by itself."""

    def embed(self, image: Tensor) -> Tensor:
        """Return unit vectors [N, D] for images [N, C, H, W] in [-1, 1]; normalises by itself."""


@runtime_checkable
class EstimatesAge(Protocol):
    """Capability `estimate_age`, role `age`."""

    input_size: int

    def estimate_age(self, image: Tensor) -> Tensor:
        """Return expected ages [N] in years for images [N, C, H, W] in [-1, 1]."""


@runtime_checkable
class EditsAge(Protocol):
    """Capability `edit_age`: the same person at another age."""

    def age(self, images: Tensor, source_age: Tensor | None, target_groups: Tensor) -> Tensor:
        """Return images [N, C, H, W] in [-1, 1]; ages [N] in years, target labels [N]."""


CAPABILITIES: dict[str, type] = {
    "sample": Samples,
    "translate": Translates,
    "embed": Embeds,
    "estimate_age": EstimatesAge,
    "edit_age": EditsAge,
}


class Judges(Mapping[str, nn.Module]):
    """Frozen networks by role: eval, fp32, outside state_dict, players, EMA and gradient sync.

    Not an `nn.Module`, so that a model which holds it does not register its networks. Gradients
    flow through a judge to its input; its weights never get any.
    """

    def __init__(self, modules: Mapping[str, nn.Module] | None = None) -> None:
        self._modules = {r: m.float().eval().requires_grad_(False) for r, m in (modules or {}).items()}

    def __getitem__(self, role: str) -> nn.Module:
        return self._modules[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def to(self, device: object) -> Judges:
        """Move every judge to a device, in place."""
        for module in self._modules.values():
            module.to(device)  # type: ignore[call-overload]
        return self
