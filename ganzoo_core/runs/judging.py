"""Give a model the frozen judges that its spec asks for, before it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo_core.config import RunConfig
from ganzoo_core.interfaces import DataInfo, Judges, Model
from ganzoo_core.report import Progress
from ganzoo_core.weights import FoundJudge, find_again, find_judge
from ganzoo_core.zoo import zoo

TRAIN = "train"
"""In place of a folder: the run trains that judge first (see `schooling`)."""


def roles_of(model: str | Model | type[Model]) -> tuple[str, ...]:
    """Return the roles whose judges a model uses: its spec says so, or the class itself.

    A model object may have brought its judges along.
    """
    if isinstance(model, str):
        return zoo().model(model).uses
    there = model.judges if isinstance(model, Model) else ()
    return tuple(role for role in getattr(model, "uses", ()) if role not in there)


def to_train(
    model: str | Model | type[Model], tree: RunConfig, before: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """Return the roles whose judges are to be trained first, and are not there yet."""
    return tuple(
        role
        for role in roles_of(model)
        if weights_of(tree, role) == TRAIN and role not in (before or {})
    )


def weights_of(tree: RunConfig, role: str) -> str:
    """Return what the options say of the judge of a role."""
    return str(getattr(getattr(tree.model, role, None), "weights", ""))


def seek(
    model: str | Model | type[Model],
    tree: RunConfig,
    before: Mapping[str, Any] | None = None,
    home: Path | None = None,
) -> dict[str, FoundJudge]:
    """Find the judge of every role, before data are decoded; of a run that goes on, the same ones.
    Those that are to be trained are left out.

    Args:
        before: `made.judges` of the run that is resumed.
        home: where that run keeps the judges that it trained.

    Raises:
        PluginError: a judge is missing. WeightsError: damaged, or not the one of before.
    """
    found = {}
    for role in roles_of(model):
        option = weights_of(tree, role)
        if before is not None and role in before:
            then, own = before[role], option == TRAIN and home is not None
            hints = [home / role if own and home else option, then.get("path", "")]
            found[role] = find_again(role, str(then["sha256"]), hints)
        elif option != TRAIN:
            found[role] = find_judge(role, option, data=tree.data.name)
    return found


def appoint(
    model: Model, found: Mapping[str, FoundJudge], info: DataInfo, progress: Progress
) -> None:
    """Build the judges and hand them to the model.

    Raises:
        WeightsError: one learned from drawn data of another version, or cannot serve its role.
    """
    for role, judge in found.items():
        judge.refuse_other_drawing(info)
        learned = judge.bundle.info.name
        if learned != info.name:
            progress.warn(
                f"warning: the judge of {role!r} ({judge.name or judge.bundle.path}) learned from "
                f"{learned or 'other data'}, not from {info.name or 'these data'}: "
                f"--set model.{role}.weights=FOLDER names another"
            )
    if found:
        own = {role: judge.module for role, judge in model.judges.items()}
        built = {role: judge.build() for role, judge in found.items()}
        origins = {role: judge.origin for role, judge in found.items()}
        model.judges = Judges({**own, **built}, origins)
