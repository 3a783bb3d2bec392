"""Train the auxiliary networks of a run on its own data, before its first step.

``model.auxiliaries.ROLE.weights=train`` takes the registered model that has the capability of the
role, at the preset of the same name, and trains it into ``RUN/auxiliaries/ROLE``, a run folder like
any other.
"""

from __future__ import annotations

from typing import Any

from ganzoo_core.config import RunConfig
from ganzoo_core.config.tree import model_config_class
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.interfaces import ROLE_CAPABILITIES
from ganzoo_core.report import Progress
from ganzoo_core.training import api as training
from ganzoo_core.training.auxiliaries import TRAIN
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import PretrainedAuxiliary, find_auxiliary
from ganzoo_core.zoo import ModelSpec, zoo


def train_auxiliaries(
    roles: tuple[str, ...],
    run_config: RunConfig,
    folder: RunFolder,
    progress: Progress,
    data: Any = None,
) -> dict[str, PretrainedAuxiliary]:
    """Train the auxiliary networks of some roles, or resume their training.

    Args:
        roles: the roles, such as ``("identity",)``.
        run_config: the options of the run, whose data, seed and device are used.
        folder: the run folder.
        progress: the progress bar.
        data: a torch Dataset that replaces the data set of the options.

    Raises:
        PluginError: no installed model has the capability of a role.
        UsageError, DataError: the model cannot be trained on these data.
        Interrupted: `ganzoo resume` of the run continues.
    """
    trained = {}
    for role in roles:
        spec, role_folder = find_trainable_model(role), folder.auxiliaries / role
        progress.info(f"training {spec.name} as the auxiliary network {role!r} in {role_folder}")
        if RunFolder(role_folder).config.exists():
            training.resume(role_folder, data=data, quiet=progress.quiet)
        else:
            presets = model_config_class(spec).presets
            train_options = {
                key: getattr(run_config.train, key) for key in ("seed", "device", "precision")
            }
            training.train(
                spec.name,
                data,
                preset=run_config.preset if run_config.preset in presets else "",
                options={"data": run_config.tree()["data"], "train": train_options},
                out=role_folder,
                quiet=progress.quiet,
            )
        trained[role] = find_auxiliary(role, role_folder)
    return trained


def find_trainable_model(role: str) -> ModelSpec:
    """Return the registered model that has the capability of a role.

    Raises:
        PluginError: none is installed.
    """
    capability = ROLE_CAPABILITIES.get(role, "")
    for row in zoo().entries:
        if isinstance(row.spec, ModelSpec) and capability in row.spec.capabilities:
            return row.spec
    raise PluginError(
        f"model.auxiliaries.{role}.weights={TRAIN}: no installed model can be trained for the role "
        f"{role!r}; install one (`ganzoo list model`), or name a pretrained folder"
    )


def check_single_process(roles: tuple[str, ...], world_size: int) -> None:
    """Refuse to train auxiliary networks in a distributed run.

    Raises:
        UsageError: there are roles, and several ranks.
    """
    if roles and world_size > 1:
        raise UsageError(
            f"model.auxiliaries.{roles[0]}.weights={TRAIN} needs a single process: train the "
            "auxiliary network in a run of its own, then "
            f"--set model.auxiliaries.{roles[0]}.weights=RUN"
        )
