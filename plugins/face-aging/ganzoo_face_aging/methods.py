"""The methods that the aging benchmark evaluates: a model, and baselines.

An `AgingMethod` yields images of the source faces at target groups. `ModelAgingMethod` wraps an
object with the capability `edit_age`: the model, and the two lower baselines. `FixedImagesMethod`
holds images that exist already: the upper baselines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ganzoo_core.data import PackedImages, to_float, to_uint8
from ganzoo_core.data.augment import color, random_crop
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import HasSupportedTransitions, SeededRng
from ganzoo_core.layers import bin_index
from ganzoo_core.metrics.neighbors import thumbnail_vectors
from ganzoo_face_aging.benchmark_data import AgingBenchmarkData
from ganzoo_face_aging.target_ages import serves_any_age

_BATCH_SIZE = 64
"""Faces per call of `edit_age`."""
_COLOR_JITTER_WEIGHT = 1 / 4
"""Weight of DiffAugment's color augmentation in `make_same_photo`."""


@dataclass(frozen=True)
class AgedImages:
    """M images of source faces at target groups."""

    pixels: Tensor
    """[M, C, S, S] uint8."""
    face_index: Tensor
    """[M] int64, the index of the source face."""
    target_group: Tensor
    """[M] int64."""


class AgingMethod(Protocol):
    """A method that the benchmark evaluates."""

    name: str

    def generate(self, data: AgingBenchmarkData, transitions: Tensor) -> Iterator[AgedImages]:
        """Yield images of the source faces at the requested groups, where the method has any.

        Args:
            data: with N source faces and K groups.
            transitions: [K, K] bool, requested target groups by source group.
        """


class ModelAgingMethod:
    """An object with the capability `edit_age`; its images are rounded to uint8 as saved images
    are."""

    def __init__(self, name: str, editor: Any, device: torch.device) -> None:
        self.name, self.editor, self.device = name, editor, device

    def transition_mask(self, num_groups: int) -> Tensor:
        """Return the supported transitions [K, K] bool, from source to target group."""
        if not isinstance(self.editor, HasSupportedTransitions):
            return torch.ones(num_groups, num_groups, dtype=torch.bool)
        labels = torch.arange(num_groups, device=self.device)
        supported: Tensor = self.editor.supported_transitions(labels[:, None], labels[None])
        return supported.cpu()

    def generate(self, data: AgingBenchmarkData, transitions: Tensor) -> Iterator[AgedImages]:
        """Yield the source faces at all requested groups, in batches of faces."""
        assert data.source.age is not None
        for group in range(data.num_groups):
            targets = transitions[group].nonzero().flatten()
            rows = (data.source_groups == group).nonzero().flatten()
            if not len(targets):
                continue
            for batch_rows in torch.split(rows, _BATCH_SIZE):
                if len(batch_rows):
                    batch_targets = targets.expand(len(batch_rows), -1)
                    pixels = self.edit(
                        data.source.gather(batch_rows),
                        data.source.age[batch_rows],
                        data.target_ages[batch_targets],
                    )
                    face_index = batch_rows.repeat_interleave(len(targets))
                    yield AgedImages(pixels.flatten(0, 1), face_index, batch_targets.flatten())

    @torch.no_grad()
    def edit(self, pixels: Tensor, ages: Tensor, targets: Tensor) -> Tensor:
        """Return faces [n, C, S, S] uint8 of ages [n] at ages [n, T], as [n, T, C, S, S] uint8.

        A model of any age renders the nearest age that it serves.

        Raises:
            DataError: an output is not finite.
        """
        images = to_float(pixels).to(self.device)
        if serves_any_age(self.editor) and self.editor.info.age_range:
            targets = targets.clamp(*self.editor.info.age_range)
        edited: Tensor = self.editor.edit_age(images, ages.to(self.device), targets.to(self.device))
        if not edited.isfinite().all():
            raise DataError(
                f"{self.name} returns images that are not finite: train it again, its weights have "
                "diverged"
            )
        return to_uint8(edited).cpu()


class _IdentityCopy:
    """Baseline `identity copy`: the source face unchanged. Best for identity, worst for age."""

    def edit_age(self, images: Tensor, source_age: Tensor | None, target_age: Tensor) -> Tensor:
        """Return images [N, C, S, S] repeated for each target [N, T], as [N, T, C, S, S]."""
        return images[:, None].expand(-1, target_age.shape[1], -1, -1, -1)


