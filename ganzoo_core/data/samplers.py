"""The images of batch n: a pure function of (seed, stage, n), so that resume is exact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from ganzoo_core.data.packed_images import PackedImages, require_fields
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Batch, BatchSpec, derive_seed


class ShuffledStream:
    """An endless stream of some rows: each once an epoch, in a new order each time."""

    def __init__(self, rows: Tensor, *seed_key: int | str) -> None:
        self.rows = rows
        self.seed_key = seed_key
        self.permutation = lru_cache(maxsize=2)(self._compute_permutation)

    def _compute_permutation(self, epoch: int) -> Tensor:
        # By numpy: torch would start an OpenMP thread pool for the prefetch thread. With more
        # threads than cores, the pool of the training thread sleeps after every operation.
        rng = np.random.default_rng(derive_seed(*self.seed_key, epoch))
        return torch.from_numpy(rng.permutation(self.rows.numpy()))

    def __call__(self, start: int, count: int) -> Tensor:
        """Return the rows at positions start .. start + count, [count] int64."""
        parts = []
        while count:
            epoch, offset = divmod(start, len(self.rows))
            part = self.permutation(epoch)[offset : offset + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return torch.cat(parts)

    def group_in_epoch(self, group_index: int, count: int) -> tuple[int, Tensor]:
        """Return the epoch of a group of `count` rows, and its rows.

        No row is repeated, since a group lies within one epoch (unless there are fewer than
        `count` rows).
        """
        epoch, offset = divmod(group_index, max(len(self.rows) // count, 1))
        return epoch, self(epoch * len(self.rows) + offset * count, count)


class RandomSampler:
    """Every image once an epoch."""

    def __init__(self, images: PackedImages, batch_spec: BatchSpec, *seed_key: int | str) -> None:
        self.stream = ShuffledStream(torch.arange(len(images)), *seed_key)

    def __call__(self, batch_index: int, batch_size: int) -> tuple[Tensor, Tensor | None]:
        """Return the rows of a batch and of its targets."""
        return self.stream(batch_index * batch_size, batch_size), None


class ClassBalancedSampler:
    """Every class equally often; a class without images is an error."""

    def __init__(self, images: PackedImages, batch_spec: BatchSpec, *seed_key: int | str) -> None:
        require_fields(images, ("label",))
        _require_nonempty_classes(images, range(len(images.info.class_names)))
        self.streams = [
            ShuffledStream(rows, *seed_key, index)
            for index, rows in enumerate(_indices_by_class(images))
        ]

    def __call__(self, batch_index: int, batch_size: int) -> tuple[Tensor, Tensor | None]:
        """Return the rows of a batch, which cycles through the classes."""
        slots = torch.arange(batch_index * batch_size, (batch_index + 1) * batch_size)
        return _gather_from_streams(
            self.streams, slots % len(self.streams), slots // len(self.streams)
        ), None


class WeightedSampler:
    """Classes with given probabilities, with replacement, so there are no epochs."""

    def __init__(self, images: PackedImages, batch_spec: BatchSpec, *seed_key: int | str) -> None:
        require_fields(images, ("label",))
        assert images.label is not None
        weights = torch.tensor(batch_spec.weights, dtype=torch.float64)
        num_classes = len(images.info.class_names)
        if len(weights) != num_classes or not 0 < weights.sum() < torch.inf or weights.min() < 0:
            raise DataError(
                f"{images.info.name}: sampler weights {list(batch_spec.weights)} for {num_classes} "
                "classes; give one for each class, 0 or more"
            )
        _require_nonempty_classes(images, weights.nonzero().flatten().tolist())
        image_weights = weights / torch.tensor(images.info.class_counts).clamp(min=1)
        self.cumulative_weights = image_weights[images.label].cumsum(0)
        self.seed_key = seed_key

    def __call__(self, batch_index: int, batch_size: int) -> tuple[Tensor, Tensor | None]:
        """Return the rows of a batch."""
        generator = torch.Generator().manual_seed(derive_seed(*self.seed_key, batch_index))
        points = (
            torch.rand(batch_size, generator=generator, dtype=torch.float64)
            * self.cumulative_weights[-1]
        )
        return torch.searchsorted(self.cumulative_weights, points, right=True), None


class GroupPairSampler:
    """An image and a target of another class; every pair of classes equally often."""

    def __init__(self, images: PackedImages, batch_spec: BatchSpec, *seed_key: int | str) -> None:
        require_fields(images, ("label",))
        rows = _indices_by_class(images)
        if len(rows) < 2:
            raise DataError(f"{images.info.name}: pairs need two classes")
        pairs = batch_spec.pairs or tuple(permutations(range(len(rows)), 2))
        invalid = [pair for pair in pairs if not all(0 <= index < len(rows) for index in pair)]
        if invalid:
            raise DataError(f"{images.info.name}: no pair {invalid[0]} among {len(rows)} classes")
        _require_nonempty_classes(images, sorted({index for pair in pairs for index in pair}))
        self.sources = [ShuffledStream(rows[s], *seed_key, "source", s, t) for s, t in pairs]
        self.targets = [ShuffledStream(rows[t], *seed_key, "target", s, t) for s, t in pairs]

    def __call__(self, batch_index: int, batch_size: int) -> tuple[Tensor, Tensor | None]:
        """Return the rows of a batch and of its targets."""
        slots = torch.arange(batch_index * batch_size, (batch_index + 1) * batch_size)
        stream_index, position = slots % len(self.sources), slots // len(self.sources)
        return _gather_from_streams(self.sources, stream_index, position), _gather_from_streams(
            self.targets, stream_index, position
        )


class PKSampler:
    """P people x K images; people with one image only are left out."""

    def __init__(self, images: PackedImages, batch_spec: BatchSpec, *seed_key: int | str) -> None:
        people = _indices_by_identity(images)
        self.images_per_identity = batch_spec.images_per_identity
        self.identity_stream = ShuffledStream(torch.arange(len(people)), *seed_key, "people")
        self.image_streams = [
            ShuffledStream(rows, *seed_key, "photos", i) for i, rows in enumerate(people)
        ]

    def __call__(self, batch_index: int, batch_size: int) -> tuple[Tensor, Tensor | None]:
        """Return the rows of a batch; the K images of a person are adjacent."""
        num_identities = min(
            max(batch_size // self.images_per_identity, 2), len(self.image_streams)
        )
        epoch, chosen = self.identity_stream.group_in_epoch(batch_index, num_identities)
        return torch.cat(
            [
                self.image_streams[p].group_in_epoch(epoch, self.images_per_identity)[1]
                for p in chosen.tolist()
            ]
        ), None


class IdentityPairSampler:
    """An image and, as target, another one of the same person; every person equally often."""

    def __init__(self, images: PackedImages, batch_spec: BatchSpec, *seed_key: int | str) -> None:
        people = _indices_by_identity(images)
        self.identity_stream = ShuffledStream(torch.arange(len(people)), *seed_key, "people")
        self.image_streams = [
            ShuffledStream(rows, *seed_key, "photos", i) for i, rows in enumerate(people)
        ]

    def __call__(self, batch_index: int, batch_size: int) -> tuple[Tensor, Tensor | None]:
        """Return the rows of a batch and of its targets."""
        start = batch_index * batch_size
        chosen = self.identity_stream(start, batch_size).tolist()
        epochs = [(start + slot) // len(self.image_streams) for slot in range(batch_size)]
        pairs = torch.stack(
            [
                self.image_streams[person].group_in_epoch(epoch, 2)[1]
                for person, epoch in zip(chosen, epochs, strict=True)
            ]
        )
        return pairs[:, 0], pairs[:, 1]


_BatchSampler = Callable[[int, int], tuple[Tensor, Tensor | None]]
"""(batch index, batch size) to the rows of the batch and of its targets."""

_SAMPLERS: dict[str, Callable[..., _BatchSampler]] = {
    "random": RandomSampler,
    "class_balanced": ClassBalancedSampler,
    "weighted": WeightedSampler,
    "group_pairs": GroupPairSampler,
    "pk": PKSampler,
    "identity_pairs": IdentityPairSampler,
}


class BatchLoader:
    """The batches of one stage, by index."""

    def __init__(
        self,
        images: PackedImages | None,
        batch_spec: BatchSpec,
        batch_size: int,
        device: torch.device,
        *seed_key: int | str,
        rank: int = 0,
        world_size: int = 1,
        keep_on_device: bool = False,
    ) -> None:
        self.batch_spec, self.batch_size, self.device = batch_spec, batch_size, device
        self.seed_key = seed_key
        self.rank, self.world_size = rank, world_size
        self.images = images
        self.device_pixels: Tensor | None = None
        """The pixels on the device, [M, C, S, S] uint8: then nothing is copied from the host."""
        if keep_on_device and images is not None and "image" in batch_spec.fields:
            self.device_pixels = images.pixels.to(device)
        self.prefetched: dict[int, Future[Batch]] = {}
        self.prefetch_executor = ThreadPoolExecutor(1, "prefetch")
        if batch_spec.sampler == "none":
            return
        if images is None:
            raise DataError("this stage needs images; choose data with --data")
        require_fields(images, batch_spec.fields)
        self.sampler = _SAMPLERS[batch_spec.sampler](images, batch_spec, *seed_key)

    def __call__(self, batch_index: int) -> Batch:
        """Return a batch on the device; a thread prefetches the next one."""
        if self.batch_spec.sampler == "none":
            return Batch(size=self.batch_size // self.world_size)
        ready = self.prefetched.pop(batch_index, None)
        batch = ready.result() if ready else self._load_batch(batch_index)
        self.prefetched = {
            batch_index + 1: self.prefetch_executor.submit(self._load_batch, batch_index + 1)
        }
        return _images_to_float(batch.to(self.device))

    def _load_batch(self, batch_index: int) -> Batch:
        """Return a batch with uint8 images, in pinned memory for a GPU."""
        rows, targets = self.sampler(batch_index, self.batch_size)
        batch = self._gather(self._shard(rows))
        if self.batch_spec.mirror and batch.image is not None:
            batch = replace(batch, image=self._mirror(batch.image, batch_index))
        if targets is not None:
            batch = replace(batch, target=self._gather(self._shard(targets)))
        if self.device.type == "cuda" and self.device_pixels is None:
            return batch.map(Tensor.pin_memory)
        return batch

    def _mirror(self, image: Tensor, batch_index: int) -> Tensor:
        """Return this rank's images, each flipped with probability 1/2."""
        seed = derive_seed(*self.seed_key, "mirror", batch_index)
        units = torch.rand(self.batch_size, generator=torch.Generator().manual_seed(seed))
        is_flipped = (self._shard(units) < 0.5).view(-1, 1, 1, 1).to(image.device)
        return torch.where(is_flipped, image.flip(3), image)

    def _shard(self, rows: Tensor) -> Tensor:
        """Return this rank's share of a global batch."""
        return rows.tensor_split(self.world_size)[self.rank]

    def _gather(self, rows: Tensor) -> Batch:
        """Return the fields of the batch spec for some rows."""
        assert self.images is not None
        annotation_names = [name for name in self.batch_spec.fields if name != "image"]
        values = {name: getattr(self.images, name)[rows] for name in annotation_names}
        if "image" in self.batch_spec.fields:
            if self.device_pixels is None:
                values["image"] = self.images.gather(rows)
            else:
                indices = rows if self.images.row_indices is None else self.images.row_indices[rows]
                values["image"] = self.device_pixels[indices.to(self.device)]
        return Batch(size=len(rows), **values)


