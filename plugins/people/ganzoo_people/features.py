"""Features painted on the face: eyes, brows, nostrils and mouth."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ganzoo_people.canvas import Planes, blend, hill, mix, ridge, sample, soft_step
from ganzoo_people.head import View, mouth_curve

# iris colors along eye_color: dark brown, amber, green, blue, pale gray (linear light)
_IRIS_STOPS = np.linspace(0.0, 1.0, 5)
_IRIS = np.array(
    [
        (0.045, 0.018, 0.008),
        (0.24, 0.11, 0.025),
        (0.12, 0.22, 0.06),
        (0.07, 0.22, 0.55),
        (0.45, 0.58, 0.68),
    ]
)


def _iris_tone(eye_color: np.ndarray) -> Planes:
    """Return the linear-light iris color for eye_color in [0, 1], three arrays like the input."""
    return [np.interp(eye_color, _IRIS_STOPS, _IRIS[:, k]).astype(np.float32) for k in range(3)]


def paint_eyes(p: SimpleNamespace, v: View, planes: Planes) -> np.ndarray:
    """Paint both eyes into the albedo; return the catchlights as additional light [N, H, W]."""
    eye = _eye_shape(p, v)
    _lids(p, v, planes, eye)
    _ball(p, v, planes, eye)
    # upper lashes and the shadow they throw, the lower lid's rim
    lash = ridge(eye.y - eye.upper + 0.004, 0.020, v.pixel) * soft_step(1.12 - np.abs(eye.t), 0.3)
    blend(planes, (0.016, 0.010, 0.008), np.minimum(lash * 1.05, 1.0))
    rim = ridge(eye.y - eye.lower - 0.006, 0.012, v.pixel) * soft_step(1.0 - np.abs(eye.t), 0.3)
    blend(planes, (0.16, 0.06, 0.05), rim * 0.45)
    x = eye.x - eye.side * (p.gaze_dx + 0.024 * np.sign(p.light_azimuth))
    spark = hill(x, eye.y + 0.024, 0.017 + 0.35 * v.pixel, 0.017 + 0.35 * v.pixel)
    spark *= 0.017 / (0.017 + 0.25 * v.pixel)
    spark *= eye.opening
    return spark


def _eye_shape(p: SimpleNamespace, v: View) -> SimpleNamespace:
    """Return the geometry of both eyes, mirrored: x, y from the center of the eye, t = x / half
    width, y of the upper and lower lid at x, and the opacity of the eye opening."""
    x = np.abs(v.fx) - p.eye_x
    y = v.fy - p.eye_y + p.eye_tilt * x
    t = x * (1.0 / p.eye_half_width)
    # the opening is widest slightly towards the nose
    curve = 1.0 - t * t
    curve += 0.12 * t * curve
    closing = 1.0 - 0.30 * p.squint
    upper = -p.eye_upper * closing * curve
    lower = p.eye_lower * closing * curve
    soft = 1.3 * v.pixel
    opening = soft_step(y - upper, soft) * soft_step(lower - y, soft)
    opening *= soft_step(curve, 0.15)
    return SimpleNamespace(
        x=x, y=y, t=t, curve=curve, upper=upper, lower=lower, opening=opening, side=np.sign(v.fx)
    )


def _lids(p: SimpleNamespace, v: View, planes: Planes, eye: SimpleNamespace) -> None:
    """Paint the crease above the upper lid, which becomes a heavy fold with age."""
    gap = 0.050 * (1.0 - 0.5 * p.eye_hood)
    hang = 0.035 * p.eye_hood * np.maximum(eye.t, 0.0)
    crease = ridge(eye.y - eye.upper + gap + 0.02 * eye.curve - hang, 0.018, v.pixel)
    crease *= soft_step(1.25 - np.abs(eye.t - 0.1), 0.5)
    crease *= 0.35 + 0.35 * p.eye_hood
    for plane, keep in zip(planes, (0.40, 0.28, 0.24), strict=True):
        np.multiply(plane, 1.0 - (1.0 - keep) * crease, out=plane)


def _ball(p: SimpleNamespace, v: View, planes: Planes, eye: SimpleNamespace) -> None:
    """Paint sclera, iris and pupil, shaded by the upper lid."""
    x = eye.x - eye.side * p.gaze_dx
    y = eye.y - p.gaze_dy
    radius = np.sqrt(x * x + y * y)
    under_lid = soft_step(eye.y - eye.upper - 0.028, 0.075) * 0.55 + 0.45
    white = (0.52, 0.50 - 0.06 * p.sclera_yellow, 0.48 - 0.22 * p.sclera_yellow)
    disc = soft_step(p.iris_radius - radius, 1.2 * v.pixel + 0.008)
    glow = 0.65 + 0.75 * hill(x, y - 0.6 * p.iris_radius, p.iris_radius, p.iris_radius)
    # dark limbal ring
    glow *= 1.0 - 0.65 * soft_step(radius * (1.0 / p.iris_radius) - 0.84, 0.35)
    glow *= 1.0 - 0.96 * soft_step(0.40 * p.iris_radius - radius, 1.2 * v.pixel)  # pupil
    corner = 1.0 - 0.30 * np.minimum(eye.t * eye.t, 1.0)
    for plane, sclera, iris in zip(planes, white, _iris_tone(p.eye_color), strict=True):
        ball = mix(sclera * corner, glow * iris, disc)
        ball *= under_lid
        ball -= plane
        ball *= eye.opening
        np.add(plane, ball, out=plane)


def paint_brows(p: SimpleNamespace, v: View, planes: Planes, hair: Planes) -> None:
    """Paint the eyebrows: a tapered arc of hairs."""
    bx = np.abs(v.fx) - p.eye_x
    t = bx * (1.0 / 0.215)
    center = p.brow_y - 0.035 * p.brow_raise - p.brow_tilt * bx + 0.85 * bx * bx
    thick = p.brow_half_thickness * np.clip(1.05 - 0.40 * t, 0.2, 1.3)
    hairs = sample(
        "strand",
        v.fx * 90.0 + v.fy * 110.0 + p.tex_u,
        v.fy * 60.0 - bx * 40.0 + p.tex_v,
        110.0 * v.coarse,
    )
    d = np.abs(v.fy - center) - thick
    alpha = soft_step(-d - 0.004 + 0.010 * hairs, 0.045 + v.pixel)
    alpha *= soft_step(1.02 - np.abs(t), 0.35)
    alpha *= p.brow_density * (0.80 + 0.10 * hairs)
    np.clip(alpha, 0.0, 0.95, out=alpha)
    tone = [mix(h * 0.8, 0.42, 0.75 * p.brow_gray) for h in hair]
    blend(planes, tone, alpha)


def paint_nostrils(p: SimpleNamespace, v: View, planes: Planes) -> None:
    """Paint two dark openings under the tip, more visible when the head tilts back."""
    x = np.abs(v.fx - 1.1 * p.nose_height * np.sin(p.yaw)) - 0.46 * p.nose_half_width
    y = v.fy - p.nose_tip_y - 0.060 - 0.25 * x
    alpha = hill(x, y, 0.040 + 0.2 * v.pixel, 0.020 + 0.2 * v.pixel)
    alpha *= np.clip(0.70 - 1.6 * p.pitch, 0.3, 0.9) * (0.45 + 2.6 * p.nose_height)
    blend(planes, (0.05, 0.014, 0.010), alpha)


def paint_mouth(p: SimpleNamespace, v: View, planes: Planes) -> None:
    """Paint the lips, the line between them, teeth of an open mouth, fine wrinkles around it."""
    line, t = mouth_curve(p, v.fx)
    d = v.fy - line
    window = np.maximum(1.0 - t * t, 0.0)
    root = np.sqrt(window)
    aa = 1.3 * v.pixel + 0.012
    # cupid's bow: two peaks beside a dip
    bow = root * (1.0 - 0.25 * np.exp(-(t * t) * 22.0))
    top = -p.lip_upper * bow
    bottom = (p.lip_lower + p.gape) * root
    lips = soft_step(d - top, aa) * soft_step(bottom - d, aa) * soft_step(window, 0.2)
    # lines that run into old lips
    furrow = np.cos(v.fx * 115.0) * (0.5 * p.lip_wrinkles) * np.minimum(0.02 / v.pixel, 1.0)
    near = hill(d, d * 0.0, 0.13, 1.0) * soft_step(1.1 - np.abs(t), 0.4)
    for k, (plane, keep) in enumerate(zip(planes, (0.86, 0.46, 0.46), strict=True)):
        strength = lips * (p.lip_color * 0.9 + 0.05)
        np.multiply(plane, 1.0 - (1.0 - keep) * strength, out=plane)
        np.multiply(plane, 1.0 + 0.22 * near * furrow, out=plane)
        if k == 0:
            np.multiply(plane, 1.0 - 0.12 * lips * (d < 0), out=plane)
    _mouth_gap(p, v, planes, d, t)


def _mouth_gap(p: SimpleNamespace, v: View, planes: Planes, d: np.ndarray, t: np.ndarray) -> None:
    """Paint the gap between the lips: dark, with teeth, or the seam of a closed mouth."""
    root = np.sqrt(np.maximum(1.0 - t * t, 0.0))
    aa = 1.2 * v.pixel + 0.01
    gap = soft_step(d, aa) * soft_step(p.gape * root - d, aa)
    gap *= soft_step(p.gape * root - 0.012, 0.03)
    blend(planes, (0.035, 0.010, 0.010), gap)
    teeth = gap * soft_step(p.gape * 0.62 * root - d, aa) * soft_step(0.85 - np.abs(t), 0.3)
    blend(planes, (0.62, 0.58, 0.50), teeth * 0.9)
    seam = ridge(d, 0.014, v.pixel) * soft_step(1.06 - np.abs(t), 0.25)
    blend(planes, (0.075, 0.022, 0.020), np.minimum(seam, 1.0) * 0.85)
