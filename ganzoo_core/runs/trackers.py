"""Lifecycle hooks: plugins follow a run; one that raises is reported once and switched off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ganzoo_core.zoo import zoo


class Trackers:
    """Calls a hook plugin by plugin, so that one failure reaches no other."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.warn = warn
        self.plugins = [plugin for plugin in zoo().plugins if plugin.manager]

    def call(self, hook: str, **values: Any) -> None:
        """Call a hook of every plugin that still works."""
        for plugin in list(self.plugins):
            assert plugin.manager is not None
            try:
                getattr(plugin.manager.hook, hook)(**values)
            except Exception as error:
                self.plugins.remove(plugin)
                self.warn(
                    f"plugin {plugin.name} failed in {hook} ({type(error).__name__}: {error}) "
                    "and is switched off for this run"
                )
