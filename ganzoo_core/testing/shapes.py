"""`shapes`: a small synthetic data set with labels, ages and identities, equal on all machines.

Each image shows one round head. The label is the hat: bare, cap or cone. The identity sets hue,
width and background. The age sets head size, forehead wrinkles and gray hair.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.interfaces import Dataset, Metadata
from ganzoo_core.testing.shapes_config import ShapesConfig

_Array = NDArray[np.floating[Any]]
CLASSES = ("bare", "cap", "cone")


class Shapes(Dataset):
    """Heads with hats; see the docstring of the module."""

    license = "Apache-2.0"
    config: ShapesConfig

    @cached_property
    def random_words(self) -> dict[str, NDArray[Any]]:
        """Random uint32: "person" [identities, 4] and "picture" [images, 6]."""
        stream = np.random.Philox(key=self.config.seed)
        words = stream.random_raw(self.config.num_identities * 4 + self.config.count * 6)
        words = (words >> np.uint64(32)).astype(np.uint32)
        split = self.config.num_identities * 4
        return {"person": words[:split].reshape(-1, 4), "picture": words[split:].reshape(-1, 6)}

    def uniform_column(self, row_kind: str, column: int) -> _Array:
        """Return a column of `random_words` as floats in [0, 1)."""
        return (self.random_words[row_kind][:, column] / 2.0**32).astype(np.float32)

    @cached_property
    def identities(self) -> NDArray[np.int64]:
        """Identity of each image."""
        return (np.arange(self.config.count) % self.config.num_identities).astype(np.int64)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Class index of each image."""
        return np.floor(self.uniform_column("picture", 0) * len(CLASSES)).astype(np.int64)

    @cached_property
    def ages(self) -> _Array:
        """Ages in years, 0 to 80."""
        return np.asarray(self.uniform_column("picture", 1) * 80, np.float32)

    def metadata(self) -> Metadata:
        """Return labels, ages and identities of all images."""
        return Metadata(
            length=self.config.count,
            labels=self.labels,
            class_names=CLASSES,
            ages=self.ages,
            identities=self.identities,
        )

    def load_image(self, index: int) -> NDArray[np.uint8]:
        """Render one image [S, S, 3] uint8."""
        return np.asarray(self.render(np.array([index]))[0])

    def load_images(self, indices: Sequence[int]) -> list[Image.Image | NDArray[np.uint8]]:
        """Render several images at once."""
        return list(self.render(np.asarray(indices)))

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Render images [n, S, S, 3] uint8."""
        size = self.config.image_size
        axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
        x, y = axis[None, None, :], axis[None, :, None]
        person = self.identities[indices]
        base = [self.uniform_column("person", i)[person][:, None, None] for i in range(4)]
        jitter = [
            self.uniform_column("picture", i)[indices][:, None, None] - 0.5 for i in range(2, 6)
        ]
        age = (self.ages[indices] / 80)[:, None, None]
        hat = self.labels[indices][:, None, None]

        x, y = x - 0.25 * jitter[0], y - 0.15 * jitter[1] - 0.12
        radius = 0.42 + 0.22 * np.sqrt(age)
        head_width = 0.85 + 0.3 * base[1]
        edge_width = 2.5 / size
        head = _soft_mask(radius - np.hypot(x / head_width, y), edge_width)
        shading = np.clip(0.95 + 0.25 * (x * jitter[2] * 2 - y * 0.6), 0, 1.2)
        skin = [shading * (0.55 + 0.4 * base[0]), shading * (0.42 + 0.3 * base[0]), shading * 0.35]
        gray = np.clip((age - 0.45) * 2.2, 0, 1)
        hair = _soft_mask(-y - radius * (0.35 + 0.45 * age), edge_width) * head
        hair_hue = (0.5 * base[2], 0.3 * base[2], 0.1)
        hair_color = [hue * (1 - gray) + 0.85 * gray for hue in hair_hue]
        eyes = _soft_mask(
            0.09 * radius / 0.6 - np.hypot(np.abs(x) - 0.4 * radius * head_width, y + 0.02),
            edge_width,
        )
        mouth = _soft_mask(0.035 - np.abs(y - 0.5 * radius), edge_width) * _soft_mask(
            0.38 * radius - np.abs(x), edge_width
        )
        wrinkles = (
            (0.5 + 0.5 * np.cos(y * 60))
            * _soft_mask(-y - 0.1, 0.1)
            * head
            * np.clip(age - 0.3, 0, 1)
        )
        cap = _soft_mask(
            0.2 - np.hypot(x * 0.55 / radius * 0.6, (y + radius) * 1.1), edge_width
        ) * (hat == 1)
        cone = _soft_mask(
            np.minimum(y + radius + 0.55, -y - radius * 0.7) - np.abs(x) * 1.2, edge_width
        ) * (hat == 2)

        out = np.empty((len(indices), size, size, 3), np.float32)
        background = [0.25 + 0.5 * base[3], 0.5 + 0.3 * jitter[3], 0.75 - 0.4 * base[3]]
        hat_color = [0.75, 0.2, 0.25]
        for channel in range(3):
            value = _alpha_blend(
                background[channel] * (1 - 0.15 * y), skin[channel] * (1 - 0.6 * wrinkles), head
            )
            value = _alpha_blend(
                _alpha_blend(value, hair_color[channel], hair), 0.08, np.maximum(eyes, mouth)
            )
            out[..., channel] = _alpha_blend(value, hat_color[channel], np.maximum(cap, cone))
        return np.asarray(np.clip(out * 255 + 0.5, 0, 255), np.uint8)


def _soft_mask(distance: _Array, edge_width: float) -> _Array:
    """Return a mask in [0, 1]: 1 where distance > 0, 0 outside, with a soft edge."""
    return np.asarray(np.clip(distance / edge_width + 0.5, 0, 1))


def _alpha_blend(background: _Array | float, foreground: _Array | float, alpha: _Array) -> _Array:
    return np.asarray(background + (foreground - background) * alpha)
