"""From `--feature-extractor` to a network, and the hashes of the networks behind a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.metrics.feature_extractor import FeatureExtractor
from ganzoo_core.metrics.inception import find_standard_inception, load_inception
from ganzoo_core.report import Progress
from ganzoo_core.weights import PretrainedAuxiliary, PretrainedFolder
from ganzoo_core.weights.auxiliaries import load_named_auxiliary

_STANDARD_INCEPTION = "inception"
_INCEPTION_SUFFIXES = {".pth", ".pt", ".safetensors"}
"""Suffixes of a file of Inception weights."""


def load_feature_extractor(
    feature_extractor: str, device: torch.device, progress: Progress | None = None
) -> FeatureExtractor:
    """Load the network that `--feature-extractor` names.

    Args:
        feature_extractor: `inception` for the standard weights, which are downloaded where they
            are missing; a file of Inception weights; a run or a pretrained folder with the
            capability `embed`; or the name of an embedder of a plugin.
        device: of the network.
        progress: shows the download.

    Raises:
        GanzooError: it is none of these, the file is damaged, or it cannot be downloaded.
    """
    if feature_extractor == _STANDARD_INCEPTION:
        progress = progress or Progress(quiet=True)
        progress.start("downloading the Inception weights")
        try:
            path = find_standard_inception(progress.advance)
        finally:
            progress.stop()
        return load_inception(path, device)
    if (
        Path(feature_extractor).suffix in _INCEPTION_SUFFIXES
        and not Path(feature_extractor).is_dir()
    ):
        return load_inception(Path(feature_extractor), device)
    return embedding_extractor(load_named_auxiliary("identity", feature_extractor), device)


def embedding_extractor(
    embedder_weights: PretrainedAuxiliary, device: torch.device
) -> FeatureExtractor:
    """Wrap a model with the capability `embed`, which resizes and normalizes by itself."""
    model: Any = embedder_weights.build().to(device).eval()
    with torch.no_grad():
        shape = (
            1,
            embedder_weights.pretrained.info.num_channels,
            model.input_size,
            model.input_size,
        )
        feature_dim = model.embed(torch.zeros(shape, device=device)).shape[1]
    return FeatureExtractor(
        f"embedder {embedder_weights.name or embedder_weights.pretrained.model_name}",
        _EmbeddingFeatures(model),
        embedder_weights.sha256,
        feature_dim,
        model.input_size,
        embedder_weights.pretrained.info.num_channels,
        preprocessing="its own",
        training_fingerprints=(embedder_weights.pretrained.info.fingerprint,),
        pretrained=embedder_weights.pretrained,
        short_name=embedder_weights.name
        or f"{embedder_weights.pretrained.model_name}-{embedder_weights.sha256[:8]}",
    )


class _EmbeddingFeatures(nn.Module):
    """Maps images to (embeddings [N, D], None)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return self.model.embed(images), None


def lineage_hashes(pretrained: PretrainedFolder) -> frozenset[str]:
    """Return the sha256 of a model's weights, of its auxiliary networks and of the weights that it
    was initialized from."""
    records = [
        *pretrained.index.get("auxiliaries", []),
        *filter(None, [pretrained.index.get("init_from")]),
    ]
    return frozenset([pretrained.sha256, *(str(parent["sha256"]) for parent in records)])
