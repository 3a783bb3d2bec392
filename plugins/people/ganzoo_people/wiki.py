"""Write portraits as IMDB-WIKI is published: `wiki_crop/00..99/ID_DOB_YEAR.jpg` and `wiki.mat`.

The layout of the archives of Rothe et al. (IJCV 2018): dates of birth as MATLAB day numbers, the
year of the photograph, and the age implied by the two with the photograph taken on July 1st.
"""

from datetime import date
from pathlib import Path

import numpy as np

from ganzoo_core.data import decoded, write_jpeg

MATLAB_EPOCH = 366
"""MATLAB counts days from year 0, Python from year 1."""
FIRST_ID = 10_000_000


def birthday(index, age):
    """Return (birth, year of the photo) so that the whole years between them are `age`."""
    birth = date(1915 + index % 15, 1 + index * 7 % 12, 1 + index * 11 % 28)
    late = (birth.month, birth.day) > (7, 1)
    return birth, birth.year + age + late


def write_wiki(dataset, out: Path, progress):
    """Write the portraits of a data set with ages below `out`/wiki_crop; one page id each.

    Args:
        progress: called with (done, total).

    Raises:
        OSError: the folder cannot be written.
    """
    from scipy.io import savemat

    ages = np.floor(dataset.table().ages).astype(int).tolist()
    root = out / "wiki_crop"
    dob, taken, paths = [], [], []
    size, n = dataset.config.size, len(ages)
    for index, pixels in decoded(dataset, range(n), size, 3):
        age = ages[index]
        birth, year = birthday(index, age)
        page = FIRST_ID + index
        path = f"{page % 100:02d}/{page}_{birth}_{year}.jpg"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        write_jpeg(pixels, root / path)
        dob.append(birth.toordinal() + MATLAB_EPOCH)
        taken.append(year)
        paths.append(path)
        progress(index + 1, n)
    fields = {
        "dob": np.array([dob], np.int32),
        "photo_taken": np.array([taken], np.uint16),
        "full_path": cells(paths),
        "gender": np.array([[float(i % 2) for i in range(n)]]),
        "name": cells([f"Drawn Person {i}" for i in range(n)]),
        "face_location": cells([np.array([[1.0, 1.0, size, size]])] * n),
        "face_score": np.full((1, n), 4.0),
        "second_face_score": np.full((1, n), np.nan),
    }
    savemat(root / "wiki.mat", {"wiki": fields})


def cells(values):
    """Return a MATLAB cell array [1, N]."""
    out = np.empty((1, len(values)), object)
    for i, value in enumerate(values):  # one by one: numpy would unpack arrays
        out[0, i] = value
    return out
