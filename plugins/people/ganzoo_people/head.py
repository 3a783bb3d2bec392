"""The head as a 2.5-D solid: outline, pose, and the height field of the face.

The head is a dome on its outline. Rotating the dome by yaw and pitch gives the point of the frontal
face at every pixel (`fx`, `fy`). So features move and foreshorten with the pose while the outline
stays. On the dome, the anatomy is a sum of soft hills and hollows. `crease` collects the folds,
which lower the surface and darken it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from ganzoo_people.canvas import hill, ridge, sample, soft_step

DOME_DEPTH = 0.80
_UNIT = 0.372  # half a head as a fraction of the image's height, at scale 1


@dataclass
class View:
    """Coordinates of every pixel, arrays [N, H, W] in half heads."""

    size: int
    pixel: np.ndarray  # [N, 1, 1] side of a pixel
    coarse: float  # the same for scale 1, as a plain number
    x: np.ndarray  # upright head frame, origin at the center of the head
    y: np.ndarray
    inside: np.ndarray  # > 0 in the outline, about the distance to it
    dome: np.ndarray  # height of the dome, 0 outside
    fx: np.ndarray  # the point of the frontal face at this pixel
    fy: np.ndarray
    hx: np.ndarray  # like fx, but monotonic at the sides: for the hair
    front: np.ndarray  # > 0 on the front half of the head

    def crop(self, rows: slice, columns: slice) -> View:
        """Return the view of a window."""
        cut = {
            k: v[:, rows, columns] if k not in ("size", "pixel", "coarse") else v
            for k, v in vars(self).items()
        }
        return View(**cut)


def make_view(p: SimpleNamespace, size: int) -> View:
    """Map the pixels of a size x size image to head and face coordinates."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    unit = _UNIT * p.scale
    px = (steps[None, None, :] - p.shift_x) / unit
    py = (steps[None, :, None] + 0.015 - p.shift_y) / unit
    cos, sin = np.cos(p.roll), np.sin(p.roll)
    x = px * cos + py * sin
    y = py * cos - px * sin
    rho2 = _outline(p, x, y, 0.0, 0.0)
    inside = (1.0 - np.sqrt(rho2)) * p.face_half_width
    flat = np.minimum(rho2, 1.0)
    dome = np.sqrt(1.0 - flat * (0.45 + 0.55 * flat))
    dome *= DOME_DEPTH
    fx = x * np.cos(p.yaw) - dome * np.sin(p.yaw)
    fy = y * np.cos(p.pitch) - dome * np.sin(p.pitch)
    front = x * np.sin(p.yaw) + dome * np.cos(p.yaw)
    hx = x - (DOME_DEPTH * np.sin(p.yaw)) * (1.0 - 0.6 * flat)
    coarse = 1.0 / (size * _UNIT)
    return View(size, coarse / p.scale, coarse, x, y, inside, dome, fx, fy, hx, front)


def _outline(
    p: SimpleNamespace, x: np.ndarray, y: np.ndarray, side: float, top: float
) -> np.ndarray:
    """Return the squared radius of the head: 1 on the outline, enlarged by `side` and `top`."""
    dy = y - p.widest_y
    up = np.minimum(dy, 0.0) / (p.widest_y + 1.0 + top)
    down = np.maximum(dy, 0.0) / (p.chin_y - p.widest_y)
    t = np.minimum(down, 1.0)
    narrow = 1.0 - p.jaw_taper * t * t * (3.0 - 2.0 * t)
    q = x / (p.face_half_width * narrow + side)
    q *= q
    q += up * up
    # jaw_square in 2..3: blend of an ellipse and a boxier curve, cheaper than a power
    down2 = down * down
    q += down2 * (1.0 + (p.jaw_square - 2.0) * (down - 1.0))
    return q


@dataclass
class Relief:
    """Shape of the face in a window: height above the dome, and folds in shadow."""

    height: np.ndarray
    crease: np.ndarray


def face_relief(p: SimpleNamespace, v: View) -> Relief:
    """Return the sum of the anatomy of the face on the dome."""
    ax = np.abs(v.fx)
    height = _bones(p, v, ax)
    height += _soft_parts(p, v, ax)
    height += _nose(p, v)
    height += _lips(p, v)
    crease = _folds(p, v, ax)
    crease += _lines(p, v, ax)
    crease /= 1.0 + 0.22 * crease  # so that crossing folds do not become black
    height -= 0.035 * crease
    return Relief(height, crease)


