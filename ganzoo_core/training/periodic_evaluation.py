"""Computes `train.metrics` while a run trains, on few samples and held-out images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from ganzoo_core.config import DataConfig, available_splits, with_split
from ganzoo_core.data import PackedImages
from ganzoo_core.engine.callback import EvalValue
from ganzoo_core.errors import GanzooError, UsageError
from ganzoo_core.interfaces import Model
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.image_sets import (
    is_conditional,
    random_subset,
    sample_labels,
    sample_to_disk,
    train_test_split,
)
from ganzoo_core.report import Progress
from ganzoo_core.training.open_data import open_images
from ganzoo_core.zoo import has_capability, import_target, zoo


def check_metrics(names: Sequence[str]) -> None:
    """Refuse a metric that cannot be computed while a run trains.

    Raises:
        UsageError: an unknown metric, or one that evaluates a model by itself.
    """
    for name in names:
        if zoo().metric(name).evaluates != "samples":
            raise UsageError(
                f"train.metrics: {name} evaluates a whole model: leave it out, and compute it "
                f"after the run with `ganzoo evaluate RUN --metrics {name}`"
            )


class PeriodicEvaluation:
    """Computes metrics of the averaged model. Features are those of a classifier of the training
    images, as of `ganzoo evaluate` by default.

    Args:
        names: of the metrics.
        model: the model, for its capabilities.
        images: the training images.
        data: the `[data]` options. The real images are those of its test split; without one, of a
            held-out fifth of the training images, which the model was trained on.
        num_samples: samples, and real images at most.
        device: where the networks run.
        progress: shows values and warnings.

    Raises:
        UsageError: the model lacks the capability of a metric.
    """

    def __init__(
        self,
        names: Sequence[str],
        model: Model,
        images: PackedImages,
        *,
        data: DataConfig,
        num_samples: int,
        device: torch.device,
        progress: Progress,
    ) -> None:
        self.specs = [zoo().metric(name) for name in names]
        for spec in self.specs:
            for word in zoo().required_capabilities(spec) or ["sample"]:
                if not has_capability(model, word):
                    raise UsageError(
                        f"train.metrics: {spec.name} needs a model with the capability {word}: "
                        "leave it out"
                    )
        self.device, self.progress = device, progress
        self.train, test = images, None
        if "test" in available_splits(data) and data.name and images.info.name == data.name:
            test = open_images(None, with_split(data, "test"), images.info.age_bins, progress)
        if test is None or test.info.fingerprint == images.info.fingerprint:
            self.train, test = train_test_split(images)
            progress.info("train.metrics compares with training images: the data has no test split")
        self.test, self.num_samples = test, num_samples
        self.real = random_subset(test, num_samples, 0, "reference")

    def __call__(self, model: Model, step: int) -> dict[str, EvalValue]:
        """Return the values by name, ``eval/NAME``. A metric that fails is reported in one line and
        left out from then on."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.no_grad():
            values = self._compute(model)
        if values:
            text = "  ".join(f"{name} {one.value:.4g}" for name, one in values.items())
            self.progress.info(f"step {step}: {text}")
        return values

    def _compute(self, model: Model) -> dict[str, EvalValue]:
        values: dict[str, EvalValue] = {}
        ctx: EvaluationContext | None = None
        for spec in list(self.specs):
            try:
                ctx = ctx or self._context(model)
                with torch.enable_grad():  # a classifier may be trained
                    found = import_target(spec.target)(ctx)
            except Exception as error:
                self.specs.remove(spec)
                reason = str(error) if isinstance(error, GanzooError) else repr(error)
                self.progress.warning(
                    f"warning: train.metrics: {spec.name} is left out from now on: "
                    f"{reason.splitlines()[0]}"
                )
                continue
            values |= {
                f"eval/{name}": EvalValue(float(one.value), one.better == "higher")
                for name, one in found.items()
                if math.isfinite(one.value)
            }
        return values

    def _context(self, model: Model) -> EvaluationContext:
        """Return the context of one evaluation, with new samples of the same seed."""
        labels = sample_labels(model, self.real, self.num_samples)
        needs_samples = any("likelihood" not in spec.requires for spec in self.specs)
        fake = random_subset(self.real, 0, 0, "none")
        if needs_samples:
            fake = sample_to_disk(model, self.num_samples, labels, 0, lambda *_: None)
        return EvaluationContext(
            self.train,
            self.test,
            self.real,
            fake,
            lambda ctx: ctx.classifier,
            conditional=is_conditional(model),
            device=self.device,
            model=model,
        )
