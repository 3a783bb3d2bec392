"""Hair: a textured mass around the skull, with an opening for the face."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ganzoo_people.canvas import Planes, hill, mix, sample, soft_step
from ganzoo_people.factors import HAIR_STYLES
from ganzoo_people.head import DOME_DEPTH, View

# parameters of each style, in half heads or amounts:
#            top    side   end    burns  fringe sweep  curl   flare  bun
_STYLES = {
    "cropped": (0.30, 0.12, -0.05, 0.05, 0.02, 0.00, 0.15, -0.20, 0.0),
    "short": (0.85, 0.40, 0.10, 0.12, 0.03, 0.05, 0.10, -0.15, 0.0),
    "side part": (1.10, 0.60, 0.16, 0.15, 0.02, 0.20, 0.00, -0.10, 0.0),
    "long": (1.00, 1.00, 1.55, 1.60, 0.03, 0.10, 0.05, 0.16, 0.0),
    "curly": (1.70, 1.75, 0.75, 0.80, 0.06, 0.00, 1.00, 0.10, 0.0),
    "fringe": (1.00, 0.95, 0.80, 0.85, 0.30, 0.05, 0.00, 0.06, 0.0),
    "bun": (0.60, 0.25, 0.12, 0.12, 0.00, 0.00, 0.00, -0.10, 1.0),
}
_STYLE_PARTS = ("top", "side", "end", "burns", "fringe", "sweep", "curl", "flare", "bun")
_STYLE_TABLE = np.array([_STYLES[name] for name in HAIR_STYLES], np.float32)

_GRAY = (0.56, 0.55, 0.55)


def style_parts(p: SimpleNamespace) -> SimpleNamespace:
    """Return the parameters of each person's hair style, arrays [N, 1, 1]."""
    rows = _STYLE_TABLE[p.hair_style.astype(np.int64).reshape(-1)]
    s = SimpleNamespace(**{k: rows[:, j].reshape(-1, 1, 1) for j, k in enumerate(_STYLE_PARTS)})
    # small children have short hair in every style
    grown = p.hair_length
    s.end = mix(np.minimum(s.end, 0.10), s.end, grown)
    s.burns = mix(np.minimum(s.burns, 0.10), s.burns, grown)
    s.fringe = s.fringe * grown * p.hair_density
    s.bun = s.bun * soft_step(grown - 0.55, 0.5)
    s.bun *= 1.0 - soft_step(p.crown_thinning - 0.35, 0.5)  # too thin for a bun
    fluff = p.hair_thickness * (1.0 + 0.12 * p.hair_tousle)
    bald = np.clip(p.crown_thinning, 0.0, 1.0)
    s.top = s.top * fluff * (1.0 - 0.85 * bald)
    s.side = s.side * fluff
    return s


def hair_tone(p: SimpleNamespace) -> Planes:
    """Return the albedo of hair before graying, three arrays [N, 1, 1]."""
    m = p.hair_melanin
    tones = []
    for blond, black, red in zip(
        (0.50, 0.33, 0.150), (0.014, 0.011, 0.010), (1.5, 0.62, 0.30), strict=True
    ):
        tone = np.exp(np.log(blond) + (np.log(black) - np.log(blond)) * m)
        redder = 1.0 + (red - 1.0) * np.maximum(p.hair_redness * 1.5 - 0.5, 0.0)
        tones.append((tone * redder).astype(np.float32))
    return tones


def hair_mass(p: SimpleNamespace, s: SimpleNamespace, v: View, ragged: np.ndarray) -> np.ndarray:
    """Return the opacity [N, H, W] of the whole mass, without the opening for the face."""
    q = _outline_hair(p, s, v)
    rim = (1.0 - q) * p.face_half_width
    rim += ragged * (0.012 + 0.022 * s.curl)
    alpha = soft_step(rim, 0.05 + 0.09 * s.curl + 1.2 * v.pixel)
    low = s.end - v.y + ragged * 0.05
    alpha *= soft_step(low, 0.12 + v.pixel)
    # sparse hair is transparent between the locks
    alpha *= np.clip(p.hair_density + 0.5 * (1.0 - p.hair_density) * ragged, 0.0, 1.0)
    return alpha


def _outline_hair(p: SimpleNamespace, s: SimpleNamespace, v: View) -> np.ndarray:
    """Return the radius relative to the outline of the hair (1 on it); long hair falls straight."""
    dy = v.y - p.widest_y
    up = np.minimum(dy, 0.0) / (p.widest_y + 1.0 + s.top)
    fall = np.maximum(dy, 0.0)
    half = p.face_half_width + s.side + s.flare * fall
    x = v.x / half
    x *= x
    x += up * up
    return np.sqrt(x, out=x)


