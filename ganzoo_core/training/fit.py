"""Fit one job: decode its data, build its model, train all stages, write the outputs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from ganzoo_core import __version__, errors
from ganzoo_core.config import RunConfig
from ganzoo_core.data import PackedImages
from ganzoo_core.engine import Callback, Trainer, resolve_setup
from ganzoo_core.engine.device import has_unsynced_batchnorm
from ganzoo_core.engine.plan import configured_stages
from ganzoo_core.engine.world import World
from ganzoo_core.interfaces import Model
from ganzoo_core.report import Progress
from ganzoo_core.training.auxiliaries import attach_auxiliaries
from ganzoo_core.training.banner import banner_lines
from ganzoo_core.training.callbacks import RunCallback
from ganzoo_core.training.environment import environment_record
from ganzoo_core.training.init_weights import load_init_weights
from ganzoo_core.training.job_model import (
    build_model,
    check_model,
    check_stage_data,
    stage_datasets,
)
from ganzoo_core.training.jobs import Job
from ganzoo_core.training.open_data import decode_dataset, open_images
from ganzoo_core.training.periodic_evaluation import PeriodicEvaluation
from ganzoo_core.training.run_config import UNREGISTERED_PREFIX
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import PretrainedAuxiliary, auxiliary_records, code_provenance
from ganzoo_core.weights.index import check_index_fields
from ganzoo_core.weights.training_images import (
    TrainingImages,
    read_training_images,
    save_training_images,
    sorted_hashes,
)
from ganzoo_core.zoo import zoo


@dataclass(frozen=True)
class Run:
    """A finished run."""

    path: Path
    model: Model
    """The trained model with its EMA weights."""
    steps: int

    @property
    def folder(self) -> RunFolder:
        """The paths inside the run folder."""
        return RunFolder(self.path)


@dataclass(frozen=True)
class PreparedJob:
    """A job with its model and its images, ready to be fitted."""

    job: Job
    model: Model
    images: PackedImages
    stage_images: Mapping[str, PackedImages]
    """Those of the stages that override `[data]`."""
    init_record: Mapping[str, str]
    """The record of the weights of `train.init_from`; empty without them."""

    @property
    def provenance(self) -> dict[str, Any]:
        """The part of `[provenance]` in config.toml that is known before the training."""
        return {"init_from": dict(self.init_record)} if self.init_record else {}


def prepare_job(job: Job, progress: Progress) -> PreparedJob:
    """Check the model of a job, decode its images and build it, before anything is written.

    Raises:
        UsageError: the model refuses its options or the data.
        DataError: the data lack what the model needs.
        WeightsError: the initial weights do not fit.
    """
    age_bins = tuple(getattr(job.config.model, "age_bins", ()))
    images = open_images(
        job.data,
        job.config.data,
        age_bins,
        progress,
        check=lambda dataset: check_model(job, dataset, age_bins),
    )
    stage_images = {
        name: decode_dataset(dataset, age_bins, progress)
        for name, dataset in stage_datasets(job).items()
    }
    splits = (images.info.split, *(view.info.split for view in stage_images.values()))
    info = replace(images.info, split="+".join(dict.fromkeys(splits)))
    model = build_model(job, info)
    for stage in configured_stages(model, job.config.train) if stage_images else ():
        check_stage_data(stage, images.info, stage_images.get(stage.name, images).info)
    record = load_init_weights(model, job.init_weights, progress) or job.init_record
    return PreparedJob(job, model, images, stage_images, record)


def fit_job(
    prepared: PreparedJob,
    folder: RunFolder,
    auxiliaries: Mapping[str, PretrainedAuxiliary],
    *,
    progress: Progress,
    world: World,
) -> Run:
    """Train all stages, then write the pretrained folder and the report.

    Args:
        prepared: the job.
        folder: its run folder.
        auxiliaries: all frozen networks that the model needs, by role.
        progress: the progress bar.
        world: the ranks of the run.

    Raises:
        OutputError: another process writes this run.
        WeightsError: an auxiliary network does not fit, or readers would refuse the weights.
    """
    job, model, images = prepared.job, prepared.model, prepared.images
    attach_auxiliaries(model, auxiliaries, images.info, progress)
    with _lock_run_folder(folder, world):
        previous = folder.read_config().get("provenance", {}) if job.is_resumed else {}
        train_config = job.config.train
        setup = resolve_setup(
            train_config.device,
            train_config.precision,
            deterministic=train_config.deterministic,
            threads=previous.get("threads"),
        )
        resolved_train_config = train_config.model_copy(
            update={"device": setup.device, "precision": setup.precision}
        )
        run_config = replace(job.config, train=resolved_train_config)
        progress.start(
            f"training {run_config.name}", items_per_step=resolved_train_config.batch_size
        )
        callback = Callback()
        if world.is_main:
            index_fields = _index_fields(run_config, model, dict(prepared.init_record))
            check_index_fields(index_fields)
            callback = RunCallback(
                folder,
                index_fields,
                progress,
                images,
                _periodic_evaluation(run_config, model, images, progress),
            )
            model.index_fields = index_fields
        trainer = Trainer(
            model,
            images,
            resolved_train_config,
            setup,
            callback,
            world=world,
            stage_images=prepared.stage_images,
        )
        if has_unsynced_batchnorm(model, trainer.device, world):
            progress.warning(
                "warning: on CPUs BatchNorm normalizes over the samples of each rank, so the "
                "result differs from that of one process"
            )
        provenance = {
            "started": previous.get("started") or datetime.now(UTC).isoformat(timespec="seconds"),
            "ganzoo": __version__,
            "python": sys.version.split()[0],
            "world_size": world.size,
            "data": images.info.fingerprint,
            "data_version": images.info.version,
            **_stage_fingerprints(prepared),
            **setup.to_json(),
            **environment_record(run_config),
            "auxiliaries": model.auxiliaries.origins,
            **prepared.provenance,
        }
        if job.is_resumed:
            _restore_checkpoint(trainer, folder, previous, provenance, progress)
            if isinstance(callback, RunCallback):
                callback.truncate_metrics(trainer.last_logged_step)
        for line in banner_lines(folder, run_config, model, images, trainer):
            progress.info(line)
        if isinstance(callback, RunCallback):
            save_training_images(folder.path, _training_images(prepared, folder))
            _run_with_outputs(trainer, callback, {**run_config.tree(), "provenance": provenance})
        else:
            trainer.run(folder.checkpoints)
    trained = trainer.ema_model()
    trained.index_fields = {**model.index_fields, "steps": trainer.step}
    return Run(folder.path, trained, trainer.step)


def _stage_fingerprints(prepared: PreparedJob) -> dict[str, Any]:
    """Return the fingerprints of the data of the stages that override `[data]`."""
    found = {name: images.info.fingerprint for name, images in prepared.stage_images.items()}
    return {"stage_data": found} if found else {}


def _training_images(prepared: PreparedJob, folder: RunFolder) -> TrainingImages:
    """Return the images of all stages; of a resumed run those that it recorded."""
    recorded = read_training_images(folder.path) if prepared.job.is_resumed else None
    if recorded is not None:
        return recorded
    init_images = None
    if prepared.job.init_weights is not None:
        init_images = read_training_images(prepared.job.init_weights.pretrained.path)
    images = (prepared.images, *prepared.stage_images.values())
    return TrainingImages(
        sorted_hashes(torch.cat([part.image_hashes() for part in images])),
        None if init_images is None else init_images.all_hashes(),
    )


def _periodic_evaluation(
    run_config: RunConfig, model: Model, images: PackedImages, progress: Progress
) -> PeriodicEvaluation | None:
    """Return what computes `train.metrics`; None without any."""
    train = run_config.train
    if not train.metrics:
        return None
    device = torch.device(train.device)
    return PeriodicEvaluation(
        train.metrics,
        model,
        images,
        data=run_config.data,
        num_samples=train.num_eval_samples,
        device=device,
        progress=progress,
    )


@contextmanager
def _lock_run_folder(folder: RunFolder, world: World) -> Iterator[None]:
    """Lock the run folder, so that only one process writes it; leave the process group at the
    end."""
    lock = FileLock(folder.lock, timeout=0)
    try:
        if world.is_main:
            lock.acquire()
        world.barrier()
        yield
    except Timeout:
        raise errors.OutputError(
            f"another process writes {folder.path}: wait until it has finished"
        ) from None
    finally:
        lock.release()
        world.destroy()


def _restore_checkpoint(
    trainer: Trainer,
    folder: RunFolder,
    previous: dict[str, Any],
    current: dict[str, Any],
    progress: Progress,
) -> None:
    """Load the newest undamaged checkpoint, and warn about what differs from the former machine.

    Raises:
        DataError: the data differ.
    """
    _check_same_data(previous, current)
    differences = trainer.setup.differences(previous)
    if (previous_size := previous.get("world_size", 1)) != current["world_size"]:
        differences.insert(0, f"ranks: {previous_size} then, {current['world_size']} now")
    if differences:
        progress.warning(
            "warning: the result may differ from that of an uninterrupted run "
            f"({'; '.join(differences)})"
        )
    for skipped in trainer.restore(folder.checkpoints):
        progress.warning(f"warning: {skipped}; using the previous checkpoint")
    if trainer.notice:
        progress.warning(f"warning: {trainer.notice}")


def _check_same_data(previous: dict[str, Any], current: dict[str, Any]) -> None:
    if previous.get("data_version", "") != current["data_version"]:
        raise errors.DataError(
            f"the run was trained on version {previous.get('data_version') or 'unknown'} of the "
            f"data, and this is {current['data_version']}: install the former version of the "
            "plugin, or start a new run"
        )
    if any(previous.get(key) != current.get(key) for key in ("data", "stage_data")):
        raise errors.DataError(
            "the fingerprint of the data differs from that of the run: restore the former data, "
            "or start a new run"
        )


def _run_with_outputs(trainer: Trainer, callback: RunCallback, config_tree: dict[str, Any]) -> None:
    """Train, call the trackers, and write config.toml and the outputs."""
    folder, status = callback.folder, "failed"
    folder.write_config(config_tree)
    callback.trackers.call_hook("ganzoo_run_started", run=folder.path, config=config_tree)
    try:
        trainer.run(folder.checkpoints)
        callback.write_outputs(trainer.ema_model(), trainer.step)
        status = "finished"
    except errors.Interrupted:
        status = "interrupted"
        callback.update_page()
        raise
    except errors.OutputError as error:
        raise errors.OutputError(
            f"{error}; then continue with: ganzoo resume {folder.path}"
        ) from error
    finally:
        callback.progress.stop()
        callback.trackers.call_hook("ganzoo_run_finished", run=folder.path, status=status)


def _index_fields(
    run_config: RunConfig, model: Model, init_record: dict[str, str]
) -> dict[str, Any]:
    """Return the fields of the pretrained folder's index that describe the run, without local
    paths: initial weights are named by their hash."""
    tree = run_config.tree()
    out: dict[str, Any] = {
        "model": run_config.model_name,
        "preset": run_config.preset,
        "config": tree["model"],
        "data": model.info.to_json(),
        "train": {key: value for key, value in tree["train"].items() if key != "init_from"},
    }
    if run_config.composition:
        out["composition"] = run_config.composition
    if init_record:
        out["init_from"] = init_record
    if records := auxiliary_records(model.auxiliaries):
        out["auxiliaries"] = records
    if not run_config.model_name.startswith(UNREGISTERED_PREFIX):
        out |= code_provenance(zoo().model(run_config.model_name))
    return out
