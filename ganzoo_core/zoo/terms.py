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
        "ac",
        "AC",
        "ACOptions",
        "D classifies the images, and G is trained to be classified",
        "Conditional Image Synthesis with Auxiliary Classifier GANs, arXiv 1610.09585",
    ),
    _term_spec(
        "tac",
        "TAC",
        "TACOptions",
        "Auxiliary classifier with a twin that is trained on the fakes",
        "Twin Auxiliary Classifiers GAN, arXiv 1907.02690",
    ),
    _term_spec(
        "2c",
        "ConditionalContrastive",
        "ConditionalContrastiveOptions",
        "Conditional contrastive loss of ContraGAN",
        "ContraGAN: Contrastive Learning for Conditional Image Generation, arXiv 2006.12681",
    ),
    _term_spec(
        "multi-hinge",
        "MultiHinge",
        "MultiHingeOptions",
        "Multi-class hinge loss in place of the adversarial loss",
        "A Multi-Class Hinge Loss for Conditional GANs, arXiv 1912.04216",
    ),
    _term_spec(
        "cr",
        "CR",
        "CROptions",
        "D is alike for a real image and its augmented copy",
        "Consistency Regularization for Generative Adversarial Networks, arXiv 1910.12027",
    ),
    _term_spec(
        "bcr",
        "BCR",
        "BCROptions",
        "D is alike for any image and its augmented copy",
        "Improved Consistency Regularization for GANs, arXiv 2002.04724",
    ),
    _term_spec(
        "zcr",
        "ZCR",
        "ZCROptions",
        "D is alike, and G is not, for two latents that are close",
        "Improved Consistency Regularization for GANs, arXiv 2002.04724",
    ),
    _term_spec(
        "lecam",
        "LeCam",
        "LeCamOptions",
        "The logits stay near moving averages, for few images",
        "Regularizing Generative Adversarial Networks under Limited Data, arXiv 2104.03310",
    ),
    _term_spec(
        "lipschitz",
        "Lipschitz",
        "LipschitzOptions",
        "Largest squared gradient of D between real and fake images",
        "Lipschitz Generative Adversarial Nets, arXiv 1902.05687",
    ),
    _term_spec(
        "orthogonal",
        "Orthogonal",
        "OrthogonalOptions",
        "The rows of the weights of G are orthogonal",
        "Large Scale GAN Training for High Fidelity Natural Image Synthesis, arXiv 1809.11096",
    ),
    _term_spec(
        "top-k",
        "TopK",
        "TopKOptions",
        "G is trained on the fakes with the highest logits",
        "Top-k Training of GANs, arXiv 2002.06224",
    ),
    _term_spec(
        "mode-seeking",
        "ModeSeeking",
        "ModeSeekingOptions",
        "Images of different latents shall differ",
        "Mode Seeking Generative Adversarial Networks, arXiv 1903.05628",
    ),
    _term_spec(
        "info",
        "Info",
        "InfoOptions",
        "Codes in z that D can predict from the images",
        "InfoGAN: Interpretable Representation Learning, arXiv 1606.03657",
    ),
    _term_spec(
        "latent-optimization",
        "LatentOptimization",
        "LatentOptimizationOptions",
        "Each z makes a step towards higher logits first",
        "LOGAN: Latent Optimisation for Generative Adversarial Networks, arXiv 1912.00953",
    ),
    TermSpec(
        name="apa",
        summary="A part of the real images is replaced by fakes, for few images",
        target="ganzoo_core.data.apa:APA",
        config="ganzoo_core.config.terms:APAOptions",
        paper="Deceive D: Adaptive Pseudo Augmentation for GAN Training, arXiv 2111.06849",
        license="Apache-2.0",
    ),
    _term_spec(
        "d-freeze", "DFreeze", "DFreezeOptions", "D is frozen while it is too accurate", _REPORT
    ),
    _term_spec(
        "d-reset", "DReset", "DResetOptions", "D is initialized again periodically", _REPORT
    ),
)
