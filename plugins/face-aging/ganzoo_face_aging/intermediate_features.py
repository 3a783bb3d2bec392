"""Features of a middle layer of a face recognition network, for KID."""

from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.evaluation.feature_networks import embedding_extractor
from ganzoo_core.interfaces import HasFeatures
from ganzoo_core.metrics.feature_extractor import FeatureExtractor
from ganzoo_core.weights import PretrainedAuxiliary


def intermediate_extractor(
    embedder_weights: PretrainedAuxiliary, model: nn.Module
) -> FeatureExtractor:
    """Wrap the middle layer of a face recognition network; its embedding if it has no `features`.

    An embedding is trained to ignore what KID has to measure: light, skin, age.

    Args:
        embedder_weights: of the network.
        model: the network, on its device.
    """
    name, info = (
        embedder_weights.name or embedder_weights.pretrained.model_name,
        embedder_weights.pretrained.info,
    )
    device = next(model.parameters()).device
    if not isinstance(model, HasFeatures):
        return embedding_extractor(embedder_weights, device)
    with torch.no_grad():
        zero_image = torch.zeros(
            1, info.num_channels, info.image_size, info.image_size, device=device
        )
        feature_dim = model.features(zero_image).shape[1]
    return FeatureExtractor(
        f"middle layer of {name}",
        _PooledIntermediateFeatures(model),
        embedder_weights.sha256,
        feature_dim,
        info.image_size,
        info.num_channels,
        preprocessing="its own",
        training_fingerprints=(info.fingerprint,),
    )


class _PooledIntermediateFeatures(nn.Module):
    """Maps images to (spatial means of a middle layer [N, C'], None)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return self.model.features(images).mean((2, 3)), None