def _bones(p: SimpleNamespace, v: View, ax: np.ndarray) -> np.ndarray:
    h = hill(ax - p.eye_x * 0.9, v.fy - p.brow_y - 0.02, 0.26, 0.10) * p.brow_ridge
    h -= hill(ax - p.eye_x, v.fy - p.eye_y, 0.21, 0.13) * p.socket_depth
    # eyeball under the lids
    h += hill(ax - p.eye_x, v.fy - p.eye_y, 0.13, 0.09) * 0.05
    # cheekbone
    h += hill(ax - 0.50, v.fy - p.eye_y - 0.24, 0.16, 0.12) * 0.05
    # chin
    h += hill(v.fx, v.fy - p.chin_y + 0.13, 0.17, 0.12) * p.chin_bulge
    # hollow between chin and lower lip
    h -= hill(v.fx, v.fy - 0.5 * (p.mouth_y + 0.12 + p.chin_y - 0.12), 0.16, 0.06) * 0.03
    return h


def _soft_parts(p: SimpleNamespace, v: View, ax: np.ndarray) -> np.ndarray:
    lift = 0.03 * p.smile
    h = hill(ax - 0.40, v.fy - p.eye_y - p.cheek_y + lift, 0.20, 0.20) * (
        p.cheek_bulge + 0.03 * np.maximum(p.smile, 0)
    )
    h -= hill(ax - 0.46, v.fy - p.mouth_y + 0.06, 0.13, 0.17) * p.cheek_hollow
    h += hill(ax - 0.40, v.fy - p.mouth_y - 0.17, 0.13, 0.11) * p.jowl
    # temples fall in with the cheeks
    h -= hill(ax - 0.60, v.fy - p.eye_y + 0.25, 0.10, 0.18) * p.cheek_hollow
    # bags below the eyes
    bag = p.eye_bags * 0.045
    h += hill(ax - p.eye_x + 0.01, v.fy - p.eye_y - 0.125, 0.12, 0.04) * bag
    return h


def _nose(p: SimpleNamespace, v: View) -> np.ndarray:
    top = p.eye_y - 0.06
    t = (v.fy - top) / (p.nose_tip_y - top)
    along = np.clip(t, 0.0, 1.0)
    # the nose protrudes: in a rotated head it shifts further than the cheeks
    x = v.fx - 0.03 * p.asymmetry - along * (1.3 * p.nose_height * np.sin(p.yaw))
    rise = p.nose_bridge * (1.0 - along) + along * np.sqrt(along)
    rise *= soft_step(t + 0.05, 0.5)
    rise *= 1.0 - soft_step(t - 1.11, 0.30)
    width = p.nose_half_width * (0.50 + 0.22 * along)
    q = x / width
    q *= q
    h = np.exp(-q) * rise
    h *= p.nose_height
    h += hill(x, v.fy - p.nose_tip_y + 0.01, p.nose_half_width * 0.62, 0.065) * p.nose_bulb
    wing = hill(np.abs(x) - 0.78 * p.nose_half_width, v.fy - p.nose_tip_y - 0.015, 0.055, 0.06)
    h += wing * 0.065
    return h


