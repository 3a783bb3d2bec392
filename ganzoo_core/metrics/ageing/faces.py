"""Unseen faces that are to be aged, and the real ones that results are held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo_core.data import Images


@dataclass(frozen=True)
class Faces:
    """N faces of people whom no network saw, and what is known of them and of others.

    No person is in two of source (with mates), reference and gallery.
    """

    source: Images
    """N faces; of each person one, as long as there are people enough."""
    who: NDArray[np.int64]
    """[N], equal for faces of one person; each stands alone where nobody is known."""
    reference: Images
    """Real faces of other people, that ages and pictures are compared with, group by group."""
    gallery: Images
    """Real faces of yet others, that the nearest ones are taken from."""
    calibration: Images | None = None
    """Real faces of known people, that thresholds are measured on; where the data name nobody, of
    other data, or None."""
    mates: Images | None = None
    """Other photographs of the people of `source`."""
    mates_who: NDArray[np.int64] | None = None
    truth: Images | None = None
    """[N * K] the faces drawn at the mean age of each group, face by face."""
    known_people: bool = True

    def __len__(self) -> int:
        return len(self.source)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the groups."""
        return self.source.info.classes

    @property
    def groups(self) -> int:
        """K."""
        return len(self.classes)

    @property
    def group(self) -> Tensor:
        """[N] int64, the group of each face."""
        assert self.source.label is not None
        return self.source.label

    @property
    def target_ages(self) -> Tensor:
        """[K] float32, the mean age in years of the real people of each group; NaN for an empty
        one, which nobody is sent to."""
        means = self.reference.info.mean_ages
        return torch.tensor([float("nan") if age is None else age for age in means])
