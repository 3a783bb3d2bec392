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


def test_contact_sheet_in_docs_is_current():
    stored = np.asarray(Image.open(DOCS / "img" / "people.png").convert("RGB"), float)
    # the file has 256 colors
    assert np.abs(stored - contact_sheet.render_contact_sheet()).mean() < 5
