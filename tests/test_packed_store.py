"""The packed store: built once, resumed, shared by processes, rebuilt when damaged."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo_core.config import build_config
from ganzoo_core.data import pack_images
from ganzoo_core.data.store import open_or_build_store, store_key
from ganzoo_core.engine import Callback, Trainer, resolve_setup
from ganzoo_core.errors import DataError, OutputError
from ganzoo_core.interfaces import UnreadableImage
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
from ganzoo_core.zoo import import_target, zoo


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
    images.pixels[0] = 0  # a copy
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
    assert open_or_build_store(dataset, 1, 16, 3, cache_dir=tmp_path).rows.shape == (1, 16, 16, 3)
    assert np.array_equal(
        open_or_build_store(dataset, 1, 16, 3, cache_dir=tmp_path).rows.take([0])[0],
        dataset.load_image(0),
    )


def flip_byte(path, position):
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


def test_flipped_byte_is_an_error_at_first_touch(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("ganzoo_core.data.store.BLOCK_BYTES", 10 * 16 * 16 * 3)
    images = pack_images(dataset, image_size=16, cache_dir=tmp_path)
    pixels = store_dir(tmp_path, dataset) / "pixels.u8"
    images.gather(torch.arange(0, 10))
    for row in (3, 57):  # in a block that was read before, and in one that was not
        flip_byte(pixels, row * 16 * 16 * 3 + 5)
    images.gather(torch.tensor([3, 42, 99]))
    with pytest.raises(DataError, match=r"checksum of images 50 to 59 differs.*remove"):
        images.gather(torch.tensor([42, 51]))
    again = pack_images(dataset, image_size=16, cache_dir=tmp_path)
    with pytest.raises(DataError, match="images 0 to 9"):
        again.gather(torch.tensor([0]))
    with pytest.raises(DataError, match="images 0 to 9"):
        _ = again.pixels


def test_truncated_while_read_is_an_error(dataset, tmp_path):
    images = pack_images(dataset, image_size=16, cache_dir=tmp_path)
    images.gather(torch.arange(100))
    os.truncate(store_dir(tmp_path, dataset) / "pixels.u8", 16 * 16 * 3)
    with pytest.raises(DataError, match=r"truncated at byte .*remove"):
        images.gather(torch.tensor([50]))


def test_rebuilt_store_does_not_change_open_one(dataset, tmp_path):
    images = pack_images(dataset, image_size=16, cache_dir=tmp_path)
    whole = pack_images(dataset, image_size=16)
    (store_dir(tmp_path, dataset) / "store.json").unlink()
    dataset.unreadable = (7,)
    assert len(pack_images(dataset, image_size=16, cache_dir=tmp_path)) == 99
    rows = torch.tensor([99, 7, 7, 8, 9, 0])
    assert torch.equal(images.gather(rows), whole.gather(rows))


def test_store_without_checksums_is_built_again(dataset, tmp_path):
    pack_images(dataset, image_size=16, cache_dir=tmp_path)
    index = store_dir(tmp_path, dataset) / "store.json"
    info = json.loads(index.read_text())
    assert len(info.pop("block_crc32")) == 1
    index.write_text(json.dumps(info))
    images = pack_images(dataset, image_size=16, cache_dir=tmp_path)
    assert dataset.num_decoded == 200 and len(images.gather(torch.arange(100))) == 100


def train_on(images, folder):
    config = build_config(
        "cgan",
        preset="smoke",
        patches=[{"data": {"name": "shapes", "image_size": 32}, "train": {"steps": 4}}],
    )
    torch.manual_seed(0)
    model = import_target(zoo().model("cgan").target)(config.model, images.info)
    Trainer(model, images, config.train, resolve_setup("cpu", "fp32"), Callback()).run(folder)
    return model.state_dict()


def test_training_is_bit_equal_from_store_and_memory(tmp_path):
    data = Shapes(ShapesConfig(name="shapes", image_size=32, count=64))
    states = [
        train_on(
            pack_images(data, image_size=32, age_bins=(20, 40), cache_dir=cache),
            tmp_path / f"run{number}",
        )
        for number, cache in enumerate((None, tmp_path / "cache", tmp_path / "cache"))
    ]
    for state in states[1:]:
        assert all(torch.equal(value, states[0][name]) for name, value in state.items())


def test_verify_finds_image_of_equal_size_and_time(run_ganzoo, tmp_path):
    """The key of a store has names, sizes and times only."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, level in (("a.bmp", 10), ("b.bmp", 200)):
        Image.new("RGB", (16, 16), (level,) * 3).save(folder / name)
    os.utime(folder / "a.bmp", ns=(10**18, 10**18))
    command = ("data", "prepare", "folder:photos", "--size", "16", "--verify")
    env = {"GANZOO_CACHE": str(tmp_path / "cache")}
    first = run_ganzoo(*command, cwd=tmp_path, env=env)
    assert first.code == 0, first.err
    Image.new("RGB", (16, 16), (11,) * 3).save(folder / "a.bmp")
    os.utime(folder / "a.bmp", ns=(10**18, 10**18))
    assert run_ganzoo(*command[:-1], cwd=tmp_path, env=env).code == 0, "only --verify decodes"
    found = run_ganzoo(*command, cwd=tmp_path, env=env)
    assert found.code == 3 and "1 of 2 images differ" in found.error and "a.bmp" in found.error
    again = run_ganzoo(*command, cwd=tmp_path, env=env)
    assert again.code == 0, again.err


def test_damaged_store_stops_a_run_with_one_line(run_ganzoo, tmp_path):
    env = {"GANZOO_CACHE": str(tmp_path / "cache")}
    command = ("run", "cgan", "--preset", "smoke", "--set", "data.count=64", "--steps", "2")
    assert run_ganzoo(*command, cwd=tmp_path, env=env).code == 0
    (pixels,) = (tmp_path / "cache").rglob("pixels.u8")
    for position in (100, 2000):
        flip_byte(pixels, position)
    result = run_ganzoo(*command, cwd=tmp_path, env=env)
    assert result.code == 3 and "checksum of images" in result.error
    assert "Traceback" not in result.err
