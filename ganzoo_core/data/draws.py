"""Which images make up batch number n: a pure function of (seed, stage, n), so resume is exact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from ganzoo_core.data.images import Images, require
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Batch, Draw, seed_at


class Stream:
    """An endless run through some rows: each once a pass, in a new order each time."""

    def __init__(self, rows: Tensor, *place: int | str) -> None:
        self.rows = rows
        self.place = place
        self.order = lru_cache(maxsize=2)(self._order)

    def _order(self, turn: int) -> Tensor:
        # By numpy: torch would give the prefetch thread a team of threads, and with more of them
        # than cores those of the training thread fall asleep after every operation.
        order = np.random.default_rng(seed_at(*self.place, turn))
        return torch.from_numpy(order.permutation(self.rows.numpy()))

    def __call__(self, start: int, count: int) -> Tensor:
        """Return the rows at positions start .. start + count, [count] int64."""
        parts = []
        while count:
            turn, offset = divmod(start, len(self.rows))
            part = self.order(turn)[offset : offset + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return torch.cat(parts)

    def group(self, number: int, count: int) -> tuple[int, Tensor]:
        """Return the pass that group `number` lies in, and its rows: no row twice, since no group
        straddles two passes (unless there are fewer than `count` rows)."""
        turn, at = divmod(number, max(len(self.rows) // count, 1))
        return turn, self(turn * len(self.rows) + at * count, count)


class Shuffle:
    """Every image once an epoch."""

    def __init__(self, images: Images, draw: Draw, *place: int | str) -> None:
        self.stream = Stream(torch.arange(len(images)), *place)

    def __call__(self, number: int, n: int) -> tuple[Tensor, Tensor | None]:
        """Return the rows of batch `number` and of its targets."""
        return self.stream(number * n, n), None


class Balanced:
    """Every class equally often; a class without images is an error that names it."""

    def __init__(self, images: Images, draw: Draw, *place: int | str) -> None:
        require(images, ("label",))
        refuse_empty(images, range(len(images.info.classes)))
        self.streams = [
            Stream(rows, *place, index) for index, rows in enumerate(rows_of_classes(images))
        ]

    def __call__(self, number: int, n: int) -> tuple[Tensor, Tensor | None]:
        """Return the rows of batch `number`, classes in turn."""
        slots = torch.arange(number * n, (number + 1) * n)
        return take(self.streams, slots % len(self.streams), slots // len(self.streams)), None


class Weighted:
    """Each image with the chance of its class: with replacement, so no epochs."""

    def __init__(self, images: Images, draw: Draw, *place: int | str) -> None:
        require(images, ("label",))
        assert images.label is not None
        weights = torch.tensor(draw.weights, dtype=torch.float64)
        classes = len(images.info.classes)
        if len(weights) != classes or not 0 < weights.sum() < torch.inf or weights.min() < 0:
            raise DataError(
                f"{images.info.name}: {list(draw.weights)} are no weights of {classes} classes; "
                "give one for each, 0 or more"
            )
        refuse_empty(images, weights.nonzero().flatten().tolist())
        each = weights / torch.tensor(images.info.counts).clamp(min=1)
        self.upto = each[images.label].cumsum(0)
        self.place = place

    def __call__(self, number: int, n: int) -> tuple[Tensor, Tensor | None]:
        """Return the rows of batch `number`."""
        generator = torch.Generator().manual_seed(seed_at(*self.place, number))
        lots = torch.rand(n, generator=generator, dtype=torch.float64) * self.upto[-1]
        return torch.searchsorted(self.upto, lots, right=True), None


class Pairs:
    """An image and a target of another class; every pair of classes equally often."""

    def __init__(self, images: Images, draw: Draw, *place: int | str) -> None:
        require(images, ("label",))
        rows = rows_of_classes(images)
        if len(rows) < 2:
            raise DataError(f"{images.info.name}: pairs need two classes, there is one")
        pairs = draw.pairs or tuple(permutations(range(len(rows)), 2))
        strange = [pair for pair in pairs if not all(0 <= index < len(rows) for index in pair)]
        if strange:
            raise DataError(
                f"{images.info.name}: no pair {strange[0]}, there are {len(rows)} classes"
            )
        refuse_empty(images, sorted({index for pair in pairs for index in pair}))
        self.sources = [Stream(rows[s], *place, "source", s, t) for s, t in pairs]
        self.targets = [Stream(rows[t], *place, "target", s, t) for s, t in pairs]

    def __call__(self, number: int, n: int) -> tuple[Tensor, Tensor | None]:
        """Return the rows of batch `number` and of its targets."""
        slots = torch.arange(number * n, (number + 1) * n)
        which, at = slots % len(self.sources), slots // len(self.sources)
        return take(self.sources, which, at), take(self.targets, which, at)


class Identities:
    """P people x K photographs; people who have one photograph only are left out."""

    def __init__(self, images: Images, draw: Draw, *place: int | str) -> None:
        require(images, ("identity",))
        assert images.identity is not None
        self.per = draw.per_identity
        order = images.identity.argsort(stable=True)
        counts = images.identity.unique(return_counts=True)[1].tolist()  # type: ignore[no-untyped-call]
        people = [rows for rows in torch.split(order, counts) if len(rows) > 1]
        if len(people) < 2:
            raise DataError(f"{images.info.name}: needs two people with two photographs each")
        self.people = Stream(torch.arange(len(people)), *place, "people")
        self.photos = [Stream(rows, *place, "photos", i) for i, rows in enumerate(people)]

    def __call__(self, number: int, n: int) -> tuple[Tensor, Tensor | None]:
        """Return the rows of batch `number`, the K photographs of a person side by side."""
        people = min(max(n // self.per, 2), len(self.photos))
        turn, chosen = self.people.group(number, people)
        return torch.cat([self.photos[p].group(turn, self.per)[1] for p in chosen.tolist()]), None


Rows = Callable[[int, int], tuple[Tensor, Tensor | None]]
"""Batch number and size to the rows of a batch and of its targets."""

HOW: dict[str, Callable[..., Rows]] = {
    "shuffle": Shuffle,
    "balanced": Balanced,
    "weighted": Weighted,
    "pairs": Pairs,
    "identities": Identities,
}


class Batches:
    """The batches of one stage, by number."""

    def __init__(
        self,
        images: Images | None,
        draw: Draw,
        batch: int,
        device: torch.device,
        *place: int | str,
        rank: int = 0,
        ranks: int = 1,
        resident: bool = False,
    ) -> None:
        self.draw, self.batch, self.device = draw, batch, device
        self.rank, self.ranks = rank, ranks
        self.images = images
        self.resident: Tensor | None = None
        """The pixels on the device, [M, C, S, S] uint8: then nothing is copied from the host."""
        if resident and images is not None and "image" in draw.fields:
            self.resident = images.pixels.to(device)
        self.ahead: dict[int, Future[Batch]] = {}
        self.thread = ThreadPoolExecutor(1, "prefetch")
        if draw.how == "none":
            return
        if images is None:
            raise DataError("this stage reads images and was given no data")
        require(images, draw.fields)
        self.rows = HOW[draw.how](images, draw, *place)

    def __call__(self, number: int) -> Batch:
        """Return batch `number` on the device; a thread gathers the next one meanwhile."""
        if self.draw.how == "none":
            return Batch(size=self.batch // self.ranks)
        ready = self.ahead.pop(number, None)
        batch = ready.result() if ready else self.fetch(number)
        self.ahead = {number + 1: self.thread.submit(self.fetch, number + 1)}
        return arrived(batch.to(self.device))

    def fetch(self, number: int) -> Batch:
        """Gather batch `number`, its images still uint8; pinned for a GPU."""
        rows, targets = self.rows(number, self.batch)
        batch = self.gather(self.own(rows))
        if targets is not None:
            batch = replace(batch, target=self.gather(self.own(targets)))
        if self.device.type == "cuda" and self.resident is None:
            return batch.map(Tensor.pin_memory)
        return batch

    def own(self, rows: Tensor) -> Tensor:
        """Return this rank's share of a global batch."""
        return rows.tensor_split(self.ranks)[self.rank]

    def gather(self, rows: Tensor) -> Batch:
        """Return the fields that the draw asks for, of some rows."""
        assert self.images is not None
        facts = [name for name in self.draw.fields if name != "image"]
        found = {name: getattr(self.images, name)[rows] for name in facts}
        if "image" in self.draw.fields:
            if self.resident is None:
                found["image"] = self.images.gather(rows)
            else:
                at = rows if self.images.rows is None else self.images.rows[rows]
                found["image"] = self.resident[at.to(self.device)]
        return Batch(size=len(rows), **found)


