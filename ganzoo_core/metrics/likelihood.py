"""The likelihood of real images under a model, and under a histogram baseline.

The baseline is a histogram of each channel of each pixel over the training images, with half a
count added to every level (Krichevsky and Trofimov 1981). All values are code lengths of the same
quantized images, so models with the same number of levels compare.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.data import PackedImages, to_float
from ganzoo_core.data.quantization import quantize
from ganzoo_core.interfaces import SupportsLikelihood, derive_seed, log_likelihood
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.metric_value import MetricNotApplicableError, MetricValue
from ganzoo_core.zoo import zoo

_BATCH_SIZE = 64


def likelihood(ctx: EvaluationContext) -> dict[str, MetricValue]:
    """Return the code length of real images under the model, and under the histogram baseline.

    For a conditional model, the code length of the label is added: p(x) >= p(x | y) p(y), with
    p(y) from the training images. Its values then compare with those of unconditional models.

    Raises:
        MetricNotApplicableError: the model has no likelihood, or needs labels that the data lack.
    """
    model = require_likelihood(ctx.model)
    if ctx.conditional and ctx.real.info.class_names != model.info.class_names:  # type: ignore[attr-defined]
        raise MetricNotApplicableError(
            "likelihood: the model is conditional, and the data has other labels or none: give "
            "--data with its labels"
        )
    log_probs = pixel_log_probs(ctx.train, model.num_levels)
    model_nats, histogram_nats = _code_lengths(ctx, log_probs)
    num_dims = ctx.info.num_channels * ctx.info.image_size**2
    bits_per_dim_per_nat = 1 / (num_dims * math.log(2))
    if not model.is_exact:
        ctx.notes.append(
            "likelihood: the model computes a bound: its code length is at most this value"
        )
    return {
        "bits_per_dim": _mean_metric_value(model_nats * bits_per_dim_per_nat, "lower"),
        "nats": _mean_metric_value(model_nats, "lower"),
        "histogram_bits_per_dim": _mean_metric_value(histogram_nats * bits_per_dim_per_nat),
        "histogram_nats": _mean_metric_value(histogram_nats),
        "bits_saved_vs_histogram": _mean_metric_value(
            (histogram_nats - model_nats) * bits_per_dim_per_nat, "higher"
        ),
    }


def require_likelihood(model: Any) -> SupportsLikelihood:
    """Return the model if it has the capability `likelihood`.

    Raises:
        MetricNotApplicableError: it has not; the message lists those that have.
    """
    if isinstance(model, SupportsLikelihood):
        return model
    supported = [
        name for name in zoo().names("model") if "likelihood" in zoo().model(name).capabilities
    ]
    raise MetricNotApplicableError(
        f"likelihood: {type(model).__name__} has none; models with a likelihood: "
        f"{', '.join(supported) or 'none is installed'}"
    )


def _mean_metric_value(values: Tensor, better: str = "") -> MetricValue:
    """Return the mean of values [N] with its standard error."""
    error = float(values.std() / len(values) ** 0.5) if len(values) > 1 else None
    return MetricValue(value=float(values.mean()), std_error=error, better=better)  # type: ignore[arg-type]


def _code_lengths(ctx: EvaluationContext, histogram_log_probs: Tensor) -> tuple[Tensor, Tensor]:
    """Return -log p, nats [N], of the real images under the model and under the histograms."""
    model, images = require_likelihood(ctx.model), ctx.real
    is_conditional = ctx.conditional and images.label is not None
    counts = torch.tensor(ctx.train.info.class_counts).double() + 0.5
    model_nats: list[Tensor] = []
    histogram_nats: list[Tensor] = []
    ctx.progress.start("computing likelihoods")
    try:
        for start in range(0, len(images), _BATCH_SIZE):
            rows = torch.arange(start, min(start + _BATCH_SIZE, len(images)))
            image = to_float(images.gather(rows))
            label = images.label[rows] if is_conditional and images.label is not None else None
            label_list = None if label is None else label.tolist()
            nats = -log_likelihood(model, image, label_list, derive_seed(ctx.seed, start))
            if label is not None:
                nats -= (counts / counts.sum()).log()[label]
            model_nats.append(nats)
            pixel_codes = quantize(image, model.num_levels).flatten(1)  # [n, D]
            histogram_nats.append(-histogram_log_probs.gather(1, pixel_codes.T).sum(0))
            ctx.progress.advance(start + len(rows), len(images))
    finally:
        ctx.progress.stop()
    return torch.cat(model_nats), torch.cat(histogram_nats)


def pixel_log_probs(images: PackedImages, levels: int) -> Tensor:
    """Return log p [D, levels] of each channel of each pixel, D = C * S * S."""
    num_dims = images.info.num_channels * images.info.image_size**2
    bin_offsets = torch.arange(num_dims) * levels
    counts = torch.full((num_dims * levels,), 0.5, dtype=torch.double)
    for start in range(0, len(images), 1024):
        rows = torch.arange(start, min(start + 1024, len(images)))
        pixel_codes = quantize(to_float(images.gather(rows)), levels).flatten(1)
        counts += torch.bincount((pixel_codes + bin_offsets).flatten(), minlength=len(counts))
    bin_counts = counts.view(num_dims, levels)
    return (bin_counts / bin_counts.sum(1, keepdim=True)).log()
