"""Specs of the terms in the core: `ganzoo list terms`."""

from __future__ import annotations

from ganzoo_core.zoo.specs import TermSpec


def _term_spec(
    name: str, class_name: str, config_class_name: str, summary: str, paper: str
) -> TermSpec:
    return TermSpec(
        name=name,
        summary=summary,
        target=f"ganzoo_core.losses.terms:{class_name}",
        config=f"ganzoo_core.config.terms:{config_class_name}",
        paper=paper,
        license="Apache-2.0",
    )


_MESCHEDER = "Which Training Methods for GANs do actually Converge?, arXiv 1801.04406"
_REPORT = "AI2100---Project (source report)"

TERMS = (
    _term_spec("r1", "R1", "R1Options", "Gradient penalty of D on real images", _MESCHEDER),
    _term_spec("r2", "R2", "R1Options", "Gradient penalty of D on fake images", _MESCHEDER),
    _term_spec(
        "gradient-penalty",
        "GradientPenalty",
        "GradientPenaltyOptions",
        "Gradient penalty of D between real and fake images",
        "Improved Training of Wasserstein GANs, arXiv 1704.00028",
    ),
    _term_spec(
        "dragan",
        "DRAGAN",
        "DRAGANOptions",
        "Gradient penalty of D around real images",
        "On Convergence and Stability of GANs, arXiv 1705.07215",
    ),
    _term_spec(
        "weight-clip",
        "WeightClip",
        "WeightClipOptions",
        "The weights of D are clipped after each update",
        "Wasserstein GAN, arXiv 1701.07875",
    ),
    _term_spec(
        "feature-matching",
        "FeatureMatchingTerm",
        "FeatureMatchingOptions",
        "G matches the mean features of D",
        "Improved Techniques for Training GANs, arXiv 1606.03498",
    ),
    _term_spec(
        "wrong-labels",
        "WrongLabels",
        "WrongLabelsOptions",
        "Real images with wrong labels are negatives of D",
        "Generative Adversarial Text to Image Synthesis, arXiv 1605.05396",
    ),
    _term_spec(
        "adc",
        "ADC",
        "ADCOptions",
        "D classifies real and fake images of each class",
        "Conditional GANs with Auxiliary Discriminative Classifier, arXiv 2107.10060",
    ),
    _term_spec(
        "d2d-ce",
        "D2DCE",
        "D2DCEOptions",
        "Data-to-data cross-entropy of ReACGAN",
        "Rebooting ACGAN, arXiv 2111.01118",
    ),
    _term_spec(
        "d-freeze", "DFreeze", "DFreezeOptions", "D is frozen while it is too accurate", _REPORT
    ),
    _term_spec(
        "d-reset", "DReset", "DResetOptions", "D is initialized again periodically", _REPORT
    ),
)
