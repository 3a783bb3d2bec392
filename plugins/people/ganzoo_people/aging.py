"""Aging: one fixed function of (identity, age) to the parameters of the renderer.

`appearance` returns every rendered quantity at an age. It is driven by `maturity` (fast in infancy,
complete at about twenty), `puberty` (ten to nineteen), and slow monotonic ramps of adults that
start at different ages. All are continuous, so that neighboring ages look similar.

Lengths are in half heads: the crown is at y = -1, the chin near y = +1, y points down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganzoo_people.factors import MAX_AGE, MIN_AGE, Identity


@dataclass(frozen=True)
class Appearance:
    """The parameters of the renderer: one identity at one age. Fields are scalars or arrays [N]."""

    # skull and jaw
    face_half_width: float
    widest_y: float
    chin_y: float
    jaw_taper: float
    jaw_square: float
    neck_half_width: float
    shoulder_half_width: float
    # soft tissue
    cheek_bulge: float
    cheek_y: float
    cheek_hollow: float
    jowl: float
    chin_bulge: float
    double_chin: float
    brow_ridge: float
    socket_depth: float
    # eyes
    eye_x: float
    eye_y: float
    eye_half_width: float
    eye_upper: float
    eye_lower: float
    eye_tilt: float
    eye_hood: float
    eye_color: float
    iris_radius: float
    sclera_yellow: float
    # brows
    brow_y: float
    brow_half_thickness: float
    brow_tilt: float
    brow_density: float
    brow_gray: float
    # nose
    nose_tip_y: float
    nose_half_width: float
    nose_bridge: float
    nose_height: float
    nose_bulb: float
    # mouth
    mouth_y: float
    mouth_half_width: float
    lip_upper: float
    lip_lower: float
    lip_color: float
    mouth_droop: float
    # ears
    ear_half_height: float
    ear_y: float
    ear_out: float
    # wrinkles (all amounts from 0)
    forehead_lines: float
    frown_lines: float
    crows_feet: float
    eye_bags: float
    nasolabial: float
    marionette: float
    lip_wrinkles: float
    cheek_wrinkles: float
    neck_bands: float
    # skin
    skin_tone: float
    skin_undertone: float
    skin_flush: float
    skin_pallor: float
    skin_mottle: float
    skin_spots: float
    freckles: float
    stubble: float
    stubble_gray: float
    mole_a_x: float
    mole_a_y: float
    mole_a_dark: float
    mole_b_x: float
    mole_b_y: float
    mole_b_dark: float
    mole_c_x: float
    mole_c_y: float
    mole_c_dark: float
    # hair
    hair_melanin: float
    hair_redness: float
    hair_gray: float
    hair_density: float
    hair_thickness: float
    hair_length: float
    hairline_y: float
    temple_recession: float
    crown_thinning: float
    hair_parting: float
    hair_peak: float
    hair_style: float
    texture_u: float
    texture_v: float


def appearance(person: Identity, age: Any) -> Appearance:
    """Return the appearance of a person at an age; continuous in age.

    Args:
        person: an `Identity` of scalars, or of arrays [N] (see `stack`).
        age: years in [0, 90], a scalar or an array [N].

    Returns:
        An `Appearance` of floats or arrays [N].

    Raises:
        ValueError: an age is outside 0..90 or not a number.
    """
    years = np.asarray(age, np.float64)
    if not np.all((years >= MIN_AGE) & (years <= MAX_AGE)):
        bad = years[~((years >= MIN_AGE) & (years <= MAX_AGE))].flat[0]
        raise ValueError(f"people.appearance: age is {bad:g}; use years from 0 to 90")
    infancy = 1.0 - np.exp(-years / 6.0)  # most of the growth of the face is complete at six
    puberty = _ramp(years, 10.0, 20.0)
    growth = _GrowthState(
        years=years,
        maturity=0.62 * infancy + 0.38 * puberty,
        puberty=puberty,
        senescence=_ramp(years, 20.0, 92.0),
    )
    values: dict[str, Any] = {}
    for part in (
        _skull,
        _soft_tissue,
        _eyes,
        _brows,
        _nose,
        _mouth_and_ears,
        _wrinkles,
        _skin,
        _hair,
    ):
        values.update(part(person, growth))
    shape = np.broadcast_shapes(years.shape, np.shape(person.face_width))
    if shape:
        values = {k: np.broadcast_to(np.asarray(v, np.float64), shape) for k, v in values.items()}
    else:
        values = {k: float(v) for k, v in values.items()}
    return Appearance(**values)


@dataclass(frozen=True)
class _GrowthState:
    years: np.ndarray
    maturity: np.ndarray  # 0 at birth, 1 at twenty
    puberty: np.ndarray  # 0 until ten, 1 at twenty
    senescence: np.ndarray  # 0 until twenty, 1 at the end of life


def _ramp(years: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 before start, 1 after end, smooth and nearly linear in between."""
    t = np.clip((years - start) / (end - start), 0.0, 1.0)
    return t * (0.65 + t * (1.05 - 0.7 * t))


