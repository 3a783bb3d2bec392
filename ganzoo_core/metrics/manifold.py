"""What is known by nearest neighbours: precision, recall, density, coverage, diversity, copies."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganzoo_core.data import Images, to_float
from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.figures import Figure, Unfit, enough, share_error
from ganzoo_core.metrics.resize import resized
from ganzoo_core.metrics.sides import first

K = 5
"""Neighbours, as in the reference code of density and coverage."""
CELLS = 2**22
"""Distances held at a time, so that memory does not grow with the number of images."""
CHUNK = 1024
"""Images at a time."""
PAIRS = 20_000
"""Pairs whose distance diversity averages."""
EDGE = 16
"""Copies are looked for in images of this edge, in pixels."""
SAMPLES = 2000
"""Samples that copies are looked for among."""
QUANTILE = 0.01
"""Share of held-out real images that would count as copies."""


def prdc(case: Case) -> dict[str, Figure]:
    """Return precision and recall (arXiv 1904.06991), density and coverage (arXiv 2002.09797)."""
    real, fake = case.seen("real").features, case.seen("fake").features
    enough("prdc", (real, fake), K + 1)
    found, of = manifold(real, fake), {"precision": fake, "recall": real, "coverage": real}
    return {
        name: Figure(
            value=value,
            better="higher",
            error=share_error(value, len(of[name])) if name in of else None,
        )
        for name, value in found.items()
    }


def manifold(real: Tensor, fake: Tensor, k: int = K) -> dict[str, float]:
    """Return precision, recall, density and coverage of features [N, D] and [M, D].

    A manifold is the union of balls around its points, each out to the k-th nearest of its own.
    """
    reach, span = radii(real, k), radii(fake, k)
    inside = torch.zeros(len(fake)).double()  # balls of real points that a sample lies in
    recalled, covered = torch.zeros(2, len(real)).double()
    for rows, distance in distances(real, fake):
        within = distance < reach[rows, None]
        inside += within.sum(0)
        recalled[rows] = (distance < span[None]).any(1).double()
        covered[rows] = (distance.min(1).values < reach[rows]).double()
    return {
        "precision": float((inside > 0).double().mean()),
        "recall": float(recalled.mean()),
        "density": float(inside.mean() / k),
        "coverage": float(covered.mean()),
    }


def radii(features: Tensor, k: int) -> Tensor:
    """Return the distance [N] of each point to its k-th nearest other, in float64."""
    found = [d.kthvalue(k + 1, 1).values for _, d in distances(features, features)]
    return torch.cat(found)


def distances(a: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows of [N, D] and their distances to all of [M, D], in float64, a few at a time."""
    wide, step = b.double(), max(1, CELLS // len(b))
    for start in range(0, len(a), step):
        rows = slice(start, start + step)
        yield rows, torch.cdist(a[rows].double(), wide)


def diversity(case: Case) -> dict[str, Figure]:
    """Return the mean distance of two samples over that of two real images, within classes."""
    real, fake = (spread(case, side) for side in ("real", "fake"))
    if not real:
        raise Unfit("diversity: all real images look the same to the feature network")
    return {"diversity": Figure(value=fake / real)}


def spread(case: Case, side: str) -> float:
    """Return the mean distance of random pairs of one side: of one class where labels are asked."""
    images = case.real if side == "real" else case.fake
    features = case.seen(side).features  # type: ignore[arg-type]
    groups = [torch.arange(len(images))]
    if case.conditional and images.label is not None:
        groups = [(images.label == i).nonzero().flatten() for i in images.info.present]
    generator = torch.Generator().manual_seed(case.seed)
    means, weights = [], []
    for rows in groups:
        if len(rows) < 2:
            continue
        count = max(1, PAIRS * len(rows) // len(images))
        a = torch.randint(len(rows), (count,), generator=generator)
        b = (a + 1 + torch.randint(len(rows) - 1, (count,), generator=generator)) % len(rows)
        means.append(float((features[rows[a]] - features[rows[b]]).norm(dim=1).mean()))
        weights.append(len(rows))
    if not means:
        raise Unfit("diversity needs two images of a class: give a larger -n")
    return sum(m * w for m, w in zip(means, weights, strict=True)) / sum(weights)


def memorisation(case: Case) -> dict[str, Figure]:
    """Return the share of samples that lie nearer to a training image than real ones do.

    The bound is the distance under which 1 % of the held-out images lie from their nearest
    training image, so a model that copies nothing scores about 0.01. Pixels at 16 x 16.
    """
    if len(case.train) < 2 or len(case.test) < 2:
        raise Unfit("memorisation needs two training images and two held out")
    train = case.train
    test = first(case.test, SAMPLES, case.seed, "held out")
    fake = first(case.fake, SAMPLES, case.seed, "samples")
    apart = nearest(test, train)
    found = nearest(fake, train)
    bound = torch.quantile(apart, QUANTILE)
    ratio = float(found.median() / apart.median().clamp(min=1e-9))
    share = float((found <= bound).double().mean())
    error = share_error(share, len(found))
    return {
        "copies": Figure(value=share, error=error, better="lower"),
        "nearest_ratio": Figure(value=ratio),
    }


def nearest(images: Images, others: Images) -> Tensor:
    """Return the distance [N] of each image to its nearest among others, at 16 x 16."""
    mine = small(images, torch.arange(len(images)))
    best = torch.full((len(mine),), float("inf"))
    for start in range(0, len(others), CHUNK):
        theirs = small(others, torch.arange(start, min(start + CHUNK, len(others))))
        best = torch.minimum(best, torch.cdist(mine, theirs).min(1).values)
    return best


def small(images: Images, rows: Tensor) -> Tensor:
    """Return images as vectors [n, D] of their pixels at 16 x 16, a few at a time."""
    parts = torch.split(rows, CHUNK)
    return torch.cat([resized(to_float(images.gather(p)), EDGE).flatten(1) for p in parts])
