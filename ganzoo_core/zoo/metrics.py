"""The core's own metrics, in the zoo beside those of plugins: `ganzoo list metrics`."""

from __future__ import annotations

from ganzoo_core.zoo.specs import MetricSpec

HERE = "ganzoo_core.metrics"

METRICS = (
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
)
