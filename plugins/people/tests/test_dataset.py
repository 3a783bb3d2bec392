"""`people` as a data set: its limits, and the sheet in the docs."""

from pathlib import Path

import numpy as np
import pytest
from ganzoo_people import sheet
from ganzoo_people.config import PeopleConfig
from ganzoo_people.dataset import People
from PIL import Image

from ganzoo_core.errors import UsageError

DOCS = Path(__file__).parents[3] / "docs"


def test_more_people_than_a_split_has_are_refused():
    with pytest.raises(UsageError, match=r"1000001 people .* lower data\.count"):
        People(PeopleConfig(count=1_000_001, photos=1))
    People(PeopleConfig(count=1_000_000, photos=1))


def test_the_sheet_in_the_docs_is_of_this_version():
    shown = np.asarray(Image.open(DOCS / "img" / "people.png").convert("RGB"), float)
    assert np.abs(shown - sheet.sheet()).mean() < 5  # it is stored in 256 colours