def strands(p: SimpleNamespace, s: SimpleNamespace, v: View) -> np.ndarray:
    """Return the texture of locks that fan out from the parting, about N(0, 1) [N, H, W]."""
    part = 0.38 * p.hair_parting
    spread = 1.0 / (0.60 + 0.75 * np.maximum(v.fy + 1.05, 0.0))
    across = (v.hx - part * (1.0 - s.bun)) * spread
    wave = 0.02 * np.sin(v.fy * 9.0 + 6.0 * across)
    along = v.fy + 0.5 * across * across
    fine = sample(
        "strand", (across + wave) * 170.0 + p.tex_u, along * 50.0 + p.tex_v, 120.0 * v.coarse
    )
    wool = sample("curl", v.x * 75.0 + p.tex_v, v.y * 75.0 + p.tex_u, 75.0 * v.coarse)
    np.abs(wool, out=wool)  # ridges of the plate become ringlets
    wool *= -1.6
    wool += 1.2
    np.maximum(wool, -1.6, out=wool)
    return mix(fine, wool, s.curl)


def face_opening(p: SimpleNamespace, s: SimpleNamespace, v: View, lock: np.ndarray) -> np.ndarray:
    """Return 1 where the face (or bald scalp) is visible, 0 under hair."""
    ax = np.abs(v.fx)
    wide = p.face_half_width * 0.93
    u = ax * (1.0 / wide)
    u2 = u * u
    line = p.hairline_y + s.fringe - 0.10 * p.temple_recession
    line = line + s.sweep * (v.fx - 0.38 * p.hair_parting) * np.sign(-p.hair_parting) * 0.8
    line = line + (0.22 + 0.1 * s.fringe) * u2 * u2
    line -= p.temple_recession * hill(ax - 0.42, ax * 0.0, 0.20, 1.0)
    line += 0.10 * np.maximum(p.hair_peak, 0.0) * hill(v.fx, ax * 0.0, 0.13, 1.0)
    soft = 0.07 + v.pixel + 0.25 * (1.0 - p.hair_length)  # infant hair has no sharp edge
    below = soft_step(v.fy - line + 0.018 * lock, soft)
    between = soft_step((1.0 - u) * wide + 0.016 * lock, soft)
    # below the sideburns no hair covers the cheeks
    free = soft_step(v.fy - s.burns + 0.04 * lock, 0.16)
    opening = np.maximum(between, free)
    opening *= below
    ahead = np.maximum(soft_step(v.front - 0.05, 0.12), soft_step(v.y - 0.70, 0.2))
    opening *= ahead * (1.0 - free) + free
    # thinning crown: strands part over the scalp
    scalp = soft_step(-0.30 - v.fy, 0.5) * soft_step(0.62 - ax, 0.45)
    thin = soft_step(p.crown_thinning * 1.7 - 0.55 + 0.22 * lock * scalp, 0.6)
    thin *= np.minimum(p.crown_thinning * 8.0, 1.0)
    return np.maximum(opening, thin * scalp)


def shade_hair(
    p: SimpleNamespace, s: SimpleNamespace, v: View, lock: np.ndarray, tone: Planes
) -> tuple[Planes, np.ndarray]:
    """Return the lit color of the hair and its gloss, in linear light."""
    q = _outline_hair(p, s, v)
    np.minimum(q, 1.0, out=q)
    rise = np.sqrt(np.maximum(1.0 - q * q, 0.02))
    nx = v.x / (p.face_half_width + s.side)
    ny = np.minimum(v.y - p.widest_y, 0.4) * 0.9
    facing = nx * p.light_x + ny * p.light_y + rise * p.light_z
    facing += 0.12 * lock * (1.0 - 0.3 * s.curl)
    facing *= 1.0 / 1.15
    facing += 0.15
    np.clip(facing, 0.0, 1.3, out=facing)
    # strands turn gray one by one: dark strands first, temples before the crown
    first = 0.35 * hill(np.abs(v.fx) - 0.7, v.fy, 0.25, 0.35)
    white = soft_step((1.8 + first) * p.hair_gray - 0.90 + 0.12 * lock, 1.1)
    deep = 0.80 + 0.19 * lock
    np.clip(deep, 0.25, 1.7, out=deep)
    deep *= 0.55 + 0.45 * rise
    sheen = np.exp(-(((v.fy + 0.62 + 0.10 * p.light_y + 0.25 * v.x * v.x) * 4.5) ** 2))
    sheen *= np.maximum(0.7 + 0.4 * lock, 0.0) * facing
    sheen *= 0.055 * (1.0 - 0.75 * s.curl)
    planes = []
    for color, gray, key, fill in zip(tone, _GRAY, p.key, p.fill, strict=True):
        plane = mix(color, gray, white)
        plane *= deep
        plane *= facing * key + fill * 0.9
        plane += sheen * key * (0.35 + color)
        planes.append(plane)
    return planes, sheen


def bun_shape(p: SimpleNamespace, s: SimpleNamespace, v: View, ragged: np.ndarray) -> np.ndarray:
    """Return the opacity of a bun on top of the head."""
    x = v.x + 0.2 * DOME_DEPTH * np.sin(p.yaw)  # behind the crown
    r = np.sqrt((x / 0.30) ** 2 + ((v.y + 1.06 + s.top) / 0.20) ** 2)
    return soft_step((1.0 - r) * 0.25 + 0.012 * ragged, 0.05 + v.pixel) * s.bun
