"""What held-out judges see in pictures of faces; equal pictures are looked at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo_core.data import Images
from ganzoo_core.data.draws import to_float
from ganzoo_core.interfaces import Judge
from ganzoo_core.metrics.ageing.contenders import Answer, Contender, Served
from ganzoo_core.metrics.ageing.faces import Faces
from ganzoo_core.metrics.networks import Network
from ganzoo_core.metrics.similarity import ssim
from ganzoo_core.metrics.verification import check_points

CHUNK = 256
"""Pictures at a time."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sight:
    """M pictures as the judges see them."""

    age: Floats
    """[M] years."""
    point: Floats
    """[M, D] unit vectors of the recogniser."""
    feature: Floats
    """[M, F] of the network that KID is taken with."""

    def __getitem__(self, rows: Any) -> Sight:
        return Sight(self.age[rows], self.point[rows], self.feature[rows])


class Reader:
    """Shows pictures to the judges, each different one once.

    Args:
        age, identity: held-out judges. network: of KID.
    """

    def __init__(self, age: Judge, identity: Judge, network: Network, device: torch.device) -> None:
        self.judges = (age.estimate_age, identity.embed)
        self.network, self.device = network, device
        self.known: dict[bytes, int] = {}
        self.seen: list[tuple[float, NDArray[np.float32], NDArray[np.float32]]] = []

    def __call__(self, pixels: Tensor) -> Sight:
        """Read pictures [M, C, S, S] uint8."""
        keys = [hashlib.sha1(one.numpy().tobytes()).digest() for one in pixels]
        fresh: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            if key not in self.known:
                fresh.setdefault(key, row)
        rows = torch.tensor(list(fresh.values()), dtype=torch.int64)
        for some in torch.split(rows, CHUNK):
            if len(some):
                self.look(pixels[some])
        self.known |= {key: len(self.known) + i for i, key in enumerate(fresh)}
        found = [self.seen[self.known[key]] for key in keys]
        age, point, feature = (np.array([one[k] for one in found], np.float64) for k in range(3))
        return Sight(age, point, feature)

    @torch.no_grad()
    def look(self, pixels: Tensor) -> None:
        """Show a few pictures to all judges."""
        images = to_float(pixels).to(self.device)
        colour = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        age, point = (judge(colour).float().cpu().numpy() for judge in self.judges)
        feature = self.network(images)[0].numpy()
        self.seen += zip(age.tolist(), point, feature, strict=True)

    def images(self, images: Images, advance: Callable[[int, int], None] | None = None) -> Sight:
        """Read a whole set."""
        parts = []
        for rows in torch.split(torch.arange(len(images)), CHUNK):
            parts.append(self(images.gather(rows)))
            if advance:
                advance(int(rows[-1]) + 1, len(images))
        return joined(parts)


def joined(parts: list[Sight]) -> Sight:
    """Put sights together."""
    age, point, feature = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("age", "point", "feature")
    )
    return Sight(age, check_points(point), feature)


@dataclass(frozen=True)
class Cells:
    """M pictures of faces at groups: what was seen in them, and how near they are to the truth."""

    face: NDArray[np.int64]
    target: NDArray[np.int64]
    sight: Sight
    l1: Floats | None = None
    """[M] mean absolute difference to the paired truth, black to white being 1."""
    ssim: Floats | None = None
    """[M] structural similarity to it."""
    back: tuple[NDArray[np.int64], Sight, Floats] | None = None
    """Of faces that went to the farthest group and back: which, what was seen, and L1 to the
    face as it was."""
    kept: Mapping[tuple[int, int], Tensor] = field(default_factory=dict)
    """(face, target) -> [C, S, S] uint8, of a few faces to look at."""


def read(
    contender: Contender,
    faces: Faces,
    wanted: Tensor,
    reader: Reader,
    advance: Callable[[int, int], None],
    *,
    keep: Collection[int] = (),
) -> Cells | None:
    """Let a contender answer and read all of it, a few pictures at a time; None without any.

    Args:
        wanted: [K, K] bool, from source group to target group.
        keep: faces whose pictures are kept.
    """
    face, target, sights, near = [], [], [], []
    kept: dict[tuple[int, int], Tensor] = {}
    total = int(wanted[faces.group].sum())
    for answer in contender.answers(faces, wanted):
        face.append(answer.face)
        target.append(answer.target)
        sights.append(reader(answer.pixels))
        near.append(to_truth(answer, faces))
        places = zip(answer.face.tolist(), answer.target.tolist(), strict=True)
        kept |= {at: answer.pixels[i] for i, at in enumerate(places) if at[0] in keep}
        advance(sum(map(len, face)), total)
    if not face:
        return None
    pixel, structure = (
        np.concatenate([one[k] for one in near]) if faces.truth is not None else None
        for k in range(2)
    )
    return Cells(
        torch.cat(face).numpy(),
        torch.cat(target).numpy(),
        joined(sights),
        pixel,
        structure,
        there_and_back(contender, faces, wanted, reader),
        kept,
    )


def to_truth(answer: Answer, faces: Faces) -> tuple[Floats, Floats]:
    """Return L1 and SSIM [M] of pictures to the paired truth; nothing where there is none."""
    if faces.truth is None:
        return np.empty(0), np.empty(0)
    truth = to_float(faces.truth.gather(answer.face * faces.groups + answer.target))
    made = to_float(answer.pixels)
    pixel = (made - truth).abs().mean((1, 2, 3)) / 2
    return pixel.double().numpy(), ssim(made, truth).double().numpy()


def there_and_back(
    contender: Contender, faces: Faces, wanted: Tensor, reader: Reader
) -> tuple[NDArray[np.int64], Sight, Floats] | None:
    """Send every face to the farthest group and back to its own, where the way is open."""
    if not isinstance(contender, Served):
        return None
    which, sights, apart = [], [], []
    for rows, far in round_trips(faces, wanted):
        pixels = faces.source.gather(rows)
        assert faces.source.age is not None
        there = contender.edit(pixels, faces.source.age[rows], torch.full((len(rows), 1), far))
        ages = faces.target_ages[far].expand(len(rows))
        back = contender.edit(there[:, 0], ages, faces.group[rows][:, None])[:, 0]
        which.append(rows)
        sights.append(reader(back))
        apart.append((to_float(back) - to_float(pixels)).abs().mean((1, 2, 3)) / 2)
    if not which:
        return None
    return torch.cat(which).numpy(), joined(sights), torch.cat(apart).double().numpy()


def round_trips(faces: Faces, wanted: Tensor) -> Iterable[tuple[Tensor, int]]:
    """Yield faces of one group, a few at a time, with the farthest group they can come back from.

    The oldest one where two are as far.
    """
    for group in range(faces.groups):
        open_ = [t for t in range(faces.groups) if wanted[group, t] and wanted[t, group]]
        far = max(open_, key=lambda t: (abs(t - group), t), default=group)
        rows = (faces.group == group).nonzero().flatten()
        if far != group:
            yield from ((some, far) for some in torch.split(rows, CHUNK) if len(some))
