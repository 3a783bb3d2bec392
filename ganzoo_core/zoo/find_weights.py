"""Find weights by any of their names: a folder, an installed or registry name, an address.

Imports no torch. What is not on this machine is a `RemoteWeights`, which `weights.transfer` pulls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ganzoo_core.errors import PluginError, UsageError, WeightsError, closest_names, suggest
from ganzoo_core.zoo.licenses import check_accepted
from ganzoo_core.zoo.lookup import package_folder, zoo
from ganzoo_core.zoo.registry import PublishedWeights, published_weights, registry_entries
from ganzoo_core.zoo.specs import EvaluatorSpec, WeightsSpec

_REGISTRY_NAME = re.compile(r"[a-z0-9-]+:[A-Za-z0-9][A-Za-z0-9._-]*")
_ADDRESS = re.compile(r"(?P<address>\w+://[^#]+)(#sha256=(?P<sha256>[0-9a-f]{64}))?")
_KINDS_OF_WEIGHTS = ("weights", "evaluator")


@dataclass(frozen=True)
class RemoteWeights:
    """Weights to pull."""

    address: str
    """A name of a registry, https://... or hf://owner/name[@revision]."""
    sha256: str = ""
    """Of their index; empty if it is not known."""


def locate_weights(name: str | Path) -> Path | RemoteWeights:
    """Return the folder of a run or of weights, or what has to be pulled.

    Args:
        name: a run or pretrained folder, a name of `ganzoo list weights` or of an evaluator, a name
            of a registry such as ``cgan:people-quick``, ``hf://owner/name[@revision]`` or
            ``https://...``; ``#sha256=H`` after an address is the sha256 of its index, which https
            needs.

    Raises:
        WeightsError: there is no such folder and no such name; names the closest one.
        PluginError: not installed, installed without its files, or unpublished.
        LicenseError: its terms are not accepted.
        UsageError: an address that cannot be read, or without its sha256.
    """
    text = str(name)
    if Path(text).expanduser().is_dir():
        return Path(text).expanduser()
    if "://" in text:
        return _parse_address(text)
    if is_registry_name(text):
        check_published(find_published(text))
        return RemoteWeights(text)
    for kind in _KINDS_OF_WEIGHTS:
        try:
            spec = zoo().find_spec(kind, text)
        except UsageError:
            continue
        assert isinstance(spec, WeightsSpec | EvaluatorSpec)
        if isinstance(spec, WeightsSpec):
            check_accepted(spec)
        return _installed_folder(spec)
    raise WeightsError(
        f"{text} is not a folder, and no weights have this name.{_closest_name(text)} Give a run "
        "(runs/...), a pretrained folder or a name of `ganzoo list weights`"
    )


def _parse_address(text: str) -> RemoteWeights:
    found = _ADDRESS.fullmatch(text)
    if not found:
        raise UsageError(f"{text}: after the address only #sha256= and 64 digits are allowed")
    if not found["sha256"] and not text.startswith("hf://"):
        raise UsageError(f"{text}: add #sha256=H, the sha256 of its ganzoo.json")
    return RemoteWeights(found["address"], found["sha256"] or "")


def _installed_folder(spec: WeightsSpec | EvaluatorSpec) -> Path:
    """Return the folder of installed weights.

    Raises:
        PluginError: the package was installed without its files.
        WeightsError: they are a file of another package.
    """
    if isinstance(spec, EvaluatorSpec) and not spec.is_shipped:
        raise WeightsError(
            f"{spec.name} has no folder of weights: it only serves as an evaluator, or as an "
            f"auxiliary network (ganzoo info {spec.name})"
        )
    try:
        folder = package_folder(spec.target)
    except PluginError:
        folder = None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise PluginError(
            f"{zoo().origin(spec)} is installed without the files of {spec.name!r}: install it "
            "again, from a wheel or a whole clone"
        )
    return folder


def _closest_name(name: str) -> str:
    names = {known for kind in _KINDS_OF_WEIGHTS for known in zoo().names(kind)}
    names |= {entry.name for entry in registry_entries() if entry.kind in _KINDS_OF_WEIGHTS}
    names |= {weights.name for weights in published_weights()}
    close = closest_names(name, sorted(names))
    return f' Did you mean "{close[0]}"?' if close else ""


def is_registry_name(text: str) -> bool:
    """Return whether a text has the form of a registry's name of weights, ``model:tag``, and is no
    path."""
    return bool(_REGISTRY_NAME.fullmatch(text)) and not Path(text).exists()


def find_published(name: str) -> PublishedWeights:
    """Return the weights of a registry by name.

    Raises:
        UsageError: no registry lists them.
    """
    entries = published_weights()
    for entry in entries:
        if entry.name == name:
            return entry
    raise UsageError(
        f"no registry lists the weights {name!r}.{suggest(name, [entry.name for entry in entries])}"
    )


def check_published(entry: PublishedWeights) -> None:
    """Check that weights can be pulled.

    Raises:
        PluginError: they are unpublished. The message names the command that trains them, and how
            to install the plugin of the model if it is missing.
    """
    if entry.is_published:
        return
    instruction = (
        f"train them with: {entry.train_command}" if entry.train_command else "train them yourself"
    )
    try:
        zoo().model(entry.model)
    except (PluginError, UsageError) as error:
        instruction = f"{error}; then {instruction}"
    raise PluginError(f"{entry.name} is unpublished, so it cannot be pulled: {instruction}")
