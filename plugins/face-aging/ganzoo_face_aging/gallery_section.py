"""The page of the gallery that ages a photograph: what `ganzoo age` does, at any age, in memory."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pydantic import Field

from ganzoo_core import Config
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

    from ganzoo_core.interfaces import Model

_MAX_CACHED = 4
"""Photographs whose changes are kept, so that another age needs no pass through the model."""
_MAX_EDGE = 2048
"""Longer photographs are scaled down to it, in pixels."""


class AgePhotoOptions(Config):
    """The controls of the page."""

    age: float = Field(60, ge=0, le=90)
    """The age to draw, in years; between two age groups the changes of the model are mixed."""
    source_age: float | None = Field(None, ge=0, le=120)
    """The age in the photograph, in years; empty for the estimate of the age evaluator."""


def age_photo(
    model: Model, photo: bytes | None, options: AgePhotoOptions
) -> list[tuple[str, Image.Image]]:
    """Return the photograph and the same with its largest face at another age, with captions.

    Args:
        model: with the capability `edit_age`.
        photo: the bytes of an image file.
        options: the controls of the page.

    Raises:
        DataError: the photograph cannot be read, or shows no clear face.
        UsageError: the source age is unknown, or the model supports no other age from it.
    """
    import numpy as np
    from PIL import Image

    from ganzoo_face_aging.compositing import blend_changes, put_face_back

    if photo is None:
        raise DataError("choose a photograph, or take one")
    pixels, placement, source_age, ages, changes = _changes(model, photo, options.source_age)
    reached = min(max(options.age, ages[0]), ages[-1])
    aged = pixels.copy()
    put_face_back(aged, blend_changes(ages, changes, reached), placement)
    left, top, right, bottom = placement.box
    out = [
        (f"photograph: age {source_age:.0f}", Image.fromarray(pixels)),
        (f"at age {reached:.0f}", Image.fromarray(aged)),
    ]
    face = np.ascontiguousarray(pixels[top:bottom, left:right])
    return [*out, ("the face that was detected", Image.fromarray(face))]


_changes_by_model: WeakKeyDictionary[Any, OrderedDict[Any, Any]] = WeakKeyDictionary()
"""Of the last photographs, by their bytes and the source age."""


def _changes(model: Model, photo: bytes, source_age: float | None) -> Any:
    """Return the pixels of a photograph, the placement of its face, its age, and what the model
    changes at each known age."""
    import numpy as np
    from PIL import Image

    from ganzoo_core import limits
    from ganzoo_core.data.image_decoding import decode_image
    from ganzoo_core.interfaces import UnreadableImage
    from ganzoo_face_aging import aging
    from ganzoo_face_aging.aging_outputs import known_changes
    from ganzoo_face_aging.ood_check import detect_ood
    from ganzoo_face_aging.target_ages import parse_target_ages

    cache = _changes_by_model.setdefault(model, OrderedDict())
    key = (hashlib.sha256(photo).digest(), source_age)
    if key in cache:
        return cache[key]
    try:
        whole = decode_image(photo, target_size=limits.IMAGE_PIXELS).convert("RGB")
    except UnreadableImage as error:
        raise DataError(f"the photograph {error}") from None
    whole.thumbnail((_MAX_EDGE, _MAX_EDGE), Image.Resampling.LANCZOS)
    (face,) = aging.crop_faces_for(whole, "the photograph", model.info)
    if model.info.version and detect_ood(face.pixels[None], model.info).any():
        raise DataError(
            f"unlike the drawn portraits of {model.info.name!r}, which this model knows only: "
            "choose a model of photographs"
        )
    images = aging.photos_to_tensor([face], aging.model_device(model))
    evaluator = aging.find_evaluator(model, "age") if source_age is None else None
    targets = parse_target_ages(model, ["all"])
    network = evaluator.network if evaluator else None
    (strip,) = aging.age_faces(model, images, source_age, targets, network)
    ages, changes = known_changes(strip, model.info)
    cache[key] = (np.array(whole), face.placement, strip.source_age, ages, changes)
    while len(cache) > _MAX_CACHED:
        cache.popitem(last=False)
    return cache[key]
