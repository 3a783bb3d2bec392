"""Identity and nuisance factors of every portrait, as pure functions of integers.

Uniform numbers are taken from BLAKE2b digests and pass only through additions and multiplications.
So (seed, number, photo) gives bit-identical factors on every machine and with every numpy.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

RENDER_VERSION = 2
"""Version of the renderer: increase it when factors, aging or pixels change."""

MIN_AGE, MAX_AGE = 0.0, 90.0

HAIR_STYLES = ("cropped", "short", "side part", "long", "curly", "fringe", "bun")

_SPLIT_SIZE = 1_000_000
SPLITS: dict[str, range] = {
    name: range(k * _SPLIT_SIZE, (k + 1) * _SPLIT_SIZE)
    for k, name in enumerate(("gan-train", "auxiliary", "evaluator", "calibration", "test"))
}
"""Disjoint ranges of identity numbers. Models are trained on one and evaluated on another."""

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class Identity:
    """The parameters of one person, which do not depend on age.

    Shape parameters are deviations from the average person in [-1, 1]; amounts are in
    [0, 1]; `hair_style` indexes `HAIR_STYLES`. Every field may be a scalar (one person) or an
    array [N] (see `stack`).
    """

    face_width: float  # breadth of skull and cheekbones
    jaw_width: float  # pointed (-1) to square (+1) lower jaw
    chin_length: float  # height of the chin below the mouth
    cheek_fullness: float  # hollow to full cheeks
    forehead_height: float  # low to high hairline and eye line
    brow_ridge: float  # how far the bone above the eyes protrudes
    eye_spacing: float  # close-set to wide-set
    eye_size: float  # width of the eye opening
    eye_opening: float  # narrow to round eyes
    eye_tilt: float  # outer corners down (-1) or up (+1)
    eye_color: float  # [0, 1]: dark brown, amber, green, blue, pale gray
    brow_thickness: float
    brow_height: float
    brow_tilt: float
    nose_length: float
    nose_width: float
    nose_bridge: float  # flat to prominent
    mouth_width: float
    mouth_height: float  # distance between nose and mouth
    lip_fullness: float
    ear_size: float
    ear_protrusion: float
    skin_tone: float  # [0, 1]: pale to dark
    skin_undertone: float  # yellow-olive to rosy
    freckles: float  # [0, 1]
    hair_melanin: float  # [0, 1]: blond to black
    hair_redness: float  # [0, 1]
    hair_volume: float
    hair_parting: float  # position of the parting, left to right
    hair_peak: float  # straight hairline to widow's peak
    hair_style: int  # index into HAIR_STYLES
    graying: float  # early (-1) or late (+1) graying
    receding: float  # [0, 1]: keeps the hair to goes bald
    stubble: float  # [0, 1]: beard shadow from puberty on
    mole_a_x: float  # moles: place on the face and darkness
    mole_a_y: float
    mole_a_size: float
    mole_b_x: float
    mole_b_y: float
    mole_b_size: float
    mole_c_x: float
    mole_c_y: float
    mole_c_size: float
    texture_u: float  # [0, 1]: position in the skin and hair textures
    texture_v: float


@dataclass(frozen=True)
class Nuisance:
    """The factors of one photo that are independent of identity and age.

    Angles are radians, lengths are fractions of the image or of half a head, colors are hue,
    saturation and level in [0, 1]. Fields may be scalars or arrays [N] (see `stack`).
    """

    yaw: float
    pitch: float
    roll: float
    scale: float  # 1 = a head fills about 70 % of the image's height
    shift_x: float
    shift_y: float
    light_azimuth: float  # 0 = from the camera, negative = from the left
    light_elevation: float
    light_contrast: float  # [0, 1]: overcast to hard lamp
    light_warmth: float  # [-1, 1]: skylight to candle
    fill_hue: float  # color of the light that comes back from the room
    fill_strength: float
    exposure: float  # stops
    white_balance: float  # [-1, 1]: blue to amber cast
    tint: float  # [-1, 1]: green to magenta cast
    backdrop_hue: float
    backdrop_saturation: float
    backdrop_level: float
    backdrop_contrast: float
    backdrop_angle: float
    blob_x: float  # an out-of-focus shape behind the sitter
    blob_y: float
    blob_size: float
    blob_level: float
    smile: float  # earnest (-0.35) to broad smile (1)
    mouth_open: float  # [0, 1]
    brow_raise: float  # [-1, 1]
    squint: float  # [0, 1]
    gaze_x: float
    gaze_y: float
    hair_tousle: float  # [-1, 1]: flat or fluffed up that day
    glasses: float  # 0 or 1
    glasses_size: float
    glasses_roundness: float
    glasses_shade: float
    clothes_hue: float
    clothes_saturation: float
    clothes_level: float
    clothes_neckline: float
    blur: float  # [0, 1]
    noise: float  # [0, 1]
    vignette: float  # [0, 1]
    noise_u: float  # [0, 1]: position in the noise plate
    noise_v: float


_UNIT_INTERVAL_FIELDS = {  # identity fields in [0, 1]; all others are deviations in [-1, 1]
    "eye_color",
    "skin_tone",
    "freckles",
    "hair_melanin",
    "hair_redness",
    "receding",
    "stubble",
    "mole_a_size",
    "mole_b_size",
    "mole_c_size",
    "texture_u",
    "texture_v",
}

_PHOTO_RANGES = {  # nuisance fields with a range other than [-1, 1]
    "yaw": (-0.36, 0.36),
    "pitch": (-0.14, 0.14),
    "roll": (-0.14, 0.14),
    "scale": (0.9, 1.1),
    "shift_x": (-0.055, 0.055),
    "shift_y": (-0.045, 0.045),
    "light_azimuth": (-1.2, 1.2),
    "light_elevation": (-0.1, 0.75),
    "light_contrast": (0.0, 1.0),
    "fill_hue": (0.0, 1.0),
    "fill_strength": (0.0, 1.0),
    "exposure": (-0.55, 0.65),
    "backdrop_hue": (0.0, 1.0),
    "backdrop_saturation": (0.0, 1.0),
    "backdrop_level": (0.0, 1.0),
    "backdrop_angle": (0.0, 6.2831853),
    "blob_size": (0.15, 0.6),
    "mouth_open": (-1.0, 1.0),
    "squint": (0.0, 1.0),
    "smile": (-0.35, 1.0),
    "glasses_size": (0.0, 1.0),
    "glasses_roundness": (0.0, 1.0),
    "glasses_shade": (0.0, 1.0),
    "clothes_hue": (0.0, 1.0),
    "clothes_saturation": (0.0, 1.0),
    "clothes_level": (0.0, 1.0),
    "clothes_neckline": (0.0, 1.0),
    "blur": (0.0, 1.0),
    "noise": (0.0, 1.0),
    "vignette": (0.0, 1.0),
    "noise_u": (0.0, 1.0),
    "noise_v": (0.0, 1.0),
}

_GLASSES_PROBABILITY = 0.22
_IDENTITY_FIELDS = tuple(f.name for f in dataclasses.fields(Identity))
_NUISANCE_FIELDS = tuple(f.name for f in dataclasses.fields(Nuisance))


def _uniforms(kind: str, numbers: tuple[int, ...], count: int) -> list[float]:
    """Return `count` numbers in [0, 1) with 53 bits each, a pure function of kind and numbers."""
    name = "|".join((kind, *(str(int(n)) for n in numbers)))
    digests = [
        hashlib.blake2b(f"{name}|{block}".encode(), digest_size=64).digest()
        for block in range(-(-count // 8))
    ]
    words = np.frombuffer(b"".join(digests), "<u8")[:count] >> np.uint64(11)
    return (words.astype(np.float64) * 2.0**-53).tolist()


def identity(seed: int, number: int) -> Identity:
    """Return the identity of person `number` (`SPLITS` has the ranges in use) for a seed.

    Raises:
        ValueError: `number` is negative.
    """
    _check_nonnegative("identity number", number)
    values: dict[str, Any] = {}
    drawn = _uniforms("identity", (seed, number), len(_IDENTITY_FIELDS))
    for name, u in zip(_IDENTITY_FIELDS, drawn, strict=True):
        values[name] = u if name in _UNIT_INTERVAL_FIELDS else 2.0 * u - 1.0
        if name == "hair_style":
            values[name] = int(u * len(HAIR_STYLES))
    return Identity(**values)


def nuisance(seed: int, number: int, photo: int) -> Nuisance:
    """Return the nuisance factors of photo `photo` of person `number` for a seed.

    They are independent of the identity and of the age.

    Raises:
        ValueError: `number` or `photo` is negative.
    """
    _check_nonnegative("identity number", number)
    _check_nonnegative("photo number", photo)
    values: dict[str, float] = {}
    drawn = _uniforms("nuisance", (seed, number, photo), len(_NUISANCE_FIELDS))
    for name, u in zip(_NUISANCE_FIELDS, drawn, strict=True):
        low, high = _PHOTO_RANGES.get(name, (-1.0, 1.0))
        values[name] = low + (high - low) * u
        if name == "glasses":
            values[name] = 1.0 if u < _GLASSES_PROBABILITY else 0.0
        if name == "mouth_open":  # half of all mouths are closed
            values[name] = max(values[name], 0.0)
    return Nuisance(**values)


def age(seed: int, number: int, photo: int) -> float:
    """Return the age in years in photo `photo` of person `number`, uniform in [0, 90).

    It is independent of identity and nuisance. Each age bin of `report` (0-18, 19-29, 30-39, 40-49,
    50-59, 60+) has at least a tenth of all photos.

    Raises:
        ValueError: `number` or `photo` is negative.
    """
    _check_nonnegative("identity number", number)
    _check_nonnegative("photo number", photo)
    return MIN_AGE + (MAX_AGE - MIN_AGE) * _uniforms("age", (seed, number, photo), 1)[0]


def stack(records: Sequence[_Record]) -> _Record:
    """Return N records of scalars as one record of float64 arrays [N] (a struct of arrays).

    The records are `Identity`, `Nuisance` or `Appearance`.

    Raises:
        ValueError: the sequence is empty.
    """
    if not records:
        raise ValueError("people.stack: got no records; pass at least one Identity or Nuisance")
    kind = type(records[0])
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    table = np.array([[getattr(r, n) for n in names] for r in records], np.float64)
    return kind(**dict(zip(names, table.T, strict=True)))


def _check_nonnegative(what: str, number: int) -> None:
    if number < 0:
        raise ValueError(f"people: {what} is {number}; use an integer of 0 or more")
