"""The terms of the core, one file each: `ganzoo list terms`."""

from ganzoo_core.losses.terms.ac import AC, TAC
from ganzoo_core.losses.terms.adc import ADC
from ganzoo_core.losses.terms.consistency import BCR, CR
from ganzoo_core.losses.terms.contrastive import ConditionalContrastive
from ganzoo_core.losses.terms.d2d_ce import D2DCE
from ganzoo_core.losses.terms.d_freeze import DFreeze
from ganzoo_core.losses.terms.d_reset import DReset
from ganzoo_core.losses.terms.dragan import DRAGAN
from ganzoo_core.losses.terms.feature_matching import FeatureMatchingTerm
from ganzoo_core.losses.terms.gradient_penalty import GradientPenalty
from ganzoo_core.losses.terms.info import Info
from ganzoo_core.losses.terms.latent_consistency import ZCR
from ganzoo_core.losses.terms.latent_optimization import LatentOptimization
from ganzoo_core.losses.terms.lecam import LeCam
from ganzoo_core.losses.terms.lipschitz import Lipschitz
from ganzoo_core.losses.terms.mode_seeking import ModeSeeking
from ganzoo_core.losses.terms.multi_hinge import MultiHinge
from ganzoo_core.losses.terms.orthogonal import Orthogonal
from ganzoo_core.losses.terms.r1 import R1, R2
from ganzoo_core.losses.terms.top_k import TopK
from ganzoo_core.losses.terms.weight_clip import WeightClip
from ganzoo_core.losses.terms.wrong_labels import WrongLabels

__all__ = [
    "AC",
    "ADC",
    "BCR",
    "CR",
    "D2DCE",
    "DRAGAN",
    "R1",
    "R2",
    "TAC",
    "ZCR",
    "ConditionalContrastive",
    "DFreeze",
    "DReset",
    "FeatureMatchingTerm",
    "GradientPenalty",
    "Info",
    "LatentOptimization",
    "LeCam",
    "Lipschitz",
    "ModeSeeking",
    "MultiHinge",
    "Orthogonal",
    "TopK",
    "WeightClip",
    "WrongLabels",
]
