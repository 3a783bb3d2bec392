"""Drawn discs in three colours.

Source: say here where the data are from, under which terms, and how a user gets them. Data that
lie in files open and list them in the constructor, from `config.path`, and raise
`ganzoo_core.errors.DataError` in one line for what they cannot read; `ganzoo_core.data.archive`
opens folders and archives alike.
"""

import numpy as np

from ganzoo_core import Dataset, Table

CLASSES = ("red", "green", "blue")


class MyPlugin(Dataset):
    """One disc a picture; its colour is the label, its place and size are chance."""

    license = "Apache-2.0"
    version = "1"  # of drawn data: count it up when the same options give other pixels

    def __init__(self, config):
        super().__init__(config)
        chance = np.random.Generator(np.random.Philox(config.seed))
        self.place = chance.uniform(-0.4, 0.4, (config.count, 2))
        self.radius = chance.uniform(0.2, 0.5, config.count)

    def table(self):
        """Return what is known of every image, before one is decoded."""
        count = self.config.count
        return Table(length=count, labels=np.arange(count) % len(CLASSES), classes=CLASSES)

    def image(self, index):
        """Return one image, uint8 [S, S, 3]; a PIL image will do as well, of any size."""
        size = self.config.size
        axis = (np.arange(size) + 0.5) / size * 2 - 1
        x, y = self.place[index]
        disc = np.hypot(axis - x, axis[:, None] - y) < self.radius[index]
        picture = np.full((size, size, 3), 40, np.uint8)
        picture[disc, index % len(CLASSES)] = 220
        return picture
