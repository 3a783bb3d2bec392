"""What is known of the data, and what one batch holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class DataInfo:
    """The facts of a data set that a model is built from.

    Plain JSON, saved with every checkpoint and bundle, so that a model rebuilds without its data.
    """

    size: int
    """Edge of the square images, in pixels."""
    channels: int = 3
    classes: tuple[str, ...] = ()
    """Label names, by index; empty for data without labels."""
    counts: tuple[int, ...] = ()
    """Images of each class."""
    mean_ages: tuple[float | None, ...] = ()
    """Mean age of each class in years; None for an empty one."""
    groups: tuple[int, ...] = ()
    """The age edges that the labels were cut with; empty for the data's own labels."""
    identities: int = 0
    """Different people; 0 where identities are unknown."""
    images: int = 0
    crop: Mapping[str, Any] | None = None
    """Where the eyes lie, if faces were aligned (`data.faces.CropGeometry`); else None."""
    name: str = ""
    version: str = ""
    """Of drawn data: which renderer drew them."""
    split: str = ""
    """The split whose images these are, of data that know any."""
    license: str = ""
    fingerprint: str = ""
    """sha256 over pixels and labels."""

    @property
    def present(self) -> tuple[int, ...]:
        """Indices of the classes that have images, the only ones a model can learn; all of them
        where nobody counted."""
        counts = self.counts or (1,) * len(self.classes)
        return tuple(i for i, count in enumerate(counts) if count)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DataInfo:
        """Rebuild from `to_json`; JSON's lists become tuples again."""
        frozen: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**frozen)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """N examples; a field is None where the data lack it or the draw did not ask for it."""

    size: int
    """N."""
    image: Tensor | None = None
    """[N, C, H, W], float in [-1, 1]."""
    label: Tensor | None = None
    """[N], int64 class index, never one-hot."""
    age: Tensor | None = None
    """[N], float, years."""
    identity: Tensor | None = None
    """[N], int64, equal for photographs of one person: a number below `DataInfo.identities`."""
    target: Batch | None = None
    """The other half of each pair."""
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.size

    def map(self, change: Callable[[Tensor], Tensor], size: int | None = None) -> Batch:
        """Return the batch with every tensor changed; `size` if the change alters N."""
        size = self.size if size is None else size
        moved: dict[str, Any] = {
            "size": size,
            "extra": {k: change(v) for k, v in self.extra.items()},
        }
        for spot in fields(self):
            value = getattr(self, spot.name)
            if isinstance(value, Tensor):
                moved[spot.name] = change(value)
            elif isinstance(value, Batch):
                moved[spot.name] = value.map(change, size)
        return replace(self, **moved)

    def __getitem__(self, rows: slice) -> Batch:
        """Cut every field with one slice."""
        return self.map(lambda t: t[rows], len(range(*rows.indices(self.size))))

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return self.map(lambda t: t.to(device, non_blocking=True))


How = Literal["shuffle", "balanced", "weighted", "identities", "pairs", "none"]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How one batch comes out of the data.

    - ``shuffle``: every image once an epoch, in a new order each time.
    - ``balanced``: every class equally often.
    - ``weighted``: a class with the chance that `weights` gives it, an image with that of its
      class; the same image may come twice.
    - ``identities``: P people x K photographs of each, `per_identity` = K.
    - ``pairs``: an image and, as `Batch.target`, one of another class; each of `pairs` equally
      often.
    - ``none``: no data at all, only `Batch.size`.
    """

    fields: tuple[str, ...] = ("image",)
    """Fields of `Batch` the steps read; data that lack one are refused before training."""
    how: How = "shuffle"
    per_identity: int = 4
    weights: tuple[float, ...] = ()
    """Of ``weighted``, one for each class, of any sum."""
    pairs: tuple[tuple[int, int], ...] = ()
    """Of ``pairs``: indices of (source class, target class); empty for every ordered pair."""
