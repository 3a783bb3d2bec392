"""Light on skin: a soft lamp, light from the room, gloss, subsurface scattering."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ganzoo_people.canvas import Planes, hue_color
from ganzoo_people.head import Relief, View


def set_lights(p: SimpleNamespace) -> None:
    """Set the direction of the lamp and the colors of lamp (`key`) and room (`fill`), [N, 1, 1]."""
    flat = np.cos(p.light_elevation)
    p.light_x = np.sin(p.light_azimuth) * flat
    p.light_y = -np.sin(p.light_elevation)
    p.light_z = np.cos(p.light_azimuth) * flat
    strength = 0.65 + 0.75 * p.light_contrast
    warm = 0.13 * p.light_warmth
    p.key = [strength * np.exp(warm), strength, strength * np.exp(-1.2 * warm)]
    room = 0.23 + 0.45 * (1.0 - p.light_contrast) + 0.10 * p.fill_strength
    p.fill = [room * tone for tone in hue_color(p.fill_hue, 0.24, 1.0)]


def light_face(
    p: SimpleNamespace, v: View, relief: Relief, albedo: Planes, sparks: np.ndarray
) -> Planes:
    """Return the face in linear light from its albedo."""
    surface = v.dome + relief.height
    nx, ny = _slopes(surface, v.pixel)
    nz = 1.0 / np.sqrt(nx * nx + ny * ny + 1.0)
    facing = nx * p.light_x
    facing += ny * p.light_y
    facing += p.light_z
    facing *= nz
    gloss = _gloss(p, nx, ny, nz)
    # folds and the rim of the face receive less light from the room; some comes from below
    open_sky = (0.55 + 0.45 * nz) * (1.0 + 0.16 * ny * nz)
    shadow = np.maximum(1.0 - 0.66 * relief.crease, 0.25)
    open_sky *= shadow
    lit = []
    # red light scatters furthest under the skin and softens the edge of the shadow
    for k, wrap in enumerate((0.34, 0.26, 0.22)):
        lamp = (facing + wrap) * (1.0 / (1.0 + wrap))
        np.maximum(lamp, 0.0, out=lamp)
        lamp *= shadow
        lamp *= p.key[k]
        lamp += open_sky * p.fill[k]
        lamp *= albedo[k]
        lamp += gloss * p.key[k]
        lamp += sparks * (0.9 * p.key[k])
        lit.append(lamp)
    return lit


def _slopes(surface: np.ndarray, pixel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the negative slopes of a height field in x and y, by central differences."""
    half = -0.5 / pixel
    nx = np.empty_like(surface)
    nx[:, :, 1:-1] = surface[:, :, 2:] - surface[:, :, :-2]
    nx[:, :, 0] = nx[:, :, 1]
    nx[:, :, -1] = nx[:, :, -2]
    nx *= half
    ny = np.empty_like(surface)
    ny[:, 1:-1] = surface[:, 2:] - surface[:, :-2]
    ny[:, 0] = ny[:, 1]
    ny[:, -1] = ny[:, -2]
    ny *= half
    return nx, ny


def _gloss(p: SimpleNamespace, nx: np.ndarray, ny: np.ndarray, nz: np.ndarray) -> np.ndarray:
    """Return the specular reflection of the lamp; young skin shines more than old skin."""
    hx, hy, hz = p.light_x, p.light_y, p.light_z + 1.0
    length = 1.0 / np.sqrt(hx * hx + hy * hy + hz * hz)
    g = nx * (hx * length)
    g += ny * (hy * length)
    g += hz * length
    g *= nz
    np.maximum(g, 0.0, out=g)
    for _ in range(4):  # to the sixteenth power
        g *= g
    g *= 0.07 * (1.0 - 0.5 * p.skin_pallor) * p.light_contrast + 0.02
    return g
