"""Images at rest: fitting, damage, facts, groups, data handed over as objects."""

import json
import math
from concurrent.futures import Future

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset
from workbench import drawn

from ganzoo_core.config import DataConfig
from ganzoo_core.data import ObjectDataset, decode, group_names, group_of, prepare, to_float, wrap
from ganzoo_core.data.decode import fit
from ganzoo_core.data.images import require
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import DataInfo, Dataset, Table, UnreadableImage

CONFIG = DataConfig(name="own", size=8)


class Own(Dataset):
    """Flat pictures of rising grey; what is asked for can be damaged."""

    license = "CC0"

    def __init__(self, n=6, bad=None, **columns):
        super().__init__(CONFIG)
        self.n, self.bad, self.columns = n, bad or {}, columns

    def table(self):
        return Table(length=self.n, **self.columns)

    def image(self, index):
        if index in self.bad:
            raise self.bad[index]
        return np.full((8, 8, 3), index * 10, np.uint8)


# --- fitting ------------------------------------------------------------------------------------


def test_the_centre_square_is_kept():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    assert (fit(wide, 10, 3) == 200).all()
    assert (fit(wide.transpose(1, 0, 2).copy(), 10, 3) == 200).all()


def test_shrinking_is_antialiased():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = fit(stripes, 8, 3)
    assert abs(int(small[4, 4, 0]) - 127) < 12


def test_an_image_of_the_right_size_is_untouched():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert (fit(pixels, 16, 3) == pixels).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1", "LA"])
def test_every_kind_of_picture_becomes_colour_or_grey(mode):
    image = Image.new("RGB", (20, 12), (90, 90, 90)).convert(mode)
    for channels in (1, 3):
        out = fit(image, 8, channels)
        assert out.shape == (8, 8, channels) and out.dtype == np.uint8
    grey = np.full((9, 9), 77, np.uint8)
    assert (fit(grey, 9, 3) == 77).all()


def test_floats_span_minus_one_to_one():
    pixels = torch.tensor([0, 255, 51], dtype=torch.uint8).reshape(3, 1, 1, 1)
    assert to_float(pixels).flatten().tolist() == pytest.approx([-1.0, 1.0, -0.6])
    assert to_float(torch.zeros(2, 3, 4, 4, dtype=torch.uint8)).is_contiguous(
        memory_format=torch.channels_last
    )


# --- damage -------------------------------------------------------------------------------------


def test_unreadable_images_are_counted_and_the_rest_goes_on():
    bad = {1: UnreadableImage("truncated"), 4: OSError("image file is truncated")}
    labels = np.array([0, 1, 0, 1, 0, 1])
    images = prepare(Own(bad=bad, labels=labels, classes=("a", "b")), size=8)
    assert len(images) == 4 == images.info.images
    assert images.unreadable == ("1: truncated", "4: image file is truncated")
    assert images.label.tolist() == [0, 0, 1, 1] and images.info.counts == (2, 2)
    pixels = images.gather(torch.arange(4))
    assert pixels[:, 0, 0, 0].tolist() == [0, 20, 30, 50]


def test_little_is_decoded_ahead_of_the_reader(monkeypatch):
    class AtOnce:
        """Does all that is submitted at once, as threads would for a reader that is slow."""

        def __init__(self, threads):
            pass

        def submit(self, work, *args):
            done = Future()
            done.set_result(work(*args))
            return done

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(decode, "ThreadPoolExecutor", AtOnce)
    monkeypatch.setattr(decode, "cores", lambda: 2)
    data, asked = Own(n=2000), []
    monkeypatch.setattr(data, "image", lambda i: asked.append(i) or np.zeros((8, 8, 3), np.uint8))
    for seen, (index, _) in enumerate(decode.decoded(data, range(2000), 8, 3)):
        assert index == seen
        assert len(asked) <= seen + (decode.AHEAD * 2 + 1) * decode.CHUNK
    assert asked == list(range(2000))


