"""Write portraits in the layout of IMDB-WIKI: `wiki_crop/00..99/ID_DOB_YEAR.jpg` and `wiki.mat`.

Rothe et al., IJCV 2018: the .mat has dates of birth as MATLAB day numbers, and the year of the
photograph. They give the age on July 1st of that year.
"""

from datetime import date
from pathlib import Path

import numpy as np

from ganzoo_core.data import iter_decoded, write_jpeg

_MATLAB_EPOCH = 366
"""MATLAB counts days from year 0, Python from year 1."""
_FIRST_ID = 10_000_000


def _birth_and_photo_year(index, age):
    """Return (date of birth, year of the photo) that give `age`, in whole years."""
    birth = date(1915 + index % 15, 1 + index * 7 % 12, 1 + index * 11 % 28)
    late = (birth.month, birth.day) > (7, 1)
    return birth, birth.year + age + late


def write_imdb_wiki(dataset, out: Path, progress):
    """Write the portraits of a data set with ages into `out`/wiki_crop; each has its own page id.

    Args:
        dataset: a data set with ages.
        out: an existing folder.
        progress: called with (done, total).

    Raises:
        OSError: the folder cannot be written.
    """
    from scipy.io import savemat

    ages = np.floor(dataset.metadata().ages).astype(int).tolist()
    root = out / "wiki_crop"
    dob, taken, paths = [], [], []
    size, n = dataset.config.image_size, len(ages)
    for index, pixels in iter_decoded(dataset, range(n), size, 3):
        age = ages[index]
        birth, year = _birth_and_photo_year(index, age)
        page = _FIRST_ID + index
        path = f"{page % 100:02d}/{page}_{birth}_{year}.jpg"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        write_jpeg(pixels, root / path)
        dob.append(birth.toordinal() + _MATLAB_EPOCH)
        taken.append(year)
        paths.append(path)
        progress(index + 1, n)
    fields = {
        "dob": np.array([dob], np.int32),
        "photo_taken": np.array([taken], np.uint16),
        "full_path": _matlab_cell_array(paths),
        "gender": np.array([[float(i % 2) for i in range(n)]]),
        "name": _matlab_cell_array([f"Drawn Person {i}" for i in range(n)]),
        "face_location": _matlab_cell_array([np.array([[1.0, 1.0, size, size]])] * n),
        "face_score": np.full((1, n), 4.0),
        "second_face_score": np.full((1, n), np.nan),
    }
    savemat(root / "wiki.mat", {"wiki": fields})


def _matlab_cell_array(values):
    """Return a MATLAB cell array [1, N]."""
    out = np.empty((1, len(values)), object)
    for i, value in enumerate(values):  # one by one: numpy unpacks arrays
        out[0, i] = value
    return out