def _mix(child: float, adult: float, t: np.ndarray) -> np.ndarray:
    return child + (adult - child) * t


def _ease_out(years: np.ndarray, start: float, end: float) -> np.ndarray:
    """Like `_ramp`, steepest at the start: for folds that appear in the twenties."""
    t = np.clip((years - start) / (end - start), 0.0, 1.0)
    return t * (1.5 - 0.5 * t)


def _ease_in(years: np.ndarray, start: float, end: float) -> np.ndarray:
    """Like `_ramp`, steepest at the end: for features of very old faces."""
    t = np.clip((years - start) / (end - start), 0.0, 1.0)
    return t * (0.45 + 0.55 * t)


def _skull(p: Identity, c: _GrowthState) -> dict[str, Any]:
    wide = 1.0 + 0.10 * p.face_width
    return {
        # an infant's head is nearly as wide as high; the face lengthens with growth
        "face_half_width": _mix(0.84, 0.725, c.maturity) * wide,
        # the widest place moves from the braincase down to the cheekbones
        "widest_y": _mix(-0.22, -0.12, c.maturity),
        # the mandible grows downwards, longest of all bones of the face
        "chin_y": _mix(0.93, 1.0, c.maturity) + 0.06 * p.chin_length,
        # chubby infant cheeks, a slim jaw at ten, the adult angle, then sagging jowls widen it
        "jaw_taper": 0.21
        - 0.13 * p.jaw_width
        - 0.12 * (1 - c.maturity)
        - 0.07 * c.senescence
        - 0.03 * c.puberty,
        "jaw_square": _mix(2.3, 2.6, c.maturity) + 0.30 * p.jaw_width,
        # neck and shoulders lag behind the head
        "neck_half_width": _mix(0.30, 0.44, c.maturity) * (1 + 0.08 * p.jaw_width),
        "shoulder_half_width": _mix(0.95, 1.75, 0.5 * c.maturity + 0.5 * c.puberty),
    }


def _soft_tissue(p: Identity, c: _GrowthState) -> dict[str, Any]:
    baby_fat = 1.0 - _ramp(c.years, 0.0, 38.0)
    return {
        # buccal fat goes through childhood and youth, and what is left slides down
        "cheek_bulge": 0.09 + 0.045 * p.cheek_fullness + 0.09 * baby_fat - 0.05 * c.senescence,
        "cheek_y": 0.30 + 0.10 * c.senescence,
        "cheek_hollow": 0.02 - 0.02 * p.cheek_fullness * c.maturity + 0.13 * _ramp(c.years, 20, 95),
        # skin and fat gather at the mandible
        "jowl": 0.14 * _ease_in(c.years, 32, 92),
        "chin_bulge": _mix(0.05, 0.10, c.puberty) + 0.02 * p.chin_length,
        "double_chin": 0.4 * baby_fat + 0.8 * _ramp(c.years, 35, 90),
        # the bone above the eyes grows at puberty
        "brow_ridge": (0.045 + 0.03 * p.brow_ridge) * _mix(0.25, 1.0, c.puberty)
        + 0.02 * c.senescence,
        # orbital fat is lost, the eyes sink
        "socket_depth": _mix(0.03, 0.085, c.maturity) + 0.09 * _ramp(c.years, 25, 92),
    }


