"""The hooks a plugin may implement, marked with `ganzoo_core.hookimpl`.

Registration hooks are called once a process. Lifecycle hooks serve trackers: one that raises is
reported once and switched off, and training goes on. Hooks only ever gain arguments; pluggy lets
an implementation name just those it wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pluggy

from ganzoo_core.zoo.specs import CommandSpec, Spec

PROJECT = "ganzoo"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Registrar(Protocol):
    """What `ganzoo_register` is handed."""

    def add(self, *specs: Spec) -> None:
        """Put specs into the zoo."""


@hookspec
def ganzoo_register(zoo: Registrar) -> None:
    """Add the plugin's models and data sets to the zoo."""


@hookspec
def ganzoo_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]
    """Return the verbs that the plugin adds to the command line."""


@hookspec
def ganzoo_run_started(run: Path, config: Mapping[str, Any]) -> None:
    """Called once before the first round, with the run folder and its resolved configuration."""


@hookspec
def ganzoo_round_logged(run: Path, record: Mapping[str, Any]) -> None:
    """Called with each line of metrics.jsonl."""


@hookspec
def ganzoo_checkpoint_saved(run: Path, path: Path) -> None:
    """Called when a checkpoint is safely on disk."""


@hookspec
def ganzoo_run_finished(run: Path, status: str) -> None:
    """Called once at the end: status is finished, interrupted or failed."""
