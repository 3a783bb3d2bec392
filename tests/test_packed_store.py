"""The packed store: built once, resumed, shared by processes, rebuilt when damaged."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from ganzoo_core.data import pack_images
from ganzoo_core.data.store import open_or_build_store, store_key
from ganzoo_core.errors import OutputError
from ganzoo_core.interfaces import UnreadableImage
from ganzoo_core.testing.shapes import Shapes, ShapesConfig


class CountingShapes(Shapes):
    """Shapes that count decoded images; some images can be unreadable or raise."""

    num_decoded = 0
    unreadable: tuple[int, ...] = ()
    stop_at = -1

    def load_images(self, indices):
        return None

    def load_image(self, index):
        if index in self.unreadable:
            raise UnreadableImage("broken on purpose")
        if index == self.stop_at:
            raise KeyboardInterrupt
        type(self).num_decoded += 1
        return super().load_image(index)


@pytest.fixture
def dataset():
    class FreshCountingShapes(CountingShapes):
        pass

    return FreshCountingShapes(ShapesConfig(name="shapes", image_size=16, count=100))


def store_dir(cache, dataset):
    return cache / store_key(dataset, 16, 3)


def test_store_built_once_equals_memory(dataset, tmp_path):
    first = pack_images(dataset, image_size=16, age_bins=(20, 40), cache_dir=tmp_path)
    assert dataset.num_decoded == 100
    again = pack_images(dataset, image_size=16, age_bins=(20, 40), cache_dir=tmp_path)
    assert dataset.num_decoded == 100, "the second call decoded again"
    memory = pack_images(dataset, image_size=16, age_bins=(20, 40))
    for images in (again, memory):
        assert torch.equal(images.pixels, first.pixels)
        assert images.info == first.info


def test_store_key_depends_on_options(tmp_path):
    keys = {
        store_key(Shapes(ShapesConfig(name="shapes", seed=seed, count=count)), size, 3)
        for seed in (0, 1)
        for count in (10, 11)
        for size in (16, 32)
    }
    assert len(keys) == 8


def test_interrupted_build_resumes(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("ganzoo_core.data.store.FLUSH_INTERVAL", 32)
    dataset.stop_at = 70
    with pytest.raises(KeyboardInterrupt):
        pack_images(dataset, image_size=16, cache_dir=tmp_path)
    assert not (store_dir(tmp_path, dataset) / "store.json").exists()
    before = dataset.num_decoded
    dataset.stop_at = -1
    images = pack_images(dataset, image_size=16, cache_dir=tmp_path)
    assert type(dataset).num_decoded - before == 100 - 64, "finished rows were decoded again"
    assert torch.equal(images.pixels, pack_images(dataset, image_size=16).pixels)


def test_unreadable_images_skipped_and_listed(dataset, tmp_path):
    dataset.unreadable = (3, 50)
    for _ in range(2):
        images = pack_images(dataset, image_size=16, age_bins=(20, 40), cache_dir=tmp_path)
        assert len(images) == images.info.num_images == 98
        assert images.unreadable == ("3: broken on purpose", "50: broken on purpose")
        whole = pack_images(Shapes(dataset.config), image_size=16)
        assert torch.equal(
            images.gather(torch.tensor([3, 97])), whole.gather(torch.tensor([4, 99]))
        )
        assert len(images.label) == 98


@pytest.mark.parametrize(
    "damage", ["no json", "bad json", "short pixels", "no pixels", "other shape"]
)
def test_damaged_store_is_rebuilt(dataset, tmp_path, damage):
    whole = pack_images(dataset, image_size=16, cache_dir=tmp_path).pixels.clone()
    folder = store_dir(tmp_path, dataset)
    index, pixels = folder / "store.json", folder / "pixels.u8"
    if damage == "no json":
        index.unlink()
    elif damage == "bad json":
        index.write_text("{")
    elif damage == "short pixels":
        os.truncate(pixels, 1000)
    elif damage == "no pixels":
        pixels.unlink()
    else:
        index.write_text(json.dumps({**json.loads(index.read_text()), "shape": [1, 2, 3, 4]}))
    assert torch.equal(pack_images(dataset, image_size=16, cache_dir=tmp_path).pixels, whole)
    assert dataset.num_decoded == 200


def test_gather_does_not_write_file(dataset, tmp_path):
    images = pack_images(dataset, image_size=16, cache_dir=tmp_path)
    before = (store_dir(tmp_path, dataset) / "pixels.u8").read_bytes()
    images.pixels[0] = 0  # changes a private copy of the page
    images.gather(torch.tensor([0]))[:] = 7
    assert (store_dir(tmp_path, dataset) / "pixels.u8").read_bytes() == before


def test_disk_full_is_one_line(dataset, tmp_path, monkeypatch):
    def fail_disk_full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", fail_disk_full)
    with pytest.raises(OutputError, match="GANZOO_CACHE"):
        pack_images(dataset, image_size=16, cache_dir=tmp_path)


BUILD_SCRIPT = """
import sys
from pathlib import Path
from ganzoo_core.data import pack_images
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
data = Shapes(ShapesConfig(name="shapes", image_size=32, count=4000))
print(pack_images(data, image_size=32, cache_dir=Path(sys.argv[1])).info.fingerprint)
"""


def test_concurrent_build(tmp_path):
    command = [sys.executable, "-c", BUILD_SCRIPT, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    prints = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert prints[0] == prints[1]
    assert len(list(tmp_path.iterdir())) == 1


def test_single_image_store(tmp_path):
    dataset = Shapes(ShapesConfig(name="shapes", image_size=16, count=1))
    assert open_or_build_store(dataset, 1, 16, 3, cache_dir=tmp_path).array.shape == (1, 16, 16, 3)
    assert np.array_equal(
        open_or_build_store(dataset, 1, 16, 3, cache_dir=tmp_path).array[0], dataset.load_image(0)
    )