def arrived(batch: Batch) -> Batch:
    """Return a batch with its uint8 images as floats."""
    image = None if batch.image is None else to_float(batch.image)
    return replace(batch, image=image, target=batch.target and arrived(batch.target))


def to_float(pixels: Tensor) -> Tensor:
    """Return uint8 [N, C, H, W] as float32 in [-1, 1], channels_last."""
    floats = pixels.to(torch.float32, memory_format=torch.channels_last)
    return floats.div_(127.5).sub_(1)


def to_pixels(images: Tensor) -> Tensor:
    """Return images of any shape in [-1, 1] as uint8, rounded; what lies beyond is cut off."""
    return images.float().clamp(-1, 1).add(1).mul(127.5).round().byte()


def rows_of_classes(images: Images) -> list[Tensor]:
    """Return the rows of each class."""
    assert images.label is not None
    return [(images.label == i).nonzero().flatten() for i in range(len(images.info.classes))]


def refuse_empty(images: Images, classes: Iterable[int]) -> None:
    """Refuse classes without images, which such a draw could never show."""
    empty = [images.info.classes[index] for index in classes if not images.info.counts[index]]
    if empty:
        raise DataError(
            f"{images.info.name}: no image of {', '.join(empty)}; draw by shuffle, or merge groups"
        )


def take(streams: Sequence[Stream], which: Tensor, at: Tensor) -> Tensor:
    """Return one row for each slot: position `at` of stream `which`, [n] int64."""
    out = torch.empty_like(which)
    for index in set(which.tolist()):
        mine = (which == index).nonzero().flatten()
        out[mine] = streams[index](int(at[mine[0]]), len(mine))
    return out
