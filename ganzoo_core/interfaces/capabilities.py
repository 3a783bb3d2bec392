"""Capabilities of models, one Protocol each (`ganzoo list capabilities`; plugins add more), and the
networks that a loss may use."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ganzoo_core.interfaces.batch import DataInfo
from ganzoo_core.interfaces.context import Rng


@runtime_checkable
class SupportsSampling(Protocol):
    """Capability `sample`: generates images.

    A model with sampling options (`SamplingOptions`) takes each as a further keyword argument of
    `generate`, with the default that it declares.
    """

    def generate(self, n: int, label: Tensor | None, rng: Rng) -> Tensor:
        """Return images [n, C, H, W] in [-1, 1]; labels [n] for conditional models."""


@dataclass(frozen=True)
class SampleGrid:
    """A grid of images whose rows and columns a model chooses, such as a row for each code."""

    images: Tensor
    """[R, K, C, H, W] in [-1, 1]: R rows of K columns."""
    row_names: tuple[str, ...] = ()
    """R names, or none."""
    column_names: tuple[str, ...] = ()
    """K names, or none."""


@runtime_checkable
class HasSampleGrid(Protocol):
    """Optional part of a model with `generate`: the grid of its runs and of `ganzoo sample`."""

    def sample_grid(self, rng: Rng) -> SampleGrid:
        """Return the grid; the same random numbers give the same grid."""


@runtime_checkable
class SupportsLikelihood(Protocol):
    """Capability `likelihood`: computes the likelihood of an image, or a lower bound."""

    num_levels: int
    """Quantization levels of a channel (`data.quantization`). Likelihoods compare only between
    models of equal levels."""
    is_exact: bool
    """Whether it is the likelihood, and not a lower bound."""

    def log_likelihood(self, image: Tensor, label: Tensor | None, rng: Rng) -> Tensor:
        """Return log p(x), or log p(x | label) for conditional models, of quantized images.

        Args:
            image: [N, C, H, W] in [-1, 1]; the model quantizes it.
            label: [N] for conditional models.
            rng: for models that estimate the likelihood.

        Returns:
            [N] nats, at most 0.
        """


@runtime_checkable
class SupportsTranslation(Protocol):
    """Capability `translate`: maps an image to an image of another class."""

    def translate(self, image: Tensor, label: Tensor) -> Tensor:
        """Return images [N, C, H, W] in [-1, 1] of target labels [N], from images of that shape."""


@runtime_checkable
class SupportsEmbedding(Protocol):
    """Capability `embed`, role `identity`: photographs of the same person have close embeddings."""

    input_size: int
    """Edge of the images it was trained on, in pixels; `embed` resizes its input."""

    def embed(self, image: Tensor) -> Tensor:
        """Return unit vectors [N, D] from images [N, C, H, W] in [-1, 1]; it normalizes its
        input."""


@runtime_checkable
class HasFeatures(Protocol):
    """Optional part of an embedder, for losses that compare features."""

    def features(self, image: Tensor) -> Tensor:
        """Return maps [N, C', h, w] of an intermediate layer from images [N, C, H, W] in
        [-1, 1]."""


@runtime_checkable
class AdaptsToImages(Protocol):
    """Optional part of an auxiliary network or evaluator, for images that are cropped otherwise
    than its training images."""

    def adapt_to_images(self, info: DataInfo) -> None:
        """Expect images with these facts from now on, such as `DataInfo.crop`."""


@runtime_checkable
class HasSupportedTransitions(Protocol):
    """Optional part of a model that does not translate from every class to every other one."""

    def supported_transitions(self, source: Tensor, target: Tensor) -> Tensor:
        """Return whether each transition is supported, a bool tensor of the broadcast shape of
        both label tensors."""


class FrozenNetwork:
    """A network in eval mode whose weights get no gradients. Its methods run in fp32 outside
    autocast, whatever the precision of the run."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module.float().eval().requires_grad_(False)

    def __call__(self, *inputs: Any) -> Any:
        """Call the network."""
        return _in_fp32(self.module)(*inputs)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.module, name)
        return _in_fp32(value) if inspect.ismethod(value) else value


def _in_fp32(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that casts float inputs to fp32 and runs outside autocast."""

    def run(*inputs: Any) -> Any:
        devices = {x.device.type for x in inputs if isinstance(x, Tensor)}
        cast = [x.float() if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs]
        with ExitStack() as stack:
            for device in devices:
                stack.enter_context(torch.autocast(device, enabled=False))
            return method(*cast)

    return run


class Auxiliaries(Mapping[str, FrozenNetwork]):
    """The frozen networks that a model's loss uses, by role.

    It is not an `nn.Module`, so its networks are in no `state_dict`, optimizer, moving average or
    gradient reduction. Gradients flow through a network to its input, and never to its weights.

    Args:
        modules: a network for each role, or a function that builds it on first use.
        origins: for each role the origin and the sha256 of the weights, as plain JSON.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module | Callable[[], nn.Module]] | None = None,
        origins: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._modules_or_factories = dict(modules or {})
        self._built = {
            role: FrozenNetwork(module)
            for role, module in self._modules_or_factories.items()
            if isinstance(module, nn.Module)
        }
        self._device: torch.device | None = None
        self.origins = {role: dict(origin) for role, origin in (origins or {}).items()}

    def __getitem__(self, role: str) -> FrozenNetwork:
        if role not in self._built:
            self._built[role] = FrozenNetwork(self._modules_or_factories[role]())
            if self._device is not None:
                self._built[role].module.to(self._device)
        return self._built[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules_or_factories)

    def __len__(self) -> int:
        return len(self._modules_or_factories)

    def to(self, device: torch.device) -> Auxiliaries:
        """Move all networks to a device, in place."""
        self._device = device
        for network in self._built.values():
            network.module.to(device)
        return self
