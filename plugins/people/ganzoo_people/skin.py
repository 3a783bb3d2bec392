"""Color of the skin: tone, flush, blotches, freckles, age spots, moles, beard shadow."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ganzoo_people.canvas import Planes, blend, hill, sample, soft_step
from ganzoo_people.head import View

# pale, medium and dark skin in linear light
_PALE = (0.76, 0.565, 0.465)
_MEDIUM = (0.43, 0.252, 0.168)
_DARK = (0.098, 0.054, 0.038)


def base_tone(p: SimpleNamespace) -> Planes:
    """Return the color of the skin without marks, three arrays [N, 1, 1]."""
    t = p.skin_tone
    tones = []
    for pale, medium, dark, rosy in zip(_PALE, _MEDIUM, _DARK, (0.04, -0.08, 0.10), strict=True):
        a, b, c = np.log(pale), np.log(medium), np.log(dark)
        curve = a + t * (4 * b - 3 * a - c) + t * t * (2 * a + 2 * c - 4 * b)
        tones.append(np.exp(curve + rosy * p.skin_undertone).astype(np.float32))
    # old skin is sallow and a little gray
    gray = (tones[0] + tones[1] + tones[2]) / 3.0
    return [tone + (gray - tone) * (0.16 * p.skin_pallor) for tone in tones]


def paint(p: SimpleNamespace, v: View) -> Planes:
    """Return the albedo of the face in a window, three arrays [N, H, W]."""
    base = base_tone(p)
    ax = np.abs(v.fx)
    blotch = sample("soft", v.fx * 90.0 + p.tex_u, v.fy * 90.0 + p.tex_v, 90.0 * v.coarse)
    patch = sample("curl", v.fx * 62.0 + p.tex_v, v.fy * 62.0 + p.tex_v, 62.0 * v.coarse)
    pores = sample("fine", v.fx * 60.0 + p.tex_v, v.fy * 60.0 + p.tex_u, 60.0 * v.coarse)
    shade = 1.0 + blotch * (0.05 * p.skin_mottle)
    shade += patch * (0.14 * p.skin_mottle)
    shade += pores * (0.03 + 0.06 * p.skin_mottle)
    planes = [shade * tone for tone in base]
    _flush(p, v, ax, planes, blotch)
    _marks(p, v, planes)
    _beard(p, v, ax, planes, pores)
    return planes


def _flush(p: SimpleNamespace, v: View, ax: np.ndarray, planes: Planes, blotch: np.ndarray) -> None:
    """Paint the flush of cheeks and nose, and the shadow around the eyes."""
    red = hill(ax - 0.43, v.fy - p.eye_y - p.cheek_y, 0.22, 0.17)
    red += hill(v.fx, v.fy - p.nose_tip_y + 0.02, 0.13, 0.10) * 0.7
    red *= p.skin_flush * (1.0 + 0.35 * blotch)
    planes[1] *= 1.0 - 0.26 * red
    planes[2] *= 1.0 - 0.24 * red
    ring = hill(ax - p.eye_x, v.fy - p.eye_y - 0.07, 0.19, 0.13) * (0.10 + 0.30 * p.eye_bags)
    planes[0] *= 1.0 - 0.75 * ring
    planes[1] *= 1.0 - ring
    planes[2] *= 1.0 - 0.85 * ring


def _marks(p: SimpleNamespace, v: View, planes: Planes) -> None:
    """Paint freckles, age spots and three moles."""
    grain = sample("fine", v.fx * 34.0 + p.tex_u, v.fy * 34.0 + p.tex_v, 34.0 * v.coarse)
    nearby = hill(v.fx, v.fy - p.eye_y - 0.2, 0.5, 0.25)
    freckle = soft_step(grain - 0.7, 1.4) * nearby * (0.6 * p.freckles)
    stain = sample("curl", v.fx * 38.0 + p.tex_v, v.fy * 38.0 + p.tex_u, 38.0 * v.coarse)
    # spots appear at the maxima of the plate and grow as the threshold decreases
    spot = soft_step(stain - 2.5 + 1.6 * p.skin_spots, 0.8) * (0.12 + 0.52 * p.skin_spots)
    stain_alpha = np.maximum(freckle, spot)
    for plane, keep in zip(planes, (0.62, 0.42, 0.34), strict=True):
        np.multiply(plane, 1.0 - (1.0 - keep) * stain_alpha, out=plane)
    for name, rx, ry, oy in (
        ("a", 0.50, 0.25, 0.33),
        ("b", 0.52, 0.22, 0.62),
        ("c", 0.45, 0.10, -0.33),
    ):
        x = v.fx - getattr(p, f"mole_{name}_x") * rx
        y = v.fy - p.eye_y * 0.8 - getattr(p, f"mole_{name}_y") * ry - oy
        radius = np.sqrt(0.034**2 + (0.5 * v.pixel) ** 2)
        alpha = hill(x, y, radius, radius) * (0.80 * getattr(p, f"mole_{name}_dark"))
        blend(planes, (0.045, 0.02, 0.014), alpha)


def _beard(p: SimpleNamespace, v: View, ax: np.ndarray, planes: Planes, pores: np.ndarray) -> None:
    """Paint stubble on jaw, chin and upper lip."""
    area = soft_step(v.fy - p.mouth_y + 0.30 - 0.9 * np.maximum(ax - 0.25, 0) * 0.5, 0.30)
    area *= 1.0 - 0.9 * hill(ax - 0.30, v.fy - p.mouth_y + 0.16, 0.17, 0.16)
    area *= 0.42 * p.stubble * (1.0 + 0.35 * pores)
    np.clip(area, 0.0, 1.0, out=area)
    tone = [0.05 + 0.40 * p.stubble_gray] * 3
    blend(planes, tone, area)
