"""Age estimates of faces with their standard deviation, and their error on a data set."""

import numpy as np
import torch
from ganzoo_face_aging.age_estimation import evaluate_age_estimates
from ganzoo_face_aging.batched import predict_in_batches
from ganzoo_face_aging.capabilities import HasAgeLogits

from ganzoo_core.data import PUBLISHED_AGE_BINS
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import AdaptsToImages
from ganzoo_core.weights import add_metrics, find_auxiliary
from ganzoo_facenet.verification import format_percent, load_evaluation_images


def estimate_ages(model, pixels):
    """Return the expected ages [N] and the standard deviations [N] of their distributions, in
    years. The latter are None for an estimator without `age_logits`.

    Args:
        model: an age estimator.
        pixels: [N, S, S, 3] uint8.
    """

    def estimate(image):
        return torch.stack([model.estimate_age(image), _age_std(model, image)], 1)

    images = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2)
    estimates = predict_in_batches(estimate, images)
    return estimates[:, 0].tolist(), [None if np.isnan(s) else float(s) for s in estimates[:, 1]]


def _age_std(model, image):
    if not isinstance(model, HasAgeLogits):
        return torch.full((len(image),), torch.nan)
    probs = model.age_logits(image).softmax(1)
    ages = torch.arange(probs.shape[1], dtype=probs.dtype)
    return (probs @ ages.square() - (probs @ ages).square()).clamp(min=0).sqrt()


def evaluate_ages(weights, data, assignments=(), *, record_metrics=False, align=None):
    """Return the errors of an age estimator in years, as plain JSON values.

    Args:
        weights: a run, a pretrained folder, or the name of an evaluator.
        data: ``NAME[:PATH]``, with ages.
        assignments: ``data.x=v``.
        record_metrics: write the mean absolute error and the group accuracy into the weights.
        align: whether to align faces; None to follow the weights.

    Raises:
        DataError: the data have no ages.
    """
    evaluator = find_auxiliary("age", weights)
    model = evaluator.build()
    age_bins = getattr(model.config, "age_bins", PUBLISHED_AGE_BINS["report"].upper_edges)
    images = load_evaluation_images(
        evaluator, model.input_size, data, assignments, age_bins=age_bins, align=align
    )[1]
    if isinstance(model, AdaptsToImages):
        model.adapt_to_images(images.info)
    if images.age is None:
        raise DataError(f"--data {data} has no ages: choose data with ages")
    identities = None if images.identity is None else images.identity.numpy()
    age = images.age.numpy()
    report = evaluate_age_estimates(
        predict_in_batches(model.estimate_age, images), age, tuple(age_bins), identities
    )
    if record_metrics:
        settings = {"data": images.info.fingerprint[:16]}
        values = {"age_mae": report.mae, "group_accuracy": report.group_accuracy}
        metrics = [{"name": n, "value": v, "settings": settings} for n, v in values.items()]
        add_metrics(evaluator.pretrained.path, metrics)
    return report.to_json()


def format_age_report(report):
    """Return the result of `evaluate_ages` as lines of text."""
    low, high = report["mae_ci95"]
    groups = ", ".join(f"{name} {mae:.1f}" for name, mae in report["group_mae"].items())
    within = ", ".join(
        f"{years} {format_percent(share)}" for years, share in report["cumulative_score"].items()
    )
    interval = " to ".join(format_percent(x) for x in report["group_accuracy_ci95"])
    return [
        f"MAE             {report['mae']:.2f} years ({low:.2f} to {high:.2f}), bias "
        f"{report['bias']:+.2f}, {report['num_images']:,} images",
        f"MAE by group    {groups} years",
        f"within years    {within}",
        f"group accuracy  {format_percent(report['group_accuracy'])} ({interval})",
    ]
