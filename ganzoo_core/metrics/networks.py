"""Feature networks: what turns images into numbers that distances are taken between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganzoo_core.data import Images, to_float
from ganzoo_core.errors import UsageError
from ganzoo_core.metrics.resize import RESIZE, resized

CHUNK = 256
"""Images at a time."""


@dataclass(frozen=True)
class Network:
    """A frozen network and what must be known of it to compare figures."""

    name: str
    module: nn.Module
    """Takes [N, C, S, S] in [-1, 1], gives features [N, D] and logits [N, K] or None."""
    sha256: str
    dim: int
    """D."""
    size: int | None = None
    """The edge that images are resized to; None for any."""
    channels: int | None = None
    preprocessing: str = ""
    resize: str = RESIZE
    trained_on: tuple[str, ...] = ()
    """Fingerprints of the images it learned from, where they are known."""

    def stamp(self) -> dict[str, str]:
        """Return what a result says of its network."""
        return {
            "network": self.name,
            "network_sha256": self.sha256,
            "resize": self.resize,
            "preprocessing": self.preprocessing,
        }

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features [N, D] and logits [N, K] of images [N, C, H, W] in [-1, 1], on the CPU.

        Grey images are repeated where the network sees colour; colour is averaged for a grey one.
        """
        device = next(self.module.parameters()).device
        images = images.to(device)
        if self.channels == 3 and images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        elif self.channels == 1 and images.shape[1] == 3:
            images = images.mean(1, keepdim=True)
        if self.size is not None:
            images = resized(images, self.size)
        features, logits = self.module(images)
        return features.float().cpu(), None if logits is None else logits.float().cpu()


@dataclass(frozen=True)
class Seen:
    """A set of images as a network sees it."""

    features: Tensor
    """[N, D] float32."""
    logits: Tensor | None
    """[N, K] float32, of networks that classify."""


def look(network: Network, images: Images, progress: Callable[[int, int], None]) -> Seen:
    """Show a set of images to a network, a few at a time."""
    n = len(images)
    features = torch.empty(n, network.dim)
    logits: Tensor | None = None
    progress(0, n)
    for start in range(0, n, CHUNK):
        rows = torch.arange(start, min(start + CHUNK, n))
        found, scores = network(to_float(images.gather(rows)))
        features[rows] = found
        if scores is not None:
            logits = torch.empty(n, scores.shape[1]) if logits is None else logits
            logits[rows] = scores
        progress(int(rows[-1]) + 1, n)
    return Seen(features, logits)


def independent(network: Network, images: Images, parents: frozenset[str]) -> None:
    """Refuse a judge that the model was trained against, or that learned from what it scores.

    Args:
        images: real images that it is to look at.
        parents: sha256 of the networks behind the model.

    Raises:
        UsageError: says which of the two.
    """
    if network.sha256 in parents:
        raise UsageError(
            f"{network.name} is no independent judge: the model was trained against it "
            f"(sha256 {network.sha256[:12]}...); name another one with --features"
        )
    if {images.info.fingerprint, *images.cut_from} & set(network.trained_on):
        raise UsageError(
            f"{network.name} is no independent judge: it learned from the very images it is to "
            "score: compare with held-out ones (--reference test), or name another network with "
            "--features"
        )
