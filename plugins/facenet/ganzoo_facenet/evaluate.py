"""Verification over a data set, and its figures recorded in the weights."""

from pathlib import Path

import numpy as np

from ganzoo_core.config import assign
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.metrics.verification import FARS, all_pairs, distances, ten_fold, verify_people
from ganzoo_core.report import Progress
from ganzoo_core.runs import data as reading
from ganzoo_core.runs import survey
from ganzoo_core.weights import annotate
from ganzoo_facenet.recognise import cluster, crop_for, open_recogniser
from ganzoo_facenet.sheets import draw_roc


def evaluate_people(
    weights,
    data,
    assignments=(),
    *,
    threshold=None,
    pairs=False,
    roc=None,
    keep=False,
    clusters=False,
    align=None,
):
    """Return the figures of a verification as plain JSON values.

    Args:
        data: ``NAME[:PATH]``, with identities.
        threshold: of other people; None for the one that the weights record, else the set's best.
        pairs: take the pairs that the data set lists, in ten folds.
        roc: where to draw the curve.
        keep: record the set's thresholds in the weights: for a calibration set.
        clusters: sort the photographs too, and compare with who they show.
        align: find the faces, or take pictures as they are; None goes by the weights.

    Raises:
        DataError: no identities, too few people, or no list of pairs.
    """
    who = open_recogniser(weights)
    dataset, images = images_for(who.found, who.size, data, assignments, align=align)
    if images.identity is None:
        raise DataError(f"{data} does not say who is in its pictures: choose data with identities")
    points = who.read(images)
    if pairs:
        return by_list(dataset, images, points)
    recorded = None if keep else who.threshold()
    at = threshold if threshold is not None else recorded
    people = images.identity.numpy()
    result = verify_people(points, people, at)
    every = all_pairs(points, people)
    if roc:
        draw_roc(every, roc, f"{images.info.name}: {result.people} people")
    if keep:
        record(who.found, every, result, images.info.fingerprint)
    source = "given" if threshold is not None else "weights" if at is not None else "own best"
    facts = {**result.to_json(), "threshold_from": source}
    return {**facts, "rand": agreement(points, people, result.threshold)} if clusters else facts


def agreement(points, people, threshold):
    """Return the adjusted Rand index of the clusters, the number of people given and not.

    Hubert and Arabie 1985: 1 for the people themselves, 0 on average by chance.

    Args:
        points: [N, D]. people: [N]. threshold: of `cluster`, where the number is not given.
    """
    from sklearn.metrics import adjusted_rand_score

    count = len(np.unique(people))
    return {
        "people_given": float(adjusted_rand_score(people, cluster(points, None, count))),
        "by_threshold": float(adjusted_rand_score(people, cluster(points, threshold))),
    }


def images_for(found, size, data, assignments, *, groups=(), align=None):
    """Return a data set and its images, at a judge's size, cut as it learned.

    Args:
        assignments: ``data.x=v``. groups: age edges.
        align: find the faces, or take pictures as they are; None goes by the weights.

    Raises:
        WeightsError: drawn by another renderer than the judge learned from.
    """
    info = found.bundle.info
    other = info.name != data.partition(":")[0]  # drawn pictures are no photographs to its judges
    aligned = bool(info.crop) or (other and crop_for(info) is not None)
    options = {"size": size, "align": aligned if align is None else align}
    options |= assign(assignments).get("data", {})
    dataset = reading.open_dataset(survey.data_config(data, options))
    images = reading.images_of(dataset, groups, Progress(False))
    found.refuse_other_drawing(images.info)
    return dataset, images


def by_list(dataset, images, points):
    """Return accuracy and standard error over the folds of the data set's own pairs."""
    if not hasattr(dataset, "pairs"):
        raise UsageError("--pairs: this data set lists no pairs")
    pairs, rows = dataset.pairs(), images.rows
    place = {int(at): i for i, at in enumerate(rows if rows is not None else range(len(images)))}
    known = [
        i
        for i, ends in enumerate(zip(pairs.first, pairs.second, strict=True))
        if place.keys() >= {int(end) for end in ends}
    ]
    ends = [[place[int(pairs.first[i])], place[int(pairs.second[i])]] for i in known]
    distance = distances(points.astype(np.float64), np.array(ends))
    mean, error = ten_fold(distance, pairs.same[known], pairs.fold[known])
    return {
        "accuracy": mean,
        "standard_error": error,
        "pairs": len(known),
        "missing": pairs.missing + len(pairs.first) - len(known),
    }


def record(found, pairs, result, fingerprint):
    """Write the thresholds of a calibration set into a bundle's index and card."""
    stamp = {"data": fingerprint[:16], "impostors": result.impostors}
    metrics = [{"name": "threshold", "value": result.threshold, "stamp": stamp}]
    for far in FARS:
        if far * result.impostors >= 10:
            value = pairs.threshold_at(far)
            metrics.append({"name": f"threshold_at_far_{far:g}", "value": value, "stamp": stamp})
    annotate(Path(found.bundle.path), metrics)


def percent(share):
    """Return a share as people write it."""
    return f"{100 * share:.1f} %"


def told(facts):
    """Return the figures in words, a line each."""
    if "pairs" in facts:
        return [
            f"accuracy   {percent(facts['accuracy'])} +- {percent(facts['standard_error'])} over "
            f"the folds of {facts['pairs']:,} pairs; {facts['missing']:,} pairs are not here"
        ]
    low, high = facts["interval"]
    rates = ", ".join(f"{percent(tar)} at {far}" for far, tar in facts["tar"].items())
    lines = [
        f"accuracy   {percent(facts['accuracy'])} ({percent(low)} to {percent(high)})",
        f"threshold  {facts['threshold']:.3f} ({facts['threshold_from']})",
        f"accepted   {rates} false accepts",
        f"pairs      {facts['genuine']:,} of one person, {facts['impostors']:,} of two; "
        f"{facts['people']:,} people",
    ]
    if "rand" in facts:
        known, found = facts["rand"]["people_given"], facts["rand"]["by_threshold"]
        lines.append(
            f"clusters   adjusted Rand index {known:.2f} with the number of people given, "
            f"{found:.2f} by the threshold"
        )
    return lines
