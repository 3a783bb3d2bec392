"""From what judges saw to figures, with 95 % intervals over resamples of the people.

The gap of a picture is how many groups lie between the face and its target. Pictures at gap 0, the
face's own group, count only where a figure is given by gap, and in the progression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ganzoo_core.metrics.ageing.faces import Faces
from ganzoo_core.metrics.ageing.reading import Cells, Floats, Sight
from ganzoo_core.metrics.bootstrap import interval, weights
from ganzoo_core.metrics.distances import BLOCKS, LEAST, kernel_distance
from ganzoo_core.metrics.figures import Better, Figure

STEPS = 3
"""Ages of a face that make a progression."""
STILL = 1e-3
"""Years under which a face did not age at all: its correlation counts as 0."""
KID_LEAST = BLOCKS * LEAST
"""Pictures of a group, aged and real, that KID needs."""


class People:
    """Resamples of the people behind N faces.

    Args:
        who: [N], equal for faces of one person.
    """

    def __init__(self, who: NDArray[np.int64], seed: int = 0) -> None:
        self.person = np.unique(who, return_inverse=True)[1]
        self.count = int(self.person.max()) + 1
        self.drawn = weights(self.count, seed)

    def means(self, values: NDArray[np.generic], face: NDArray[np.int64]) -> Floats:
        """Return the mean of values [M] of faces [M] in each resample, [draws]."""
        person = self.person[face]
        sums = np.bincount(person, values.astype(np.float64), self.count)
        sizes = np.bincount(person, minlength=self.count).astype(np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray((self.drawn @ sums) / (self.drawn @ sizes))

    def figure(
        self,
        values: NDArray[np.generic],
        face: NDArray[np.int64],
        better: Better = "",
        part: Mapping[str, NDArray[np.bool_]] | None = None,
        of: NDArray[np.bool_] | None = None,
    ) -> Figure:
        """Return the mean of values [M] with its interval.

        Args:
            part: name -> which values [M] belong to it. of: which make the figure itself.
        """
        rows = np.ones(len(values), bool) if of is None else of
        means = self.means(values[rows], face[rows])
        parts = {n: mask for n, mask in (part or {}).items() if mask.any()}
        return Figure(
            value=float(values[rows].mean()),
            error=float(np.nanstd(means)),
            better=better,
            interval=interval(means),
            parts={name: float(values[mask].mean()) for name, mask in parts.items()},
            part_intervals={
                name: interval(self.means(values[mask], face[mask])) for name, mask in parts.items()
            },
        )


@dataclass(frozen=True)
class Anchors:
    """What aged pictures are held against."""

    source: Sight
    """[N] of the faces as they are."""
    reference: Sight
    """[R] of real people."""
    thresholds: Mapping[float, float]
    """False accept rate -> distance, from people of the calibration."""
    truth: Sight | None = None
    """[N * K] of the paired truth."""
    instances: Floats | None = None
    """[G, D] points of real faces, the N first: where nobody is known, the face is looked for
    among them."""


def measured(cells: Cells, faces: Faces, anchors: Anchors, seed: int = 0) -> dict[str, Figure]:
    """Return all figures of a contender that the data allow."""
    people = People(faces.who, seed)
    group = faces.group.numpy()[cells.face]
    gap = np.abs(cells.target - group)
    if not (gap > 0).any():
        return {}
    by_gap = {str(k): gap == k for k in range(faces.groups)}
    found = ages_of(cells, faces, anchors, people, gap > 0)
    found |= progression(cells, faces, people)
    cosine = (anchors.source.point[cells.face] * cells.sight.point).sum(1)
    apart = np.linalg.norm(anchors.source.point[cells.face] - cells.sight.point, axis=1)
    values: dict[str, tuple[Floats | NDArray[np.bool_], Better]] = {"cosine": (cosine, "higher")}
    for far, threshold in anchors.thresholds.items():
        values[f"tar_far_{far:g}"] = apart <= threshold, "higher"
    if anchors.instances is not None:
        values["instance_retrieval"] = retrieved(cells, anchors.instances), "higher"
    if anchors.truth is not None and cells.l1 is not None and cells.ssim is not None:
        there = anchors.truth.point[cells.face * faces.groups + cells.target]
        values["truth_l1"] = cells.l1, "lower"
        values["truth_ssim"] = cells.ssim, "higher"
        values["truth_distance"] = np.linalg.norm(there - cells.sight.point, axis=1), "lower"
    found |= {
        name: people.figure(value, cells.face, better, by_gap, gap > 0)
        for name, (value, better) in values.items()
    }
    if cells.back is not None:
        face, sight, l1 = cells.back
        same = (anchors.source.point[face] * sight.point).sum(1)
        found["round_trip_cosine"] = people.figure(same, face, "higher")
        found["round_trip_l1"] = people.figure(l1, face, "lower")
    return found | kid(cells.sight.feature[gap > 0], cells.target[gap > 0], faces, anchors, seed)


def ages_of(
    cells: Cells, faces: Faces, anchors: Anchors, people: People, moved: NDArray[np.bool_]
) -> dict[str, Figure]:
    """Return estimated ages, against those of real faces of the groups and against the target."""
    face, target, years = cells.face[moved], cells.target[moved], cells.sight.age[moved]
    by_group = {name: target == k for k, name in enumerate(faces.classes)}
    off = np.abs(years - faces.target_ages.numpy()[target])
    right = group_of_years(years, faces) == target
    found = {
        "estimated_age": people.figure(years, face, "", by_group),
        "estimated_sd": spread(years, by_group),
        "age_error": people.figure(off, face, "lower", by_group),
        "group_accuracy": people.figure(right, face, "higher", by_group),
    }
    real = real_means(anchors.reference, faces)
    gaps, draws = {}, []
    for k, name in enumerate(faces.classes):
        mask = target == k
        if mask.any() and np.isfinite(real[k]):
            gaps[name] = float(np.abs(years[mask].mean() - real[k]))
            draws.append(np.abs(people.means(years[mask], face[mask]) - real[k]))
    if gaps:
        means = np.nanmean(draws, 0)
        found["age_gap"] = Figure(
            value=float(np.mean(list(gaps.values()))),
            error=float(np.nanstd(means)),
            better="lower",
            parts=gaps,
            interval=interval(means),
            part_intervals=dict(zip(gaps, map(interval, draws), strict=True)),
        )
    return found


def spread(years: Floats, by_group: Mapping[str, NDArray[np.bool_]]) -> Figure:
    """Return the mean over the groups of the standard deviation of ages, and each."""
    parts = {name: float(years[m].std(ddof=1)) for name, m in by_group.items() if m.sum() > 1}
    return Figure(value=float(np.mean(list(parts.values()))) if parts else 0.0, parts=parts)


def group_of_years(years: Floats, faces: Faces) -> NDArray[np.int64]:
    """Return the group of estimated ages."""
    edges = np.array(faces.source.info.groups)
    return np.asarray(np.digitize(np.floor(years), edges, right=True), np.int64)


def real_means(reference: Sight, faces: Faces) -> Floats:
    """Return the mean estimated age [K] of real faces of each group; NaN for an empty one."""
    assert faces.reference.label is not None
    label = faces.reference.label.numpy()
    sizes = np.bincount(label, minlength=faces.groups)
    sums = np.bincount(label, reference.age, faces.groups)
    return np.asarray(np.where(sizes > 0, sums / np.maximum(sizes, 1), np.nan))


def progression(cells: Cells, faces: Faces, people: People) -> dict[str, Figure]:
    """Return, over faces with three targets or more, the correlation of target and estimated age
    and the share of steps to the next older target that make the face older."""
    years = np.full((len(faces), faces.groups), np.nan)
    years[cells.face, cells.target] = cells.sight.age
    targets = faces.target_ages.numpy().astype(np.float64)
    known = np.isfinite(years) & np.isfinite(targets)
    rows = np.flatnonzero(known.sum(1) >= STEPS)
    if not len(rows):
        return {}
    r, step, owner = [], [], []
    for row in rows:
        x, y = targets[known[row]], years[row, known[row]]
        r.append(np.corrcoef(x, y)[0, 1] if y.std() > STILL else 0.0)
        step += (np.diff(y) > STILL).tolist()
        owner += [row] * (len(y) - 1)
    return {
        "pearson": people.figure(np.array(r), rows, "higher"),
        "monotone": people.figure(np.array(step), np.array(owner), "higher"),
    }


def retrieved(cells: Cells, instances: Floats) -> NDArray[np.bool_]:
    """Return which pictures [M] lie nearest to their own face among many."""
    parts = np.array_split(cells.sight.point, max(1, len(cells.face) // 1024))
    nearest = [(part @ instances.T).argmax(1) for part in parts]
    return np.asarray(np.concatenate(nearest) == cells.face)


def kid(
    feature: Floats, target: NDArray[np.int64], faces: Faces, anchors: Anchors, seed: int
) -> dict[str, Figure]:
    """Return the kernel distance of aged and real faces of each group, where there are enough."""
    assert faces.reference.label is not None
    label, real = faces.reference.label.numpy(), anchors.reference.feature
    parts, errors = {}, {}
    for k, name in enumerate(faces.classes):
        made, there = feature[target == k], real[label == k]
        if min(len(made), len(there)) >= KID_LEAST:
            parts[name], errors[name] = kernel_distance(
                torch.from_numpy(made), torch.from_numpy(there), seed
            )
    if not parts:
        return {}
    value = float(np.mean(list(parts.values())))
    error = float(np.sqrt(np.square(list(errors.values())).sum()) / len(errors))
    around = {name: (v - 1.96 * errors[name], v + 1.96 * errors[name]) for name, v in parts.items()}
    return {
        "kid": Figure(
            value=value,
            error=error,
            better="lower",
            parts=parts,
            part_intervals=around,
            interval=(value - 1.96 * error, value + 1.96 * error),
        )
    }


def real_faces(
    reference: Sight, gallery: Sight, faces: Faces, anchors: Anchors, seed: int = 0
) -> dict[str, Figure]:
    """Return what the judges say of real faces of the groups: the best that can be hoped for.

    `judge_error` is the mean error of the age judge on them.
    """
    assert faces.reference.label is not None and faces.reference.age is not None
    assert faces.gallery.label is not None
    label, rows = faces.reference.label.numpy(), np.arange(len(faces.reference))
    people = People(rows, seed)
    by_group = {name: label == k for k, name in enumerate(faces.classes)}
    off = np.abs(reference.age - faces.target_ages.numpy()[label])
    wrong = np.abs(reference.age - faces.reference.age.numpy())
    right = group_of_years(reference.age, faces) == label
    return {
        "estimated_age": people.figure(reference.age, rows, "", by_group),
        "estimated_sd": spread(reference.age, by_group),
        "age_error": people.figure(off, rows, "lower", by_group),
        "group_accuracy": people.figure(right, rows, "higher", by_group),
        "judge_error": people.figure(wrong, rows, "lower", by_group),
    } | kid(gallery.feature, faces.gallery.label.numpy(), faces, anchors, seed)
