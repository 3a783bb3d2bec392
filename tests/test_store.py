"""The packed store: built once, resumed, shared by processes, never trusted when damaged."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from ganzoo_core.data import prepare
from ganzoo_core.data.store import packed, store_key
from ganzoo_core.errors import OutputError
from ganzoo_core.interfaces import UnreadableImage
from ganzoo_core.testing.shapes import Shapes, ShapesConfig


class Counting(Shapes):
    """Shapes that count what they draw, and can fail at one or more images."""

    drawn = 0
    bad: tuple[int, ...] = ()
    stop_at = -1

    def images(self, indices):
        return None

    def image(self, index):
        if index in self.bad:
            raise UnreadableImage("broken on purpose")
        if index == self.stop_at:
            raise KeyboardInterrupt
        type(self).drawn += 1
        return super().image(index)


@pytest.fixture
def dataset():
    class Fresh(Counting):
        pass

    return Fresh(ShapesConfig(name="shapes", size=16, count=100))


def folder_of(cache, dataset):
    return cache / store_key(dataset, 16, 3)


def test_built_once_and_equal_to_memory(dataset, tmp_path):
    first = prepare(dataset, size=16, groups=(20, 40), cache=tmp_path)
    assert dataset.drawn == 100
    again = prepare(dataset, size=16, groups=(20, 40), cache=tmp_path)
    assert dataset.drawn == 100, "the second call decoded again"
    memory = prepare(dataset, size=16, groups=(20, 40))
    for images in (again, memory):
        assert torch.equal(images.pixels, first.pixels)
        assert images.info == first.info


def test_other_options_are_another_store(tmp_path):
    keys = {
        store_key(Shapes(ShapesConfig(name="shapes", seed=seed, count=count)), size, 3)
        for seed in (0, 1)
        for count in (10, 11)
        for size in (16, 32)
    }
    assert len(keys) == 8


def test_interrupted_build_goes_on(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("ganzoo_core.data.store.FLUSH", 32)
    dataset.stop_at = 70
    with pytest.raises(KeyboardInterrupt):
        prepare(dataset, size=16, cache=tmp_path)
    assert not (folder_of(tmp_path, dataset) / "store.json").exists()
    before = dataset.drawn
    dataset.stop_at = -1
    images = prepare(dataset, size=16, cache=tmp_path)
    assert type(dataset).drawn - before == 100 - 64, "rows that were done were drawn again"
    assert torch.equal(images.pixels, prepare(dataset, size=16).pixels)


def test_unreadable_images_are_listed_and_left_out(dataset, tmp_path):
    dataset.bad = (3, 50)
    for _ in range(2):
        images = prepare(dataset, size=16, groups=(20, 40), cache=tmp_path)
        assert len(images) == images.info.images == 98
        assert images.unreadable == ("3: broken on purpose", "50: broken on purpose")
        whole = prepare(Shapes(dataset.config), size=16)
        assert torch.equal(
            images.gather(torch.tensor([3, 97])), whole.gather(torch.tensor([4, 99]))
        )
        assert len(images.label) == 98


@pytest.mark.parametrize(
    "damage", ["no json", "bad json", "short pixels", "no pixels", "other shape"]
)
def test_damaged_store_is_built_anew(dataset, tmp_path, damage):
    whole = prepare(dataset, size=16, cache=tmp_path).pixels.clone()
    folder = folder_of(tmp_path, dataset)
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
    assert torch.equal(prepare(dataset, size=16, cache=tmp_path).pixels, whole)
    assert dataset.drawn == 200


def test_gather_leaves_the_file_alone(dataset, tmp_path):
    images = prepare(dataset, size=16, cache=tmp_path)
    before = (folder_of(tmp_path, dataset) / "pixels.u8").read_bytes()
    images.pixels[0] = 0  # a private copy of the page
    images.gather(torch.tensor([0]))[:] = 7
    assert (folder_of(tmp_path, dataset) / "pixels.u8").read_bytes() == before


def test_a_full_disk_is_one_line(dataset, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OutputError, match=r"no space left.*GANZOO_CACHE"):
        prepare(dataset, size=16, cache=tmp_path)


BUILD = """
import sys
from pathlib import Path
from ganzoo_core.data import prepare
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
data = Shapes(ShapesConfig(name="shapes", size=32, count=4000))
print(prepare(data, size=32, cache=Path(sys.argv[1])).info.fingerprint)
"""


def test_two_processes_at_once(tmp_path):
    command = [sys.executable, "-c", BUILD, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    prints = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert prints[0] == prints[1]
    assert len(list(tmp_path.iterdir())) == 1


def test_empty_rows_do_not_break_the_map(tmp_path):
    dataset = Shapes(ShapesConfig(name="shapes", size=16, count=1))
    assert packed(dataset, 1, 16, 3, cache=tmp_path).array.shape == (1, 16, 16, 3)
    assert np.array_equal(packed(dataset, 1, 16, 3, cache=tmp_path).array[0], dataset.image(0))
