"""Contrast of samples divided by that of real images.

Source: cite the paper that defines the metric here, and describe how to read it.
"""

import torch

from ganzoo_core.metrics import MetricNotApplicableError, MetricValue

MIN_IMAGES = 10


def my_plugin(ctx):
    """Return `contrast_ratio`: the std of all pixels of samples over that of real images.

    Args:
        ctx: a `ganzoo_core.metrics.EvaluationContext`. `ctx.real` and `ctx.fake` are uint8 images,
            `ctx.network_outputs("fake").features` are the features of samples (a metric that uses
            them declares ``requires=("features",)`` in plugin.py).

    Raises:
        MetricNotApplicableError: too few images.
    """
    if min(len(ctx.real), len(ctx.fake)) < MIN_IMAGES:
        raise MetricNotApplicableError(
            f"my-plugin needs {MIN_IMAGES} images of each kind: give a larger -n"
        )
    return {"contrast_ratio": MetricValue(value=pixel_std(ctx.fake) / pixel_std(ctx.real))}


def pixel_std(images):
    """Return the standard deviation of all pixels, 0 to 255."""
    return float(images.gather(torch.arange(len(images))).double().std())
