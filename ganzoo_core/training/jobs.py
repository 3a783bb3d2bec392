"""The jobs of a run: one for each network to be trained, in order.

``model.auxiliaries.ROLE.weights=train`` adds a job before that of the run itself: the registered
model that has the capability of the role, at the preset of the same name and on the same data, is
trained into ``RUN/auxiliaries/ROLE``, a run folder like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo_core.config import RunConfig, build_config
from ganzoo_core.config.tree import model_config_class
from ganzoo_core.engine.checkpoints import has_checkpoints
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.training.auxiliaries import TRAIN, find_auxiliaries, roles_to_train
from ganzoo_core.training.init_weights import InitWeights, find_init_weights
from ganzoo_core.training.run_config import AnyModel, read_run_config
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import PretrainedAuxiliary
from ganzoo_core.weights.auxiliaries import AUXILIARIES_DIR
from ganzoo_core.zoo import ModelSpec, zoo


@dataclass(frozen=True)
class Job:
    """One network to train into one run folder. Nothing is decoded or built yet."""

    model: AnyModel
    config: RunConfig
    data: Any
    """A torch Dataset that replaces the data set of the options, or None."""
    folder: Path
    """The run folder of the job, relative to that of the run: `.` for the run itself."""
    role: str
    """The role of the auxiliary network that the job trains; empty for the run itself."""
    auxiliaries: Mapping[str, PretrainedAuxiliary]
    """The frozen networks by role that exist already."""
    needs: tuple[str, ...]
    """The roles whose networks the earlier jobs train."""
    init_weights: InitWeights | None
    """The weights that replace the random initialization."""
    init_record: Mapping[str, str]
    """What a stored run recorded about these weights."""
    is_resumed: bool
    """Whether the folder has checkpoints to continue from."""


def plan_jobs(
    model: AnyModel,
    run_config: RunConfig,
    data: Any = None,
    folder: RunFolder | None = None,
    *,
    num_ranks: int = 1,
) -> tuple[Job, ...]:
    """Return the jobs of a run in order: its auxiliary networks to be trained, then the run itself.

    Needs no data. A job whose folder has a config.toml continues with the options stored there.

    Args:
        model: the model of the run.
        run_config: its options.
        data: a torch Dataset that replaces the data set of the options.
        folder: the folder of a run that is resumed; None for a new run.
        num_ranks: the number of processes.

    Raises:
        PluginError: no installed model has the capability of a role.
        UsageError: the auxiliary networks of a distributed run, or of an auxiliary network.
        WeightsError: weights are missing, damaged, or not the recorded ones.
    """
    job = _plan_job(model, run_config, data, folder)
    _check_single_process(job.needs, num_ranks)
    return (*(_plan_auxiliary(role, job, folder) for role in job.needs), job)


def _plan_job(
    model: AnyModel, run_config: RunConfig, data: Any, folder: RunFolder | None, role: str = ""
) -> Job:
    """Return the job of one network.

    Raises:
        WeightsError: weights are missing, damaged, or not the recorded ones.
    """
    provenance = folder.read_config().get("provenance", {}) if folder else {}
    recorded = provenance.get("auxiliaries", {})
    init_record = provenance.get("init_from", {})
    # Without checkpoints, the run stopped while its auxiliary networks were trained, or while it
    # saved step 0.
    is_resumed = folder is not None and has_checkpoints(folder.checkpoints)
    return Job(
        model=model,
        config=run_config,
        data=data,
        folder=Path(AUXILIARIES_DIR, role) if role else Path(),
        role=role,
        init_weights=None if is_resumed else find_init_weights(run_config, init_record),
        auxiliaries=find_auxiliaries(
            model, run_config, recorded, folder.auxiliaries if folder else None
        ),
        needs=roles_to_train(model, run_config, recorded),
        init_record=init_record,
        is_resumed=is_resumed,
    )


def _plan_auxiliary(role: str, run_job: Job, run_folder: RunFolder | None) -> Job:
    """Return the job that trains the auxiliary network of a role, or continues its training.

    Raises:
        PluginError: no installed model has the capability of the role.
        UsageError: the network would train an auxiliary network of its own.
    """
    folder = RunFolder(run_folder.auxiliaries / role) if run_folder else None
    if folder and folder.config.exists():
        model, config = read_run_config(folder)
    else:
        folder, spec = None, find_trainable_model(role)
        model, config = spec.name, _auxiliary_config(spec, run_job.config)
    job = _plan_job(model, config, run_job.data, folder, role)
    if job.needs:
        raise UsageError(
            f"model.auxiliaries.{role}.weights={TRAIN}: {config.model_name} would train an "
            f"auxiliary network {job.needs[0]!r} of its own: train {config.model_name} in a run "
            f"of its own, then --set model.auxiliaries.{role}.weights=RUN"
        )
    return job


def _auxiliary_config(spec: ModelSpec, run_config: RunConfig) -> RunConfig:
    """Return the options of an auxiliary network: its preset, with the data, the seed and the
    device of the run."""
    presets = model_config_class(spec).presets
    train_options = {key: getattr(run_config.train, key) for key in ("seed", "device", "precision")}
    return build_config(
        spec.name,
        preset=run_config.preset if run_config.preset in presets else "",
        patches=[{"data": run_config.tree()["data"], "train": train_options}],
    )


def find_trainable_model(role: str) -> ModelSpec:
    """Return the registered model that has the capability of a role.

    Raises:
        PluginError: none is installed.
    """
    capability = zoo().role_capability(role)
    models = [row.spec for row in zoo().entries if isinstance(row.spec, ModelSpec)]
    for spec in models:
        if capability and capability.name in spec.capabilities:
            return spec
    raise PluginError(
        f"model.auxiliaries.{role}.weights={TRAIN}: no installed model can be trained for the role "
        f"{role!r}; install one (`ganzoo list model`), or name a pretrained folder"
    )


def _check_single_process(roles: tuple[str, ...], num_ranks: int) -> None:
    """Refuse to train auxiliary networks in a distributed run.

    Raises:
        UsageError: there are roles, and several ranks.
    """
    if roles and num_ranks > 1:
        raise UsageError(
            f"model.auxiliaries.{roles[0]}.weights={TRAIN} needs a single process: train the "
            "auxiliary network in a run of its own, then "
            f"--set model.auxiliaries.{roles[0]}.weights=RUN"
        )