def _eyes(p: Identity, c: _GrowthState) -> dict[str, Any]:
    # eyeballs are nearly full-grown at birth, so they shrink relative to the head
    size = _mix(1.36, 1.0, c.maturity) * (1 + 0.19 * p.eye_size)
    droop = _ramp(c.years, 30, 92)
    opening = (1 + 0.24 * p.eye_opening) * size
    return {
        "eye_x": _mix(0.335, 0.315, c.maturity) + 0.062 * p.eye_spacing,
        # the eyes sit low in an infant's head and at mid-height in an adult's
        "eye_y": _mix(0.25, 0.01, c.maturity) + 0.05 * p.forehead_height,
        "eye_half_width": 0.158 * size,
        # the upper lid sinks with age
        "eye_upper": 0.080 * opening * (1 - 0.48 * droop),
        "eye_lower": 0.052 * opening * _mix(1.15, 1.0, c.maturity) * (1 - 0.2 * droop),
        "eye_tilt": 0.20 * p.eye_tilt - 0.13 * droop,
        # skin fold that comes to rest on the lashes
        "eye_hood": 0.15 + 0.85 * droop,
        "eye_color": p.eye_color,
        "iris_radius": 0.077 * _mix(1.30, 1.0, c.maturity),
        "sclera_yellow": 0.1 + 0.7 * _ramp(c.years, 30, 92),
    }


def _brows(p: Identity, c: _GrowthState) -> dict[str, Any]:
    eye_y = _mix(0.25, 0.01, c.maturity) + 0.05 * p.forehead_height
    return {
        # brows sink towards the eyes
        "brow_y": eye_y - 0.215 - 0.058 * p.brow_height + 0.06 * c.senescence,
        "brow_half_thickness": (0.042 + 0.025 * p.brow_thickness) * _mix(0.6, 1.0, c.maturity),
        "brow_tilt": 0.20 * p.brow_tilt - 0.05 * c.senescence,
        # infants have a hint of brows, the old thin ones
        "brow_density": _mix(0.22, 1.0, c.maturity) - 0.55 * _ease_in(c.years, 38, 92),
        "brow_gray": _ramp(c.years, 45 + 6 * np.asarray(p.graying), 100),
    }


def _nose(p: Identity, c: _GrowthState) -> dict[str, Any]:
    eye_y = _mix(0.25, 0.01, c.maturity) + 0.05 * p.forehead_height
    # cartilage keeps growing and drooping for life
    length = _mix(0.25, 0.40, 0.5 * c.maturity + 0.5 * c.puberty) + 0.07 * c.senescence
    return {
        "nose_tip_y": eye_y + length * (1 + 0.18 * p.nose_length),
        "nose_half_width": (_mix(0.125, 0.145, c.puberty) + 0.03 * c.senescence)
        * (1 + 0.30 * p.nose_width),
        # the bridge of a child is flat
        "nose_bridge": _mix(0.15, 0.62, 0.4 * c.maturity + 0.6 * c.puberty) + 0.25 * p.nose_bridge,
        "nose_height": _mix(0.13, 0.21, 0.4 * c.maturity + 0.6 * c.puberty) + 0.02 * c.senescence,
        "nose_bulb": _mix(0.018, 0.035, c.puberty) + 0.03 * c.senescence,
    }


def _mouth_and_ears(p: Identity, c: _GrowthState) -> dict[str, Any]:
    nose_tip = _nose(p, c)["nose_tip_y"]
    thin = _ease_out(c.years, 18, 92)
    full = 1 + 0.48 * p.lip_fullness
    return {
        "mouth_y": nose_tip + _mix(0.175, 0.225, c.maturity) + 0.035 * p.mouth_height + 0.02 * thin,
        "mouth_half_width": _mix(0.185, 0.255, c.maturity) * (1 + 0.20 * p.mouth_width),
        # lips lose volume and color
        "lip_upper": 0.058 * full * (1 - 0.68 * thin),
        "lip_lower": 0.078 * full * (1 - 0.52 * thin),
        "lip_color": 1.0 - 0.62 * thin,
        "mouth_droop": 0.055 * _ease_in(c.years, 32, 92),
        # ears grow and their lobes lengthen for life
        "ear_half_height": _mix(0.19, 0.215, c.maturity) * (1 + 0.20 * p.ear_size)
        + 0.06 * c.senescence,
        "ear_y": _mix(0.25, 0.10, c.maturity) + 0.03 * c.senescence,
        "ear_out": 0.045 + 0.055 * p.ear_protrusion,
    }


