"""Unseen faces to age, and the real faces that results are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo_core.data import PackedImages


@dataclass(frozen=True)
class AgingBenchmarkData:
    """N faces of people that no network was trained on, and real faces to compare with.

    `source` (with `same_person_images`), `reference` and `gallery` share no person.
    """

    source: PackedImages
    """N faces, one per person if there are enough people."""
    person_ids: NDArray[np.int64]
    """[N], equal for faces of one person; all different without identities."""
    reference: PackedImages
    """Real faces of other people: the reference for ages and KID, by group."""
    gallery: PackedImages
    """Real faces of further people, for the baseline `nearest real`."""
    calibration: PackedImages | None = None
    """Real faces with identities, for the verification thresholds. Without identities they are
    from another data set, or None."""
    same_person_images: PackedImages | None = None
    """Other photographs of the people of `source`."""
    same_person_ids: NDArray[np.int64] | None = None
    paired_images: PackedImages | None = None
    """[N * K], each source face rendered at the mean age of each group (rendered data only)."""
    has_identities: bool = True
    rows: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """By part (faces to age, real faces, the gallery, photos of the same people): the indices of
    its images in the data set."""

    def __len__(self) -> int:
        return len(self.source)

    @property
    def group_names(self) -> tuple[str, ...]:
        """The names of the K age groups."""
        return self.source.info.class_names

    @property
    def num_groups(self) -> int:
        """K."""
        return len(self.group_names)

    @property
    def source_groups(self) -> Tensor:
        """[N] int64, the age group of each source face."""
        assert self.source.label is not None
        return self.source.label

    @property
    def target_ages(self) -> Tensor:
        """[K] float32, the mean age in years of the reference faces of each group; NaN for an empty
        group, which is no target."""
        means = self.reference.info.class_mean_ages
        return torch.tensor([float("nan") if age is None else age for age in means])
