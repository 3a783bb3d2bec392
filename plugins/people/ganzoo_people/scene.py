"""Everything around the face: backdrop, clothes, neck, ears, glasses."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ganzoo_people.canvas import Planes, blend, hill, hue_color, mix, ridge, sample, soft_step
from ganzoo_people.head import View


def backdrop(p: SimpleNamespace, v: View) -> Planes:
    """Return a blurred wall with a gradient and one soft shape, in linear light."""
    n = p.scale.shape[0]
    steps = (np.arange(v.size, dtype=np.float32) + 0.5) / v.size - 0.5
    u, w = steps[None, None, :], steps[None, :, None]
    slope = u * np.cos(p.backdrop_angle) + w * np.sin(p.backdrop_angle)
    level = (0.03 + 0.80 * p.backdrop_level**2) * np.exp(1.1 * p.backdrop_contrast * slope)
    level *= 1.0 + 0.7 * p.blob_level * hill(
        u - 0.5 * p.blob_x, w - 0.5 * p.blob_y, p.blob_size, p.blob_size
    )
    tones = hue_color(p.backdrop_hue, 0.75 * p.backdrop_saturation, 1.0)
    return [np.broadcast_to(level * tone, (n, v.size, v.size)).copy() for tone in tones]


def dress(p: SimpleNamespace, v: View, planes: Planes, skin: Planes) -> None:
    """Paint neck, shoulders and clothes over the backdrop, lit."""
    ax = np.abs(v.x)
    neck_x = np.abs(v.x - 0.10 * np.sin(p.yaw))
    collar = 1.26 + 0.05 * p.clothes_neckline
    # trapezius: from the neck down to the shoulders, which round off at the arms
    slope = np.maximum(neck_x - p.neck_half_width * 0.8, 0.0)
    arm = np.maximum(ax - 0.8 * p.shoulder_half_width, 0.0)
    top = collar - 0.20 + 0.36 * slope + 3.0 * arm * arm
    body = soft_step(v.y - top, 0.05 + v.pixel)
    # skin above the neckline
    scoop = v.y - collar - (0.06 + 0.35 * p.clothes_neckline)
    scoop += 1.1 * neck_x * neck_x / (p.neck_half_width + 0.05)
    cover = soft_step(scoop, 0.03 + v.pixel)
    cover = np.maximum(cover, soft_step(neck_x - 1.25 * p.neck_half_width, 0.05 + v.pixel))
    _neck(p, v, planes, skin, body * (1.0 - cover))
    light = 0.80 + 0.30 * p.light_x * np.clip(v.x, -1.2, 1.2)
    folds = sample("soft", v.x * 30.0 + p.tex_u, v.y * 14.0 + p.tex_v, 30.0 * v.coarse)
    light = light * (1.0 + 0.10 * folds)
    light *= 0.70 + 0.30 * soft_step(v.y - top - 0.10, 0.3)
    light *= 0.80 + 0.20 * soft_step(scoop - 0.05, 0.12)
    tones = hue_color(p.clothes_hue, 0.8 * p.clothes_saturation, 0.02 + 0.7 * p.clothes_level**2)
    body *= cover
    for tone, plane, key, fill in zip(tones, planes, p.key, p.fill, strict=True):
        np.add(plane, (tone * light * (0.75 * key + fill) - plane) * body, out=plane)


def _neck(p: SimpleNamespace, v: View, planes: Planes, skin: Planes, chest: np.ndarray) -> None:
    """Paint neck and bare chest: a cylinder in the shadow of the chin, wider at the shoulders."""
    turn = v.x - 0.10 * np.sin(p.yaw)
    neck_x = np.abs(turn)
    half = p.neck_half_width * (1.0 + 0.9 * np.maximum(v.y - 1.02, 0.0) ** 2)
    alpha = soft_step(half - neck_x, 0.03 + v.pixel) * soft_step(v.y - 0.2, 0.1)
    np.maximum(alpha, chest, out=alpha)
    across = np.clip(turn / (half * 1.08), -1.0, 1.0)
    facing = across * p.light_x + np.sqrt(1.0 - across * across) * p.light_z
    facing -= 0.25 * p.light_y
    facing = np.clip(facing * 0.72 + 0.20, 0.0, 1.0)
    # the head's shadow on the neck, softer downwards
    shadow = 0.34 + 0.66 * soft_step(v.y - p.chin_y - 0.22 + 0.25 * turn * p.light_x, 0.50)
    bands = ridge(neck_x - 0.16, 0.035, v.pixel) * p.neck_bands * soft_step(v.y - 0.95, 0.2)
    # collar bones
    bands += 0.5 * ridge(v.y - 1.40 + 0.10 * neck_x, 0.03, v.pixel) * soft_step(neck_x - 0.1, 0.1)
    facing *= shadow * (1.0 - 0.45 * bands)
    for tone, plane, key, fill in zip(skin, planes, p.key, p.fill, strict=True):
        np.add(
            plane, (tone * (facing * key + fill * (0.4 + 0.5 * shadow)) - plane) * alpha, out=plane
        )


def ears(p: SimpleNamespace, v: View, planes: Planes, skin: Planes) -> None:
    """Paint two ears behind the outline of the head; the nearer one is more visible."""
    side = np.sign(v.x)
    reach = p.face_half_width * 0.965 + p.ear_out - 0.16 * side * np.sin(p.yaw) * 1.0
    x = np.abs(v.x) - reach + 0.02
    y = v.y - p.ear_y + 0.75 * np.sin(p.pitch) * 0.2
    half = p.ear_half_height
    lean = x - 0.12 * -y
    r = np.sqrt((lean / (0.105 + 0.2 * p.ear_out)) ** 2 + (y / half) ** 2)
    alpha = soft_step((1.0 - r) * 0.12, 1.3 * v.pixel)
    shade = 0.45 + 0.45 * soft_step(r - 0.62, 0.5)
    shade *= 0.85 + 0.35 * side * p.light_x
    for k, (plane, flush) in enumerate(zip(planes, (1.05, 0.86, 0.84), strict=True)):
        lit = skin[k] * flush * shade * (p.key[k] * 0.9 + p.fill[k])
        np.add(plane, (lit - plane) * alpha, out=plane)


def glasses(p: SimpleNamespace, v: View, planes: Planes) -> None:
    """Paint rims, bridge and temples over the face, with a faint reflection in the lenses."""
    x = np.abs(v.fx) - p.eye_x * 1.02
    y = v.fy - p.eye_y - 0.035
    rx = np.minimum(0.215 + 0.05 * p.glasses_size, p.eye_x - 0.045)
    ry = 0.145 + 0.06 * p.glasses_size + 0.03 * p.glasses_roundness
    u, w = np.abs(x / rx), np.abs(y / ry)
    u2, w2 = u * u, w * w
    round_r = np.sqrt(u2 + w2)
    boxy_r = np.sqrt(np.sqrt(u2 * u2 + w2 * w2))
    r = mix(boxy_r, round_r, p.glasses_roundness)
    d = (r - 1.0) * 0.17
    rim = ridge(d, 0.020, v.pixel)
    bridge = ridge(y + 0.05, 0.018, v.pixel) * soft_step(p.eye_x - rx - np.abs(v.fx), 0.05)
    temple = ridge(y + 0.04, 0.018, v.pixel) * soft_step(np.abs(v.fx) - p.eye_x - rx, 0.05)
    temple *= soft_step(v.inside, 0.02 + v.pixel)
    alpha = np.maximum(rim, np.maximum(bridge, temple))
    alpha *= 0.92 * p.glasses
    shade = 0.02 + 0.35 * p.glasses_shade**3
    blend(planes, (shade, shade * 0.85, shade * 0.75), alpha)
    glare = soft_step(-d, 0.04) * soft_step(0.06 - np.abs(x * 0.8 + y + 0.02), 0.08)
    glare *= 0.07 * p.glasses
    for plane, key in zip(planes, p.key, strict=True):
        np.add(plane, glare * key, out=plane)
