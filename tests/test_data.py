"""Decoding, unreadable images, DataInfo, age bins and torch data sets."""

import json
import math
from concurrent.futures import Future

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset
from training_helpers import make_images

from ganzoo_core.config import DataConfig
from ganzoo_core.data import (
    TorchDatasetAdapter,
    age_bin_names,
    as_dataset,
    assign_age_bins,
    pack_images,
    parallel_decode,
    to_float,
)
from ganzoo_core.data.packed_images import require_fields
from ganzoo_core.data.parallel_decode import center_crop_resize
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import DataInfo, Dataset, Metadata, UnreadableImage

DATA_CONFIG = DataConfig(name="own", image_size=8)


class FlatImages(Dataset):
    """Constant images of increasing gray; some can raise errors."""

    license = "CC0"

    def __init__(self, num_images=6, read_errors=None, **columns):
        super().__init__(DATA_CONFIG)
        self.num_images, self.read_errors, self.columns = num_images, read_errors or {}, columns

    def metadata(self):
        return Metadata(length=self.num_images, **self.columns)

    def load_image(self, index):
        if index in self.read_errors:
            raise self.read_errors[index]
        return np.full((8, 8, 3), index * 10, np.uint8)


# --- cropping ------------------------------------------------------------------------------------


def test_center_crop():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    assert (center_crop_resize(wide, 10, 3) == 200).all()
    assert (center_crop_resize(wide.transpose(1, 0, 2).copy(), 10, 3) == 200).all()


def test_downscaling_is_antialiased():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = center_crop_resize(stripes, 8, 3)
    assert abs(int(small[4, 4, 0]) - 127) < 12


def test_same_size_is_untouched():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert (center_crop_resize(pixels, 16, 3) == pixels).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1", "LA"])
def test_image_modes_become_rgb_or_gray(mode):
    image = Image.new("RGB", (20, 12), (90, 90, 90)).convert(mode)
    for channels in (1, 3):
        out = center_crop_resize(image, 8, channels)
        assert out.shape == (8, 8, channels) and out.dtype == np.uint8
    gray = np.full((9, 9), 77, np.uint8)
    assert (center_crop_resize(gray, 9, 3) == 77).all()


def test_to_float_range():
    pixels = torch.tensor([0, 255, 51], dtype=torch.uint8).reshape(3, 1, 1, 1)
    assert to_float(pixels).flatten().tolist() == pytest.approx([-1.0, 1.0, -0.6])
    assert to_float(torch.zeros(2, 3, 4, 4, dtype=torch.uint8)).is_contiguous(
        memory_format=torch.channels_last
    )


# --- unreadable images ---------------------------------------------------------------------------


def test_unreadable_images_are_skipped():
    read_errors = {1: UnreadableImage("truncated"), 4: OSError("image file is truncated")}
    labels = np.array([0, 1, 0, 1, 0, 1])
    images = pack_images(
        FlatImages(read_errors=read_errors, labels=labels, class_names=("a", "b")), image_size=8
    )
    assert len(images) == 4 == images.info.num_images
    assert images.unreadable == ("1: truncated", "4: image file is truncated")
    assert images.label.tolist() == [0, 0, 1, 1] and images.info.class_counts == (2, 2)
    pixels = images.gather(torch.arange(4))
    assert pixels[:, 0, 0, 0].tolist() == [0, 20, 30, 50]


def test_decode_ahead_is_bounded(monkeypatch):
    class SynchronousExecutor:
        """Runs every submitted task at once, like threads with a slow consumer."""

        def __init__(self, threads):
            pass

        def submit(self, work, *args):
            done = Future()
            done.set_result(work(*args))
            return done

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(parallel_decode, "ThreadPoolExecutor", SynchronousExecutor)
    monkeypatch.setattr(parallel_decode, "available_cpu_count", lambda: 2)
    data, decoded_indices = FlatImages(num_images=2000), []
    monkeypatch.setattr(
        data, "load_image", lambda i: decoded_indices.append(i) or np.zeros((8, 8, 3), np.uint8)
    )
    for position, (index, _) in enumerate(parallel_decode.iter_decoded(data, range(2000), 8, 3)):
        assert index == position
        assert (
            len(decoded_indices)
            <= position
            + (parallel_decode.PREFETCH_CHUNKS_PER_THREAD * 2 + 1) * parallel_decode.CHUNK_SIZE
        )
    assert decoded_indices == list(range(2000))


def test_no_readable_image_error():
    with pytest.raises(DataError, match="gone"):
        pack_images(
            FlatImages(
                num_images=2, read_errors={0: UnreadableImage("gone"), 1: UnreadableImage("gone")}
            ),
            image_size=8,
        )
    with pytest.raises(DataError):
        pack_images(FlatImages(num_images=0), image_size=8)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"labels": np.array([0, 1, 2, 0, 0, 0]), "class_names": ("a", "b")}, "2"),
        ({"labels": np.array([0, -1, 0, 0, 0, 0]), "class_names": ("a", "b")}, "-1"),
        ({"labels": np.array([0, 1]), "class_names": ("a", "b")}, "label"),
        ({"ages": np.array([1, 2, np.nan, 3, 4, 5], np.float32)}, "age"),
    ],
)
def test_inconsistent_metadata_refused(columns, words):
    with pytest.raises(DataError, match=words):
        pack_images(FlatImages(**columns), image_size=8)


# --- DataInfo ------------------------------------------------------------------------------------


