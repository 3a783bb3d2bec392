"""From evaluator outputs to metric values, with 95 % intervals over resamples of the people.

The gap of an aged image is |target group - source group|. Images with gap 0 count only in the
breakdown by gap and in the scores over all targets of a face (`age_pearson_r`, `monotonic_rate`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ganzoo_core.data import assign_age_bins
from ganzoo_core.metrics import MetricValue
from ganzoo_core.metrics.distances import KID_MIN_BLOCK_SIZE, KID_NUM_BLOCKS, kid_with_std_error
from ganzoo_face_aging.benchmark_data import AgingBenchmarkData
from ganzoo_face_aging.bootstrap import percentile_interval, resample_counts
from ganzoo_face_aging.evaluators import AgingOutputs, EvaluatorOutputs, Floats

_BetterDirection = Literal["higher", "lower", ""]
_MIN_PROGRESSION_TARGETS = 3
"""Targets that a face needs for `age_pearson_r` and `monotonic_rate`."""
_MIN_AGE_CHANGE = 1e-3
"""In years. Below it the estimated ages of a face are constant, and its correlation is 0."""
_KID_MIN_IMAGES = KID_NUM_BLOCKS * KID_MIN_BLOCK_SIZE
"""Aged images, and real images, that KID needs of a group."""


class PersonBootstrap:
    """Resamples of the people of N faces.

    Args:
        person_ids: [N], equal for faces of one person.
        seed: of the resamples.
    """

    def __init__(self, person_ids: NDArray[np.int64], seed: int = 0) -> None:
        self.person_index = np.unique(person_ids, return_inverse=True)[1]
        self.num_people = int(self.person_index.max()) + 1
        self.resample_counts = resample_counts(self.num_people, seed)

    def resampled_means(self, values: NDArray[np.generic], face_index: NDArray[np.int64]) -> Floats:
        """Return the mean of values [M] of faces [M] in each resample, [R]."""
        person = self.person_index[face_index]
        sums = np.bincount(person, values.astype(np.float64), self.num_people)
        sizes = np.bincount(person, minlength=self.num_people).astype(np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray((self.resample_counts @ sums) / (self.resample_counts @ sizes))

    def mean_metric_value(
        self,
        values: NDArray[np.generic],
        face_index: NDArray[np.int64],
        better: _BetterDirection = "",
        breakdown_masks: Mapping[str, NDArray[np.bool_]] | None = None,
        is_included: NDArray[np.bool_] | None = None,
    ) -> MetricValue:
        """Return the mean of values [M] with its interval.

        Args:
            values: [M].
            face_index: [M], the face of each value.
            better: see `MetricValue`.
            breakdown_masks: [M] bool by name of the breakdown.
            is_included: [M] bool, the values of the overall mean; None for all.
        """
        rows = np.ones(len(values), bool) if is_included is None else is_included
        means = self.resampled_means(values[rows], face_index[rows])
        parts = {n: mask for n, mask in (breakdown_masks or {}).items() if mask.any()}
        return MetricValue(
            value=float(values[rows].mean()),
            std_error=float(np.nanstd(means)),
            better=better,
            ci95=percentile_interval(means),
            breakdown={name: float(values[mask].mean()) for name, mask in parts.items()},
            breakdown_ci95={
                name: percentile_interval(self.resampled_means(values[mask], face_index[mask]))
                for name, mask in parts.items()
            },
        )


@dataclass(frozen=True)
class ReferenceOutputs:
    """Evaluator outputs on real images, which aged images are compared with."""

    source: EvaluatorOutputs
    """On the N source faces."""
    reference: EvaluatorOutputs
    """On the reference faces."""
    thresholds: Mapping[float, float]
    """False accept rate -> distance, from the calibration faces."""
    paired: EvaluatorOutputs | None = None
    """On the N * K paired images."""
    retrieval_embeddings: Floats | None = None
    """[G, D] of real faces, the N source faces first, for `rank1_retrieval`: used where the data
    has no identities."""


def score_method(
    aged: AgingOutputs, data: AgingBenchmarkData, references: ReferenceOutputs, seed: int = 0
) -> dict[str, MetricValue]:
    """Return all metric values of a method that the data allow."""
    bootstrap = PersonBootstrap(data.person_ids, seed)
    source_group = data.source_groups.numpy()[aged.face_index]
    group_gap = np.abs(aged.target_group - source_group)
    if not (group_gap > 0).any():
        return {}
    by_gap = {str(k): group_gap == k for k in range(data.num_groups)}
    found = _score_ages(aged, data, references, bootstrap, group_gap > 0)
    found |= _score_progression(aged, data, bootstrap)
    cosine = (references.source.embeddings[aged.face_index] * aged.outputs.embeddings).sum(1)
    embedding_distance = np.linalg.norm(
        references.source.embeddings[aged.face_index] - aged.outputs.embeddings, axis=1
    )
    values: dict[str, tuple[Floats | NDArray[np.bool_], _BetterDirection]] = {
        "identity_cosine": (cosine, "higher")
    }
    for far, threshold in references.thresholds.items():
        values[f"tar_far_{far:g}"] = embedding_distance <= threshold, "higher"
    if references.retrieval_embeddings is not None:
        values["rank1_retrieval"] = _is_rank1_match(aged, references.retrieval_embeddings), "higher"
    if (
        references.paired is not None
        and aged.paired_l1 is not None
        and aged.paired_ssim is not None
    ):
        paired_embeddings = references.paired.embeddings[
            aged.face_index * data.num_groups + aged.target_group
        ]
        values["paired_l1"] = aged.paired_l1, "lower"
        values["paired_ssim"] = aged.paired_ssim, "higher"
        values["paired_embedding_distance"] = (
            np.linalg.norm(paired_embeddings - aged.outputs.embeddings, axis=1),
            "lower",
        )
    found |= {
        name: bootstrap.mean_metric_value(value, aged.face_index, better, by_gap, group_gap > 0)
        for name, (value, better) in values.items()
    }
    if aged.round_trip is not None:
        face, outputs, l1 = aged.round_trip
        round_trip_cosine = (references.source.embeddings[face] * outputs.embeddings).sum(1)
        found["round_trip_cosine"] = bootstrap.mean_metric_value(round_trip_cosine, face, "higher")
        found["round_trip_l1"] = bootstrap.mean_metric_value(l1, face, "lower")
    return found | _kid_by_group(
        aged.outputs.features[group_gap > 0],
        aged.target_group[group_gap > 0],
        data,
        references,
        seed,
    )


def _score_ages(
    aged: AgingOutputs,
    data: AgingBenchmarkData,
    references: ReferenceOutputs,
    bootstrap: PersonBootstrap,
    is_other_group: NDArray[np.bool_],
) -> dict[str, MetricValue]:
    """Return the estimated ages, and their errors against the target and against real faces."""
    face, target = aged.face_index[is_other_group], aged.target_group[is_other_group]
    estimated_ages = aged.outputs.ages[is_other_group]
    by_group = {name: target == k for k, name in enumerate(data.group_names)}
    abs_error = np.abs(estimated_ages - data.target_ages.numpy()[target])
    is_correct = assign_age_bins(estimated_ages, data.source.info.age_bins) == target
    found = {
        "estimated_age": bootstrap.mean_metric_value(estimated_ages, face, "", by_group),
        "estimated_age_std": _age_std_by_group(estimated_ages, by_group),
        "target_age_error": bootstrap.mean_metric_value(abs_error, face, "lower", by_group),
        "group_accuracy": bootstrap.mean_metric_value(is_correct, face, "higher", by_group),
    }
    real_age_by_group = _real_mean_ages(references.reference, data)
    group_errors, resampled_errors = {}, []
    for k, name in enumerate(data.group_names):
        mask = target == k
        if mask.any() and np.isfinite(real_age_by_group[k]):
            group_errors[name] = float(np.abs(estimated_ages[mask].mean() - real_age_by_group[k]))
            resampled_errors.append(
                np.abs(
                    bootstrap.resampled_means(estimated_ages[mask], face[mask])
                    - real_age_by_group[k]
                )
            )
    if group_errors:
        means = np.nanmean(resampled_errors, 0)
        found["group_mean_age_error"] = MetricValue(
            value=float(np.mean(list(group_errors.values()))),
            std_error=float(np.nanstd(means)),
            better="lower",
            breakdown=group_errors,
            ci95=percentile_interval(means),
            breakdown_ci95=dict(
                zip(group_errors, map(percentile_interval, resampled_errors), strict=True)
            ),
        )
    return found


def _age_std_by_group(
    estimated_ages: Floats, by_group: Mapping[str, NDArray[np.bool_]]
) -> MetricValue:
    """Return the standard deviation of ages by group, and its mean over the groups."""
    parts = {
        name: float(estimated_ages[m].std(ddof=1)) for name, m in by_group.items() if m.sum() > 1
    }
    return MetricValue(
        value=float(np.mean(list(parts.values()))) if parts else 0.0, breakdown=parts
    )


def _real_mean_ages(reference: EvaluatorOutputs, data: AgingBenchmarkData) -> Floats:
    """Return the mean estimated age [K] of the reference faces of each group; NaN if empty."""
    assert data.reference.label is not None
    label = data.reference.label.numpy()
    sizes = np.bincount(label, minlength=data.num_groups)
    sums = np.bincount(label, reference.ages, data.num_groups)
    return np.asarray(np.where(sizes > 0, sums / np.maximum(sizes, 1), np.nan))


def _score_progression(
    aged: AgingOutputs, data: AgingBenchmarkData, bootstrap: PersonBootstrap
) -> dict[str, MetricValue]:
    """Return, over faces with three targets or more, the correlation of target and estimated age,
    and the share of adjacent targets at which the estimated age increases."""
    years = np.full((len(data), data.num_groups), np.nan)
    years[aged.face_index, aged.target_group] = aged.outputs.ages
    targets = data.target_ages.numpy().astype(np.float64)
    has_age = np.isfinite(years) & np.isfinite(targets)
    rows = np.flatnonzero(has_age.sum(1) >= _MIN_PROGRESSION_TARGETS)
    if not len(rows):
        return {}
    r, is_older, step_face = [], [], []
    for row in rows:
        x, y = targets[has_age[row]], years[row, has_age[row]]
        r.append(np.corrcoef(x, y)[0, 1] if y.std() > _MIN_AGE_CHANGE else 0.0)
        is_older += (np.diff(y) > _MIN_AGE_CHANGE).tolist()
        step_face += [row] * (len(y) - 1)
    return {
        "age_pearson_r": bootstrap.mean_metric_value(np.array(r), rows, "higher"),
        "monotonic_rate": bootstrap.mean_metric_value(
            np.array(is_older), np.array(step_face), "higher"
        ),
    }


def _is_rank1_match(aged: AgingOutputs, gallery_embeddings: Floats) -> NDArray[np.bool_]:
    """Return for which images [M] the nearest gallery embedding is that of their source face."""
    parts = np.array_split(aged.outputs.embeddings, max(1, len(aged.face_index) // 1024))
    nearest = [(part @ gallery_embeddings.T).argmax(1) for part in parts]
    return np.asarray(np.concatenate(nearest) == aged.face_index)


def _kid_by_group(
    features: Floats,
    target_group: NDArray[np.int64],
    data: AgingBenchmarkData,
    references: ReferenceOutputs,
    seed: int,
) -> dict[str, MetricValue]:
    """Return the KID of aged and real faces by group, for groups with enough images."""
    assert data.reference.label is not None
    label, real = data.reference.label.numpy(), references.reference.features
    parts, errors = {}, {}
    for k, name in enumerate(data.group_names):
        aged_features, real_features = features[target_group == k], real[label == k]
        if min(len(aged_features), len(real_features)) >= _KID_MIN_IMAGES:
            parts[name], errors[name] = kid_with_std_error(
                torch.from_numpy(aged_features), torch.from_numpy(real_features), seed
            )
    if not parts:
        return {}
    value = float(np.mean(list(parts.values())))
    error = float(np.sqrt(np.square(list(errors.values())).sum()) / len(errors))
    ci95_by_group = {
        name: (v - 1.96 * errors[name], v + 1.96 * errors[name]) for name, v in parts.items()
    }
    return {
        "kid": MetricValue(
            value=value,
            std_error=error,
            better="lower",
            breakdown=parts,
            breakdown_ci95=ci95_by_group,
            ci95=(value - 1.96 * error, value + 1.96 * error),
        )
    }


def score_real_faces(
    reference_outputs: EvaluatorOutputs,
    gallery_outputs: EvaluatorOutputs,
    data: AgingBenchmarkData,
    references: ReferenceOutputs,
    seed: int = 0,
) -> dict[str, MetricValue]:
    """Return the metric values of real faces, the upper reference for all methods.

    `evaluator_age_mae` is the mean absolute error of the age evaluator on them.
    """
    assert data.reference.label is not None and data.reference.age is not None
    assert data.gallery.label is not None
    label, rows = data.reference.label.numpy(), np.arange(len(data.reference))
    bootstrap = PersonBootstrap(rows, seed)
    by_group = {name: label == k for k, name in enumerate(data.group_names)}
    group_age_error = np.abs(reference_outputs.ages - data.target_ages.numpy()[label])
    abs_error = np.abs(reference_outputs.ages - data.reference.age.numpy())
    is_correct = assign_age_bins(reference_outputs.ages, data.source.info.age_bins) == label
    return {
        "estimated_age": bootstrap.mean_metric_value(reference_outputs.ages, rows, "", by_group),
        "estimated_age_std": _age_std_by_group(reference_outputs.ages, by_group),
        "target_age_error": bootstrap.mean_metric_value(group_age_error, rows, "lower", by_group),
        "group_accuracy": bootstrap.mean_metric_value(is_correct, rows, "higher", by_group),
        "evaluator_age_mae": bootstrap.mean_metric_value(abs_error, rows, "lower", by_group),
    } | _kid_by_group(gallery_outputs.features, data.gallery.label.numpy(), data, references, seed)
