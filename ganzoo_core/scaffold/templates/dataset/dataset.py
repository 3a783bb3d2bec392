"""Synthetic discs in three colors.

Source: name the origin of the data here, their terms, and how a user gets them. A data set on
files lists them in the constructor, from `config.path`, and raises `ganzoo_core.errors.DataError`
with one line if they cannot be read. `ganzoo_core.data.archive` reads folders and archives.
"""

import numpy as np

from ganzoo_core import Dataset, Metadata

CLASS_NAMES = ("red", "green", "blue")


class MyPlugin(Dataset):
    """One disc in each image. The color is the label; position and radius are random."""

    license = "Apache-2.0"
    version = "1"  # increase it when the same options give other pixels

    def __init__(self, config):
        super().__init__(config)
        rng = np.random.Generator(np.random.Philox(config.seed))
        self.center = rng.uniform(-0.4, 0.4, (config.count, 2))
        self.radius = rng.uniform(0.2, 0.5, config.count)

    def metadata(self):
        """Return the labels of all images."""
        labels = np.arange(self.config.count) % len(CLASS_NAMES)
        return Metadata(length=self.config.count, labels=labels, class_names=CLASS_NAMES)

    def load_image(self, index):
        """Return one image, uint8 [S, S, 3]. A PIL image of any size is allowed too."""
        size = self.config.image_size
        axis = (np.arange(size) + 0.5) / size * 2 - 1
        x, y = self.center[index]
        disc = np.hypot(axis - x, axis[:, None] - y) < self.radius[index]
        image = np.full((size, size, 3), 40, np.uint8)
        image[disc, index % len(CLASS_NAMES)] = 220
        return image
