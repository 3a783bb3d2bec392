"""How old people look: estimates with their spread, and their error over a data set."""

import numpy as np
import torch

from ganzoo_core.data import PUBLISHED
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import HasAgeLogits
from ganzoo_core.metrics.ages import age_report
from ganzoo_core.metrics.reading import read_images
from ganzoo_core.weights import annotate, find_judge
from ganzoo_facenet.evaluate import images_for, percent


def estimates(model, pixels):
    """Return ages [N] and the standard deviations [N] of their distributions, in years; None for
    an estimator that gives no distribution.

    Args:
        pixels: [N, S, S, 3] uint8.
    """

    def read(image):
        years = model.estimate_age(image)
        return torch.stack([years, spread(model, image)], 1)

    images = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2)
    found = read_images(read, images)
    return found[:, 0].tolist(), [None if np.isnan(s) else float(s) for s in found[:, 1]]


def spread(model, image):
    """Return standard deviations [N] in years; not a number where the estimator tells none."""
    if not isinstance(model, HasAgeLogits):
        return torch.full((len(image),), torch.nan)
    share = model.age_logits(image).softmax(1)
    ages = torch.arange(share.shape[1], dtype=share.dtype)
    return (share @ ages.square() - (share @ ages).square()).clamp(min=0).sqrt()


def evaluate_ages(weights, data, assignments=(), *, keep=False, align=None):
    """Return the errors of an age estimator as plain JSON values, in years.

    Args:
        data: ``NAME[:PATH]``, with ages.
        keep: record error and group accuracy in the weights.
        align: find the faces, or take pictures as they are; None goes by the weights.

    Raises:
        DataError: no ages.
    """
    found = find_judge("age", weights)
    model = found.build()
    groups = getattr(model.config, "groups", PUBLISHED["report"].edges)
    images = images_for(found, model.input_size, data, assignments, groups=groups, align=align)[1]
    if images.age is None:
        raise DataError(f"{data} does not say how old people are: choose data with ages")
    who = None if images.identity is None else images.identity.numpy()
    age = images.age.numpy()
    report = age_report(read_images(model.estimate_age, images), age, tuple(groups), who)
    if keep:
        stamp = {"data": images.info.fingerprint[:16]}
        values = {"age_mae": report.mae, "group_accuracy": report.group_accuracy}
        metrics = [{"name": n, "value": v, "stamp": stamp} for n, v in values.items()]
        annotate(found.bundle.path, metrics)
    return report.to_json()


def told(facts):
    """Return the figures in words, a line each."""
    low, high = facts["mae_interval"]
    groups = ", ".join(f"{name} {off:.1f}" for name, off in facts["group_mae"].items())
    within = ", ".join(f"{years} {percent(share)}" for years, share in facts["within"].items())
    interval = " to ".join(percent(x) for x in facts["group_interval"])
    return [
        f"error      {facts['mae']:.2f} years ({low:.2f} to {high:.2f}), {facts['bias']:+.2f} in "
        f"the mean, of {facts['images']:,} images",
        f"of groups  {groups} years",
        f"within     so many years: {within}",
        f"age group  right for {percent(facts['group_accuracy'])} ({interval})",
    ]
