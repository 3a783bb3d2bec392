"""The training engine."""

from ganzoo_core.engine.setup import Setup, resolve_precision, resolve_setup
from ganzoo_core.engine.trainer import Trainer
from ganzoo_core.engine.watcher import Watcher

__all__ = ["Setup", "Trainer", "Watcher", "resolve_precision", "resolve_setup"]
