"""Judges by role: a folder that the user names, or a bundle that a plugin ships."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ganzoo_core.errors import PluginError, UsageError, WeightsError
from ganzoo_core.interfaces import CAPABILITIES, ROLES, DataInfo, Judges, Model
from ganzoo_core.weights.bundle import Bundle
from ganzoo_core.weights.folding import folded
from ganzoo_core.weights.rebuild import find_bundle, rebuild
from ganzoo_core.zoo import JudgeSpec, catalogue, package_folder, zoo

JUDGES = "judges"
"""The folder beside a run's weights, with the judges that the run trained first."""


@dataclass(frozen=True)
class FoundJudge:
    """The weights that are to serve a role; the network is not built yet."""

    role: str
    bundle: Bundle
    name: str = ""
    """Of a judge that a plugin ships."""

    @property
    def sha256(self) -> str:
        """Of the bundle: what a judge is known by."""
        return self.bundle.sha256

    @property
    def split(self) -> str:
        """Of its data: whose pictures it learned from; empty where nobody wrote that down."""
        return self.bundle.info.split or (zoo().judge(self.name).split if self.name else "")

    @property
    def origin(self) -> dict[str, str]:
        """Where it comes from, as the resolved options record it."""
        return {
            "model": self.bundle.model,
            "sha256": self.sha256,
            "data": self.bundle.info.name,
            "split": self.split,
            "name": self.name,
            "path": str(self.bundle.path.resolve()),
        }

    def build(self) -> Model:
        """Return the network on the CPU, frozen, and folded for speed (see `folding.py`).

        Raises:
            WeightsError: it cannot do what the role asks for.
        """
        model = folded(rebuild(self.bundle))
        asked = ROLES.get(self.role, "")
        if asked and not isinstance(model, CAPABILITIES[asked]):
            raise WeightsError(
                f"{self.bundle.path} holds {self.bundle.model}, which cannot serve as "
                f"{self.role!r}: it has no {asked}()"
            )
        return model

    def refuse_other_drawing(self, info: DataInfo) -> None:
        """Refuse to judge drawn data of another version than the judge learned from.

        Raises:
            WeightsError: says both versions.
        """
        mine = self.bundle.info
        if mine.name == info.name and mine.version != info.version:
            raise WeightsError(
                f"the judge of {self.role!r} in {self.bundle.path} learned from {mine.name} "
                f"({mine.version}), and these are {info.version}: take weights made for it "
                f"({remedy(self.role)})"
            )


def find_judge(
    role: str, weights: str | Path = "", *, data: str = "", held_out: bool = False
) -> FoundJudge:
    """Find the judge of a role.

    Args:
        weights: a bundle or run folder, or the name of a shipped judge; empty for the shipped one
            that was trained on `data`, or else on any.
        held_out: choose among those kept for evaluation.

    Raises:
        PluginError: no plugin ships one. UsageError: several fit, or none has that name.
        WeightsError: damaged.
    """
    if weights:
        return named_judge(role, weights)
    offered = [spec for spec in zoo().judges(role) if spec.held_out == held_out]
    fitting = [spec for spec in offered if spec.data == data] or offered
    if not fitting:
        raise PluginError(f"no installed plugin ships a judge of {role!r}: {remedy(role)}")
    if len(fitting) > 1:
        names = " or ".join(spec.name for spec in fitting)
        raise UsageError(f"several judges of {role!r} fit: --set model.{role}.weights={names}")
    return of_spec(fitting[0])


def named_judge(role: str, weights: str | Path) -> FoundJudge:
    """Return the judge in a folder, or the shipped one of that name.

    Raises:
        UsageError: neither; or it was shipped for another role. WeightsError: damaged.
    """
    if Path(weights).is_dir() or len(Path(weights).parts) > 1:
        return FoundJudge(role, find_bundle(weights))
    spec = zoo().judge(str(weights))
    if spec.role != role:
        raise UsageError(f"{spec.name} judges {spec.role!r}, and {role!r} is asked for")
    return of_spec(spec)


def of_spec(spec: JudgeSpec) -> FoundJudge:
    """Read the bundle of a shipped judge."""
    return FoundJudge(spec.role, find_bundle(package_folder(spec.target)), spec.name)


def find_again(role: str, sha256: str, hints: Iterable[str | Path] = ()) -> FoundJudge:
    """Find the judge whose bundle has a sha256: in the folders named, or shipped by a plugin.

    Raises:
        WeightsError: it is nowhere.
    """
    for hint in hints:
        if hint and Path(hint).is_dir():
            found = FoundJudge(role, find_bundle(hint))
            if found.sha256 == sha256:
                return found
    for spec in zoo().judges(role):
        found = of_spec(spec)
        if found.sha256 == sha256:
            return found
    raise WeightsError(
        f"the judge of {role!r} with sha256 {sha256[:16]} is not here: it was moved, changed, or "
        f"its plugin is of another version; bring it back to where it was ({remedy(role)})"
    )


def parents_of(judges: Judges) -> list[dict[str, str]]:
    """Return what a bundle says of the judges its model was trained against; no local paths."""
    return [
        {"role": role, **{key: value for key, value in origin.items() if key != "path" and value}}
        for role, origin in judges.origins.items()
    ]


def judges_of(bundle: Bundle, folders: Mapping[str, str | Path] | None = None) -> Judges:
    """Return the judges that a bundle's model was trained against, each read when it is used.

    Args:
        folders: where a judge lies that no plugin ships, by role.
    """
    folders, config = folders or {}, bundle.index["config"]
    parents = {str(parent["role"]): parent for parent in bundle.index.get("parents", [])}

    def maker(role: str) -> Model:
        option = config.get(role)
        named = option.get("weights", "") if isinstance(option, dict) else ""
        own = bundle.path.parent / JUDGES / role  # of a run that trained its judge
        hints = [folders.get(role, ""), named if isinstance(named, str) else "", own]
        return find_again(role, str(parents[role]["sha256"]), hints).build()

    makers = {role: (lambda role=role: maker(role)) for role in parents}
    return Judges(makers, parents)


def remedy(role: str) -> str:
    """Say how to come by a judge."""
    can = ROLES.get(role, "")
    models = [row.spec for row in zoo().rows if row.kind == "model" and row.spec]
    able = [spec.name for spec in models if can in getattr(spec, "can", ())]
    known = [e.install for e in catalogue() if e.kind == "judge" and e.role == role]
    if able:
        return f"train one with `ganzoo run {able[0]}`, then --set model.{role}.weights=RUN"
    if known:
        return f"install one with: {known[0]}"
    return f"--set model.{role}.weights=FOLDER names one of your own"
