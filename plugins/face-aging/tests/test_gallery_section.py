"""The page of the gallery that ages a photograph, in memory."""

import io

import numpy as np
import pytest
from ganzoo_face_aging.gallery_section import AgePhotoOptions, age_photo
from ganzoo_face_aging.testing import BrighteningModel
from PIL import Image

import ganzoo_core as gz
from ganzoo_core.errors import DataError

INFO = gz.DataInfo(
    image_size=32,
    class_names=("0-18", "19-29", "30+"),
    class_counts=(3, 2, 2),
    class_mean_ages=(10.0, 25.0, 50.0),
    age_bins=(18, 29),
)


@pytest.fixture
def model():
    """A toy model that makes faces brighter with age; its faces are not aligned."""
    return BrighteningModel(INFO).eval()


def photo_bytes(kind="PNG", size=(80, 60)):
    out = io.BytesIO()
    Image.new("RGB", size, (90, 90, 90)).save(out, kind)
    return out.getvalue()


def test_any_age_at_full_size(model):
    means = []
    for age in (10, 30, 40, 50, 90):
        options = AgePhotoOptions(age=age, source_age=25)
        (_, before), (caption, after), (_, face) = age_photo(model, photo_bytes(), options)
        assert before.size == after.size == (80, 60) and face.size == (60, 60)
        assert np.all(np.asarray(before) == 90)
        means.append(np.asarray(after)[30, 40].mean())
        assert caption == f"at age {min(age, 50)}"
    assert means[1] < means[2] < means[3] == means[4]
    assert np.all(np.asarray(after)[:, :5] == 90)  # beside the face


def test_source_age_shows_the_photograph(model):
    before, after, _ = age_photo(model, photo_bytes(), AgePhotoOptions(age=25, source_age=25))
    assert np.array_equal(np.asarray(before[1]), np.asarray(after[1]))


@pytest.mark.parametrize(
    "photo",
    [None, b"<svg/>", photo_bytes("GIF"), photo_bytes()[:60]],
    ids=["none", "svg", "gif", "cut"],
)
def test_unreadable_photographs(model, photo):
    with pytest.raises(DataError, match="photograph"):
        age_photo(model, photo, AgePhotoOptions(source_age=25))
