"""Specs of the metrics in the core: `ganzoo list metrics`."""

from __future__ import annotations

from ganzoo_core.zoo.specs import MetricSpec

_METRICS_PACKAGE = "ganzoo_core.metrics"

METRICS = (
    MetricSpec(
        name="fid",
        summary="Frechet distance of features (FID)",
        target=f"{_METRICS_PACKAGE}.distances:fid",
        paper="GANs Trained by a Two Time-Scale Update Rule, arXiv 1706.08500",
        min_images_per_feature=1,
        name_in_other_features="fd",
        requires=("features",),
    ),
    MetricSpec(
        name="kid",
        summary="Kernel distance of features (KID), with its standard error",
        target=f"{_METRICS_PACKAGE}.distances:kid",
        paper="Demystifying MMD GANs, arXiv 1801.01401",
        min_images=100,
        name_in_other_features="kd",
        requires=("features",),
    ),
    MetricSpec(
        name="prdc",
        summary="Precision, recall, density and coverage",
        target=f"{_METRICS_PACKAGE}.neighbors:prdc",
        paper="Reliable Fidelity and Diversity Metrics for Generative Models, arXiv 2002.09797",
        min_images=6,
        requires=("features",),
    ),
    MetricSpec(
        name="inception-score",
        summary="Confidence and diversity of the predicted classes (IS)",
        target=f"{_METRICS_PACKAGE}.classification:inception_score",
        paper="Improved Techniques for Training GANs, arXiv 1606.03498",
        min_images=100,
        name_in_other_features="classifier-score",
        requires=("features",),
    ),
    MetricSpec(
        name="intra-fid",
        summary="FID within each class",
        target=f"{_METRICS_PACKAGE}.distances:intra_fid",
        paper="cGANs with Projection Discriminator, arXiv 1802.05637",
        min_images_per_feature=1,
        is_per_class=True,
        name_in_other_features="intra-fd",
        requires=("features",),
    ),
    MetricSpec(
        name="diversity",
        summary="Distance between two samples over that between two real images, within classes",
        target=f"{_METRICS_PACKAGE}.neighbors:diversity",
        requires=("features",),
    ),
    MetricSpec(
        name="memorization",
        summary="Share of samples that duplicate a training image",
        target=f"{_METRICS_PACKAGE}.neighbors:memorization",
    ),
    MetricSpec(
        name="gan-test",
        summary="Accuracy on samples of a classifier trained on real images",
        target=f"{_METRICS_PACKAGE}.classification:gan_test",
        paper="How good is my GAN?, arXiv 1807.09499",
        requires=("classifier",),
    ),
    MetricSpec(
        name="gan-train",
        summary="Accuracy on real images of a classifier trained on samples",
        target=f"{_METRICS_PACKAGE}.classification:gan_train",
        paper="How good is my GAN?, arXiv 1807.09499",
    ),
    MetricSpec(
        name="class-histogram",
        summary="Histogram of the classes that a classifier predicts for samples",
        target=f"{_METRICS_PACKAGE}.classification:class_histogram",
        requires=("classifier",),
    ),
    MetricSpec(
        name="likelihood",
        summary="Likelihood of real images: bits per dimension, and nats",
        target=f"{_METRICS_PACKAGE}.likelihood:likelihood",
        requires=("likelihood",),
    ),
)
