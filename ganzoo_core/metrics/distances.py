"""Distances between two sets of features: FID, KID, and FID within classes.

Written by hand and held against torchmetrics and torch-fidelity by tests: both want their own
network or their own loop around it, and neither gives KID's standard error.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.figures import Figure, enough

BLOCKS = 10
"""KID is the mean over so many pairs of disjoint blocks: its error needs independent ones."""
CHUNK = 1024
"""Rows of features at a time."""
LEAST = 10
"""Images in a block of KID."""


def fid(case: Case) -> dict[str, Figure]:
    """Return the Frechet inception distance (Heusel et al., arXiv 1706.08500).

    Raises:
        Unfit: fewer images than the network has features.
    """
    real, fake = case.seen("real").features, case.seen("fake").features
    enough("fid", (real, fake), real.shape[1], instead=", or take kid")
    return {"fid": Figure(value=frechet(real, fake), better="lower")}


def intra_fid(case: Case) -> dict[str, Figure]:
    """Return the FID within each class and its mean (Miyato and Koyama, arXiv 1802.05637)."""
    case.labelled("intra-fid")
    assert case.real.label is not None and case.fake.label is not None
    real, fake = case.seen("real").features, case.seen("fake").features
    parts = {}
    for index in case.info.present:
        name = case.info.classes[index]
        sides = real[case.real.label == index], fake[case.fake.label == index]
        enough(f"intra-fid: class {name!r}", sides, real.shape[1], instead=", or take kid")
        parts[name] = frechet(*sides)
    mean = sum(parts.values()) / len(parts)
    return {"intra_fid": Figure(value=mean, better="lower", parts=parts)}


def frechet(a: Tensor, b: Tensor) -> float:
    """Return |mu_a - mu_b|^2 + tr(A + B - 2 (A B)^1/2) of features [N, D] and [M, D].

    tr (A B)^1/2 is the sum of the singular values of A^1/2 B^1/2, which stays real and steady
    where covariances are singular.
    """
    (mean_a, root_a, trace_a), (mean_b, root_b, trace_b) = moments(a), moments(b)
    cross = torch.linalg.svdvals(root_a @ root_b).sum()
    return float((mean_a - mean_b).square().sum() + trace_a + trace_b - 2 * cross)


def moments(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean [D], root of the covariance [D, D] and its trace, in float64; a few rows at a
    time, so that no second copy of the features stands in memory."""
    parts = torch.split(features, CHUNK)
    mean = torch.stack([part.double().sum(0) for part in parts]).sum(0) / len(features)
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for part in parts:
        apart = part.double() - mean
        covariance += apart.T @ apart / (len(features) - 1)
    values, vectors = torch.linalg.eigh(covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return mean, root, covariance.trace()


def kid(case: Case) -> dict[str, Figure]:
    """Return the kernel inception distance and its standard error (arXiv 1801.01401).

    Raises:
        Unfit: too few images for its error.
    """
    real, fake = case.seen("real").features, case.seen("fake").features
    enough("kid", (real, fake), BLOCKS * LEAST)
    value, error = kernel_distance(real, fake, case.seed)
    return {"kid": Figure(value=value, error=error, better="lower")}


def kernel_distance(a: Tensor, b: Tensor, seed: int = 0) -> tuple[float, float]:
    """Return the squared MMD under (x.y / D + 1)^3 of features [N, D] and [M, D], and its error.

    The mean over disjoint blocks of both sets, each an unbiased estimate of its own, so that their
    spread gives the standard error of the mean.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = (torch.randperm(len(x), generator=generator).tensor_split(BLOCKS) for x in (a, b))
    found = torch.stack(
        [unbiased_mmd(a[i].double(), b[j].double()) for i, j in zip(*rows, strict=True)]
    )
    return float(found.mean()), float(found.std() / len(found) ** 0.5)


def unbiased_mmd(a: Tensor, b: Tensor) -> Tensor:
    """Return the unbiased squared MMD, 0-d, of features [N, D] and [M, D]."""

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def inner(x: Tensor) -> Tensor:
        k, n = kernel(x, x), len(x)
        return (k.sum() - k.trace()) / (n * (n - 1))

    return inner(a) + inner(b) - 2 * kernel(a, b).mean()
