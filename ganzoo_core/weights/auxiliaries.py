"""Find the frozen networks that losses and metrics use, by role (such as "identity"): in
a folder of the user, or among the evaluators that plugins ship.

A loss uses them as auxiliary networks (`Model.auxiliaries`); metrics use them as evaluators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ganzoo_core.errors import PluginError, UsageError, WeightsError
from ganzoo_core.interfaces import AdaptsToImages, Auxiliaries, DataInfo, Model
from ganzoo_core.weights.fuse_batchnorm import fuse_batchnorm
from ganzoo_core.weights.load_model import find_pretrained, load_model
from ganzoo_core.weights.pretrained import PretrainedFolder
from ganzoo_core.zoo import (
    EvaluatorSpec,
    has_capability,
    import_target,
    package_folder,
    registry_entries,
    zoo,
)

AUXILIARIES_DIR = "auxiliaries"
"""The folder in a run with the auxiliary networks that the run trained first."""


@dataclass(frozen=True)
class PretrainedAuxiliary:
    """Weights found for a role; `build` makes the network."""

    role: str
    pretrained: PretrainedFolder
    name: str = ""
    """The name of a shipped evaluator; empty for a folder of the user."""
    train_split: str = ""
    """The data split as the evaluator's plugin, or the record of a run, names it."""

    @property
    def sha256(self) -> str:
        """The sha256 of the folder's index. It identifies the network."""
        return self.pretrained.sha256

    @property
    def split(self) -> str:
        """The data split that the network was trained on; empty if it was not recorded."""
        return self.pretrained.info.split or self.train_split

    @property
    def source_record(self) -> dict[str, str]:
        """The provenance of the weights, as `config.toml` of a run stores it."""
        return {
            "model": self.pretrained.model_name,
            "sha256": self.sha256,
            "data": self.pretrained.info.name,
            "split": self.split,
            "name": self.name,
            "path": str(self.pretrained.path.resolve()),
        }

    def build(self, images: DataInfo | None = None) -> Model:
        """Return the network on the CPU, frozen, with BatchNorm fused (see `fuse_batchnorm.py`).

        Args:
            images: the facts of the images that it will receive, for a network that
                `AdaptsToImages`; None: images as its training images.

        Raises:
            WeightsError: the model lacks the capability of its role.
        """
        model = fuse_batchnorm(load_model(self.pretrained))
        capability = zoo().role_capability(self.role)
        if capability and not has_capability(model, capability.name):
            raise WeightsError(
                f"{self.pretrained.path} holds {self.pretrained.model_name}, which cannot serve as "
                f"{self.role!r}: it has no {capability.name}()"
            )
        if images is not None and isinstance(model, AdaptsToImages):
            model.adapt_to_images(images)
        return model

    def check_data_version(self, info: DataInfo) -> None:
        """Check that rendered data have the version that the network was trained on.

        Raises:
            WeightsError: the versions differ; the message names both.
        """
        training_info = self.pretrained.info
        if training_info.name == info.name and training_info.version != info.version:
            raise WeightsError(
                f"the {self.role!r} network in {self.pretrained.path} was trained on "
                f"{training_info.name} ({training_info.version}), but the data are {info.version}: "
                f"use weights for that version ({_install_hint(self.role)})"
            )


def find_auxiliary(
    role: str, weights: str | Path = "", *, data: str = "", is_held_out: bool = False
) -> PretrainedAuxiliary:
    """Find the weights of a role.

    Args:
        weights: a run, a pretrained folder or another name of weights, such as that of a shipped
            evaluator. If empty,
            the shipped one that was trained on `data`, or else the only one of the role.
        is_held_out: choose among the evaluators reserved for evaluation, which no loss uses by
            default.

    Raises:
        PluginError: no installed plugin ships one. UsageError: several match, or the name is
            unknown. WeightsError: the folder is damaged.
    """
    if weights:
        return load_named_auxiliary(role, weights)
    shipped = [spec for spec in zoo().evaluators(role) if spec.is_shipped]
    candidates = [spec for spec in shipped if spec.held_out == is_held_out]
    matches = [spec for spec in candidates if spec.train_data == data] or candidates
    if not matches:
        raise PluginError(f"no installed plugin ships a {role!r} evaluator: {_install_hint(role)}")
    if len(matches) > 1:
        names = " or ".join(spec.name for spec in matches)
        raise UsageError(
            f"several evaluators of role {role!r} match: --set {_weights_option(role)}={names}"
        )
    return from_spec(matches[0])


