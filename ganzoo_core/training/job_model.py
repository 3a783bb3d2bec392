"""Build the model of a job, and check it before an image is decoded."""

from __future__ import annotations

import torch

from ganzoo_core.data.packed_images import expected_info
from ganzoo_core.engine.contract import check_stages
from ganzoo_core.engine.plan import configured_stages, make_plan
from ganzoo_core.errors import DataError, GanzooError, UsageError
from ganzoo_core.interfaces import DataInfo, Dataset, Model
from ganzoo_core.training.jobs import Job
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
    make_plan(stages, job.config.train, info.num_images)
    for stage in stages:
        missing = [name for name in stage.batch.fields if name not in fields]
        if missing and stage.batch.sampler != "none":
            raise DataError(
                f"the model needs {missing[0]!r} and {info.name or 'the data'} has only "
                f"{', '.join(fields)}; choose other data with --data (`ganzoo list dataset` lists "
                "the fields)"
            )
