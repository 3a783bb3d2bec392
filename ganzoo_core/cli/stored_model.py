"""What a command can check about a run or pretrained folder before torch is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from ganzoo_core.cli import commands, completers, output
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.zoo import ModelSpec, locate_weights, zoo

_MEBIBYTE = 2**20

sampling_assignments = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="A sampling option of the model, see `ganzoo info MODEL`; may be repeated.",
)
"""The option of the commands whose model may have sampling options."""


weights_argument = click.argument(
    "folder", metavar="RUN_OR_WEIGHTS", shell_complete=completers.complete_stored_models
)
"""`folder`: a run or weights by any of their names, for `find_weights`."""


def find_weights(name: str | Path) -> Path:
    """Return the folder of a run or of weights, before torch is imported; what is not on this
    machine is pulled.

    Raises:
        WeightsError: there are none. For other errors see `locate_weights`.
    """
    found = locate_weights(name)
    if isinstance(found, Path):
        return found
    from ganzoo_core.weights import transfer

    with download_progress(found.address) as advance:
        return transfer.find_weights(name, advance)


@contextmanager
def download_progress(source: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar while weights are fetched; yields a function of the bytes that are there
    and of all bytes."""
    from ganzoo_core.report import Progress

    progress = Progress(output.is_quiet())
    progress.start(f"fetching {source}", item_name="MB")
    try:
        yield lambda done, total: progress.advance(-(-done // _MEBIBYTE), -(-total // _MEBIBYTE))
    finally:
        progress.stop()


def check_capability(folder: Path, capability: str) -> None:
    """Refuse a stored model that lacks a capability; the message names the command to use instead.

    A folder that names no installed model passes: loading it gives the error.

    Raises:
        UsageError: the model lacks the capability.
    """
    spec = _find_spec(folder)
    if spec is None or capability in spec.capabilities:
        return
    installed = {*commands.CORE_COMMANDS, *commands.plugin_commands()}
    verbs = [
        f"ganzoo {known.command} {folder}"
        for known in zoo().capabilities()
        if known.name in spec.capabilities and known.command in installed
    ]
    remedy = f": use {' or '.join(verbs)}" if verbs else ""
    raise UsageError(f"{folder}: {spec.name} lacks the capability {capability}{remedy}")


def parse_sampling_options(folder: Path, assignments: Sequence[str]) -> dict[str, Any]:
    """Return the sampling options of ``--set NAME=VALUE``, validated where the model is installed.

    Raises:
        UsageError: not an assignment, an unknown option, or a wrong value.
    """
    if not assignments:
        return {}
    from ganzoo_core.config import parse_options
    from ganzoo_core.config.tree import model_config_class

    options = parse_options(assignments)
    if (spec := _find_spec(folder)) is not None:
        model_config_class(spec).Sampling.parse_changed(options)
    return options


def cached_weights() -> dict[str, dict[str, str]]:
    """Return the name, license and path of the weights in the cache by sha256, those with a
    readable index; their files are not verified."""
    from ganzoo_core.files import file_sha256, read_json
    from ganzoo_core.zoo.cache import cache_folder

    found = {}
    for path in sorted((cache_folder() / "weights").glob("[0-9a-f]*/ganzoo.json")):
        with suppress(WeightsError):
            index = read_json(path, dict[str, Any])
            texts = {"name": index.get("model"), "license": index.get("license", "")}
            if all(isinstance(text, str) for text in texts.values()):
                found[file_sha256(path)] = {**texts, "path": str(path.parent)}
    return found


def _find_spec(folder: Path) -> ModelSpec | None:
    """Return the spec of the model in a run or pretrained folder, or None."""
    from ganzoo_core.files import read_json, read_toml

    try:
        if (folder / "ganzoo.json").is_file():
            name = read_json(folder / "ganzoo.json", dict[str, Any]).get("model")
        elif (folder / "config.toml").is_file():
            run = read_toml(folder / "config.toml", dict[str, Any]).get("run")
            name = run.get("model") if isinstance(run, dict) else None
        else:
            return None
    except WeightsError:  # loading it names the file
        return None
    return zoo().model(name) if isinstance(name, str) and name in zoo().names("model") else None
