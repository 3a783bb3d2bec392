"""From `--features` to a feature network, and who is a parent of a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.interfaces import HasFeatures
from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.inception import inception
from ganzoo_core.metrics.networks import Network
from ganzoo_core.weights import Bundle, FoundJudge
from ganzoo_core.weights.judges import named_judge

FILES = {".pth", ".pt", ".safetensors"}
"""How a file of Inception weights may end."""


def feature_network(features: str) -> Callable[[Case], Network]:
    """Return what makes the feature network when a metric asks for it.

    Args:
        features: empty for the judge, a file of Inception weights, the folder of a run or bundle
            that embeds, or the name of an embedder that a plugin ships.

    Raises:
        GanzooError: none of these, or the file is damaged.
    """
    if not features:
        return lambda case: case.judge
    if is_file(features):
        return lambda case: inception(Path(features), case.device)
    found = named_judge("identity", features)

    def make(case: Case) -> Network:
        if not found.name and found.bundle.info.name == case.info.name:
            case.notes.append(
                f"the feature network learned from {case.info.name} too: make sure that it was "
                "from other images than those it looks at here"
            )
        return embedder(found, case.device)

    return make


def is_file(features: str) -> bool:
    """Tell whether `--features` names a file of Inception weights."""
    return Path(features).suffix in FILES and not Path(features).is_dir()


def named_network(features: str, device: torch.device) -> Network:
    """Return the network that `--features` names; raises as `feature_network`."""
    if is_file(features):
        return inception(Path(features), device)
    return embedder(named_judge("identity", features), device)


def embedder(found: FoundJudge, device: torch.device) -> Network:
    """Return a model that embeds as a feature network; it resizes and normalises by itself."""
    model: Any = found.build().to(device).eval()
    with torch.no_grad():
        shape = (1, found.bundle.info.channels, model.input_size, model.input_size)
        width = model.embed(torch.zeros(shape, device=device)).shape[1]
    return Network(
        f"embedder {found.name or found.bundle.model}",
        Embedding(model),
        found.sha256,
        width,
        model.input_size,
        found.bundle.info.channels,
        preprocessing="its own",
        trained_on=(found.bundle.info.fingerprint,),
    )


def middle_layer(found: FoundJudge, model: nn.Module) -> Network:
    """Return the middle layer of a recogniser as a feature network; its embedding if it shows none.

    The embedding forgets on purpose what KID must see: light, skin, age.

    Args:
        model: the judge itself, on its device.
    """
    name, known = found.name or found.bundle.model, found.bundle.info
    device = next(model.parameters()).device
    if not isinstance(model, HasFeatures):
        return embedder(found, device)
    with torch.no_grad():
        blank = torch.zeros(1, known.channels, known.size, known.size, device=device)
        width = model.features(blank).shape[1]
    return Network(
        f"middle layer of {name}",
        Middle(model),
        found.sha256,
        width,
        known.size,
        known.channels,
        preprocessing="its own",
        trained_on=(known.fingerprint,),
    )


class Middle(nn.Module):
    """Images -> (means of a middle layer's maps, no logits)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        """Return features [N, C']."""
        return self.model.features(images).mean((2, 3)), None


class Embedding(nn.Module):
    """Images -> (embeddings, no logits)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        """Return unit vectors [N, D]."""
        return self.model.embed(images), None


def parents(bundle: Bundle) -> frozenset[str]:
    """Return the sha256 of the bundles behind a model: its judges', what it began with, its own."""
    named = [*bundle.index.get("parents", []), *filter(None, [bundle.index.get("init")])]
    return frozenset([bundle.sha256, *(str(parent["sha256"]) for parent in named)])
