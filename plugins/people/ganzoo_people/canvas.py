"""Drawing functions on float32 arrays [N, H, W]: soft edges, blending, noise plates, colors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

Planes = list[np.ndarray]
"""RGB images as three planes [N, H, W] of linear light."""

PLATE = 256  # side of the noise plates in texels
_PLATE_KEY = 0x67616E7A  # fixes the noise; another key needs a new RENDER_VERSION


def soft_step(x: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """Return a smooth step from 0 (x far below zero) to 1 (far above), `width` wide."""
    t = x / width
    t += 0.5
    np.clip(t, 0.0, 1.0, out=t)
    s = t * -2.0
    s += 3.0
    s *= t
    s *= t
    return s


def hill(
    x: np.ndarray, y: np.ndarray, rx: np.ndarray | float, ry: np.ndarray | float
) -> np.ndarray:
    """Return a Gaussian centered at x = y = 0 with radii rx, ry."""
    u = x * (1.0 / rx)
    u *= u
    v = y * (1.0 / ry)
    v *= v
    u = u + v  # not in place: x and y may be broadcast against each other
    np.negative(u, out=u)
    return np.exp(u, out=u)


def ridge(d: np.ndarray, width: float, pixel: np.ndarray) -> np.ndarray:
    """Return a thin line along d = 0, wider and weaker where pixels are too coarse for it."""
    drawn = np.sqrt(width * width + (0.55 * pixel) ** 2)
    t = d * (1.0 / drawn)
    t *= t
    np.negative(t, out=t)
    np.exp(t, out=t)
    t *= width / drawn
    return t


def blend(planes: Planes, color: Sequence[np.ndarray | float], alpha: np.ndarray) -> None:
    """Paint `color` over the planes with opacity alpha, in place."""
    for plane, tone in zip(planes, color, strict=True):
        step = tone - plane
        step *= alpha
        np.add(plane, step, out=plane)


def mix(a: np.ndarray | float, b: np.ndarray | float, t: np.ndarray) -> np.ndarray:
    """Interpolate from a (t = 0) to b (t = 1)."""
    return a + (b - a) * t


@lru_cache(maxsize=64)
def noise_plate(kind: str, mip: int) -> np.ndarray:
    """Return a tileable noise plate, flattened [PLATE * PLATE], float32, about N(0, 1) at mip 0.

    Args:
        kind: fine (pores), soft (blotches), strand (long in y), curl (wool), grain (camera).
        mip: the plate is low-pass filtered for a texel footprint of 2**mip / 2, against aliasing.
    """
    salt = {"fine": 1, "soft": 2, "strand": 3, "curl": 4, "grain": 5}[kind]
    raw = np.random.Philox(key=[_PLATE_KEY, salt]).random_raw(PLATE * PLATE)
    octets = raw.view(np.uint8).reshape(PLATE, PLATE, 8).astype(np.float32)
    white = (octets.sum(-1) - 1020.0) / 209.0  # sum of eight bytes: close to normal
    sigma = {"fine": (1.2, 1.2), "soft": (9.0, 9.0), "strand": (30.0, 1.5), "curl": (3.2, 3.2)}
    plate = white
    if kind in sigma:
        plate = gaussian_filter(white, sigma[kind], mode="wrap")
        if kind == "strand":  # locks as well as single hairs
            plate /= plate.std()
            plate += 0.6 * _unit(gaussian_filter(white[::-1], (40.0, 9.0), mode="wrap"))
        plate = _unit(plate)
    if mip > 0:
        plate = gaussian_filter(plate, 0.35 * 2.0**mip, mode="wrap")
    return np.ascontiguousarray(plate, np.float32).reshape(-1)


def _unit(plate: np.ndarray) -> np.ndarray:
    return (plate - plate.mean()) / plate.std()


def sample(kind: str, u: np.ndarray, v: np.ndarray, texel_per_pixel: float) -> np.ndarray:
    """Sample a noise plate at texel coordinates u (x) and v (y), nearest texel."""
    mip = max(0, round(float(np.log2(max(texel_per_pixel, 1.0)))))
    column = u.astype(np.int32)
    column &= PLATE - 1
    row = v.astype(np.int32)
    row &= PLATE - 1
    row *= PLATE
    row += column
    return noise_plate(kind, mip).take(row)


def hue_color(
    hue: np.ndarray, saturation: np.ndarray | float, level: np.ndarray | float
) -> list[np.ndarray]:
    """Return linear-light RGB of a hue in [0, 1) with saturation and level in [0, 1]."""
    tones = []
    for offset in (0.0, 1.0 / 3.0, 2.0 / 3.0):
        wave = 0.5 + 0.5 * np.cos(2.0 * np.pi * (hue - offset))
        tones.append((level * (1.0 - saturation * (1.0 - wave))).astype(np.float32))
    return tones
