"""Distances between two sets of features: FID, KID, and FID within classes.

The tests compare them with torchmetrics and torch-fidelity. Neither is used here: both bring
their own network or loop, and neither computes the standard error of KID.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.metric_value import MetricValue, require_enough_images

KID_NUM_BLOCKS = 10
"""KID is the mean over pairs of disjoint blocks; its standard error needs independent blocks."""
_ROWS_PER_CHUNK = 1024
"""Rows of features per chunk."""
KID_MIN_BLOCK_SIZE = 10
"""Images in a block of KID, at least."""


def fid(ctx: EvaluationContext) -> dict[str, MetricValue]:
    """Return the Frechet inception distance (Heusel et al., arXiv 1706.08500).

    Raises:
        MetricNotApplicableError: there are fewer images than features.
    """
    real, fake = ctx.network_outputs("real").features, ctx.network_outputs("fake").features
    require_enough_images("fid", (real, fake), real.shape[1], alternative=", or take kid")
    return {"fid": MetricValue(value=frechet_distance(real, fake), better="lower")}


def intra_fid(ctx: EvaluationContext) -> dict[str, MetricValue]:
    """Return the FID within each class and the mean (Miyato and Koyama, arXiv 1802.05637)."""
    ctx.require_labels("intra-fid")
    assert ctx.real.label is not None and ctx.fake.label is not None
    real, fake = ctx.network_outputs("real").features, ctx.network_outputs("fake").features
    per_class = {}
    for index in ctx.info.nonempty_classes:
        name = ctx.info.class_names[index]
        class_features = real[ctx.real.label == index], fake[ctx.fake.label == index]
        require_enough_images(
            f"intra-fid: class {name!r}", class_features, real.shape[1], alternative=", or take kid"
        )
        per_class[name] = frechet_distance(*class_features)
    mean = sum(per_class.values()) / len(per_class)
    return {"intra_fid": MetricValue(value=mean, better="lower", breakdown=per_class)}


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Return |mu_a - mu_b|^2 + tr(A + B - 2 (A B)^1/2) of features [N, D] and [M, D].

    tr (A B)^1/2 is computed as the sum of the singular values of A^1/2 B^1/2, which is real and
    stable for singular covariances.
    """
    (mean_a, root_a, trace_a), (mean_b, root_b, trace_b) = (
        _mean_and_covariance_root(a),
        _mean_and_covariance_root(b),
    )
    cross = torch.linalg.svdvals(root_a @ root_b).sum()
    return float((mean_a - mean_b).square().sum() + trace_a + trace_b - 2 * cross)


def _mean_and_covariance_root(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean [D], the root of the covariance [D, D] and its trace, in float64.

    Rows are processed in chunks, so that memory holds no second copy of the features.
    """
    chunks = torch.split(features, _ROWS_PER_CHUNK)
    mean = torch.stack([part.double().sum(0) for part in chunks]).sum(0) / len(features)
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for part in chunks:
        centered = part.double() - mean
        covariance += centered.T @ centered / (len(features) - 1)
    values, vectors = torch.linalg.eigh(covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return mean, root, covariance.trace()


def kid(ctx: EvaluationContext) -> dict[str, MetricValue]:
    """Return the kernel inception distance and its standard error (arXiv 1801.01401).

    Raises:
        MetricNotApplicableError: there are too few images for the standard error.
    """
    real, fake = ctx.network_outputs("real").features, ctx.network_outputs("fake").features
    require_enough_images("kid", (real, fake), KID_NUM_BLOCKS * KID_MIN_BLOCK_SIZE)
    value, error = kid_with_std_error(real, fake, ctx.seed)
    return {"kid": MetricValue(value=value, std_error=error, better="lower")}


def kid_with_std_error(a: Tensor, b: Tensor, seed: int = 0) -> tuple[float, float]:
    """Return the squared MMD with kernel (x.y / D + 1)^3 of features [N, D] and [M, D], and its
    standard error.

    The value is the mean over disjoint blocks of both sets. Each block is an unbiased estimate, so
    the spread of the blocks gives the standard error.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = (
        torch.randperm(len(x), generator=generator).tensor_split(KID_NUM_BLOCKS) for x in (a, b)
    )
    block_values = torch.stack(
        [unbiased_mmd2(a[i].double(), b[j].double()) for i, j in zip(*rows, strict=True)]
    )
    return float(block_values.mean()), float(block_values.std() / len(block_values) ** 0.5)


def unbiased_mmd2(a: Tensor, b: Tensor) -> Tensor:
    """Return the unbiased squared MMD, 0-d, of features [N, D] and [M, D]."""

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within_set_mean(x: Tensor) -> Tensor:
        k, n = kernel(x, x), len(x)
        return (k.sum() - k.trace()) / (n * (n - 1))

    return within_set_mean(a) + within_set_mean(b) - 2 * kernel(a, b).mean()
