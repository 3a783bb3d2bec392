"""Who is measured: a model, and the baselines that tell what its figures mean.

A `Contender` answers with pictures of faces at target groups. `Served` is any object with the
capability `edit_age`: the model, and two baselines that have that method too. `Known` holds real
pictures that no model could have made, the ceilings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ganzoo_core.data import Images, to_float, to_pixels
from ganzoo_core.data.augment import colour, jitter
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import HasReach, SeededNoise
from ganzoo_core.metrics.ageing.faces import Faces
from ganzoo_core.metrics.manifold import small

CHUNK = 64
"""Faces that a model works on at once."""
LIGHT = 1 / 4
"""Of DiffAugment's change of colour, in `same_photo`."""


@dataclass(frozen=True)
class Answer:
    """Pictures of some faces at some groups."""

    pixels: Tensor
    """[M, C, S, S] uint8."""
    face: Tensor
    """[M] int64, which face."""
    target: Tensor
    """[M] int64, at which group."""


class Contender(Protocol):
    """Whoever is measured."""

    name: str

    def answers(self, faces: Faces, wanted: Tensor) -> Iterator[Answer]:
        """Yield pictures of all faces at the groups wanted, as far as there are any.

        Args:
            wanted: [K, K] bool, from source group to target group.
        """


class Served:
    """A model with the capability `edit_age`, rounded to 8 bits as its pictures would be saved."""

    def __init__(self, name: str, editor: Any, device: torch.device) -> None:
        self.name, self.editor, self.device = name, editor, device

    def reach(self, groups: int) -> Tensor:
        """Return the moves it makes, [K, K] bool, from source to target."""
        if not isinstance(self.editor, HasReach):
            return torch.ones(groups, groups, dtype=torch.bool)
        labels = torch.arange(groups, device=self.device)
        there: Tensor = self.editor.reaches(labels[:, None], labels[None])
        return there.cpu()

    def answers(self, faces: Faces, wanted: Tensor) -> Iterator[Answer]:
        """Yield the faces at every target, a few faces at a time."""
        assert faces.source.age is not None
        for group in range(faces.groups):
            targets = wanted[group].nonzero().flatten()
            rows = (faces.group == group).nonzero().flatten()
            if not len(targets):
                continue
            for some in torch.split(rows, CHUNK):
                if len(some):
                    asked = targets.expand(len(some), -1)
                    pixels = self.edit(faces.source.gather(some), faces.source.age[some], asked)
                    face = some.repeat_interleave(len(targets))
                    yield Answer(pixels.flatten(0, 1), face, asked.flatten())

    @torch.no_grad()
    def edit(self, pixels: Tensor, ages: Tensor, targets: Tensor) -> Tensor:
        """Return faces [n, C, S, S] uint8 of ages [n] at groups [n, T], as [n, T, C, S, S] uint8.

        Raises:
            DataError: a picture is not finite.
        """
        images = to_float(pixels).to(self.device)
        made: Tensor = self.editor.age(images, ages.to(self.device), targets.to(self.device))
        if not made.isfinite().all():
            raise DataError(f"{self.name} draws pictures that are not finite: its weights are bad")
        return to_pixels(made).cpu()


class IdentityCopy:
    """The baseline that leaves the face as it is: the person at their best, the age at its worst"""

    def age(self, images: Tensor, source_age: Tensor | None, target_groups: Tensor) -> Tensor:
        """Return every image [N, C, S, S] at each of its targets [N, T]: itself."""
        return images[:, None].expand(-1, target_groups.shape[1], -1, -1, -1)