def test_data_info_json_round_trip():
    info = make_images(age_bins=(20, 40)).info
    assert DataInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
    assert info.class_names == ("0-20", "21-40", "41+") and sum(info.class_counts) == 40
    assert info.age_bins == (20, 40) and len(info.class_mean_ages) == 3
    low, high = info.age_range
    ages = make_images(age_bins=(20, 40)).age
    assert (low, high) == pytest.approx((ages.min().item(), ages.max().item()), abs=1e-3)
    assert info.num_identities == 6 and info.nonempty_classes == (0, 1, 2)


def test_mean_age_per_bin():
    ages = np.array([10, 20, 70, 80, 12, 18], np.float32)
    info = pack_images(FlatImages(ages=ages), image_size=8, age_bins=(20, 60)).info
    assert info.class_counts == (4, 0, 2) and info.nonempty_classes == (0, 2)
    assert info.class_mean_ages == (15.0, None, 75.0)


def test_labels_kept_without_ages():
    labels = np.array([0, 1, 0, 1, 0, 1])
    info = pack_images(
        FlatImages(labels=labels, class_names=("a", "b")), image_size=8, age_bins=(20,)
    ).info
    assert info.class_names == ("a", "b") and info.age_bins == ()


def test_nonempty_classes_without_counts():
    assert DataInfo(image_size=8, class_names=("a", "b")).nonempty_classes == (0, 1)
    assert DataInfo(image_size=8, class_names=("a", "b"), class_counts=(0, 4)).nonempty_classes == (
        1,
    )


def test_fingerprint_covers_all_fields():
    def fingerprint(n=6, **columns):
        return pack_images(FlatImages(num_images=n, **columns), image_size=8).info.fingerprint

    names = {"class_names": ("a", "b")}
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


def test_missing_field_is_named():
    with pytest.raises(DataError, match="identity"):
        require_fields(pack_images(FlatImages(), image_size=8), ("image", "identity"))


# --- age bins ------------------------------------------------------------------------------------


def test_age_bin_names_and_edges():
    edges = (18, 29, 39, 49, 59)
    assert age_bin_names(edges) == ("0-18", "19-29", "30-39", "40-49", "50-59", "60+")
    ages = np.array([0, 18, 18.9, 19, 29, 30, 59.99, 60, 100], np.float32)
    assert assign_age_bins(ages, edges).tolist() == [0, 0, 0, 1, 1, 2, 4, 5, 5]
    assert assign_age_bins(ages, edges).dtype == np.int64
    assert age_bin_names((30,)) == ("0-30", "31+")
    for edges in ((30, 20), (20, 20), (-5, 20)):
        with pytest.raises(UsageError):
            age_bin_names(edges)


# --- objects -------------------------------------------------------------------------------------

GRAY_LEVELS = [0, 51, 255]


def constant_image(value, channels_first=False, dtype=np.uint8):
    shape = (3, 8, 8) if channels_first else (8, 8, 3)
    return np.full(shape, value, dtype)


IMAGE_MAKERS = {
    "PIL": lambda v: Image.fromarray(constant_image(v)),
    "gray PIL": lambda v: Image.new("L", (8, 8), v),
    "uint8 array": constant_image,
    "uint8 gray array": lambda v: np.full((8, 8), v, np.uint8),
    "uint8 tensor": lambda v: torch.from_numpy(constant_image(v, True)),
    "float in [0, 1]": lambda v: torch.full((3, 8, 8), v / 255),
    "gray float": lambda v: torch.full((1, 8, 8), v / 255),
    "float in [-1, 1]": lambda v: torch.full((3, 8, 8), v / 127.5 - 1),
}


@pytest.mark.parametrize("kind", IMAGE_MAKERS)
@pytest.mark.parametrize("labeled", [False, True])
def test_torch_dataset_image_types(kind, labeled):
    items = [IMAGE_MAKERS[kind](v) for v in GRAY_LEVELS]
    if labeled:
        items = [(image, torch.tensor(i)) for i, image in enumerate(items)]
    images = pack_images(TorchDatasetAdapter(items, DATA_CONFIG), image_size=8)
    assert images.pixels.shape == (3, 3, 8, 8)
    assert images.pixels[:, 1, 4, 4].tolist() == GRAY_LEVELS
    assert images.info.class_names == (("0", "1", "2") if labeled else ())
    assert (images.label is None) or images.label.tolist() == [0, 1, 2]


def test_wrap_torch_dataset():
    data = TensorDataset(torch.rand(4, 3, 8, 8), torch.tensor([0, 2, 2, 0]))
    data.targets, data.classes = torch.tensor([0, 2, 2, 0]), ["cat", "dog", "emu"]
    info = pack_images(as_dataset(data, DATA_CONFIG), image_size=8).info
    assert info.class_names == ("cat", "dog", "emu") and info.class_counts == (2, 0, 2)


def test_invalid_dataset_refused():
    for invalid in ([], 7, iter([1])):
        with pytest.raises(DataError):
            TorchDatasetAdapter(invalid, DATA_CONFIG)
    picture = torch.rand(3, 8, 8)
    for label in (1.5, [1, 0], "cat"):
        with pytest.raises(DataError, match="labels"):
            pack_images(TorchDatasetAdapter([(picture, label)], DATA_CONFIG), image_size=8)
    with pytest.raises(DataError):
        pack_images(
            TorchDatasetAdapter([torch.zeros(4, dtype=torch.int64)], DATA_CONFIG), image_size=8
        )


def test_ganzoo_dataset_not_wrapped():
    own = FlatImages()
    assert as_dataset(own, DATA_CONFIG) is own
    assert math.prod(pack_images(own, image_size=8, num_channels=1).pixels.shape) == 6 * 64
