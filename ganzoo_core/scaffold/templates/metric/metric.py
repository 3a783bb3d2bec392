"""Contrast of the samples over that of real images.

Source: say here which paper defines the measure, and how it should be read.
"""

import torch

from ganzoo_core.metrics import Figure, Unfit

FEWEST = 10


def my_plugin(case):
    """Return `contrast_ratio`: standard deviation of the samples' pixels over that of real ones.

    Args:
        case: a `ganzoo_core.metrics.Case`: `case.real` and `case.fake` are sets of uint8 images,
            `case.seen("fake").features` what the feature network sees (then say
            ``needs=("features",)`` in plugin.py).

    Raises:
        Unfit: too few images.
    """
    if min(len(case.real), len(case.fake)) < FEWEST:
        raise Unfit(f"my-plugin needs {FEWEST} images of each kind: give a larger -n")
    ratio = contrast(case.fake) / contrast(case.real)
    return {"contrast_ratio": Figure(value=ratio)}


def contrast(images):
    """Return the standard deviation of all pixels, in steps of 1/255."""
    return float(images.gather(torch.arange(len(images))).double().std())
