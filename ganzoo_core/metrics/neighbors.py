"""Nearest-neighbor metrics: precision, recall, density, coverage, diversity, near-duplicates."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganzoo_core.data import PackedImages, to_float
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.image_sets import random_subset
from ganzoo_core.metrics.metric_value import (
    MetricNotApplicableError,
    MetricValue,
    binomial_std_error,
    require_enough_images,
)
from ganzoo_core.metrics.resize import resize_images

_NUM_NEIGHBORS = 5
"""k, as in the reference code of density and coverage."""
MAX_DISTANCES_PER_CHUNK = 2**22
"""Distances in memory at a time, so that memory does not grow with the number of images."""
_IMAGES_PER_CHUNK = 1024

_NUM_DIVERSITY_PAIRS = 20_000
"""Random pairs whose distances diversity averages."""
_THUMBNAIL_SIZE = 16
"""Size of the images in which near-duplicates are searched, in pixels."""
_MAX_MEMORIZATION_IMAGES = 2000
"""Samples, and held-out images, that near-duplicates are searched for, at most."""
_DUPLICATE_QUANTILE = 0.01
"""Share of held-out real images below the near-duplicate threshold."""


def prdc(ctx: EvaluationContext) -> dict[str, MetricValue]:
    """Return precision and recall (arXiv 1904.06991), density and coverage (arXiv 2002.09797)."""
    real, fake = ctx.network_outputs("real").features, ctx.network_outputs("fake").features
    require_enough_images("prdc", (real, fake), _NUM_NEIGHBORS + 1)
    num_cases = {"precision": len(fake), "recall": len(real), "coverage": len(real)}
    values = {}
    for name, value in compute_prdc(real, fake).items():
        n = num_cases.get(name)  # density is no proportion
        error = None if n is None else binomial_std_error(value, n)
        values[name] = MetricValue(value=value, std_error=error, better="higher")
    return values


def compute_prdc(real: Tensor, fake: Tensor, k: int = _NUM_NEIGHBORS) -> dict[str, float]:
    """Return precision, recall, density and coverage of features [N, D] and [M, D].

    A manifold is the union of balls around the points of a set. The radius of each ball is the
    distance of its point to the k-th nearest point of the same set.
    """
    real_radii, fake_radii = _kth_neighbor_radii(real, k), _kth_neighbor_radii(fake, k)
    num_real_balls = torch.zeros(len(fake)).double()  # number of real balls that contain a sample
    is_recalled, is_covered = torch.zeros(2, len(real)).double()
    for rows, distance in _iter_distances(real, fake):
        within = distance < real_radii[rows, None]
        num_real_balls += within.sum(0)
        is_recalled[rows] = (distance < fake_radii[None]).any(1).double()
        is_covered[rows] = (distance.min(1).values < real_radii[rows]).double()
    return {
        "precision": float((num_real_balls > 0).double().mean()),
        "recall": float(is_recalled.mean()),
        "density": float(num_real_balls.mean() / k),
        "coverage": float(is_covered.mean()),
    }


def _kth_neighbor_radii(features: Tensor, k: int) -> Tensor:
    """Return the distance [N] of each point to its k-th nearest neighbor, in float64."""
    chunks = [d.kthvalue(k + 1, 1).values for _, d in _iter_distances(features, features)]
    return torch.cat(chunks)


def _iter_distances(a: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield slices of rows of a [N, D] and their distances [n, M] to b [M, D], in float64."""
    b_float64, chunk_size = b.double(), max(1, MAX_DISTANCES_PER_CHUNK // len(b))
    for start in range(0, len(a), chunk_size):
        rows = slice(start, start + chunk_size)
        yield rows, torch.cdist(a[rows].double(), b_float64)


def diversity(ctx: EvaluationContext) -> dict[str, MetricValue]:
    """Return the mean distance of two samples divided by that of two real images, within
    classes."""
    real, fake = (_mean_pair_distance(ctx, side) for side in ("real", "fake"))
    if not real:
        raise MetricNotApplicableError(
            "diversity: all real images have the same features: name another --feature-extractor"
        )
    return {"diversity": MetricValue(value=fake / real)}


def _mean_pair_distance(ctx: EvaluationContext, set_name: str) -> float:
    """Return the mean distance of random pairs of a set, within classes for conditional models."""
    images = ctx.real if set_name == "real" else ctx.fake
    features = ctx.network_outputs(set_name).features  # type: ignore[arg-type]
    groups = [torch.arange(len(images))]
    if ctx.conditional and images.label is not None:
        groups = [(images.label == i).nonzero().flatten() for i in images.info.nonempty_classes]
    generator = torch.Generator().manual_seed(ctx.seed)
    means, weights = [], []
    for rows in groups:
        if len(rows) < 2:
            continue
        count = max(1, _NUM_DIVERSITY_PAIRS * len(rows) // len(images))
        a = torch.randint(len(rows), (count,), generator=generator)
        b = (a + 1 + torch.randint(len(rows) - 1, (count,), generator=generator)) % len(rows)
        means.append(float((features[rows[a]] - features[rows[b]]).norm(dim=1).mean()))
        weights.append(len(rows))
    if not means:
        raise MetricNotApplicableError("diversity needs two images of a class: give a larger -n")
    return sum(m * w for m, w in zip(means, weights, strict=True)) / sum(weights)


def memorization(ctx: EvaluationContext) -> dict[str, MetricValue]:
    """Return the share of samples that are near-duplicates of a training image.

    A near-duplicate is closer to its nearest training image than 99 % of the held-out images are
    to theirs, in pixels at 16 x 16. A model that copies nothing scores about 0.01.
    """
    if len(ctx.train) < 2 or len(ctx.test) < 2:
        raise MetricNotApplicableError("memorization needs two training and two held-out images")
    train = ctx.train
    test = random_subset(ctx.test, _MAX_MEMORIZATION_IMAGES, ctx.seed, "held out")
    fake = random_subset(ctx.fake, _MAX_MEMORIZATION_IMAGES, ctx.seed, "samples")
    test_distances = _nearest_distances(test, train)
    fake_distances = _nearest_distances(fake, train)
    duplicate_threshold = torch.quantile(test_distances, _DUPLICATE_QUANTILE)
    distance_ratio = float(fake_distances.median() / test_distances.median().clamp(min=1e-9))
    near_duplicate_rate = float((fake_distances <= duplicate_threshold).double().mean())
    error = binomial_std_error(near_duplicate_rate, len(fake_distances))
    return {
        "near_duplicate_rate": MetricValue(
            value=near_duplicate_rate, std_error=error, better="lower"
        ),
        "nearest_distance_ratio": MetricValue(value=distance_ratio),
    }


def _nearest_distances(images: PackedImages, reference: PackedImages) -> Tensor:
    """Return the distance [N] of each image to the nearest reference image, at 16 x 16."""
    query_pixels = thumbnail_vectors(images, torch.arange(len(images)))
    best = torch.full((len(query_pixels),), float("inf"))
    for start in range(0, len(reference), _IMAGES_PER_CHUNK):
        reference_pixels = thumbnail_vectors(
            reference, torch.arange(start, min(start + _IMAGES_PER_CHUNK, len(reference)))
        )
        best = torch.minimum(best, torch.cdist(query_pixels, reference_pixels).min(1).values)
    return best


def thumbnail_vectors(images: PackedImages, rows: Tensor) -> Tensor:
    """Return the pixels of images at 16 x 16 as vectors [n, D]."""
    parts = torch.split(rows, _IMAGES_PER_CHUNK)
    return torch.cat(
        [resize_images(to_float(images.gather(p)), _THUMBNAIL_SIZE).flatten(1) for p in parts]
    )
