"""GAN-test, GAN-train, the class histogram and the inception score.

GAN-test and GAN-train: Shmelkov et al., How good is my GAN?, arXiv 1807.09499. Each comes with
its upper reference: GAN-test with the classifier's accuracy on real images, GAN-train with the
accuracy of the same classifier trained on as many real images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.data import PackedImages
from ganzoo_core.metrics.classifier import per_class_recall
from ganzoo_core.metrics.context import EvaluationContext, ImageSetName
from ganzoo_core.metrics.feature_extractor import FeatureExtractor
from ganzoo_core.metrics.image_sets import random_subset
from ganzoo_core.metrics.metric_value import (
    MetricNotApplicableError,
    MetricValue,
    binomial_std_error,
)

_NUM_SPLITS = 10
"""Splits of the inception score."""


def gan_test(ctx: EvaluationContext) -> dict[str, MetricValue]:
    """Return the classifier's accuracy on held-out real images, and on samples."""
    ctx.require_labels("gan-test")
    acc_real = classifier_accuracy(ctx, ctx.classifier, "test")
    acc_fake = classifier_accuracy(ctx, ctx.classifier, "fake")
    return {
        "classifier_acc_real": acc_real,
        "gan_test_acc": acc_fake,
        "gan_test_ratio": _relative_to(acc_fake, acc_real),
    }


def gan_train(ctx: EvaluationContext) -> dict[str, MetricValue]:
    """Return the accuracy on held-out real images of a classifier trained on samples, and of one
    trained on as many real images."""
    ctx.require_labels("gan-train")
    count = min(len(ctx.fake), len(ctx.train))
    samples = random_subset(ctx.fake, count, ctx.seed, "samples")
    real_subset = random_subset(ctx.train, count, ctx.seed, "as many")
    fake_trained_classifier = ctx.train_classifier(samples, "training on samples", use_cache=False)
    real_trained_classifier = ctx.train_classifier(real_subset, "training on real images")
    fake_train_acc = classifier_accuracy(ctx, fake_trained_classifier, "test")
    real_train_acc = classifier_accuracy(ctx, real_trained_classifier, "test")
    ratio = _relative_to(fake_train_acc, real_train_acc)
    return {
        "gan_train_acc": fake_train_acc,
        "real_train_acc": real_train_acc,
        "gan_train_ratio": ratio,
    }


def _relative_to(value: MetricValue, reference: MetricValue) -> MetricValue:
    """Return value / reference. The reference is the same for all compared models, so the standard
    error is that of the value."""

    def safe_divide(a: float, b: float) -> float:
        return a / b if b else 0.0

    return MetricValue(
        value=safe_divide(value.value, reference.value),
        std_error=safe_divide(value.std_error or 0.0, reference.value),
        better="higher",
        breakdown={
            k: safe_divide(v, reference.breakdown.get(k, 0.0)) for k, v in value.breakdown.items()
        },
    )


def class_histogram(ctx: EvaluationContext) -> dict[str, MetricValue]:
    """Return the distribution of the classes that the classifier predicts for the samples; mode
    collapse shows here."""
    predictions = _predict_classes(ctx, ctx.classifier, "fake")
    frequencies = torch.bincount(predictions, minlength=len(ctx.info.class_names)) / len(
        predictions
    )
    nonempty_classes = [i for i, count in enumerate(ctx.train.info.class_counts) if count]
    histogram = {ctx.info.class_names[i]: float(frequencies[i]) for i in nonempty_classes}
    coverage = sum(value > 0 for value in histogram.values()) / len(histogram)
    return {
        "class_coverage": MetricValue(value=coverage, better="higher"),
        "min_class_frequency": MetricValue(value=min(histogram.values()), breakdown=histogram),
    }


def inception_score(ctx: EvaluationContext) -> dict[str, MetricValue]:
    """Return exp of the mean KL from p(y|x) to p(y), from 1 (worst) to the number of classes.

    As published, it is the mean over ten splits; the standard error is that of this mean.

    Raises:
        MetricNotApplicableError: the feature extractor has no classes, or there are too few
            samples.
    """
    logits = ctx.network_outputs("fake").logits
    if logits is None:
        raise MetricNotApplicableError(
            f"inception-score needs a network with classes; {ctx.feature_extractor.name} has none: "
            "name another one with --feature-extractor"
        )
    if len(logits) < _NUM_SPLITS * 10:
        raise MetricNotApplicableError(
            f"inception-score needs {_NUM_SPLITS * 10} samples: give a larger -n"
        )
    order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(ctx.seed))
    scores = torch.stack(
        [split_inception_score(part) for part in logits[order].double().tensor_split(_NUM_SPLITS)]
    )
    error = float(scores.std() / len(scores) ** 0.5)
    return {
        "inception_score": MetricValue(value=float(scores.mean()), std_error=error, better="higher")
    }


def split_inception_score(logits: Tensor) -> Tensor:
    """Return the inception score, 0-d, of logits [N, K]."""
    log_p = logits.log_softmax(1)
    log_mean = log_p.logsumexp(0) - torch.tensor(len(log_p)).log()
    return (log_p.exp() * (log_p - log_mean)).sum(1).mean().exp()


def _predict_classes(
    ctx: EvaluationContext, network: FeatureExtractor, set_name: ImageSetName
) -> Tensor:
    """Return the class [N] that a network predicts for each image of a set."""
    logits = ctx.network_outputs(set_name, network).logits
    if logits is None:
        raise MetricNotApplicableError(f"{network.name} has no classes")
    return logits.argmax(1)


def classifier_accuracy(
    ctx: EvaluationContext, network: FeatureExtractor, set_name: ImageSetName
) -> MetricValue:
    """Return the accuracy of a classifier on labeled images, overall and by class."""
    images: PackedImages = getattr(ctx, set_name)
    assert images.label is not None
    predictions = _predict_classes(ctx, network, set_name)
    overall = float((predictions == images.label).double().mean())
    per_class = per_class_recall(predictions, images.label, len(images.info.class_names))
    names = enumerate(images.info.class_names)
    return MetricValue(
        value=overall,
        std_error=binomial_std_error(overall, len(images)),
        better="higher",
        breakdown={
            name: float(per_class[i]) for i, name in names if i in images.info.nonempty_classes
        },
    )
