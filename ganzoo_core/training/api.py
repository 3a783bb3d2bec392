"""Train and resume: the Python API behind `ganzoo run` and `ganzoo resume`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ganzoo_core import __version__, config, errors
from ganzoo_core.config import RunConfig
from ganzoo_core.config.base import parse
from ganzoo_core.config.sections import TrainConfig
from ganzoo_core.config.tree import data_config_class
from ganzoo_core.data import PackedImages
from ganzoo_core.engine import Callback, Trainer, resolve_setup
from ganzoo_core.engine.device import has_unsynced_batchnorm
from ganzoo_core.engine.setup import resolve_device, resolve_precision
from ganzoo_core.engine.world import World
from ganzoo_core.interfaces import Model
from ganzoo_core.report import Progress
from ganzoo_core.training import auxiliaries, init_weights, train_auxiliaries
from ganzoo_core.training.callbacks import RunCallback
from ganzoo_core.training.open_data import open_images
from ganzoo_core.training.run_folder import RunFolder, check_is_empty, create_run_folder
from ganzoo_core.weights import auxiliary_records, code_provenance
from ganzoo_core.zoo import import_target, zoo

_UNREGISTERED_PREFIX = "object:"
"""Prefix of `run.model` in config.toml for a model class that no plugin registers."""


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


def train(
    model: str | Model | type[Model],
    data: Any = None,
    *,
    preset: str = "",
    config_file: str | Path | None = None,
    options: dict[str, Any] | None = None,
    steps: int | None = None,
    seed: int | None = None,
    init_from: str | Path | None = None,
    out: str | Path | None = None,
    device: str | None = None,
    precision: str | None = None,
    quiet: bool = False,
) -> Run:
    """Train a model into a new run folder.

    Args:
        model: a registered name, a `Model` class, or a `Model` object.
        data: ``"NAME"`` or ``"NAME:PATH"``, any torch Dataset, or None for the preset's data.
        preset: the name of a preset; empty for `quick`.
        config_file: a TOML file that overrides the preset.
        options: nested options that override both, such as ``{"train": {"batch_size": 32}}``.
        steps: total number of steps; None for the length that the preset sets.
        init_from: a run or a pretrained folder of this model, whose weights replace the random
            initialization.
        out: the run folder; None for the next free ``runs/<model>-<n>``.

    Raises:
        GanzooError: the input is wrong, or the machine lacks something. One line with the remedy.
    """
    patches = [config.read_toml(Path(config_file))] if config_file else []
    train_options = {
        "steps": steps,
        "seed": seed,
        "device": device,
        "precision": precision,
        "init_from": None if init_from is None else str(init_from),
    }
    if isinstance(data, str):
        data_name, _, data_path = data.partition(":")
        patches.append({"data": {"name": data_name, "path": data_path}})
    patches += [
        options or {},
        {"train": {k: v for k, v in train_options.items() if v is not None}},
    ]
    if isinstance(model, str):
        run_config = config.build_config(model, preset=preset, patches=patches)
    else:
        run_config = _unregistered_config(model, patches)
    world = _init_distributed(run_config.train)
    if out is not None and world.is_main:
        check_is_empty(Path(out))
    initial = init_weights.find_init_weights(run_config)
    pretrained = auxiliaries.find_auxiliaries(model, run_config)
    roles_to_train = auxiliaries.roles_to_train(model, run_config)
    train_auxiliaries.check_single_process(roles_to_train, world.size)
    progress = Progress(quiet, silent=not world.is_main)
    data_object = None if isinstance(data, str) else data
    age_bins = tuple(getattr(run_config.model, "age_bins", ()))
    images = open_images(data_object, run_config.data, age_bins, progress)
    new_model = _build_model(model, run_config, images)
    init_record = init_weights.load_init_weights(new_model, initial, progress)
    name = model if isinstance(model, str) else type(new_model).__name__.lower()
    folder = world.broadcast_object(create_run_folder(out, name) if world.is_main else None)
    try:
        if roles_to_train:
            provenance = {"provenance": {"init_from": init_record}} if init_record else {}
            folder.write_config(run_config.tree() | provenance)
            pretrained |= train_auxiliaries.train_auxiliaries(
                roles_to_train, run_config, folder, progress, data_object
            )
        auxiliaries.attach_auxiliaries(new_model, pretrained, images.info, progress)
        return _fit(
            new_model, run_config, images, folder, init_record, progress=progress, world=world
        )
    except errors.GanzooError:
        folder.remove_if_untrained()
        raise


def resume(
    run: str | Path,
    steps: int | None = None,
    *,
    model: Model | type[Model] | None = None,
    data: Any = None,
    quiet: bool = False,
) -> Run:
    """Continue a run from its newest valid checkpoint, bit-identical to an uninterrupted run.

    Args:
        run: the run folder.
        steps: new total number of steps; None for the number that the run was started with.
        model: the model class or object, if the run was started with one.
        data: the torch Dataset, if the run was started with one.

    Raises:
        WeightsError: there is no valid checkpoint.
        DataError: the data differs from that of the run.
    """
    folder = RunFolder(Path(run))
    stored = folder.read_config()
    patch = {"train": {"steps": steps}} if steps is not None else {}
    patches = [{k: v for k, v in stored.items() if k in {"model", "data", "train"}}, patch]
    name = stored["run"]["model"]
    if name.startswith(_UNREGISTERED_PREFIX):
        if model is None:
            raise errors.UsageError(
                f"{run} was trained from a class that no plugin registers: resume it from Python "
                f"with model={name.removeprefix(_UNREGISTERED_PREFIX)}"
            )
        run_config = _unregistered_config(model, patches)
    else:
        preset = stored["run"].get("preset", "")
        run_config = config.build_config(name, preset=preset, patches=patches, is_resolved=True)
    world = _init_distributed(run_config.train)
    progress = Progress(quiet, silent=not world.is_main)
    age_bins = tuple(getattr(run_config.model, "age_bins", ()))
    provenance = stored.get("provenance", {})
    recorded = provenance.get("auxiliaries", {})
    init_record = provenance.get("init_from", {})
    # Without checkpoints, the run stopped while its auxiliary networks were trained.
    is_resumed = folder.checkpoints.exists()
    initial = None if is_resumed else init_weights.find_init_weights(run_config, init_record)
    roles_to_train = auxiliaries.roles_to_train(model or name, run_config, recorded)
    train_auxiliaries.check_single_process(roles_to_train, world.size)
    pretrained = auxiliaries.find_auxiliaries(
        model or name, run_config, recorded, folder.auxiliaries
    )
    images = open_images(data, run_config.data, age_bins, progress)
    new_model = _build_model(model or name, run_config, images)
    init_record = init_weights.load_init_weights(new_model, initial, progress) or init_record
    pretrained |= train_auxiliaries.train_auxiliaries(
        roles_to_train, run_config, folder, progress, data
    )
    auxiliaries.attach_auxiliaries(new_model, pretrained, images.info, progress)
    return _fit(
        new_model,
        run_config,
        images,
        folder,
        init_record,
        progress=progress,
        world=world,
        is_resumed=is_resumed,
    )


def _init_distributed(train_config: TrainConfig) -> World:
    """Join the other ranks. The checks come first, so that a rank fails alone and at once:
    preparing the data may take minutes.

    Raises:
        UsageError: no such device, precision, or split of the batch.
    """
    device = resolve_device(train_config.device)
    resolve_precision(train_config.precision, device)
    World.from_environment().num_shards(train_config.batch_size, train_config.grad_accum_steps)
    return World.init(device)


def _unregistered_config(model: Model | type[Model], patches: list[dict[str, Any]]) -> RunConfig:
    """Return the options of a model that is an object or a class of the caller."""
    values: dict[str, Any] = {}
    for patch in patches:
        values = config.merge(values, patch)
    if isinstance(model, Model):
        model_config = model.config
        shape = {"image_size": model.info.image_size, "num_channels": model.info.num_channels}
        values = config.merge({"data": shape}, values)
    else:
        model_config = (
            parse(model.Config, values.get("model", {}), "model") if model.Config else None
        )
    cls = model if isinstance(model, type) else type(model)
    data = values.get("data", {})
    return RunConfig(
        f"{_UNREGISTERED_PREFIX}{cls.__name__}",
        "",
        model_config,
        parse(data_config_class(data.get("name", "")), data, "data"),
        parse(TrainConfig, values.get("train", {}), "train"),
    )


def _build_model(
    model: str | Model | type[Model], run_config: RunConfig, images: PackedImages
) -> Model:
    """Return the model, its weights initialized with the seed of the run.

    Raises:
        UsageError: the model refuses its options or the data.
    """
    import torch

    if isinstance(model, Model):
        return model
    cls: type[Model] = import_target(zoo().model(model).target) if isinstance(model, str) else model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run_config.train.seed)
        try:
            return cls(run_config.model, images.info)
        except ValueError as error:  # how a model refuses an image size or an option
            name = run_config.model_name.removeprefix(_UNREGISTERED_PREFIX)
            raise errors.UsageError(f"{name}: {error}") from error


def _fit(
    model: Model,
    run_config: RunConfig,
    images: PackedImages,
    folder: RunFolder,
    init_record: dict[str, str],
    *,
    progress: Progress,
    world: World,
    is_resumed: bool = False,
) -> Run:
    """Train all stages, then write the pretrained folder and the report.

    Args:
        init_record: the record of the weights of `train.init_from`; empty without them.

    Raises:
        OutputError: another process writes this run.
    """
    with _lock_run_folder(folder, world):
        previous = folder.read_config().get("provenance", {}) if is_resumed else {}
        train_config = run_config.train
        setup = resolve_setup(
            train_config.device,
            train_config.precision,
            deterministic=train_config.deterministic,
            threads=previous.get("threads"),
        )
        resolved_train_config = train_config.model_copy(
            update={"device": setup.device, "precision": setup.precision}
        )
        run_config = replace(run_config, train=resolved_train_config)
        progress.start(
            f"training {run_config.model_name}", items_per_step=resolved_train_config.batch_size
        )
        callback = Callback()
        if world.is_main:
            callback = RunCallback(
                folder, _index_fields(run_config, model, init_record), progress, images
            )
        trainer = Trainer(model, images, resolved_train_config, setup, callback, world=world)
        if has_unsynced_batchnorm(model, trainer.device, world):
            progress.warning(
                "warning: on CPUs BatchNorm normalizes over the samples of each rank, so the "
                "result differs from that of one process"
            )
        provenance = {
            "ganzoo": __version__,
            "python": sys.version.split()[0],
            "world_size": world.size,
            "data": images.info.fingerprint,
            "data_version": images.info.version,
            **setup.to_json(),
            "auxiliaries": model.auxiliaries.origins,
            **({"init_from": init_record} if init_record else {}),
        }
        if is_resumed:
            _restore_checkpoint(trainer, folder, previous, provenance, progress)
        if isinstance(callback, RunCallback):
            _run_with_outputs(trainer, callback, {**run_config.tree(), "provenance": provenance})
        else:
            trainer.run(folder.checkpoints)
    return Run(folder.path, trainer.ema_model(), trainer.step)


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
    if trainer.world.is_main:
        folder.truncate_metrics(trainer.last_logged_step)


def _check_same_data(previous: dict[str, Any], current: dict[str, Any]) -> None:
    if previous.get("data_version", "") != current["data_version"]:
        raise errors.DataError(
            f"the run was trained on version {previous.get('data_version') or 'unknown'} of the "
            f"data, and this is {current['data_version']}: install the former version of the "
            "plugin, or start a new run"
        )
    if previous.get("data") != current["data"]:
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
        raise
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
        "train": {key: value for key, value in tree["train"].items() if key != "init_from"},
    }
    if init_record:
        out["init_from"] = init_record
    if records := auxiliary_records(model.auxiliaries):
        out["auxiliaries"] = records
    if not run_config.model_name.startswith(_UNREGISTERED_PREFIX):
        out |= code_provenance(zoo().model(run_config.model_name))
    return out
