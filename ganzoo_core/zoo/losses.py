"""The core's own losses, in the zoo beside those of plugins: `ganzoo list losses`."""

from __future__ import annotations

from ganzoo_core.zoo.specs import LossSpec


def loss(name: str, class_: str, config: str, summary: str, paper: str) -> LossSpec:
    """Return the spec of one loss of the core."""
    return LossSpec(
        name=name,
        summary=summary,
        target=f"ganzoo_core.losses:{class_}",
        config=f"ganzoo_core.config.losses:{config}",
        paper=paper,
        license="Apache-2.0",
    )


GOODFELLOW = "Generative Adversarial Nets, arXiv 1406.2661"
RELATIVISTIC = "The Relativistic Discriminator, arXiv 1807.00734"

LOSSES = (
    loss("minimax", "Minimax", "MinimaxOptions", "The saturating minimax game", GOODFELLOW),
    loss("bce", "BCE", "BCEOptions", "Cross-entropy, non-saturating: the default", GOODFELLOW),
    loss(
        "lsgan",
        "LeastSquares",
        "LeastSquaresOptions",
        "Least squares",
        "Least Squares Generative Adversarial Networks, arXiv 1611.04076",
    ),
    loss("hinge", "Hinge", "HingeOptions", "Hinge", "Geometric GAN, arXiv 1705.02894"),
    loss(
        "wasserstein",
        "Wasserstein",
        "WassersteinOptions",
        "Wasserstein distance, by weight clipping or a gradient penalty",
        "Wasserstein GAN, arXiv 1701.07875",
    ),
    loss(
        "relativistic-average",
        "RelativisticAverage",
        "RelativisticAverageOptions",
        "Real against the mean fake, and the other way round",
        RELATIVISTIC,
    ),
    loss(
        "relativistic",
        "Relativistic",
        "RelativisticOptions",
        "Each real image against a fake of its label",
        RELATIVISTIC,
    ),
    loss(
        "feature-matching",
        "FeatureMatching",
        "FeatureMatchingOptions",
        "The generator matches the discriminator's mean features",
        "Improved Techniques for Training GANs, arXiv 1606.03498",
    ),
)
