"""From the outputs of a method to its result: values with intervals, cells, and breakdowns.

The age score is 1 - (age error of the method) / (age error of an identity copy), so a copy of the
input scores 0. The identity error is the absolute difference of the accept rate to that of real
people at the same age gap, so more similarity than real aging leaves is an error too. The identity
score is 1 - that error, and `combined` the harmonic mean of both scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.metrics import MetricValue
from ganzoo_face_aging.bench.protocol import FAR, AgingProtocol, age_gaps, is_accepted
from ganzoo_face_aging.bootstrap import percentile_interval
from ganzoo_face_aging.evaluators import AgingOutputs, Floats
from ganzoo_face_aging.scores import PersonBootstrap, score_method, score_real_faces

_SCORES = {
    "age_error": "target_age_error",
    "age_pearson_r": "age_pearson_r",
    "monotonic_rate": "monotonic_rate",
    "acceptance": f"tar_far_{FAR:g}",
    "kid": "kid",
    "round_trip_cosine": "round_trip_cosine",
    "paired_l1": "paired_l1",
    "paired_ssim": "paired_ssim",
    "paired_embedding_distance": "paired_embedding_distance",
}
"""Value of a result -> value of the metric `aging`."""


def grade(aged: AgingOutputs, protocol: AgingProtocol) -> dict[str, Any]:
    """Return the result of a method as JSON values.

    Returns:
        `values`: name -> value and 95 % interval over the people; `cells`: for each source and
        target group; `by_source`, and `by_attribute` where the data know more of the people.
    """
    prepared = protocol.prepared
    data, source = prepared.data, prepared.references.source
    scores = score_method(aged, data, prepared.references, protocol.seed)
    values = {name: _to_json(scores[key]) for name, key in _SCORES.items() if key in scores}
    gap, accepted = age_gaps(aged, prepared), is_accepted(aged, prepared)
    moved = gap > 0
    target_age = data.target_ages.numpy()[aged.target_group].astype(np.float64)
    error = aged.outputs.ages - target_age
    copy_error = np.abs(source.ages[aged.face_index] - target_age)
    expected = np.array([protocol.expected_acceptance.get(int(k), np.nan) for k in gap])
    bootstrap = PersonBootstrap(data.person_ids, protocol.seed)

    def means(value: NDArray[Any], mask: NDArray[np.bool_]) -> Floats:
        """Return the mean of some images, then that of each resample of the people."""
        resampled = bootstrap.resampled_means(value[mask], aged.face_index[mask])
        return np.concatenate([[float(value[mask].mean())], resampled])

    age_score = 1 - means(np.abs(error), moved) / means(copy_error, moved)
    values["age_bias"] = _with_interval(means(error, moved))
    values["age_score"] = _with_interval(age_score)
    known = moved & np.isfinite(expected)
    if known.any():
        values["acceptance_drift"] = _with_interval(means(accepted - expected, known))
        gaps = [gap == k for k in np.unique(gap[known])]
        errors = [np.abs(means(accepted - expected, mask)) * mask.sum() for mask in gaps]
        identity_error = np.sum(errors, 0) / known.sum()
        values["identity_error"] = _with_interval(identity_error)
        scores_of_both = np.clip([age_score, 1 - identity_error], 0, 1)
        total = scores_of_both.sum(0)
        combined = 2 * scores_of_both.prod(0) / np.where(total > 0, total, 1)
        values["combined"] = _with_interval(combined)
    source_group = data.source_groups.numpy()[aged.face_index]
    names = data.group_names

    def part(mask: NDArray[np.bool_]) -> dict[str, Any]:
        return {
            "num_images": int(mask.sum()),
            "age_error": _round(np.abs(error[mask]).mean()),
            "age_bias": _round(error[mask].mean()),
            "acceptance": _round(accepted[mask].mean()),
            "acceptance_drift": _round((accepted - expected)[mask].mean()),
        }

    cells = {
        f"{names[s]} to {names[t]}": part(mask)
        for s in range(len(names))
        for t in range(len(names))
        if (mask := (source_group == s) & (aged.target_group == t) & moved).any()
    }
    by_source = {
        names[s]: part(mask)
        for s in range(len(names))
        if (mask := (source_group == s) & moved).any()
    }
    by_attribute = {
        attribute: {
            str(text): part(mask)
            for text in np.unique(texts)
            if text and (mask := (texts[aged.face_index] == text) & moved).any()
        }
        for attribute, texts in protocol.attributes.items()
    }
    return {
        "values": values,
        "cells": cells,
        "kid_by_group": {name: _round(value) for name, value in scores["kid"].breakdown.items()}
        if "kid" in scores
        else {},
        "by_source": by_source,
        "by_attribute": by_attribute,
    }


def grade_real_faces(protocol: AgingProtocol) -> dict[str, Any]:
    """Return the result of real faces: the floor of the age evaluator."""
    prepared = protocol.prepared
    gallery = prepared.face_evaluators.evaluate_images(prepared.data.gallery)
    references = prepared.references
    scores = score_real_faces(
        references.reference, gallery, prepared.data, references, protocol.seed
    )
    values = {"age_error": _to_json(scores["target_age_error"])}
    if "kid" in scores:
        values["kid"] = _to_json(scores["kid"])
    return {"values": values, "cells": {}, "by_source": {}, "by_attribute": {}}


def _round(value: float) -> float | None:
    """Return a number that JSON can hold; None for NaN."""
    return round(float(value), 6) if np.isfinite(value) else None


def _to_json(value: MetricValue) -> dict[str, Any]:
    ci95 = [_round(x) for x in value.ci95] if value.ci95 else None
    return {"value": _round(value.value), "ci95": ci95}


def _with_interval(means: Floats) -> dict[str, Any]:
    """Return the first value, with the interval of the others."""
    return {
        "value": _round(means[0]),
        "ci95": [_round(x) for x in percentile_interval(means[1:])],
    }
