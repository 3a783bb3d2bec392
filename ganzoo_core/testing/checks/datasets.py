"""Checks of data sets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.data import pack_images
from ganzoo_core.data.age_bins import find_age_problem
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset
from ganzoo_core.testing.checks.framework import CheckSkipped, check, require
from ganzoo_core.testing.other_subjects import NUM_IMAGES, DatasetSubject

_MISSING_PATH = "/no/such/place"


@check("dataset")
def opens_or_refuses(subject: DatasetSubject) -> None:
    """Opens, or rejects a missing path with one line"""
    try:
        subject.open_dataset()
        return
    except DataError as error:
        messages = [str(error)]
    try:
        subject.open_dataset(_MISSING_PATH)
    except DataError as error:
        messages.append(str(error))
    else:
        require(False, f"it opens {_MISSING_PATH}, which does not exist: raise DataError")
    for message in messages:
        require(message and "\n" not in message, f"its message is not one line: {message!r}")
    require(_MISSING_PATH in messages[1], f"its message does not name the path: {messages[1]}")


def _open_or_skip(subject: DatasetSubject) -> Dataset:
    try:
        return subject.open_dataset()
    except DataError as error:
        raise CheckSkipped(f"it needs files: ganzoo check {subject.name}:PATH ({error})") from None


def _example_indices(data: Dataset) -> list[int]:
    length = data.metadata().length
    return sorted({0, length // 2, length - 1})


def _to_array(image: Any) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)


@check("dataset")
def metadata_columns(subject: DatasetSubject) -> None:
    """Provides the metadata that its spec declares, and no other"""
    data = _open_or_skip(subject)
    metadata = data.metadata()
    require(metadata.length > 0, "metadata() has no images")
    for name, values in metadata.columns.items():
        if values is None:
            continue
        require(
            name in subject.spec.fields,
            f"metadata() has {name!r}: add it to DatasetSpec.fields",
        )
        require(
            len(values) == metadata.length,
            f"metadata() has {len(values)} values of {name!r} for {metadata.length} images",
        )
        require(np.isfinite(values).all(), f"a value of {name!r} is not finite: leave the row out")
    if metadata.labels is not None:
        lowest, highest = metadata.labels.min(), metadata.labels.max()
        require(
            lowest >= 0 and highest < len(metadata.class_names),
            f"labels are {lowest} to {highest}, for {len(metadata.class_names)} class_names",
        )
    problem = find_age_problem(metadata)
    require(not problem, problem)
    require(data.license or subject.spec.license, "Dataset.license is empty: set the terms of use")


@check("dataset")
def image_format(subject: DatasetSubject) -> None:
    """Returns PIL images or uint8 arrays [H, W, 3] or [H, W]"""
    data = _open_or_skip(subject)
    for index in _example_indices(data):
        image = data.load_image(index)
        if isinstance(image, Image.Image):
            continue
        array = np.asarray(image)
        require(
            array.dtype == np.uint8 and array.ndim in {2, 3} and array.shape[2:] in {(), (3,)},
            f"load_image({index}) is {array.dtype} {array.shape}: return uint8 [H, W, 3] or [H, W]",
        )
        require(data.sample_name(index), f"sample_name({index}) is empty: return a name")


@check("dataset")
def images_are_reproducible(subject: DatasetSubject) -> None:
    """Returns the same pixels in every call, from several threads, and in load_images"""
    data, again = _open_or_skip(subject), subject.open_dataset()
    indices = _example_indices(data)
    first = [_to_array(data.load_image(i)) for i in indices]
    with ThreadPoolExecutor(4) as pool:
        threads = [_to_array(x) for x in pool.map(again.load_image, indices * 4)]
    require(
        all(np.array_equal(a, b) for a, b in zip(first * 4, threads, strict=True)),
        "load_image(i) differs between calls: seed random numbers with (seed, i), and share no "
        "file handle between threads",
    )
    image_batch = data.load_images(indices)
    if image_batch is not None:
        require(
            all(np.array_equal(a, _to_array(b)) for a, b in zip(first, image_batch, strict=True)),
            "load_images([i]) differs from load_image(i)",
        )


@check("dataset")
def packs_into_store(subject: DatasetSubject) -> None:
    """Can be packed at any image size, and its fingerprint is stable"""
    data = _open_or_skip(subject)
    require(
        data.fingerprint() == subject.open_dataset().fingerprint(),
        "fingerprint() differs for the same files",
    )
    length = data.metadata().length
    if length > 4 * NUM_IMAGES:
        raise CheckSkipped(f"{length:,} images take long: ganzoo data prepare {subject.name}")
    images = pack_images(data, image_size=16)
    require(len(images) > 0, "no image can be decoded")
    require("\n" not in "".join(images.unreadable), "UnreadableImage has more than one line")
