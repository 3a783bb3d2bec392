"""The training engine."""

from ganzoo_core.engine.setup import Setup, resolve_setup
from ganzoo_core.engine.trainer import Trainer
from ganzoo_core.engine.watcher import Watcher

__all__ = ["Setup", "Trainer", "Watcher", "resolve_setup"]
