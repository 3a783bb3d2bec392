"""`shapes`: a small drawn data set with labels, ages and identities, the same on every machine.

A picture is one round head. The label is its hat (none, cap, cone); its hue, width and background
are the person's; size of the head, wrinkles across the brow and grey hair are the age.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from ganzoo_core.config import DataConfig
from ganzoo_core.interfaces import Dataset, Table

Array = NDArray[np.floating[Any]]
CLASSES = ("bare", "cap", "cone")


class ShapesConfig(DataConfig):
    """Options of `shapes`."""

    count: int = Field(1024, ge=1, le=1_000_000)
    """Images."""
    people: int = Field(64, ge=1)
    """Different identities among them."""
    seed: int = Field(0, ge=0)


class Shapes(Dataset):
    """Heads with hats; see the module's docstring."""

    license = "Apache-2.0"
    config: ShapesConfig

    @cached_property
    def facts(self) -> dict[str, NDArray[Any]]:
        """Raw random words: one row a person, one row a picture."""
        stream = np.random.Philox(key=self.config.seed)
        words = stream.random_raw(self.config.people * 4 + self.config.count * 6)
        words = (words >> np.uint64(32)).astype(np.uint32)
        split = self.config.people * 4
        return {"person": words[:split].reshape(-1, 4), "picture": words[split:].reshape(-1, 6)}

    def unit(self, table: str, column: int) -> Array:
        """Return a column of the facts as floats in [0, 1)."""
        return (self.facts[table][:, column] / 2.0**32).astype(np.float32)

    @cached_property
    def identities(self) -> NDArray[np.int64]:
        """The person in each picture."""
        return (np.arange(self.config.count) % self.config.people).astype(np.int64)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The hat in each picture."""
        return np.floor(self.unit("picture", 0) * len(CLASSES)).astype(np.int64)

    @cached_property
    def ages(self) -> Array:
        """Ages in years, 0 to 80."""
        return np.asarray(self.unit("picture", 1) * 80, np.float32)

    def table(self) -> Table:
        """Return all that is known: everything."""
        return Table(
            length=self.config.count,
            labels=self.labels,
            classes=CLASSES,
            ages=self.ages,
            identities=self.identities,
        )

    def image(self, index: int) -> NDArray[np.uint8]:
        """Draw one picture."""
        return np.asarray(self.draw(np.array([index]))[0])

    def images(self, indices: Sequence[int]) -> list[Image.Image | NDArray[np.uint8]]:
        """Draw many pictures at once."""
        return list(self.draw(np.asarray(indices)))

    def draw(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Draw pictures [n, S, S, 3] uint8, all at once."""
        size = self.config.size
        axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
        x, y = axis[None, None, :], axis[None, :, None]
        person = self.identities[rows]
        base = [self.unit("person", i)[person][:, None, None] for i in range(4)]
        jitter = [self.unit("picture", i)[rows][:, None, None] - 0.5 for i in range(2, 6)]
        age = (self.ages[rows] / 80)[:, None, None]
        hat = self.labels[rows][:, None, None]

        x, y = x - 0.25 * jitter[0], y - 0.15 * jitter[1] - 0.12
        radius = 0.42 + 0.22 * np.sqrt(age)
        wide = 0.85 + 0.3 * base[1]
        edge = 2.5 / size
        head = soft(radius - np.hypot(x / wide, y), edge)
        light = np.clip(0.95 + 0.25 * (x * jitter[2] * 2 - y * 0.6), 0, 1.2)
        skin = [light * (0.55 + 0.4 * base[0]), light * (0.42 + 0.3 * base[0]), light * 0.35]
        grey = np.clip((age - 0.45) * 2.2, 0, 1)
        hair = soft(-y - radius * (0.35 + 0.45 * age), edge) * head
        hair_hue = (0.5 * base[2], 0.3 * base[2], 0.1)
        hair_colour = [hue * (1 - grey) + 0.85 * grey for hue in hair_hue]
        eyes = soft(0.09 * radius / 0.6 - np.hypot(np.abs(x) - 0.4 * radius * wide, y + 0.02), edge)
        mouth = soft(0.035 - np.abs(y - 0.5 * radius), edge) * soft(0.38 * radius - np.abs(x), edge)
        lines = (0.5 + 0.5 * np.cos(y * 60)) * soft(-y - 0.1, 0.1) * head * np.clip(age - 0.3, 0, 1)
        cap = soft(0.2 - np.hypot(x * 0.55 / radius * 0.6, (y + radius) * 1.1), edge) * (hat == 1)
        cone = soft(np.minimum(y + radius + 0.55, -y - radius * 0.7) - np.abs(x) * 1.2, edge) * (
            hat == 2
        )

        out = np.empty((len(rows), size, size, 3), np.float32)
        back = [0.25 + 0.5 * base[3], 0.5 + 0.3 * jitter[3], 0.75 - 0.4 * base[3]]
        hats = [0.75, 0.2, 0.25]
        for channel in range(3):
            value = over(back[channel] * (1 - 0.15 * y), skin[channel] * (1 - 0.6 * lines), head)
            value = over(over(value, hair_colour[channel], hair), 0.08, np.maximum(eyes, mouth))
            out[..., channel] = over(value, hats[channel], np.maximum(cap, cone))
        return np.asarray(np.clip(out * 255 + 0.5, 0, 255), np.uint8)


def soft(distance: Array, edge: float) -> Array:
    """Return a smooth 0..1 coverage: 1 inside (distance > 0), 0 outside, `edge` wide."""
    return np.asarray(np.clip(distance / edge + 0.5, 0, 1))


def over(below: Array | float, above: Array | float, cover: Array) -> Array:
    """Lay one colour over another."""
    return np.asarray(below + (above - below) * cover)
