"""`paired-folder` and `unpaired-folder`: pairs by name, halves, and bad input."""

import numpy as np
import pytest
from ganzoo_faces.config import UserImagesConfig
from ganzoo_faces.paired_folders import PairedFolder, UnpairedFolder
from PIL import Image

from ganzoo_core.errors import DataError


def write_image(path, value, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


def open_data(cls, path, **options):
    return cls(UserImagesConfig(path=str(path), split="all", image_size=8, **options))


def values(data):
    """Return (class, identity, gray value) of each image."""
    metadata = data.metadata()
    people = metadata.identities if metadata.identities is not None else [0] * metadata.length
    return sorted(
        (metadata.class_names[label], int(person), int(np.asarray(data.load_image(i)).mean()))
        for i, (label, person) in enumerate(zip(metadata.labels, people, strict=True))
    )


@pytest.mark.parametrize("prefix", ["", "train"])
def test_pairs_have_the_same_name(tmp_path, prefix):
    for i, name in enumerate(("x", "y")):
        write_image(tmp_path / f"{prefix}A" / f"{name}.png", 10 + i)
        write_image(tmp_path / f"{prefix}B" / f"{name}.jpg", 110 + i)
    data = open_data(PairedFolder, tmp_path)
    assert values(data) == [("A", 0, 10), ("A", 1, 11), ("B", 0, 110), ("B", 1, 111)]


def test_halves_side_by_side(tmp_path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 8:] = 200
    Image.fromarray(pixels).save(tmp_path / "x.png")
    data = open_data(PairedFolder, tmp_path)
    assert values(data) == [("A", 0, 0), ("B", 0, 200)]
    assert data.load_image(0).size == (8, 8)


def test_pairs_stay_together_in_splits(tmp_path):
    for i in range(30):
        write_image(tmp_path / "A" / f"{i}.png", i)
        write_image(tmp_path / "B" / f"{i}.png", i)
    shares = []
    for split in ("train", "test"):
        config = UserImagesConfig(path=str(tmp_path), split=split, test_share=0.4, image_size=8)
        metadata = PairedFolder(config).metadata()
        assert np.bincount(metadata.identities, minlength=30).tolist().count(1) == 0
        shares.append(metadata.length)
    assert sum(shares) == 60 and min(shares) > 4


def test_unequal_pairs_are_refused_with_their_names(tmp_path):
    for name in ("x", "y", "z"):
        write_image(tmp_path / "A" / f"{name}.png", 1)
    write_image(tmp_path / "B" / "x.png", 1)
    with pytest.raises(DataError, match=r"3 images in A and 1 in B, and 2 .* name: y, z$"):
        open_data(PairedFolder, tmp_path)
    for name in ("y", "z"):
        write_image(tmp_path / "B" / f"{name}.png", 1, (8, 6 if name == "z" else 8))
    with pytest.raises(DataError, match=r"A/z\.png has 8 x 8 px and B/z\.png 8 x 6 px"):
        open_data(PairedFolder, tmp_path)


def test_odd_width_is_refused(tmp_path):
    write_image(tmp_path / "x.png", 1, (15, 8))
    with pytest.raises(DataError, match=r"x\.png has 15 x 8 px.*folders A and B"):
        open_data(PairedFolder, tmp_path)


def test_unpaired_folders(tmp_path):
    for folder, count in (("trainA", 2), ("trainB", 3), ("testA", 1)):
        for i in range(count):
            write_image(tmp_path / folder / f"{i}.png", 10 * count + i)
    data = open_data(UnpairedFolder, tmp_path)
    assert [row[0] for row in values(data)] == ["A", "A", "B", "B", "B"]
    assert data.metadata().removed == (("not in a folder trainA, trainB, A or B", 1),)


def test_no_such_folders(tmp_path):
    write_image(tmp_path / "horses" / "x.png", 1)
    with pytest.raises(DataError, match=r"no image is left .*trainA and trainB, or A and B"):
        open_data(UnpairedFolder, tmp_path)
