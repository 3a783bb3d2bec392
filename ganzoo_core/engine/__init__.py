"""The training engine."""

from ganzoo_core.engine.callback import Callback
from ganzoo_core.engine.setup import Setup, resolve_device, resolve_precision, resolve_setup
from ganzoo_core.engine.trainer import Trainer

__all__ = [
    "Callback",
    "Setup",
    "Trainer",
    "resolve_device",
    "resolve_precision",
    "resolve_setup",
]
