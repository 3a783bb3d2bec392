"""`made-pairs`: pairs for `pix2pix` without a data set of pairs.

Images 2i and 2i + 1 are a pair of the same identity: what is made of image i of another data set,
its gray version or its edges, and image i itself.
"""

import numpy as np
from PIL import Image

from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset, Metadata
from ganzoo_core.zoo import import_target, zoo


class MadePairs(Dataset):
    """Class 0 is made of the images, which are class 1."""

    example_path = "photographs"

    def __init__(self, config):
        super().__init__(config)
        if config.source == config.name:
            raise DataError(
                "data.source: made-pairs makes pairs of another data set, not of its own"
            )
        spec = zoo().dataset(config.source)
        shared = {"image_size": config.image_size, "num_channels": config.num_channels}
        options = {**shared, "path": config.path, "name": config.source, **config.source_options}
        source_config = import_target(spec.config)(**options)
        self.source = import_target(spec.target)(source_config)
        self.license, self.version = self.source.license, self.source.version

    def metadata(self):
        """Return the classes and the pairs as identities."""
        pairs = np.arange(self.source.metadata().length).repeat(2)
        return Metadata(
            length=len(pairs),
            labels=np.arange(len(pairs)) % 2,
            class_names=(self.config.made, "image"),
            identities=pairs,
        )

    def load_image(self, index):
        """Return image i for 2i + 1, and what is made of it for 2i."""
        image = self.source.load_image(index // 2)
        return image if index % 2 else self._make(image)

    def load_images(self, indices):
        """Return several images, in one call of the other data set where it has one."""
        images = self.source.load_images([index // 2 for index in indices])
        if images is None:
            return None
        return [
            image if index % 2 else self._make(image)
            for index, image in zip(indices, images, strict=True)
        ]

    def _make(self, image):
        image = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
        gray = image.convert("L")
        return gray if self.config.made == "gray" else draw_edges(np.asarray(gray, np.float32))

    def sample_name(self, index):
        """Return the name of the image that the pair is made of."""
        return self.source.sample_name(index // 2)

    def fingerprint(self):
        """Return that of the other data set."""
        return self.source.fingerprint()


def draw_edges(gray):
    """Return dark lines where the gray values [H, W] change: 255 minus twice the length of the
    gradient, uint8 [H, W]."""
    down, right = np.gradient(gray)
    return (255 - np.minimum(2 * np.hypot(down, right), 255)).astype(np.uint8)