def load_named_auxiliary(role: str, weights: str | Path) -> PretrainedAuxiliary:
    """Return the shipped evaluator of that name, or weights by another of their names.

    Raises:
        UsageError: the evaluator has another role. WeightsError: none of these, or damaged.
    """
    name = zoo().canonical_name("evaluator", str(weights))
    if Path(weights).is_dir() or name not in zoo().names("evaluator"):
        return PretrainedAuxiliary(role, find_pretrained(weights))
    spec = zoo().evaluator(name)
    if spec.role != role:
        raise UsageError(f"the evaluator {spec.name} has role {spec.role!r}, not {role!r}")
    return from_spec(spec)


def from_spec(spec: EvaluatorSpec) -> PretrainedAuxiliary:
    """Return the weights of an evaluator.

    Raises:
        PluginError: its target is broken. WeightsError: damaged, or the package with its weights is
            not installed.
    """
    if spec.is_shipped:
        pretrained = find_pretrained(package_folder(spec.target))
    else:
        pretrained = import_target(spec.target)()
    return PretrainedAuxiliary(spec.role, pretrained, spec.name, spec.train_split)


def find_auxiliary_by_hash(
    role: str,
    sha256: str,
    folders: Iterable[str | Path] = (),
    *,
    name: str = "",
    train_split: str = "",
) -> PretrainedAuxiliary:
    """Return the weights whose index has a sha256.

    Args:
        folders: searched before the shipped evaluators; empty and missing ones are skipped.
        name, train_split: what a run recorded about the weights, for those found in a folder.

    Raises:
        WeightsError: no folder and no shipped evaluator has this sha256.
    """
    for folder in folders:
        if folder and Path(folder).is_dir():
            found = PretrainedAuxiliary(role, find_pretrained(folder), name, train_split)
            if found.sha256 == sha256:
                return found
    for spec in zoo().evaluators(role):
        try:
            found = from_spec(spec)
        except WeightsError:
            if spec.is_shipped:
                raise
            continue  # the package with its weights is not installed
        if found.sha256 == sha256:
            return found
    raise WeightsError(
        f"no {role!r} network with sha256 {sha256[:16]} was found: it was moved or changed, or its "
        f"plugin has another version; restore its folder ({_install_hint(role)})"
    )


def auxiliary_records(auxiliaries: Auxiliaries) -> list[dict[str, str]]:
    """Return the `auxiliaries` key of an index: what the model was trained with, without paths."""
    return [
        {"role": role, **{key: value for key, value in origin.items() if key != "path" and value}}
        for role, origin in auxiliaries.origins.items()
    ]


def lazy_auxiliaries(
    pretrained: PretrainedFolder, folders: Mapping[str, str | Path] | None = None
) -> Auxiliaries:
    """Return the auxiliary networks that a model was trained with; each loads on first use.

    Args:
        folders: by role, where to search for a network that no plugin ships.
    """
    folders = folders or {}
    records = {str(record["role"]): record for record in pretrained.index.get("auxiliaries", [])}

    def build_auxiliary(role: str) -> Model:
        hints = [  # never a path of the index: it names hashes only
            folders.get(role, ""),
            pretrained.path.parent / AUXILIARIES_DIR / role,  # the run trained it
        ]
        return find_auxiliary_by_hash(role, str(records[role]["sha256"]), hints).build(
            pretrained.info
        )

    builders = {role: (lambda role=role: build_auxiliary(role)) for role in records}
    return Auxiliaries(builders, records)


def _weights_option(role: str) -> str:
    return f"model.auxiliaries.{role}.weights"


def _install_hint(role: str) -> str:
    """Return how to get a network for a role: train it, install it, or name a folder."""
    capability = zoo().role_capability(role)
    name = capability.name if capability else ""
    models = [row.spec for row in zoo().entries if row.kind == "model" and row.spec]
    trainable = [spec.name for spec in models if name in getattr(spec, "capabilities", ())]
    install_commands = [
        entry.install
        for entry in registry_entries()
        if entry.kind == "evaluator" and entry.role == role
    ]
    if trainable:
        return f"train one with `ganzoo run {trainable[0]}`, then --set {_weights_option(role)}=RUN"
    if install_commands:
        return f"install one with: {install_commands[0]}"
    return f"--set {_weights_option(role)}=FOLDER names your own"
