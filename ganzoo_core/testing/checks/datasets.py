"""What a data set promises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.data import prepare
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset
from ganzoo_core.testing.checks.kit import Skipped, check, demand
from ganzoo_core.testing.others import PICTURES, DatasetSubject

NOWHERE = "/no/such/place"


@check("dataset")
def opens(subject: DatasetSubject) -> None:
    """Opens, or refuses a path that is not there in one line"""
    try:
        subject.open()
        return
    except DataError as error:
        needs_files(error)
    try:
        subject.open(NOWHERE)
    except DataError as error:
        needs_files(error)
        demand(NOWHERE in str(error), f"name the path that is not there: {error}")
        return
    demand(False, f"it opens {NOWHERE}, which does not exist: raise DataError")


def needs_files(error: DataError) -> None:
    """Look at a refusal."""
    line = str(error)
    demand(line and "\n" not in line, f"its refusal is no single line: {line!r}")


def opened(subject: DatasetSubject) -> Dataset:
    """Return the data, where there are any here."""
    try:
        return subject.open()
    except DataError as error:
        raise Skipped(f"give it files, ganzoo check {subject.name}:PATH ({error})") from None


def some(data: Dataset) -> list[int]:
    """Return the indices of a few images, the last among them."""
    length = data.table().length
    return sorted({0, length // 2, length - 1})


def pixels(image: Any) -> NDArray[np.uint8]:
    """Return an image as an array, whatever it is."""
    return np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)


@check("dataset")
def table(subject: DatasetSubject) -> None:
    """Knows of each image what its spec says it gives, and no more"""
    data = opened(subject)
    known = data.table()
    demand(known.length > 0, "table() has no images")
    columns = {"label": known.labels, "age": known.ages, "identity": known.identities}
    for name, values in columns.items():
        if values is None:
            continue
        demand(name in subject.spec.gives, f"the table has {name!r}: add it to DatasetSpec.gives")
        demand(len(values) == known.length, f"{len(values)} of {name!r} for {known.length} images")
        demand(np.isfinite(values).all(), f"a value of {name!r} is not a number: leave it out")
    if known.labels is not None:
        low, high, classes = known.labels.min(), known.labels.max(), len(known.classes)
        demand(
            low >= 0 and high < classes, f"labels run from {low} to {high}, classes to {classes}"
        )
    if known.ages is not None:
        demand(known.ages.min() >= 0 and known.ages.max() < 150, "ages are in years, 0 to 120")
    demand(data.license or subject.spec.license, "say the terms of use: Dataset.license")


@check("dataset")
def images(subject: DatasetSubject) -> None:
    """Gives PIL images or uint8 arrays [H, W, 3] or [H, W]"""
    data = opened(subject)
    for index in some(data):
        image = data.image(index)
        if isinstance(image, Image.Image):
            continue
        array = np.asarray(image)
        demand(
            array.dtype == np.uint8 and array.ndim in {2, 3} and array.shape[2:] in {(), (3,)},
            f"image({index}) is {array.dtype} {array.shape}: return uint8 [H, W, 3] or [H, W]",
        )
        demand(data.describe(index), f"describe({index}) is empty: name the image")


@check("dataset")
def images_repeat(subject: DatasetSubject) -> None:
    """Gives the same pixels every time, in several threads at once and in one call"""
    data, again = opened(subject), subject.open()
    rows = some(data)
    first = [pixels(data.image(i)) for i in rows]
    with ThreadPoolExecutor(4) as pool:
        threads = [pixels(x) for x in pool.map(again.image, rows * 4)]
    same = all(np.array_equal(a, b) for a, b in zip(first * 4, threads, strict=True))
    demand(same, "image(i) differs from call to call: draw from (seed, i), share no file handle")
    together = data.images(rows)
    if together is not None:
        same = all(np.array_equal(a, pixels(b)) for a, b in zip(first, together, strict=True))
        demand(same, "images([i]) is not image(i)")


@check("dataset")
def prepares(subject: DatasetSubject) -> None:
    """Goes into a store of any size, and its fingerprint tells when its files change"""
    data = opened(subject)
    demand(data.source() == subject.open().source(), "source() differs for the same files")
    length = data.table().length
    if length > 4 * PICTURES:
        raise Skipped(f"{length:,} images take a while: ganzoo data prepare {subject.name}")
    made = prepare(data, size=16)
    demand(len(made) > 0, "no image can be read")
    demand("\n" not in "".join(made.unreadable), "a reason of UnreadableImage has several lines")
