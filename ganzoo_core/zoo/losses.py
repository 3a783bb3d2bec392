"""Specs of the losses in the core: `ganzoo list losses`."""

from __future__ import annotations

from ganzoo_core.zoo.specs import LossSpec


def _loss_spec(
    name: str, class_name: str, config_class_name: str, summary: str, paper: str
) -> LossSpec:
    return LossSpec(
        name=name,
        summary=summary,
        target=f"ganzoo_core.losses:{class_name}",
        config=f"ganzoo_core.config.losses:{config_class_name}",
        paper=paper,
        license="Apache-2.0",
    )


_GOODFELLOW = "Generative Adversarial Nets, arXiv 1406.2661"
_RELATIVISTIC = "The Relativistic Discriminator, arXiv 1807.00734"

LOSSES = (
    _loss_spec("minimax", "Minimax", "MinimaxOptions", "Minimax, saturating", _GOODFELLOW),
    _loss_spec(
        "bce", "BCE", "BCEOptions", "Binary cross-entropy, non-saturating: the default", _GOODFELLOW
    ),
    _loss_spec(
        "lsgan",
        "LeastSquares",
        "LeastSquaresOptions",
        "Least squares",
        "Least Squares Generative Adversarial Networks, arXiv 1611.04076",
    ),
    _loss_spec("hinge", "Hinge", "HingeOptions", "Hinge loss", "Geometric GAN, arXiv 1705.02894"),
    _loss_spec(
        "wasserstein",
        "Wasserstein",
        "WassersteinOptions",
        "Wasserstein distance, by weight clipping or a gradient penalty",
        "Wasserstein GAN, arXiv 1701.07875",
    ),
    _loss_spec(
        "relativistic-average",
        "RelativisticAverage",
        "RelativisticAverageOptions",
        "Each logit minus the mean logit of the other side",
        _RELATIVISTIC,
    ),
    _loss_spec(
        "relativistic",
        "Relativistic",
        "RelativisticOptions",
        "Logits of real and fake images in pairs of one label",
        _RELATIVISTIC,
    ),
    _loss_spec(
        "feature-matching",
        "FeatureMatching",
        "FeatureMatchingOptions",
        "The generator matches the discriminator's mean features",
        "Improved Techniques for Training GANs, arXiv 1606.03498",
    ),
)
