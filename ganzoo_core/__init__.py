"""ganzoo: a zoo of GANs, models and data as plugins, one exact training engine.

Importing this package is cheap: torch and pydantic come in with the first name that needs them.

    import ganzoo_core as gz
    run = gz.train("cgan", data="shapes", steps=500)
    model = gz.load(run.path)
    images = model.sample(16, label=0)
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "ganzoo_core.zoo": [
        "CommandSpec",
        "DatasetSpec",
        "JudgeSpec",
        "LossSpec",
        "MetricSpec",
        "ModelSpec",
        "Spec",
        "hookimpl",
    ],
    "ganzoo_core.errors": ["GanzooError"],
    "ganzoo_core.config": [
        "SGD",
        "Adam",
        "Config",
        "DataConfig",
        "GANConfig",
        "JudgeConfig",
        "LossOptions",
        "ModelConfig",
        "NormedConfig",
    ],
    "ganzoo_core.interfaces": [
        "GAN",
        "Batch",
        "DataInfo",
        "Dataset",
        "Discriminator",
        "Draw",
        "Generator",
        "Imported",
        "Loss",
        "Model",
        "Noise",
        "Player",
        "Stage",
        "Step",
        "Table",
        "Turn",
        "UnreadableImage",
    ],
    "ganzoo_core.runs": ["load", "models", "datasets", "resume", "train"],
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}
__all__ = ["__version__", *_WHERE]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name from its home at first use (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module 'ganzoo_core' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
