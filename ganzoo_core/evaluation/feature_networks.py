"""From `--feature-extractor` to a network, and the hashes of the networks behind a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.feature_extractor import FeatureExtractor
from ganzoo_core.metrics.inception import load_inception
from ganzoo_core.weights import PretrainedAuxiliary, PretrainedFolder
from ganzoo_core.weights.auxiliaries import load_named_auxiliary

_INCEPTION_SUFFIXES = {".pth", ".pt", ".safetensors"}
"""Suffixes of a file of Inception weights."""


def feature_extractor_factory(
    feature_extractor: str,
) -> Callable[[EvaluationContext], FeatureExtractor]:
    """Return a function that builds the feature extractor at its first use.

    Args:
        feature_extractor: empty for the classifier, a file of Inception weights, a run or a
            pretrained folder with the capability `embed`, or the name of an embedder of a plugin.

    Raises:
        GanzooError: it is none of these, or the file is damaged.
    """
    if not feature_extractor:
        return lambda ctx: ctx.classifier
    if _is_inception_file(feature_extractor):
        return lambda ctx: load_inception(Path(feature_extractor), ctx.device)
    weights_found = load_named_auxiliary("identity", feature_extractor)

    def make(ctx: EvaluationContext) -> FeatureExtractor:
        if not weights_found.name and weights_found.pretrained.info.name == ctx.info.name:
            ctx.notes.append(
                f"the feature extractor was trained on {ctx.info.name} too: make sure that it was "
                "trained on other images than those of this evaluation"
            )
        return embedding_extractor(weights_found, ctx.device)

    return make


def _is_inception_file(feature_extractor: str) -> bool:
    return (
        Path(feature_extractor).suffix in _INCEPTION_SUFFIXES
        and not Path(feature_extractor).is_dir()
    )


def load_feature_extractor(feature_extractor: str, device: torch.device) -> FeatureExtractor:
    """Load the network that `--feature-extractor` names; for errors see
    `feature_extractor_factory`."""
    if _is_inception_file(feature_extractor):
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