def test_no_readable_image_is_an_error_with_the_first_reason():
    with pytest.raises(DataError, match="own: no readable image, the first: gone"):
        prepare(Own(n=2, bad={0: UnreadableImage("gone"), 1: UnreadableImage("gone")}), size=8)
    with pytest.raises(DataError, match="no readable image"):
        prepare(Own(n=0), size=8)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"labels": np.array([0, 1, 2, 0, 0, 0]), "classes": ("a", "b")}, "labels run from 0 to 2"),
        ({"labels": np.array([0, -1, 0, 0, 0, 0]), "classes": ("a", "b")}, "labels run from -1"),
        ({"labels": np.array([0, 1]), "classes": ("a", "b")}, "2 of 'label' for 6 images"),
        ({"ages": np.array([1, 2, np.nan, 3, 4, 5], np.float32)}, "an age is not a number"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(columns, words):
    with pytest.raises(DataError, match=words):
        prepare(Own(**columns), size=8)


# --- facts --------------------------------------------------------------------------------------


def test_facts_survive_json():
    info = drawn(groups=(20, 40)).info
    assert DataInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
    assert info.classes == ("0-20", "21-40", "41+") and sum(info.counts) == 40
    assert info.groups == (20, 40) and len(info.mean_ages) == 3
    assert info.identities == 6 and info.present == (0, 1, 2)


def test_mean_ages_are_those_of_each_group_and_none_for_an_empty_one():
    ages = np.array([10, 20, 70, 80, 12, 18], np.float32)
    info = prepare(Own(ages=ages), size=8, groups=(20, 60)).info
    assert info.counts == (4, 0, 2) and info.present == (0, 2)
    assert info.mean_ages == (15.0, None, 75.0)


def test_data_without_ages_keep_their_own_labels():
    labels = np.array([0, 1, 0, 1, 0, 1])
    info = prepare(Own(labels=labels, classes=("a", "b")), size=8, groups=(20,)).info
    assert info.classes == ("a", "b") and info.groups == ()


def test_uncounted_classes_all_count_as_present():
    assert DataInfo(size=8, classes=("a", "b")).present == (0, 1)
    assert DataInfo(size=8, classes=("a", "b"), counts=(0, 4)).present == (1,)


def test_the_fingerprint_follows_every_pixel_label_and_age():
    def fingerprint(n=6, **columns):
        return prepare(Own(n=n, **columns), size=8).info.fingerprint

    names = {"classes": ("a", "b")}
    labels = np.array([0, 1, 0, 1, 0, 1])
    other = labels.copy()
    other[5] = 0
    ages = np.arange(6, dtype=np.float32)
    found = [
        fingerprint(),
        fingerprint(n=5),
        fingerprint(labels=labels, **names),
        fingerprint(labels=other, **names),
        fingerprint(ages=ages),
        fingerprint(ages=ages + 1),
        fingerprint(identities=labels),
    ]
    assert len(set(found)) == len(found)
    assert fingerprint(labels=labels, **names) == found[2]


def test_a_lacking_field_is_named():
    with pytest.raises(DataError, match="'identity' and own gives only image"):
        require(prepare(Own(), size=8), ("image", "identity"))


# --- groups -------------------------------------------------------------------------------------


def test_groups_are_named_and_ages_count_in_whole_years():
    edges = (18, 29, 39, 49, 59)
    assert group_names(edges) == ("0-18", "19-29", "30-39", "40-49", "50-59", "60+")
    ages = np.array([0, 18, 18.9, 19, 29, 30, 59.99, 60, 100], np.float32)
    assert group_of(ages, edges).tolist() == [0, 0, 0, 1, 1, 2, 4, 5, 5]
    assert group_of(ages, edges).dtype == np.int64
    assert group_names((30,)) == ("0-30", "31+")
    for edges in ((30, 20), (20, 20), (-5, 20)):
        with pytest.raises(UsageError, match="upper edges rise"):
            group_names(edges)


# --- objects ------------------------------------------------------------------------------------

GREY = [0, 51, 255]


def as_array(value, channels_first=False, dtype=np.uint8):
    shape = (3, 8, 8) if channels_first else (8, 8, 3)
    return np.full(shape, value, dtype)


KINDS = {
    "PIL": lambda v: Image.fromarray(as_array(v)),
    "grey PIL": lambda v: Image.new("L", (8, 8), v),
    "uint8 array": as_array,
    "uint8 grey array": lambda v: np.full((8, 8), v, np.uint8),
    "uint8 tensor": lambda v: torch.from_numpy(as_array(v, True)),
    "float in [0, 1]": lambda v: torch.full((3, 8, 8), v / 255),
    "grey float": lambda v: torch.full((1, 8, 8), v / 255),
    "float in [-1, 1]": lambda v: torch.full((3, 8, 8), v / 127.5 - 1),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labelled", [False, True])
def test_objects_of_every_kind_become_the_same_pixels(kind, labelled):
    items = [KINDS[kind](v) for v in GREY]
    if labelled:
        items = [(image, torch.tensor(i)) for i, image in enumerate(items)]
    images = prepare(ObjectDataset(items, CONFIG), size=8)
    assert images.pixels.shape == (3, 3, 8, 8)
    assert images.pixels[:, 1, 4, 4].tolist() == GREY
    assert images.info.classes == (("0", "1", "2") if labelled else ())
    assert (images.label is None) or images.label.tolist() == [0, 1, 2]


def test_a_torch_dataset_and_its_class_names_are_taken():
    data = TensorDataset(torch.rand(4, 3, 8, 8), torch.tensor([0, 2, 2, 0]))
    data.targets, data.classes = torch.tensor([0, 2, 2, 0]), ["cat", "dog", "emu"]
    info = prepare(wrap(data, CONFIG), size=8).info
    assert info.classes == ("cat", "dog", "emu") and info.counts == (2, 0, 2)


def test_what_is_no_data_set_is_refused():
    for nothing in ([], 7, iter([1])):
        with pytest.raises(DataError, match="non-empty torch Dataset"):
            ObjectDataset(nothing, CONFIG)
    picture = torch.rand(3, 8, 8)
    for label in (1.5, [1, 0], "cat"):
        with pytest.raises(DataError, match="one whole number for each image"):
            prepare(ObjectDataset([(picture, label)], CONFIG), size=8)
    with pytest.raises(DataError, match="not an image"):
        prepare(ObjectDataset([torch.zeros(4, dtype=torch.int64)], CONFIG), size=8)


def test_a_ganzoo_dataset_is_not_wrapped():
    own = Own()
    assert wrap(own, CONFIG) is own
    assert math.prod(prepare(own, size=8, channels=1).pixels.shape) == 6 * 64
