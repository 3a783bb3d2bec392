"""Checks of image transforms."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.interfaces import ImageTransform, UnreadableImage
from ganzoo_core.testing.checks.framework import check, require
from ganzoo_core.testing.subject import Subject

_IMAGE_SIZE = 16


def _example_image() -> NDArray[np.uint8]:
    """Return uint8 [40, 56, 3]: gradients, brightest off the center."""
    y, x = np.mgrid[:40, :56]
    channels = (x * 4, y * 6, 255 - np.hypot(x - 30, y - 15) * 5)
    return np.stack([np.clip(channel, 0, 255) for channel in channels], 2).astype(np.uint8)


def _transformed(transform: ImageTransform, image: NDArray[np.uint8]) -> Any:
    """Return the transformed image, or the reason why it cannot be transformed."""
    try:
        return transform(image, {}, _IMAGE_SIZE)
    except UnreadableImage as error:
        return str(error)


@check("transform")
def transform_output(subject: Subject) -> None:
    """Returns an image or raises UnreadableImage with one line, and leaves its input unchanged"""
    image = _example_image()
    out = _transformed(subject.target(), image)
    require(
        np.array_equal(image, _example_image()), "it changes the image that it receives: copy it"
    )
    if isinstance(out, str):
        require(out and "\n" not in out, f"UnreadableImage has no or several lines: {out!r}")
    elif not isinstance(out, Image.Image):
        array = np.asarray(out)
        require(
            array.dtype == np.uint8 and array.ndim in {2, 3} and array.shape[2:] in {(), (3,)},
            f"it returns {array.dtype} {array.shape}: return uint8 [H, W, 3] or [H, W]",
        )


@check("transform")
def transform_is_reproducible(subject: Subject) -> None:
    """Returns the same pixels in every call and from several threads"""
    transform, image = subject.target(), _example_image()
    first = _transformed(transform, image)
    with ThreadPoolExecutor(4) as pool:
        others = list(pool.map(lambda _: _transformed(transform, image), range(8)))
    require(
        all(type(out) is type(first) and np.array_equal(out, first) for out in others),
        "the same image gives other pixels: use no random numbers, and share no state between "
        "threads",
    )


@check("transform")
def transform_settings(subject: Subject) -> None:
    """Describes itself by settings that are plain JSON and equal in every process"""
    settings = subject.target().settings()
    try:
        text = json.dumps(settings, sort_keys=True)
    except TypeError as error:
        require(False, f"settings() is not plain JSON: {error}")
    require(
        isinstance(settings, dict) and json.loads(text) == settings,
        f"settings() is {settings!r}: return a dict of plain JSON values",
    )
    require(
        "transform" not in settings, "settings() has the key 'transform', the name: rename the key"
    )
    require(subject.target().settings() == settings, "settings() differs between two instances")
