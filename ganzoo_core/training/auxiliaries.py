"""Find the frozen auxiliary networks that a model needs, and attach them before training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo_core.config import RunConfig
from ganzoo_core.interfaces import Auxiliaries, DataInfo, Model
from ganzoo_core.report import Progress
from ganzoo_core.weights import PretrainedAuxiliary, find_auxiliary, find_auxiliary_by_hash
from ganzoo_core.zoo import zoo

TRAIN = "train"
"""The value of `model.auxiliaries.ROLE.weights` that trains the auxiliary network first (see
`jobs.py`)."""


def find_auxiliaries(
    model: str | Model | type[Model],
    run_config: RunConfig,
    recorded: Mapping[str, Any] | None = None,
    auxiliaries_folder: Path | None = None,
) -> dict[str, PretrainedAuxiliary]:
    """Return the weights of every auxiliary network by role, except those that are to be trained.
    A resumed run gets the recorded ones. Needs no data.

    Args:
        model: the model of the run.
        run_config: its options.
        recorded: `provenance.auxiliaries` of a run that is resumed.
        auxiliaries_folder: the folder of the auxiliary networks that this run trained.

    Raises:
        PluginError: no installed plugin ships one.
        WeightsError: damaged, or not the recorded one.
    """
    found = {}
    for role in _auxiliary_roles(model):
        option = _weights_option(run_config, role)
        if recorded is not None and role in recorded:
            record = recorded[role]
            is_own = option == TRAIN and auxiliaries_folder is not None
            hints = [
                auxiliaries_folder / role if is_own and auxiliaries_folder else option,
                record.get("path", ""),
            ]
            found[role] = find_auxiliary_by_hash(
                role,
                str(record["sha256"]),
                hints,
                name=str(record.get("name", "")),
                train_split=str(record.get("split", "")),
            )
        elif option != TRAIN:
            found[role] = find_auxiliary(role, option, data=run_config.data.name)
    return found


def roles_to_train(
    model: str | Model | type[Model],
    run_config: RunConfig,
    recorded: Mapping[str, Any] | None = None,
) -> tuple[str, ...]:
    """Return the roles with ``model.auxiliaries.ROLE.weights=train`` that have no weights yet."""
    return tuple(
        role
        for role in _auxiliary_roles(model)
        if _weights_option(run_config, role) == TRAIN and role not in (recorded or {})
    )


def attach_auxiliaries(
    model: Model, pretrained: Mapping[str, PretrainedAuxiliary], info: DataInfo, progress: Progress
) -> None:
    """Build the auxiliary networks and set `model.auxiliaries`.

    Raises:
        WeightsError: a network was trained on another version of rendered data, or lacks the
            capability of its role.
    """
    for role, auxiliary in pretrained.items():
        auxiliary.check_data_version(info)
        training_data = auxiliary.pretrained.info.name
        if training_data != info.name:
            progress.warning(
                f"warning: the auxiliary network {role!r} "
                f"({auxiliary.name or auxiliary.pretrained.path}) was trained on "
                f"{training_data or 'other data'}, not on {info.name or 'these data'}: "
                f"--set model.auxiliaries.{role}.weights=FOLDER names another"
            )
    if pretrained:
        existing = {role: auxiliary.module for role, auxiliary in model.auxiliaries.items()}
        built = {role: auxiliary.build(info) for role, auxiliary in pretrained.items()}
        origins = {role: auxiliary.source_record for role, auxiliary in pretrained.items()}
        model.auxiliaries = Auxiliaries({**existing, **built}, origins)


def _auxiliary_roles(model: str | Model | type[Model]) -> tuple[str, ...]:
    """Return the roles that a model needs: from its spec, or from its class. A model object may
    have some of its auxiliary networks already."""
    if isinstance(model, str):
        return zoo().model(model).auxiliaries
    attached = model.auxiliaries if isinstance(model, Model) else ()
    return tuple(role for role in getattr(model, "auxiliary_roles", ()) if role not in attached)


def _weights_option(run_config: RunConfig, role: str) -> str:
    auxiliaries = getattr(run_config.model, "auxiliaries", None)
    return str(getattr(getattr(auxiliaries, role, None), "weights", ""))
