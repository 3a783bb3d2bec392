"""Face verification on a data set; its thresholds can be recorded in the weights."""

from pathlib import Path

import numpy as np
from ganzoo_face_aging.face_alignment import TRANSFORM_NAME
from ganzoo_face_aging.verification import (
    FALSE_ACCEPT_RATES,
    evaluate_verification,
    kfold_accuracy,
    make_pair_distances,
    pair_distances,
)

from ganzoo_core.cli.output import is_quiet
from ganzoo_core.config import parse_assignments, parse_data_source
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import AdaptsToImages
from ganzoo_core.report import Progress
from ganzoo_core.training import open_data
from ganzoo_core.weights import add_metrics
from ganzoo_facenet.plotting import plot_roc
from ganzoo_facenet.recognition import cluster_embeddings, load_recognizer, resolve_crop

_MIN_FALSE_ACCEPTS = 10
"""A threshold is recorded only if it accepts at least as many impostor pairs."""


def evaluate_identities(
    weights,
    data,
    assignments=(),
    *,
    threshold=None,
    pair_list=False,
    roc_path=None,
    record_metrics=False,
    evaluate_clusters=False,
    align=None,
):
    """Return the verification metrics of an embedder as plain JSON values.

    Args:
        weights: a run, a pretrained folder, or the name of an evaluator.
        data: ``NAME[:PATH]``, with identities.
        assignments: ``data.x=v``.
        threshold: from other people; None for the one that the weights record, or the best one on
            these data if they record none.
        pair_list: use the cross-validation pairs that the data set lists.
        roc_path: an image file for the ROC curve.
        record_metrics: write the thresholds of these data into the weights, for a calibration set.
        evaluate_clusters: also cluster the faces, and compare with the identities.
        align: whether to align faces; None to follow the weights.

    Raises:
        DataError: no identities, too few people, or no list of pairs.
    """
    recognizer = load_recognizer(weights)
    dataset, images = load_evaluation_images(
        recognizer.evaluator, recognizer.image_size, data, assignments, align=align
    )
    if isinstance(recognizer.model, AdaptsToImages):
        recognizer.model.adapt_to_images(images.info)
    if images.identity is None:
        raise DataError(f"--data {data} has no identities: choose data with identities")
    embeddings = recognizer.embed_images(images)
    if pair_list:
        return _evaluate_pair_list(dataset, images, embeddings)
    identities = images.identity.numpy()
    source = "given"
    if threshold is None:
        threshold = None if record_metrics else recognizer.recorded_threshold()
        source = "best" if threshold is None else "weights"
    report = evaluate_verification(embeddings, identities, threshold)
    scored_pairs = make_pair_distances(embeddings, identities)
    if roc_path:
        plot_roc(scored_pairs, roc_path, f"{images.info.name}: {report.num_people} people")
    if record_metrics:
        _record_thresholds(recognizer.evaluator, scored_pairs, report, images.info.fingerprint)
    result = {**report.to_json(), "threshold_source": source}
    if evaluate_clusters:
        result["adjusted_rand_index"] = _clustering_scores(embeddings, identities, report.threshold)
    return result


def _clustering_scores(embeddings, identities, threshold):
    """Return the adjusted Rand index of the clusters, with the number of people given and without.

    Hubert and Arabie 1985: 1 for the identities themselves, 0 by chance.
    """
    from sklearn.metrics import adjusted_rand_score

    num_people = len(np.unique(identities))
    return {
        "num_people_given": float(
            adjusted_rand_score(identities, cluster_embeddings(embeddings, None, num_people))
        ),
        "by_threshold": float(
            adjusted_rand_score(identities, cluster_embeddings(embeddings, threshold))
        ),
    }


