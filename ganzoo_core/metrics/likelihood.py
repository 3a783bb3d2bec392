"""How probable a model finds real images, beside the least that a model must know.

The baseline takes each channel of each pixel for itself: its histogram over the training images,
half a count added to every level (Krichevsky and Trofimov 1981). Figures of one number of levels
compare, whatever the model: all are code lengths of the same quantised images.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.data import Images, to_float
from ganzoo_core.data.levels import to_codes
from ganzoo_core.interfaces import HasLikelihood, log_likelihood, seed_at
from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.figures import Figure, Unfit
from ganzoo_core.zoo import zoo

AT_ONCE = 64
"""Images."""


def likelihood(case: Case) -> dict[str, Figure]:
    """Return the code length of real images by the model, and by the histograms of single pixels.

    A conditional model is charged for the label too, by its share of the training images: by
    p(x) >= p(x | y) p(y) its figures then compare with those of models that take none.

    Raises:
        Unfit: the model gives no likelihood, or needs labels that the data lack.
    """
    model = asked_of(case.model)
    if case.conditional and case.real.info.classes != model.info.classes:  # type: ignore[attr-defined]
        raise Unfit("likelihood: the model is conditional, and the data have other labels or none")
    table = histogram(case.train, model.levels)
    mine, base = lengths(case, table)
    dims = case.info.channels * case.info.size**2
    bits = 1 / (dims * math.log(2))
    if not model.exact:
        case.notes.append("likelihood: the model gives a bound: its bits are at most these")
    return {
        "bits_per_dim": figure(mine * bits, "lower"),
        "nats": figure(mine, "lower"),
        "histogram_bits_per_dim": figure(base * bits),
        "histogram_nats": figure(base),
        "bits_below_histogram": figure((base - mine) * bits, "higher"),
    }


def asked_of(model: Any) -> HasLikelihood:
    """Return a model that gives likelihoods.

    Raises:
        Unfit: it gives none; says which do.
    """
    if isinstance(model, HasLikelihood):
        return model
    known = [name for name in zoo().names("model") if "likelihood" in zoo().model(name).can]
    raise Unfit(
        f"likelihood: {type(model).__name__} gives none; those that do: "
        f"{', '.join(known) or 'no model that is installed'}"
    )


def figure(values: Tensor, better: str = "") -> Figure:
    """Return the mean of values [N] with its standard error."""
    error = float(values.std() / len(values) ** 0.5) if len(values) > 1 else None
    return Figure(value=float(values.mean()), error=error, better=better)  # type: ignore[arg-type]


def lengths(case: Case, table: Tensor) -> tuple[Tensor, Tensor]:
    """Return -log p, nats [N], of the real images by the model and by the histograms."""
    model, images = asked_of(case.model), case.real
    asked = case.conditional and images.label is not None
    counts = torch.tensor(case.train.info.counts).double() + 0.5
    found: list[Tensor] = []
    base: list[Tensor] = []
    case.bar.start("asking how probable images are")
    try:
        for start in range(0, len(images), AT_ONCE):
            rows = torch.arange(start, min(start + AT_ONCE, len(images)))
            image = to_float(images.gather(rows))
            label = images.label[rows] if asked and images.label is not None else None
            given = None if label is None else label.tolist()
            nats = -log_likelihood(model, image, given, seed_at(case.seed, start))
            if label is not None:
                nats -= (counts / counts.sum()).log()[label]
            found.append(nats)
            code = to_codes(image, model.levels).flatten(1)  # [n, D]
            base.append(-table.gather(1, code.T).sum(0))
            case.bar.advance(start + len(rows), len(images))
    finally:
        case.bar.stop()
    return torch.cat(found), torch.cat(base)


def histogram(images: Images, levels: int) -> Tensor:
    """Return log p [D, levels] of each channel of each pixel by itself, D = C * S * S."""
    dims = images.info.channels * images.info.size**2
    place = torch.arange(dims) * levels
    counts = torch.full((dims * levels,), 0.5, dtype=torch.double)
    for start in range(0, len(images), 1024):
        rows = torch.arange(start, min(start + 1024, len(images)))
        code = to_codes(to_float(images.gather(rows)), levels).flatten(1)
        counts += torch.bincount((code + place).flatten(), minlength=len(counts))
    table = counts.view(dims, levels)
    return (table / table.sum(1, keepdim=True)).log()
