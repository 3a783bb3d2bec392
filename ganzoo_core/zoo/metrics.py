"""The core's own metrics, in the zoo beside those of plugins: `ganzoo list metrics`."""

from __future__ import annotations

from ganzoo_core.zoo.specs import MetricSpec

HERE = "ganzoo_core.metrics"

METRICS = (
    MetricSpec(
        name="fid",
        summary="Frechet distance of features (FID)",
        target=f"{HERE}.distances:fid",
        paper="GANs Trained by a Two Time-Scale Update Rule, arXiv 1706.08500",
        needs=("features",),
    ),
    MetricSpec(
        name="kid",
        summary="Kernel distance of features (KID), with its standard error",
        target=f"{HERE}.distances:kid",
        paper="Demystifying MMD GANs, arXiv 1801.01401",
        needs=("features",),
    ),
    MetricSpec(
        name="prdc",
        summary="Precision, recall, density and coverage",
        target=f"{HERE}.manifold:prdc",
        paper="Reliable Fidelity and Diversity Metrics for Generative Models, arXiv 2002.09797",
        needs=("features",),
    ),
    MetricSpec(
        name="inception-score",
        summary="How sure and how varied the network's classes are (IS)",
        target=f"{HERE}.agreement:inception_score",
        paper="Improved Techniques for Training GANs, arXiv 1606.03498",
        needs=("features",),
    ),
    MetricSpec(
        name="intra-fid",
        summary="FID within each class",
        target=f"{HERE}.distances:intra_fid",
        paper="cGANs with Projection Discriminator, arXiv 1802.05637",
        needs=("features",),
    ),
    MetricSpec(
        name="diversity",
        summary="Distance of two samples over that of two real images, within classes",
        target=f"{HERE}.manifold:diversity",
        needs=("features",),
    ),
    MetricSpec(
        name="memorisation",
        summary="Share of samples that lie on a training image",
        target=f"{HERE}.manifold:memorisation",
    ),
    MetricSpec(
        name="gan-test",
        summary="A judge trained on real images reads the samples' labels",
        target=f"{HERE}.agreement:gan_test",
        paper="How good is my GAN?, arXiv 1807.09499",
        needs=("judge",),
    ),
    MetricSpec(
        name="gan-train",
        summary="A classifier trained on samples reads real images",
        target=f"{HERE}.agreement:gan_train",
        paper="How good is my GAN?, arXiv 1807.09499",
    ),
    MetricSpec(
        name="class-shares",
        summary="How the judge finds the classes spread over the samples",
        target=f"{HERE}.agreement:class_shares",
        needs=("judge",),
    ),
    MetricSpec(
        name="ageing",
        summary="The ageing protocol: how old, who, how real; for models that age faces",
        target="ganzoo_core.runs.protocol:measure",
        needs=("editor",),
    ),
    MetricSpec(
        name="likelihood",
        summary="How probable the model finds real images: bits per dimension, and nats",
        target=f"{HERE}.likelihood:likelihood",
        needs=("likelihood",),
    ),
)