def _images_to_float(batch: Batch) -> Batch:
    image = None if batch.image is None else to_float(batch.image)
    return replace(batch, image=image, target=batch.target and _images_to_float(batch.target))


def to_float(pixels: Tensor) -> Tensor:
    """Return uint8 [N, C, H, W] as float32 in [-1, 1], channels_last."""
    floats = pixels.to(torch.float32, memory_format=torch.channels_last)
    return floats.div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> Tensor:
    """Return images of any shape in [-1, 1] as uint8, rounded and clamped."""
    return images.float().clamp(-1, 1).add(1).mul(127.5).round().byte()


def _indices_by_class(images: PackedImages) -> list[Tensor]:
    assert images.label is not None
    return [(images.label == i).nonzero().flatten() for i in range(len(images.info.class_names))]


def _indices_by_identity(images: PackedImages) -> list[Tensor]:
    """Return the rows of each person with two images or more."""
    require_fields(images, ("identity",))
    assert images.identity is not None
    order = images.identity.argsort(stable=True)
    counts = images.identity.unique(return_counts=True)[1].tolist()  # type: ignore[no-untyped-call]
    people = [rows for rows in torch.split(order, counts) if len(rows) > 1]
    if len(people) < 2:
        raise DataError(f"{images.info.name}: needs two people with two images each")
    return people


def _require_nonempty_classes(images: PackedImages, classes: Iterable[int]) -> None:
    """Raise a DataError for classes without images, which the sampler could never return."""
    empty = [
        images.info.class_names[index] for index in classes if not images.info.class_counts[index]
    ]
    if empty:
        raise DataError(
            f"{images.info.name}: no image of {', '.join(empty)}; use the random sampler, or merge "
            "classes"
        )


def _gather_from_streams(
    streams: Sequence[ShuffledStream], stream_index: Tensor, position: Tensor
) -> Tensor:
    """Return for each slot the row at `position` of stream `stream_index`, [n] int64."""
    out = torch.empty_like(stream_index)
    for index in set(stream_index.tolist()):
        mine = (stream_index == index).nonzero().flatten()
        out[mine] = streams[index](int(position[mine[0]]), len(mine))
    return out