class NearestReal:
    """The baseline that finds the most similar real face of the target group: right in age, and
    somebody else. Similar by pixels at 16 x 16, so that no judge has a say in it."""

    def __init__(self, gallery: Images) -> None:
        assert gallery.label is not None
        self.gallery = gallery
        self.points = small(gallery, torch.arange(len(gallery)))
        self.rows = [
            (gallery.label == group).nonzero().flatten()
            for group in range(len(gallery.info.classes))
        ]

    def reaches(self, source: Tensor, target: Tensor) -> Tensor:
        """Return whether there are real faces of the target group."""
        there = torch.tensor([bool(len(rows)) for rows in self.rows], device=target.device)
        return there[(target + 0 * source)]

    def age(self, images: Tensor, source_age: Tensor | None, target_groups: Tensor) -> Tensor:
        """Return [N, T, C, S, S], the nearest real faces to images [N, C, S, S]."""
        pixels = to_pixels(images.cpu())
        mine = small(Images(pixels, self.gallery.info), torch.arange(len(pixels)))
        found = torch.empty(target_groups.shape, dtype=torch.int64)
        for group in torch.unique(target_groups).tolist():
            rows = self.rows[group]
            nearest = rows[torch.cdist(mine, self.points[rows]).argmin(1)]
            at = (target_groups == group).cpu()
            found[at] = nearest[:, None].expand_as(found)[at]
        pictures = to_float(self.gallery.gather(found.flatten()))
        return pictures.reshape(*found.shape, *pictures.shape[1:])


class Known:
    """A ceiling: pictures that are there already, each of a face at a group.

    Args:
        images: M pictures. face: [M], of which face. target: [M], at which group.
    """

    def __init__(self, name: str, images: Images, face: Tensor, target: Tensor) -> None:
        self.name, self.images, self.face, self.target = name, images, face, target

    def answers(self, faces: Faces, wanted: Tensor) -> Iterator[Answer]:
        """Yield what is there of what is wanted."""
        rows = wanted[faces.group[self.face], self.target].nonzero().flatten()
        for some in torch.split(rows, 4 * CHUNK):
            yield Answer(self.images.gather(some), self.face[some], self.target[some])


def baselines(faces: Faces, seed: int = 0) -> list[Contender]:
    """Return all baselines that the data allow.

    Args:
        seed: of the augmentation, where there are no real pairs.
    """
    cpu = torch.device("cpu")
    found: list[Contender] = [
        Served("identity copy", IdentityCopy(), cpu),
        Served("nearest real", NearestReal(faces.gallery), cpu),
        real_pairs(faces) or same_photo(faces, seed),
    ]
    if faces.truth is not None:
        face = torch.arange(len(faces)).repeat_interleave(faces.groups)
        target = torch.arange(faces.groups).repeat(len(faces))
        found.append(Known("paired truth", faces.truth, face, target))
    return found


def real_pairs(faces: Faces) -> Known | None:
    """Return the ceiling of real pairs: of each face and group another photograph of the person,
    where there is one."""
    if faces.mates is None or faces.mates_who is None or not len(faces.mates):
        return None
    assert faces.mates.label is not None
    cells: dict[tuple[int, int], int] = {}
    labels = faces.mates.label.tolist()
    of_person: dict[int, list[int]] = {}
    for row, person in enumerate(faces.mates_who.tolist()):
        of_person.setdefault(person, []).append(row)
    for face, person in enumerate(faces.who.tolist()):
        for row in of_person.get(person, []):
            cells.setdefault((face, labels[row]), row)
    if not cells:
        return None
    rows = torch.from_numpy(np.fromiter(cells.values(), np.int64))
    face, target = torch.tensor(list(cells)).T
    return Known("real pairs", pick(faces.mates, rows), face, target)


def same_photo(faces: Faces, seed: int) -> Known:
    """Return the ceiling where nobody has a second photograph: each face itself, mirrored, cropped
    a little elsewhere and in slightly other light, the same picture at every target."""
    made = []
    for number, rows in enumerate(torch.split(torch.arange(len(faces)), CHUNK)):
        noise = SeededNoise(torch.device("cpu"), seed, "same photo", number)
        images = jitter(to_float(faces.source.gather(rows)).flip(3), noise)
        made.append(to_pixels(images.lerp(colour(images, noise), LIGHT)))
    face = torch.arange(len(faces)).repeat_interleave(faces.groups)
    target = torch.arange(faces.groups).repeat(len(faces))
    return Known("same photo", pick(Images(torch.cat(made), faces.source.info), face), face, target)


def pick(images: Images, rows: Tensor) -> Images:
    """Return some images of a set, in that order, one perhaps twice."""
    at = rows if images.rows is None else images.rows[rows]
    return Images(images.pixels, images.info, rows=at)