def _wrinkles(p: Identity, c: _GrowthState) -> dict[str, Any]:
    y = c.years
    return {
        # each fold starts at its own age and deepens to the end
        "forehead_lines": _ease_out(y, 21, 90),
        "frown_lines": _ramp(y, 28, 92),
        "crows_feet": _ease_out(y, 23, 90),
        "eye_bags": 0.06 + 0.94 * _ease_out(y, 18, 90),
        "nasolabial": 0.03 + 0.97 * _ease_out(y, 16, 90),
        "marionette": _ease_in(y, 32, 92),
        "lip_wrinkles": _ease_in(y, 40, 92),
        "cheek_wrinkles": 0.3 * _ease_out(y, 20, 92) + 0.7 * _ease_in(y, 20, 92),
        "neck_bands": _ease_out(y, 22, 92),
    }


def _skin(p: Identity, c: _GrowthState) -> dict[str, Any]:
    y = c.years
    mole_visibility = _mix(0.45, 1.0, _ramp(y, 0, 12))  # moles darken through childhood
    beard = _ramp(y, 14, 25)
    return {
        "skin_tone": p.skin_tone,
        "skin_undertone": p.skin_undertone,
        # rosy infant cheeks fade, broken capillaries redden old noses and cheeks
        "skin_flush": 0.62 - 0.47 * _ramp(y, 0, 36) + 0.45 * _ramp(y, 40, 92),
        "skin_pallor": c.senescence,
        "skin_mottle": 0.05 + 0.95 * _ramp(y, 4, 95),
        "skin_spots": _ease_in(y, 34, 92),
        "freckles": np.maximum(np.asarray(p.freckles) * 1.7 - 0.7, 0) * _ramp(y, 1, 10),
        "stubble": np.maximum(np.asarray(p.stubble) * 2 - 1, 0) * beard,
        "stubble_gray": _ramp(y, 32 + 6 * np.asarray(p.graying), 85),
        "mole_a_x": p.mole_a_x,
        "mole_a_y": p.mole_a_y,
        "mole_a_dark": (0.2 + 0.8 * p.mole_a_size) * mole_visibility,
        "mole_b_x": p.mole_b_x,
        "mole_b_y": p.mole_b_y,
        "mole_b_dark": (0.2 + 0.8 * p.mole_b_size) * mole_visibility,
        "mole_c_x": p.mole_c_x,
        "mole_c_y": p.mole_c_y,
        "mole_c_dark": (0.2 + 0.8 * p.mole_c_size) * mole_visibility,
    }


def _hair(p: Identity, c: _GrowthState) -> dict[str, Any]:
    y = c.years
    onset = 31.0 + 4.0 * np.asarray(p.graying)
    # half of the people lose no hair
    hair_loss = _ramp(y, 24, 88) * np.maximum(2.0 * np.asarray(p.receding) - 1.0, 0.0)
    infant_hair_growth = _ramp(y, 0, 4)
    eye_y = _mix(0.25, 0.01, c.maturity) + 0.05 * p.forehead_height
    return {
        # hair darkens from childhood to twenty
        "hair_melanin": np.clip(p.hair_melanin - 0.16 * (1 - c.maturity), 0.0, 1.0),
        "hair_redness": p.hair_redness,
        "hair_gray": _ramp(y, onset, onset + 48),
        "hair_density": 0.30 + 0.70 * infant_hair_growth - 0.34 * _ease_in(y, 40, 92),
        "hair_thickness": (0.13 + 0.05 * p.hair_volume)
        * (0.35 + 0.65 * infant_hair_growth)
        * (1 - 0.25 * c.senescence),
        "hair_length": _ramp(y, 0, 7),
        "hairline_y": eye_y
        - 0.56
        + 0.05 * p.forehead_height
        - 0.05 * (1 - c.maturity)
        - 0.05 * c.senescence
        - 0.25 * hair_loss,
        "temple_recession": 0.05 + 0.07 * c.senescence + 0.35 * hair_loss,
        "crown_thinning": 1.25 * hair_loss,
        "hair_parting": p.hair_parting,
        "hair_peak": p.hair_peak,
        "hair_style": p.hair_style,
        "texture_u": p.texture_u,
        "texture_v": p.texture_v,
    }
