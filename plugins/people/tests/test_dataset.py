"""`people` as a data set: its limits, and the contact sheet in the docs."""

from pathlib import Path

import numpy as np
import pytest
from ganzoo_people import contact_sheet
from ganzoo_people.config import PeopleConfig
from ganzoo_people.dataset import People
from PIL import Image

from ganzoo_core.errors import UsageError

DOCS = Path(__file__).parents[3] / "docs"


def test_too_many_people_for_split():
    with pytest.raises(UsageError, match=r"data\.count"):
        People(PeopleConfig(count=1_000_001, photos_per_person=1))
    People(PeopleConfig(count=1_000_000, photos_per_person=1))


def test_same_photo_gives_pairs_that_differ_in_age_only():
    """Image k of a person is image 0 rendered again at the age of image k."""
    options = {"count": 4, "photos_per_person": 4, "image_size": 32}
    pairs, photos = (
        People(PeopleConfig(**options, same_photo=same_photo)) for same_photo in (True, False)
    )
    assert np.array_equal(pairs.ages, photos.ages) and len(set(pairs.ages)) == 4
    first_at_other_ages = photos.render_at_ages([0] * 4, pairs.ages.tolist())
    assert np.array_equal(np.stack(pairs.load_images(range(4))), np.stack(first_at_other_ages))
    assert not np.array_equal(photos.load_image(1), first_at_other_ages[1])


def test_skin_tone_is_that_of_the_person():
    data = People(PeopleConfig(count=40, photos_per_person=2))
    tones = data.face_attributes()["skin tone"]
    assert set(tones) == {"light", "medium", "dark"}
    assert np.array_equal(tones[::2], tones[1::2])  # of both photographs
    means = [np.mean([data.load_image(i) for i in np.flatnonzero(tones == t)]) for t in set(tones)]
    by_tone = dict(zip(set(tones), means, strict=True))
    assert by_tone["light"] > by_tone["medium"] > by_tone["dark"]


def test_contact_sheet_in_docs_is_current():
    stored = np.asarray(Image.open(DOCS / "img" / "people.png").convert("RGB"), float)
    # the file has 256 colors
    assert np.abs(stored - contact_sheet.render_contact_sheet()).mean() < 5