def mouth_curve(p: SimpleNamespace, fx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the y of the mouth line at fx, and fx as a fraction of the mouth's half width."""
    t = (fx - 0.025 * p.asymmetry) / (p.mouth_half_width * (1.0 + 0.13 * p.smile))
    t2 = np.minimum(t * t, 1.6)
    return p.mouth_y + (p.mouth_droop - 0.055 * p.smile) * (t2 - 0.3), t


def _lips(p: SimpleNamespace, v: View) -> np.ndarray:
    line, t = mouth_curve(p, v.fx)
    d = v.fy - line
    window = np.maximum(1.0 - t * t, 0.0)
    up = hill(d + 0.5 * p.lip_upper, d * 0.0, p.lip_upper * 0.7 + 0.01, 1.0) * 0.035
    low = hill(d - 0.55 * p.lip_lower - 0.4 * p.gape, d * 0.0, p.lip_lower * 0.7 + 0.01, 1.0)
    h = (up + low * 0.045) * window
    # the philtrum, a gutter between nose and lip
    h -= hill(v.fx, d + p.lip_upper + 0.05, 0.03, 0.06) * 0.02
    # the roll of flesh around the mouth
    h += hill(v.fx, d, p.mouth_half_width * 1.1, 0.16) * 0.035
    return h


def _folds(p: SimpleNamespace, v: View, ax: np.ndarray) -> np.ndarray:
    """Return the long folds: nose to mouth, mouth to chin, under the eye, under the lip."""
    ala = p.nose_tip_y - 0.03
    t = (v.fy - ala) / (p.mouth_y + 0.03 - ala)
    laugh = p.nasolabial * 1.35 + 0.09 * np.maximum(p.smile, 0.0)
    x_fold = p.nose_half_width + 0.02 + (p.mouth_half_width * 1.1 + 0.05 - p.nose_half_width) * t
    window = soft_step(t + 0.05, 0.4)
    window *= 1.0 - soft_step(t - 1.15, 0.5)
    c = ridge((ax - x_fold) * 0.85, 0.030, v.pixel) * window
    c *= laugh
    t2 = (v.fy - p.mouth_y) / (0.85 * (p.chin_y - p.mouth_y))
    x_line = p.mouth_half_width * (1.05 + 0.35 * t2) + 0.02
    window = soft_step(t2 - 0.08, 0.4)
    window *= 1.0 - soft_step(t2 - 0.75, 0.5)
    c += ridge(ax - x_line, 0.030, v.pixel) * (window * 0.45 * p.marionette)
    # lower edge of the eye bag: a shallow arc
    ex = ax - p.eye_x + 0.01
    arc = v.fy - p.eye_y - 0.175 + 1.9 * ex * ex
    c += ridge(arc, 0.024, v.pixel) * (np.exp(-(ex * ex) * 50.0) * (1.12 * p.eye_bags))
    # mental crease between lower lip and chin
    c += hill(v.fx, v.fy - p.mouth_y - p.lip_lower - 0.075, 0.13, 0.03) * (
        0.25 + 0.3 * p.marionette
    )
    return c


def _lines(p: SimpleNamespace, v: View, ax: np.ndarray) -> np.ndarray:
    """Return the fine lines: forehead, between the brows, beside the eyes, on the cheeks."""
    c = _forehead_lines(p, v, ax)
    # two vertical frown lines
    frown = ridge(ax - 0.055 - 0.1 * (p.brow_y - v.fy + 0.05), 0.016, v.pixel)
    frown *= 0.75 * np.exp(-(((v.fy - p.brow_y - 0.02) * 9.0) ** 2))
    c += frown * p.frown_lines
    # crow's feet: three rays that fan out from the outer corner of the eye
    cx = ax - p.eye_x - p.eye_half_width * 0.95
    cy = v.fy - p.eye_y - 0.01
    reach = np.maximum(cx, 0.0)
    fan = cy / (reach + 0.06)
    rays = np.cos(np.clip(fan, -1.1, 1.1) * 5.7) * 0.5
    rays += 0.5
    rays *= rays
    rays *= soft_step(cx - 0.03, 0.06) * (1.0 - soft_step(cx - 0.20, 0.16))
    rays *= soft_step(0.75 - np.abs(fan), 0.5)
    c += rays * (p.crows_feet * (0.95 + 0.1 * p.squint))
    # a net of fine lines that run down the cheeks and in front of the ears
    net = sample(
        "strand", (ax * 0.9 + v.fy * 0.4) * 48.0 + p.tex_v, v.fy * 110.0 + p.tex_u, 48.0 * v.coarse
    )
    np.clip(net, 0.0, 1.3, out=net)
    net *= hill(ax - 0.44, v.fy - p.eye_y - 0.38, 0.24, 0.36)
    c += net * (0.70 * p.cheek_wrinkles)
    return c


def _forehead_lines(p: SimpleNamespace, v: View, ax: np.ndarray) -> np.ndarray:
    """Return four wavy lines between brows and hairline."""
    wobble = sample("soft", v.fx * 40.0 + p.tex_u, v.fy * 12.0 + p.tex_v, 40.0 * v.coarse)
    phase = (p.brow_y - v.fy - 0.10 + 0.16 * ax * ax + 0.018 * wobble) * (1.0 / 0.115)
    lines = np.cos((phase - 0.35) * (2.0 * np.pi)) * 0.5
    lines += 0.5
    lines *= lines * lines
    window = soft_step(phase, 0.5)
    window *= 1.0 - soft_step(phase - 3.0, 0.8)
    window *= 0.8 + 0.3 * wobble
    window *= np.exp(-((ax * 1.9) ** 4))
    lines *= window
    lines *= 0.8 * p.forehead_lines + 0.12 * np.maximum(p.brow_raise, 0) * p.forehead_lines
    return lines
