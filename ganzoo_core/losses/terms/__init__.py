"""The terms of the core, one file each: `ganzoo list terms`."""

from ganzoo_core.losses.terms.adc import ADC
from ganzoo_core.losses.terms.d2d_ce import D2DCE
from ganzoo_core.losses.terms.d_freeze import DFreeze
from ganzoo_core.losses.terms.d_reset import DReset
from ganzoo_core.losses.terms.dragan import DRAGAN
from ganzoo_core.losses.terms.feature_matching import FeatureMatchingTerm
from ganzoo_core.losses.terms.gradient_penalty import GradientPenalty
from ganzoo_core.losses.terms.r1 import R1, R2
from ganzoo_core.losses.terms.weight_clip import WeightClip
from ganzoo_core.losses.terms.wrong_labels import WrongLabels

__all__ = [
    "ADC",
    "D2DCE",
    "DRAGAN",
    "R1",
    "R2",
    "DFreeze",
    "DReset",
    "FeatureMatchingTerm",
    "GradientPenalty",
    "WeightClip",
    "WrongLabels",
]
