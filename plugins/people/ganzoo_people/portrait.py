"""`render`: from appearance and nuisance factors to pixels.

Images are rendered in small batches, so that the planes stay in the CPU cache, as float32 planes
[N, H, W] of linear light. The camera converts them to bytes at the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from ganzoo_people import features, hair, scene, skin
from ganzoo_people.aging import Appearance
from ganzoo_people.camera import apply_camera
from ganzoo_people.canvas import PLATE, Planes
from ganzoo_people.factors import Nuisance, stack
from ganzoo_people.head import View, face_relief, make_view
from ganzoo_people.lighting import light_face, set_lights

MIN_SIZE, MAX_SIZE = 32, 512
_PIXELS_AT_ONCE = 16 * 64 * 64  # keeps one float32 plane at 256 KiB


def render(
    appearances: Appearance | Sequence[Appearance],
    nuisances: Nuisance | Sequence[Nuisance],
    size: int,
) -> np.ndarray:
    """Render N portraits; a portrait does not depend on the others of its batch.

    Args:
        appearances: N `Appearance` records, or one with array fields [N] (see `aging.appearance`).
        nuisances: N `Nuisance` records, or one with array fields [N].
        size: edge of the image, 32..512 pixels.

    Returns:
        uint8 [N, size, size, 3], sRGB-like, rows from the top.

    Raises:
        ValueError: a size out of range, or unequal numbers of records.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(
            f"people.render: size is {size}; use {MIN_SIZE} to {MAX_SIZE} pixels a side"
        )
    who, how = _columns(appearances), _columns(nuisances)
    count, photos = len(who["face_half_width"]), len(how["yaw"])
    if count != photos:
        raise ValueError(
            f"people.render: {count} appearances but {photos} nuisances; pass one for each"
        )
    images = np.empty((count, size, size, 3), np.uint8)
    step = max(1, _PIXELS_AT_ONCE // (size * size))
    for start in range(0, count, step):
        part = slice(start, start + step)
        images[part] = _render_batch(_render_params(who, how, part), size)
    return images


def _columns(records: Appearance | Nuisance | Sequence) -> dict[str, np.ndarray]:
    """Return records, or one record of arrays, as a dict of arrays [N]."""
    if not dataclasses.is_dataclass(records):
        records = stack(records)
    return {k: np.atleast_1d(np.asarray(v)) for k, v in vars(records).items()}


def _render_params(
    who: dict[str, np.ndarray], how: dict[str, np.ndarray], part: slice
) -> SimpleNamespace:
    """Return all parameters of a batch as float32 arrays [N, 1, 1], with a few derived ones."""
    p = SimpleNamespace()
    for table in (who, how):
        for name, column in table.items():
            setattr(p, name, column[part].astype(np.float32).reshape(-1, 1, 1))
    p.tex_u = p.texture_u * PLATE + 4 * PLATE  # positive after adding face coordinates
    p.tex_v = p.texture_v * PLATE + 4 * PLATE
    p.asymmetry = 2.0 * p.texture_u - 1.0
    p.gape = 0.06 * p.mouth_open
    p.gaze_dx = 0.030 * p.gaze_x - 0.05 * np.sin(p.yaw)
    p.gaze_dy = 0.010 * p.gaze_y
    set_lights(p)
    return p


def _render_batch(p: SimpleNamespace, size: int) -> np.ndarray:
    """Render one batch from back to front."""
    v = make_view(p, size)
    planes = scene.backdrop(p, v)
    style = hair.style_parts(p)
    tone = hair.hair_tone(p)
    lock = hair.strands(p, style, v)
    lit_hair, _ = hair.shade_hair(p, style, v, lock, tone)
    mass = hair.hair_mass(p, style, v, lock)
    bun = hair.bun_shape(p, style, v, lock)
    whole = np.maximum(mass, bun)
    _composite(planes, [0.45 * c for c in lit_hair], whole)  # hair behind the neck is in shadow
    tones = skin.base_tone(p)
    scene.dress(p, v, planes, tones)
    scene.ears(p, v, planes, tones)
    head = v.inside / (1.8 * v.pixel) + 0.25
    np.clip(head, 0.0, 1.0, out=head)
    _paint_face(p, v, planes, head, tone)
    opening = hair.face_opening(p, style, v, lock)
    _composite(planes, lit_hair, np.maximum(mass * (1.0 - opening), bun * (1.0 - head)))
    scene.glasses(p, v, planes)
    return apply_camera(p, planes, v.size)


def _composite(planes: Planes, layer: Planes, alpha: np.ndarray) -> None:
    for plane, over in zip(planes, layer, strict=True):
        np.add(plane, (over - plane) * alpha, out=plane)


def _paint_face(
    p: SimpleNamespace, v: View, planes: Planes, head: np.ndarray, hair_tone: Planes
) -> None:
    """Composite the lit face over the planes."""
    relief = face_relief(p, v)
    albedo = skin.paint(p, v)
    features.paint_nostrils(p, v, albedo)
    features.paint_mouth(p, v, albedo)
    sparks = features.paint_eyes(p, v, albedo)
    features.paint_brows(p, v, albedo, hair_tone)
    lit = light_face(p, v, relief, albedo, sparks)
    _composite(planes, lit, head)
