"""Capabilities a model may have, one Protocol each, and the frozen judges it may use."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ganzoo_core.interfaces.turn import Noise


@runtime_checkable
class Samples(Protocol):
    """Capability `sample`: makes images out of noise."""

    def generate(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Return images [n, C, H, W] in [-1, 1]; labels [n] for conditional models."""


@runtime_checkable
class HasLikelihood(Protocol):
    """Capability `likelihood`: says how probable an image is."""

    levels: int
    """Values that a channel of a pixel may have (`data.levels`): likelihoods compare only where it
    is the same."""
    exact: bool
    """Whether it is the likelihood, or a lower bound of it."""

    def log_likelihood(self, image: Tensor, label: Tensor | None, noise: Noise) -> Tensor:
        """Return log p(x), or log p(x | label) of conditional models, of quantised images.

        Args:
            image: [N, C, H, W] in [-1, 1]; quantised by the model itself.
            noise: for models that estimate.

        Returns:
            [N] nats, at most 0.
        """


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
class HasFeatures(Protocol):
    """What an embedder may offer besides, for losses that compare features."""

    def features(self, image: Tensor) -> Tensor:
        """Return a middle layer's maps [N, C', h, w] for images [N, C, H, W] in [-1, 1]."""


@runtime_checkable
class EstimatesAge(Protocol):
    """Capability `estimate_age`, role `age`."""

    input_size: int

    def estimate_age(self, image: Tensor) -> Tensor:
        """Return expected ages [N] in years for images [N, C, H, W] in [-1, 1]."""


@runtime_checkable
class HasAgeLogits(Protocol):
    """What an age estimator may offer besides."""

    def age_logits(self, image: Tensor) -> Tensor:
        """Return logits [N, 101] over the ages 0 to 100, whose expectation `estimate_age` is."""


@runtime_checkable
class EditsAge(Protocol):
    """Capability `edit_age`: the same person at another age.

    One that draws the face anew, even at its own age, says ``reconstructs = True``: strips then
    show that drawing. One that takes long may take ``advance=``, to be told (done, in all).
    """

    def age(self, images: Tensor, source_age: Tensor | None, target_groups: Tensor) -> Tensor:
        """Return each face at each of its target ages.

        Args:
            images: [N, C, H, W] in [-1, 1].
            source_age: [N] years; None lets the model find out, where it can.
            target_groups: [N, T] labels.

        Returns:
            [N, T, C, H, W] in [-1, 1].
        """


@runtime_checkable
class HasReach(Protocol):
    """What a model with `edit_age` offers besides if it cannot go from every group to every other,
    such as one that only makes people older."""

    def reaches(self, source: Tensor, target: Tensor) -> Tensor:
        """Return which moves between groups it makes, bool of the shape of both labels together."""


CAPABILITIES: dict[str, type] = {
    "sample": Samples,
    "likelihood": HasLikelihood,
    "translate": Translates,
    "embed": Embeds,
    "estimate_age": EstimatesAge,
    "edit_age": EditsAge,
}


ROLES: dict[str, str] = {"identity": "embed", "age": "estimate_age"}
"""The capability that a judge of each role has; a role of one's own asks for none."""


class Judge:
    """One frozen network. Its methods run in fp32, whatever the precision of the run: they leave
    autocast, and half-precision images are widened."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module.float().eval().requires_grad_(False)

    def __call__(self, *inputs: Any) -> Any:
        """Call the network."""
        return in_fp32(self.module)(*inputs)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.module, name)
        return in_fp32(value) if inspect.ismethod(value) else value


def in_fp32(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that computes in fp32 under any autocast."""

    def run(*inputs: Any) -> Any:
        """Widen float tensors and call the method outside autocast."""
        kinds = {x.device.type for x in inputs if isinstance(x, Tensor)}
        wide = [x.float() if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs]
        with ExitStack() as stack:
            for kind in kinds:
                stack.enter_context(torch.autocast(kind, enabled=False))
            return method(*wide)

    return run


class Judges(Mapping[str, Judge]):
    """Frozen networks by role: eval, fp32, outside state_dict, players, EMA and gradient sync.

    Not an `nn.Module`, so that a model which holds it does not register its networks. Gradients
    flow through a judge to its input; its weights never get any.

    Args:
        modules: a network for each role, or what makes it when it is first asked for.
        origins: for each role where its weights come from and their sha256, as plain JSON.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module | Callable[[], nn.Module]] | None = None,
        origins: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._made = {
            role: Judge(m) for role, m in (modules or {}).items() if isinstance(m, nn.Module)
        }
        self._make = dict(modules or {})
        self._device: torch.device | None = None
        self.origins = {role: dict(origin) for role, origin in (origins or {}).items()}

    def __getitem__(self, role: str) -> Judge:
        if role not in self._made:
            self._made[role] = Judge(self._make[role]())
            if self._device is not None:
                self._made[role].module.to(self._device)
        return self._made[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)

    def to(self, device: torch.device) -> Judges:
        """Move every judge to a device, in place."""
        self._device = device
        for judge in self._made.values():
            judge.module.to(device)
        return self
