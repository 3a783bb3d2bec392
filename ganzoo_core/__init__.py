"""ganzoo: a zoo of GANs. Models and data sets are plugins, and one engine trains them.

Importing this package is cheap: the first name that needs torch or pydantic imports it.

    import ganzoo_core as gz
    run = gz.train("cgan", data="shapes", steps=500)
    model = gz.load(run.path)
    images = model.sample(16, label=0)
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_NAMES_BY_MODULE = {
    "ganzoo_core.zoo": [
        "CapabilitySpec",
        "CommandSpec",
        "CompositionSpec",
        "DatasetSpec",
        "EvaluatorSpec",
        "GallerySection",
        "LossSpec",
        "MetricOption",
        "MetricSpec",
        "ModelSpec",
        "Spec",
        "TermSpec",
        "TransformSpec",
        "WeightsSpec",
        "compositions",
        "hookimpl",
        "shipped_weights",
    ],
    "ganzoo_core.errors": ["GanzooError"],
    "ganzoo_core.config": [
        "SGD",
        "Adam",
        "AuxiliaryConfig",
        "Config",
        "DataConfig",
        "GANConfig",
        "LossOptions",
        "ModelConfig",
        "NormConfig",
        "SamplingOptions",
        "TermOptions",
        "WeightedTermOptions",
    ],
    "ganzoo_core.interfaces": [
        "GAN",
        "Batch",
        "BatchSpec",
        "ConvertedCheckpoint",
        "DataInfo",
        "Dataset",
        "Discriminator",
        "Generator",
        "ImageTransform",
        "Loss",
        "Metadata",
        "Model",
        "OptimizerSpec",
        "Phase",
        "Rng",
        "SampleGrid",
        "Stage",
        "StepContext",
        "Term",
        "UnreadableImage",
    ],
    "ganzoo_core.training": ["datasets", "from_pretrained", "load", "models", "resume", "train"],
}
_MODULE_BY_NAME = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}
__all__ = ["__version__", *_MODULE_BY_NAME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562)."""
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module 'ganzoo_core' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_BY_NAME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
