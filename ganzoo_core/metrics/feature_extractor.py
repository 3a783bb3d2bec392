"""Feature extractors: frozen networks that map images to features and logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganzoo_core.data import PackedImages, to_float
from ganzoo_core.errors import UsageError
from ganzoo_core.metrics.resize import RESIZE_METHOD, resize_images
from ganzoo_core.weights import PretrainedFolder

_BATCH_SIZE = 256
"""Images per forward pass."""


@dataclass(frozen=True)
class FeatureExtractor:
    """A frozen network, and the settings that must be equal for metric values to compare."""

    name: str
    module: nn.Module
    """Maps images [N, C, S, S] in [-1, 1] to features [N, D] and logits [N, K] or None."""
    sha256: str
    feature_dim: int
    """D."""
    image_size: int | None = None
    """The size that images are resized to; None for no resizing."""
    num_channels: int | None = None
    preprocessing: str = ""
    resize: str = RESIZE_METHOD
    training_fingerprints: tuple[str, ...] = ()
    """Fingerprints of its training data, where known."""
    pretrained: PretrainedFolder | None = None
    """Its folder, which may record the images that it was trained on."""
    short_name: str = ""
    """NETWORK in `fd[NETWORK]`."""
    is_standard: bool = False
    """Whether it is the Inception network of the standard: then the values are named `fid`."""

    def settings(self) -> dict[str, str]:
        """Return the network's part of a metric's settings."""
        return {
            "feature_extractor": self.name,
            "feature_extractor_sha256": self.sha256,
            "resize": self.resize,
            "preprocessing": self.preprocessing,
        }

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features [N, D] and logits [N, K] of images [N, C, H, W] in [-1, 1], on the CPU.

        Grayscale images are repeated for an RGB network; RGB images are averaged for a grayscale
        one.
        """
        device = next(self.module.parameters()).device
        images = images.to(device)
        if self.num_channels == 3 and images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        elif self.num_channels == 1 and images.shape[1] == 3:
            images = images.mean(1, keepdim=True)
        if self.image_size is not None:
            images = resize_images(images, self.image_size)
        features, logits = self.module(images)
        return features.float().cpu(), None if logits is None else logits.float().cpu()


@dataclass(frozen=True)
class NetworkOutputs:
    """The outputs of a network on a set of images."""

    features: Tensor
    """[N, D] float32."""
    logits: Tensor | None
    """[N, K] float32; None for a network without classes."""


def extract_features(
    network: FeatureExtractor, images: PackedImages, progress: Callable[[int, int], None]
) -> NetworkOutputs:
    """Return the outputs of a network on a set of images, computed in batches."""
    n = len(images)
    features = torch.empty(n, network.feature_dim)
    logits: Tensor | None = None
    progress(0, n)
    for start in range(0, n, _BATCH_SIZE):
        rows = torch.arange(start, min(start + _BATCH_SIZE, n))
        batch_features, batch_logits = network(to_float(images.gather(rows)))
        features[rows] = batch_features
        if batch_logits is not None:
            logits = torch.empty(n, batch_logits.shape[1]) if logits is None else logits
            logits[rows] = batch_logits
        progress(int(rows[-1]) + 1, n)
    return NetworkOutputs(features, logits)


def check_independent(
    network: FeatureExtractor, images: PackedImages, model_network_hashes: frozenset[str]
) -> None:
    """Refuse an evaluation network that the model or the evaluated images depend on.

    Args:
        network: the feature extractor or classifier.
        images: real images that it evaluates.
        model_network_hashes: sha256 of the networks that the model was trained with.

    Raises:
        UsageError: the model was trained with this network, or the network on these images.
    """
    if network.sha256 in model_network_hashes:
        raise UsageError(
            f"{network.name} is not independent: the model was trained with it "
            f"(sha256 {network.sha256[:12]}...); name another one with --feature-extractor"
        )
    if {images.info.fingerprint, *images.parent_fingerprints} & set(network.training_fingerprints):
        raise UsageError(
            f"{network.name} is not independent: it was trained on the images it evaluates: "
            "compare with held-out ones (--reference test), or name another network with "
            "--feature-extractor"
        )
