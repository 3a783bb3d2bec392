"""What a run would train: `ganzoo run --dry-run`. No image is decoded and nothing is written."""

from __future__ import annotations

from typing import Any

import torch

from ganzoo_core.config import RunConfig
from ganzoo_core.config.overrides import flatten
from ganzoo_core.data.packed_images import expected_info
from ganzoo_core.engine.plan import configured_stages, make_plan
from ganzoo_core.training.job_model import build_model, check_model, stage_infos
from ganzoo_core.training.jobs import Job, plan_jobs
from ganzoo_core.training.open_data import open_dataset


def planned_stages(run_config: RunConfig) -> list[dict[str, Any]]:
    """Return the stages of a run in order, those of its auxiliary networks to be trained first.

    Returns:
        For each stage its `job` (the model, or the role of an auxiliary network), `stage`, `steps`,
        `images`, `batch_size`, and `overrides`: the options that hold in this stage only.

    Raises:
        GanzooError: what the run would refuse before it decodes images.
    """
    jobs = plan_jobs(run_config.model_name, run_config)
    return [row for job in jobs for row in _stages_of(job)]


def _stages_of(job: Job) -> list[dict[str, Any]]:
    age_bins = tuple(getattr(job.config.model, "age_bins", ()))
    dataset, train_config = open_dataset(job.config.data), job.config.train
    check_model(job, dataset, age_bins)
    info, _ = expected_info(dataset, age_bins)
    try:
        with torch.device("meta"):
            model = build_model(job, info)
    except (RuntimeError, NotImplementedError):  # its constructor computes with the weights
        model = build_model(job, info)
    sizes = {name: view.num_images for name, (view, _) in stage_infos(job, age_bins).items()}
    plan = make_plan(configured_stages(model, train_config), train_config, info.num_images, sizes)
    return [
        {
            "job": job.role or job.config.name,
            "stage": scheduled.stage.name,
            "steps": scheduled.end - scheduled.start,
            "images": (scheduled.end - scheduled.start) * scheduled.batch_size,
            "batch_size": scheduled.batch_size,
            "overrides": dict(flatten(scheduled.stage.overrides)),
        }
        for scheduled in plan.stages
    ]