def load_evaluation_images(evaluator, image_size, data, assignments, *, age_bins=(), align=None):
    """Return a data set and its images, at the size and with the crop of an evaluator.

    Args:
        evaluator: the weights.
        image_size: in pixels.
        data: ``NAME[:PATH]``.
        assignments: ``data.x=v``.
        age_bins: upper edges of the age groups.
        align: whether to align faces; None to follow the weights.

    Raises:
        WeightsError: the data are from another version of the renderer than the training data.
    """
    info = evaluator.pretrained.info
    is_other_data = info.name != parse_data_source(data)["name"]  # rendered: no alignment
    is_aligned = bool(info.crop) or (is_other_data and resolve_crop(info) is not None)
    aligns = is_aligned if align is None else align
    options = {"image_size": image_size, "transform": TRANSFORM_NAME if aligns else ""}
    options |= parse_assignments(assignments).get("data", {})
    dataset = open_data.open_dataset(open_data.parse_data_config(data, options))
    images = open_data.decode_dataset(dataset, age_bins, Progress(is_quiet()))
    evaluator.check_data_version(images.info)
    return dataset, images


def _evaluate_pair_list(dataset, images, embeddings):
    if not hasattr(dataset, "pairs"):
        raise UsageError("--pairs: this data set lists no pairs: leave the option out")
    pairs, rows = dataset.pairs(), images.row_indices
    row_by_index = {
        int(index): i for i, index in enumerate(rows if rows is not None else range(len(images)))
    }
    available = [
        i
        for i, ends in enumerate(zip(pairs.first, pairs.second, strict=True))
        if row_by_index.keys() >= {int(end) for end in ends}
    ]
    ends = [
        [row_by_index[int(pairs.first[i])], row_by_index[int(pairs.second[i])]] for i in available
    ]
    distance = pair_distances(embeddings.astype(np.float64), np.array(ends))
    mean, error = kfold_accuracy(distance, pairs.same[available], pairs.fold[available])
    return {
        "accuracy": mean,
        "standard_error": error,
        "num_pairs": len(available),
        "num_missing_pairs": pairs.missing + len(pairs.first) - len(available),
    }


def _record_thresholds(evaluator, scored_pairs, report, fingerprint):
    num_impostor_pairs = report.num_impostor_pairs
    settings = {"data": fingerprint[:16], "num_impostor_pairs": num_impostor_pairs}
    metrics = [{"name": "threshold", "value": report.threshold, "settings": settings}]
    for far in FALSE_ACCEPT_RATES:
        if far * num_impostor_pairs >= _MIN_FALSE_ACCEPTS:
            value = scored_pairs.threshold_at_far(far)
            metrics.append(
                {"name": f"threshold_at_far_{far:g}", "value": value, "settings": settings}
            )
    add_metrics(Path(evaluator.pretrained.path), metrics)


def format_percent(fraction):
    """Return a fraction in percent with one decimal."""
    return f"{100 * fraction:.1f} %"


def format_identity_report(report):
    """Return the result of `evaluate_identities` as lines of text."""
    accuracy = format_percent(report["accuracy"])
    if "num_pairs" in report:
        return [
            f"accuracy   {accuracy} +- {format_percent(report['standard_error'])} over the folds "
            f"of {report['num_pairs']:,} pairs ({report['num_missing_pairs']:,} pairs are missing)"
        ]
    interval = " to ".join(format_percent(x) for x in report["accuracy_ci95"])
    rates = ", ".join(
        f"{format_percent(tar)} at FAR {far}" for far, tar in report["tar_at_far"].items()
    )
    lines = [
        f"accuracy   {accuracy} ({interval})",
        f"threshold  {report['threshold']:.3f} ({report['threshold_source']})",
        f"TAR        {rates}",
        f"pairs      {report['num_genuine_pairs']:,} genuine, "
        f"{report['num_impostor_pairs']:,} impostor, {report['num_people']:,} people",
    ]
    if scores := report.get("adjusted_rand_index"):
        lines.append(
            f"clusters   adjusted Rand index {scores['num_people_given']:.2f} with the number of "
            f"people given, {scores['by_threshold']:.2f} with the threshold"
        )
    return lines
