"""Calls the lifecycle hooks of plugins. A plugin that raises is reported once and disabled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.training.failure_boundary import continue_after_failure
from ganzoo_core.zoo import zoo


def check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker that is not installed.

    Raises:
        UsageError: names the installed ones.
    """
    if not names:
        return
    installed = [plugin.name for plugin in zoo().plugins if "ganzoo_run_started" in plugin.hooks]
    for name in names:
        if name not in installed:
            raise UsageError(
                f"--track {name}: no installed plugin is this tracker.{suggest(name, installed)}"
            )


class Trackers:
    """Calls a hook plugin by plugin, so that the failure of one does not affect the others."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._plugins = [plugin for plugin in zoo().plugins if plugin.hooks]

    def call_hook(self, hook: str, **values: Any) -> None:
        """Call a hook of every plugin that is not disabled."""
        for plugin in list(self._plugins):

            def disable(reason: str, plugin: Any = plugin) -> None:
                self._plugins.remove(plugin)
                self._warn(
                    f"plugin {plugin.name} failed in {hook} ({reason}) and is disabled for this run"
                )

            with continue_after_failure(disable):
                plugin.call_hook(hook, **values)
