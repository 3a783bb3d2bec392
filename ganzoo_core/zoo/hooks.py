"""The hooks a plugin may implement, marked with `ganzoo_core.hookimpl`.

Registration hooks are called once a process. Lifecycle hooks are for trackers: one that raises is
reported once and disabled, and training continues. Later versions may add arguments to a hook but
remove none; pluggy lets an implementation leave out arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pluggy

from ganzoo_core.zoo.specs import CommandSpec, GallerySection, Spec

PROJECT = "ganzoo"
_hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Registrar(Protocol):
    """The argument of `ganzoo_register`."""

    def add(self, *specs: Spec) -> None:
        """Add specs to the zoo."""


@_hookspec
def ganzoo_register(zoo: Registrar) -> None:
    """Add the plugin's models, data sets, evaluators, losses, terms, metrics, transforms and
    capabilities."""


@_hookspec
def ganzoo_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]
    """Return the commands that the plugin adds to the command line."""


@_hookspec
def ganzoo_page_pictures(run: Path) -> Iterable[tuple[str, Path]]:  # type: ignore[empty-body]
    """Return pictures for the page of a run, each with its title."""


@_hookspec
def ganzoo_gallery_sections() -> Iterable[GallerySection]:  # type: ignore[empty-body]
    """Return pages for the gallery."""


@_hookspec
def ganzoo_run_started(run: Path, config: Mapping[str, Any]) -> None:
    """Called once before the first step, with the run folder and its resolved configuration."""


@_hookspec
def ganzoo_step_logged(run: Path, record: Mapping[str, Any]) -> None:
    """Called with each line of metrics.jsonl."""


@_hookspec
def ganzoo_checkpoint_saved(run: Path, path: Path) -> None:
    """Called after a checkpoint was written."""


@_hookspec
def ganzoo_run_finished(run: Path, status: str) -> None:
    """Called once at the end; status is finished, interrupted or failed."""


@_hookspec
def ganzoo_run_evaluated(run: Path, evaluation: Mapping[str, Any]) -> None:
    """Called after `ganzoo evaluate` has written evaluation.json of a run, with its content."""


NAMES = frozenset(name for name in globals() if name.startswith("ganzoo_"))
"""Every hook."""