class _NearestReal:
    """Baseline `nearest real`: the most similar real face of the target group. Best for age, worst
    for identity. Similarity is that of pixels at 16 x 16, so that no evaluator influences it."""

    def __init__(self, gallery: PackedImages) -> None:
        assert gallery.label is not None
        self.gallery = gallery
        self.gallery_vectors = thumbnail_vectors(gallery, torch.arange(len(gallery)))
        num_groups = len(gallery.info.class_names)
        self.rows_by_group = [(gallery.label == k).nonzero().flatten() for k in range(num_groups)]

    def supported_transitions(self, source: Tensor, target: Tensor) -> Tensor:
        """Return whether the gallery has faces of the target group."""
        is_nonempty = torch.tensor(
            [bool(len(rows)) for rows in self.rows_by_group], device=target.device
        )
        return is_nonempty[(target + 0 * source)]

    def edit_age(self, images: Tensor, source_age: Tensor | None, target_age: Tensor) -> Tensor:
        """Return the nearest gallery faces [N, T, C, S, S] of images [N, C, S, S]."""
        target_labels = bin_index(target_age, self.gallery.info.age_bins)
        pixels = to_uint8(images.cpu())
        query_vectors = thumbnail_vectors(
            PackedImages(pixels, self.gallery.info), torch.arange(len(pixels))
        )
        gallery_rows = torch.empty(target_labels.shape, dtype=torch.int64)
        for group in torch.unique(target_labels).tolist():
            rows = self.rows_by_group[group]
            nearest = rows[torch.cdist(query_vectors, self.gallery_vectors[rows]).argmin(1)]
            mask = (target_labels == group).cpu()
            gallery_rows[mask] = nearest[:, None].expand_as(gallery_rows)[mask]
        nearest_images = to_float(self.gallery.gather(gallery_rows.flatten()))
        return nearest_images.reshape(*gallery_rows.shape, *nearest_images.shape[1:])


class FixedImagesMethod:
    """An upper baseline: existing images of source faces at groups.

    Args:
        name: of the baseline.
        images: M images.
        face_index: [M], the index of the source face.
        target_group: [M].
    """

    def __init__(
        self, name: str, images: PackedImages, face_index: Tensor, target_group: Tensor
    ) -> None:
        self.name, self.images = name, images
        self.face_index, self.target_group = face_index, target_group

    def generate(self, data: AgingBenchmarkData, transitions: Tensor) -> Iterator[AgedImages]:
        """Yield the images of the requested transitions."""
        rows = (
            transitions[data.source_groups[self.face_index], self.target_group].nonzero().flatten()
        )
        for batch_rows in torch.split(rows, 4 * _BATCH_SIZE):
            yield AgedImages(
                self.images.gather(batch_rows),
                self.face_index[batch_rows],
                self.target_group[batch_rows],
            )


def make_baselines(data: AgingBenchmarkData, seed: int = 0) -> list[AgingMethod]:
    """Return the baselines that the data allow.

    Args:
        data: the benchmark data.
        seed: of the augmentation of `same photo`, the baseline for data without real pairs.
    """
    cpu = torch.device("cpu")
    methods: list[AgingMethod] = [
        ModelAgingMethod("identity copy", _IdentityCopy(), cpu),
        ModelAgingMethod("nearest real", _NearestReal(data.gallery), cpu),
        _make_real_pairs(data) or make_same_photo(data, seed),
    ]
    if data.paired_images is not None:
        face = torch.arange(len(data)).repeat_interleave(data.num_groups)
        target = torch.arange(data.num_groups).repeat(len(data))
        methods.append(FixedImagesMethod("paired target", data.paired_images, face, target))
    return methods


def _make_real_pairs(data: AgingBenchmarkData) -> FixedImagesMethod | None:
    """Return the baseline `real pairs`: another photograph of the same person at the target group,
    where the data has one. None if it has none."""
    images = data.same_person_images
    if images is None or data.same_person_ids is None or not len(images):
        return None
    assert images.label is not None
    row_by_face_and_group: dict[tuple[int, int], int] = {}
    labels = images.label.tolist()
    rows_by_person: dict[int, list[int]] = {}
    for row, person in enumerate(data.same_person_ids.tolist()):
        rows_by_person.setdefault(person, []).append(row)
    for face, person in enumerate(data.person_ids.tolist()):
        for row in rows_by_person.get(person, []):
            row_by_face_and_group.setdefault((face, labels[row]), row)
    if not row_by_face_and_group:
        return None
    rows = torch.from_numpy(np.fromiter(row_by_face_and_group.values(), np.int64))
    face, target = torch.tensor(list(row_by_face_and_group)).T
    return FixedImagesMethod("real pairs", _take_rows(images, rows), face, target)


def make_same_photo(data: AgingBenchmarkData, seed: int) -> FixedImagesMethod:
    """Return the baseline `same photo`: each face flipped, shifted and with color jitter, the same
    image for all targets."""
    augmented = []
    for number, rows in enumerate(torch.split(torch.arange(len(data)), _BATCH_SIZE)):
        rng = SeededRng(torch.device("cpu"), seed, "same photo", number)  # tag: part of the seed
        images = random_crop(to_float(data.source.gather(rows)).flip(3), rng)
        augmented.append(to_uint8(images.lerp(color(images, rng), _COLOR_JITTER_WEIGHT)))
    face = torch.arange(len(data)).repeat_interleave(data.num_groups)
    target = torch.arange(data.num_groups).repeat(len(data))
    repeated_images = _take_rows(PackedImages(torch.cat(augmented), data.source.info), face)
    return FixedImagesMethod("same photo", repeated_images, face, target)


def _take_rows(images: PackedImages, rows: Tensor) -> PackedImages:
    """Return images of a set in the order of `rows`, which may repeat."""
    pixel_rows = rows if images.row_indices is None else images.row_indices[rows]
    return PackedImages(images.storage, images.info, row_indices=pixel_rows)
