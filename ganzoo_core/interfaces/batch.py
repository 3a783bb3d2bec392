"""The facts of a data set, and one batch of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class DataInfo:
    """The facts of a data set from which a model is built.

    They are plain JSON, saved with every pretrained folder, so that a model can be built without
    its data.
    """

    image_size: int
    """Edge of the square images, in pixels."""
    num_channels: int = 3
    class_names: tuple[str, ...] = ()
    """Names of the labels, by index; empty for data without labels."""
    class_counts: tuple[int, ...] = ()
    """Number of images of each class."""
    class_mean_ages: tuple[float | None, ...] = ()
    """Mean age of each class in years; None for an empty class."""
    age_bins: tuple[int, ...] = ()
    """Inclusive upper edges of the age bins, in years, if the labels are age bins; else empty."""
    age_range: tuple[float, ...] = ()
    """The lowest and the highest age of the images, in years; empty for data without ages."""
    num_identities: int = 0
    """Number of different people; 0 where identities are unknown."""
    num_images: int = 0
    crop: Mapping[str, Any] | None = None
    """The name (key ``transform``) and the settings of `data.transform`; None without one."""
    name: str = ""
    version: str = ""
    """Version of the renderer, for rendered data."""
    split: str = ""
    """The split of these images, for data with splits."""
    license: str = ""
    fingerprint: str = ""
    """sha256 over pixels and labels."""

    @property
    def nonempty_classes(self) -> tuple[int, ...]:
        """Indices of the classes that have images, the only ones a model is trained on; all classes
        if `class_counts` is empty."""
        counts = self.class_counts or (1,) * len(self.class_names)
        return tuple(i for i, count in enumerate(counts) if count)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DataInfo:
        """Build from the values of `to_json`; lists become tuples."""
        frozen: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**frozen)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """N examples. A field is None where the data lack it or the `BatchSpec` does not list it."""

    size: int
    """N."""
    image: Tensor | None = None
    """[N, C, H, W], float in [-1, 1]."""
    label: Tensor | None = None
    """[N], int64 class index, never one-hot."""
    age: Tensor | None = None
    """[N], float, years."""
    identity: Tensor | None = None
    """[N], int64, equal for photographs of the same person, below `DataInfo.num_identities`."""
    target: Batch | None = None
    """The second half of each pair (samplers `group_pairs` and `identity_pairs`)."""
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.size

    def map(self, fn: Callable[[Tensor], Tensor], size: int | None = None) -> Batch:
        """Return a batch with `fn` applied to every tensor; pass `size` if it changes N."""
        size = self.size if size is None else size
        changed: dict[str, Any] = {
            "size": size,
            "extra": {k: fn(v) for k, v in self.extra.items()},
        }
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Tensor):
                changed[item.name] = fn(value)
            elif isinstance(value, Batch):
                changed[item.name] = value.map(fn, size)
        return replace(self, **changed)

    def __getitem__(self, rows: slice) -> Batch:
        """Return the rows of a slice."""
        return self.map(lambda t: t[rows], len(range(*rows.indices(self.size))))

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return self.map(lambda t: t.to(device, non_blocking=True))


SamplerName = Literal[
    "random", "class_balanced", "weighted", "pk", "group_pairs", "identity_pairs", "none"
]


@dataclass(frozen=True, kw_only=True)
class BatchSpec:
    """How one batch is sampled from the data.

    - ``random``: every image once an epoch, in a new order each time.
    - ``class_balanced``: every class equally often.
    - ``weighted``: classes with the probabilities `weights`, and images uniformly within a class,
      with replacement.
    - ``pk``: P people x K images of each, `images_per_identity` = K.
    - ``group_pairs``: an image and, as `Batch.target`, one of another class; each of `pairs`
      equally often.
    - ``identity_pairs``: an image and, as `Batch.target`, another one of the same person; each
      person equally often.
    - ``none``: no data, only `Batch.size`.
    """

    fields: tuple[str, ...] = ("image",)
    """Fields of `Batch` that the phases read; data that lack one are refused before training."""
    sampler: SamplerName = "random"
    images_per_identity: int = 4
    weights: tuple[float, ...] = ()
    """For ``weighted``: one weight for each class, of any sum."""
    pairs: tuple[tuple[int, int], ...] = ()
    """For ``group_pairs``: (source class, target class) indices; empty for every ordered pair."""
    mirror: bool = False
    """Flip each image horizontally with probability 1/2, as if the data also held the mirror
    images; not for targets."""
