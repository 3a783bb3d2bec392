"""A photograph taken under calmer circumstances: what `data.variety` below 1 means."""

import dataclasses

from ganzoo_people.factors import Nuisance

STUDIO = Nuisance(**{field.name: 0.0 for field in dataclasses.fields(Nuisance)})
"""Facing the camera, lips closed, nothing behind, a sharp lens without noise ..."""
STUDIO = dataclasses.replace(
    STUDIO,
    scale=1.0,
    light_azimuth=-0.45,
    light_elevation=0.4,
    light_contrast=0.45,
    fill_hue=0.6,
    fill_strength=0.2,
    backdrop_hue=0.6,
    backdrop_saturation=0.3,
    backdrop_level=0.6,
    blob_size=0.3,
    smile=0.15,
    clothes_hue=0.6,
    clothes_saturation=0.3,
    clothes_level=0.3,
    clothes_neckline=0.5,
    glasses_size=0.5,
    glasses_roundness=0.5,
)
"""... and a soft lamp from the left."""

WHOLE = {"glasses", "noise_u", "noise_v", "blob_x", "blob_y"}
"""Factors that are not a matter of degree: kept, or dropped together with their variety."""


def calm(photo: Nuisance, variety: float) -> Nuisance:
    """Move a photograph's circumstances towards the studio's.

    variety: 1 leaves them, 0 gives the studio's. Below one half nobody wears glasses.
    """
    moved = {
        name: getattr(STUDIO, name) + variety * (value - getattr(STUDIO, name))
        for name, value in vars(photo).items()
        if name not in WHOLE
    }
    return dataclasses.replace(photo, **moved, glasses=photo.glasses if variety >= 0.5 else 0.0)
