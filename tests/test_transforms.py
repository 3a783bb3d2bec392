"""Image transforms of `data.transform`: what they receive, the store's name, refusals."""

import numpy as np
import pytest
from PIL import Image

from ganzoo_core.config import DataConfig
from ganzoo_core.config.base import parse
from ganzoo_core.data import pack_images
from ganzoo_core.data.store import store_key
from ganzoo_core.data.subset import Subset
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.interfaces import Dataset, ImageTransform, Metadata, UnreadableImage
from ganzoo_core.zoo import TransformSpec, Zoo
from ganzoo_core.zoo.discovery import Plugin


class Scans(Dataset):
    """Scan i is black with a white pixel at (i, 2 i); the pixel of scan 3 is not marked."""

    def metadata(self):
        return Metadata(length=6)

    def load_image(self, index):
        pixels = np.zeros((20, 20, 3), np.uint8)
        pixels[2 * index, index] = 255
        return Image.fromarray(pixels)

    def load_images(self, indices):
        return [self.load_image(index) for index in indices]

    def keypoints(self, index):
        return {} if index == 3 else {"heart": ((index + 0.5) / 20, (2 * index + 0.5) / 20)}


class HeartPixel(ImageTransform):
    """Returns the pixel at the keypoint, as an image of `image_size`."""

    version = "1"
    edge = 1

    def __call__(self, image, keypoints, image_size):
        if "heart" not in keypoints:
            raise UnreadableImage("no heart: not marked")
        x, y = keypoints["heart"]
        pixel = np.asarray(image)[int(y * image.height), int(x * image.width)]
        return np.broadcast_to(pixel, (image_size, image_size, 3))

    def settings(self):
        return {"edge": self.edge}


@pytest.fixture
def open_scans(monkeypatch):
    """A function that opens the scans, in a zoo with the transform."""
    spec = TransformSpec(name="heart", summary="s", target=f"{__name__}:HeartPixel")
    installed = Zoo([Plugin("hearts", "ganzoo-hearts", "1", [spec])])
    monkeypatch.setattr("ganzoo_core.data.transforms.zoo", lambda: installed)
    monkeypatch.setattr("ganzoo_core.data.transforms.import_target", lambda target: HeartPixel)
    return lambda transform="heart": Scans(DataConfig(name="scans", transform=transform))


def test_transform_receives_keypoints(open_scans):
    images = pack_images(open_scans(), image_size=8)
    assert len(images) == 5 and (images.pixels[images.row_indices] == 255).all()
    assert images.unreadable == ("3: no heart: not marked",)
    assert ("no heart", 1) in images.removed
    assert images.info.crop == {"transform": "heart", "edge": 1}
    plain = pack_images(open_scans(""), image_size=20)
    assert len(plain) == 6 and (plain.pixels == 255).sum() == 18 and plain.info.crop is None


def test_subset_passes_keypoints_of_parent(open_scans):
    part = pack_images(Subset(open_scans(), np.array([3, 5, 1])), image_size=8)
    assert list(part.unreadable) == ["3: no heart: not marked"]
    assert len(part) == 2 and (part.pixels[part.row_indices] == 255).all()


def test_store_is_named_by_version_and_settings(open_scans, monkeypatch):
    data, keys = open_scans(), [store_key(open_scans(""), 8, 3)]
    keys.append(store_key(data, 8, 3))
    assert store_key(data, 8, 3) == keys[-1]
    monkeypatch.setattr(HeartPixel, "edge", 2)
    keys.append(store_key(data, 8, 3))
    monkeypatch.setattr(HeartPixel, "version", "2")
    keys.append(store_key(data, 8, 3))
    assert len(set(keys)) == 4


def test_missing_transform_says_how_to_install(open_scans):
    with pytest.raises(PluginError, match=r"pip install .*face-aging"):
        pack_images(open_scans("face-align"), image_size=8)
    with pytest.raises(UsageError, match='Did you mean "heart"'):
        pack_images(open_scans("haert"), image_size=8)


def test_former_option_names_the_present_one():
    with pytest.raises(UsageError, match="transform"):
        parse(DataConfig, {"align": True}, "data")
