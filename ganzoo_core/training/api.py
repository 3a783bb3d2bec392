"""Train and resume: the Python API behind `ganzoo run` and `ganzoo resume`.

Both list the jobs of the run (`jobs.py`), then fit them in order (`fit.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganzoo_core import config, errors
from ganzoo_core.config import RunConfig
from ganzoo_core.config.sections import TrainConfig
from ganzoo_core.engine.setup import resolve_device, resolve_precision
from ganzoo_core.engine.world import World
from ganzoo_core.interfaces import Model
from ganzoo_core.report import Progress
from ganzoo_core.training.empty_folder import check_is_empty
from ganzoo_core.training.fit import Run, fit_job, prepare_job
from ganzoo_core.training.jobs import Job, plan_jobs
from ganzoo_core.training.periodic_evaluation import check_metrics
from ganzoo_core.training.run_config import (
    AnyModel,
    build_run_config,
    find_registered,
    read_run_config,
)
from ganzoo_core.training.run_folder import RunFolder, create_run_folder
from ganzoo_core.training.trackers import check_trackers
from ganzoo_core.weights import find_auxiliary


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
        model: a registered name, a `Model` class, or a `Model` object. The options of a class are
            those of its `Config`, or of its plugin if one registers it.
        data: ``"NAME"`` or ``"NAME:PATH"``, any torch Dataset, or None for the preset's data.
        preset: the name of a preset of the model or of the `Config` of the class; empty for
            `quick`. An object has its options already and takes none.
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
        patches.append({"data": config.parse_data_source(data)})
    patches += [
        options or {},
        {"train": {k: v for k, v in train_options.items() if v is not None}},
    ]
    model = find_registered(model)
    run_config = build_run_config(model, preset=preset, patches=patches)
    data_object = None if isinstance(data, str) else data
    model_object = None if isinstance(model, str) else model
    return train_config(run_config, model_object, data_object, out=out, quiet=quiet)


def train_config(
    run_config: RunConfig,
    model: AnyModel | None = None,
    data: Any = None,
    *,
    out: str | Path | None = None,
    quiet: bool = False,
) -> Run:
    """Train a model with a whole configuration into a new run folder.

    Args:
        run_config: the options of the run.
        model: the class or object; None for the registered model that the configuration names.
        data: a torch Dataset that replaces the data set of the options.
        out: the run folder; None for the next free ``runs/<model>-<n>``.

    Raises:
        GanzooError: see `train`.
    """
    check_trackers(run_config.train.track)
    check_metrics(run_config.train.metrics)
    return _run_jobs(model or run_config.model_name, run_config, data, out=out, quiet=quiet)


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
        UsageError: the run has more steps than `steps` already.
        WeightsError: there is no valid checkpoint.
        DataError: the data differs from that of the run.
    """
    folder = RunFolder(Path(run))
    if steps is not None and steps < (done := folder.last_checkpoint_step()):
        raise errors.UsageError(
            f"--steps {steps}: {folder.path} has {done} steps already; give at least {done}"
        )
    stored_model, run_config = read_run_config(folder, steps=steps, model=model)
    return _run_jobs(stored_model, run_config, data, folder=folder, quiet=quiet)


def _run_jobs(
    model: AnyModel,
    run_config: RunConfig,
    data: Any,
    *,
    folder: RunFolder | None = None,
    out: str | Path | None = None,
    quiet: bool = False,
) -> Run:
    """List the jobs of a run and fit them in order.

    Args:
        folder: the folder of a run that is resumed; None for a new run.
        out: the folder of a new run.
    """
    world = _init_distributed(run_config.train)
    if folder is None and out is not None and world.is_main:
        check_is_empty(Path(out))
    *auxiliary_jobs, job = plan_jobs(model, run_config, data, folder, num_ranks=world.size)
    progress = Progress(quiet, silent=not world.is_main)
    # What the model of the run refuses is refused before its auxiliary networks are trained.
    prepared = prepare_job(job, progress)
    name = run_config.name if isinstance(model, str) else type(prepared.model).__name__.lower()
    with _run_folder(folder, out, name, world) as run_folder:
        if auxiliary_jobs and folder is None:  # so that `resume` finds the options
            provenance = prepared.provenance
            run_folder.write_config(
                run_config.tree() | ({"provenance": provenance} if provenance else {})
            )
        for auxiliary_job in auxiliary_jobs:
            _fit_auxiliary(auxiliary_job, run_folder, progress)
        trained = {role: find_auxiliary(role, run_folder.auxiliaries / role) for role in job.needs}
        auxiliaries = {**job.auxiliaries, **trained}
        return fit_job(prepared, run_folder, auxiliaries, progress=progress, world=world)


def _fit_auxiliary(job: Job, run_folder: RunFolder, progress: Progress) -> None:
    """Fit the job of an auxiliary network into its folder inside the run folder."""
    folder, name = RunFolder(run_folder.path / job.folder), job.config.model_name
    progress.info(f"training {name} as the auxiliary network {job.role!r} in {folder.path}")
    world = _init_distributed(job.config.train)
    existing = folder if folder.config.exists() else None
    if existing is None:
        check_is_empty(folder.path)
    prepared = prepare_job(job, progress)
    with _run_folder(existing, folder.path, name, world) as opened:
        fit_job(prepared, opened, job.auxiliaries, progress=progress, world=world)


@contextmanager
def _run_folder(
    existing: RunFolder | None, out: str | Path | None, name: str, world: World
) -> Iterator[RunFolder]:
    """Yield the run folder. One that is created here is removed if an error comes before anything
    was trained."""
    if existing is not None:
        yield existing
        return
    folder = world.broadcast_object(create_run_folder(out, name) if world.is_main else None)
    try:
        yield folder
    except errors.GanzooError:
        folder.remove_if_untrained()
        raise


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
