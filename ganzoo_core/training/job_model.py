"""Build the model of a job, and check it before an image is decoded."""

from __future__ import annotations

import torch

from ganzoo_core.config.overrides import stage_data
from ganzoo_core.data.packed_images import expected_info
from ganzoo_core.engine.contract import check_stages
from ganzoo_core.engine.plan import configured_stages, make_plan
from ganzoo_core.errors import DataError, GanzooError, UsageError
from ganzoo_core.interfaces import DataInfo, Dataset, Model, Stage
from ganzoo_core.training.jobs import Job
from ganzoo_core.training.open_data import open_dataset
from ganzoo_core.training.run_config import UNREGISTERED_PREFIX
from ganzoo_core.zoo import import_target, zoo


def build_model(job: Job, info: DataInfo) -> Model:
    """Return the model of a job, its weights initialized with the seed of the run.

    Raises:
        UsageError: the model refuses its options or the data.
    """
    model, run_config = job.model, job.config
    if isinstance(model, Model):
        return model
    cls: type[Model] = import_target(zoo().model(model).target) if isinstance(model, str) else model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run_config.train.seed)
        try:
            return cls(run_config.model, info)
        except ValueError as error:  # how a model refuses an image size or an option
            name = run_config.model_name.removeprefix(UNREGISTERED_PREFIX)
            raise UsageError(f"{name}: {error}") from error


def stage_datasets(job: Job) -> dict[str, Dataset]:
    """Return the data sets of the stages that override `[data]`, by name. Nothing is decoded.

    Raises:
        UsageError: the data are an object without options.
        DataError: a path does not contain the data set.
    """
    configs = {
        name: stage_data(job.config.data, options.overrides, f"train.{name}.overrides")
        for name, options in job.config.train.stages.items()
    }
    found = {name: config for name, config in configs.items() if config is not None}
    if found and job.data is not None:
        raise UsageError(
            f"train.{next(iter(found))}.overrides.data: the data of this run are an object, whose "
            "options a stage cannot override"
        )
    return {name: open_dataset(config) for name, config in found.items()}


def stage_infos(job: Job, age_bins: tuple[int, ...]) -> dict[str, tuple[DataInfo, tuple[str, ...]]]:
    """Return `expected_info` of the stages that override `[data]`, by name; raises as
    `stage_datasets`."""
    return {name: expected_info(data, age_bins) for name, data in stage_datasets(job).items()}


def check_model(job: Job, dataset: Dataset, age_bins: tuple[int, ...]) -> None:
    """Refuse what the model, its terms or its stages refuse, from the metadata alone: the model is
    built on the meta device. A model that cannot be built there is checked after the decoding.

    Raises:
        UsageError: an image size, a term, a stage or another option that does not fit.
        DataError: the data lack a field that a stage needs.
        PluginError: a stage names an unknown sampler, field or optimizer.
    """
    info, fields = expected_info(dataset, age_bins)
    try:
        with torch.device("meta"):
            model = build_model(job, info)
        stages, optimizers = (
            configured_stages(model, job.config.train),
            model.configure_optimizers(),
        )
    except GanzooError:
        raise
    except Exception:  # the constructor computes, or reads an auxiliary network
        return
    check_stages(model, stages, optimizers)
    views = stage_infos(job, age_bins)
    sizes = {name: view.num_images for name, (view, _) in views.items()}
    make_plan(stages, job.config.train, info.num_images, sizes)
    for stage in stages:
        stage_info, stage_fields = views.get(stage.name, (info, fields))
        check_stage_data(stage, info, stage_info)
        missing = [name for name in stage.batch.fields if name not in stage_fields]
        if missing and stage.batch.sampler != "none":
            raise DataError(
                f"the model needs {missing[0]!r} and {info.name or 'the data'} has only "
                f"{', '.join(stage_fields)}; choose other data with --data (`ganzoo list "
                "dataset` lists the fields)"
            )


def check_stage_data(stage: Stage, info: DataInfo, view: DataInfo) -> None:
    """Refuse the data of a stage whose labels or identities are not those of the run.

    Raises:
        UsageError: names what differs.
    """
    where = f"train.{stage.name}.overrides.data"
    if view is not info and "identity" in stage.batch.fields:
        raise UsageError(
            f"{where}: the stage uses identities, whose numbers hold for the data of the run only"
        )
    if "label" in stage.batch.fields and view.class_names != info.class_names:
        raise UsageError(
            f"{where}: the classes are {', '.join(view.class_names) or 'none'}, and those of the "
            f"run {', '.join(info.class_names) or 'none'}"
        )
