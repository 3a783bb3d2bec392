"""Scale the nuisance factors of a photo towards a fixed studio setup: `data.nuisance_scale`."""

import dataclasses

from ganzoo_people.factors import Nuisance

_STUDIO = Nuisance(
    **{
        **{field.name: 0.0 for field in dataclasses.fields(Nuisance)},
        "scale": 1.0,
        "light_azimuth": -0.45,
        "light_elevation": 0.4,
        "light_contrast": 0.45,
        "fill_hue": 0.6,
        "fill_strength": 0.2,
        "backdrop_hue": 0.6,
        "backdrop_saturation": 0.3,
        "backdrop_level": 0.6,
        "blob_size": 0.3,
        "smile": 0.15,
        "clothes_hue": 0.6,
        "clothes_saturation": 0.3,
        "clothes_level": 0.3,
        "clothes_neckline": 0.5,
        "glasses_size": 0.5,
        "glasses_roundness": 0.5,
    }
)
"""A frontal view, closed lips, a soft lamp from the left, a plain backdrop, no noise, no blur."""

_UNSCALED_FACTORS = {"glasses", "noise_u", "noise_v", "blob_x", "blob_y"}
"""Factors that have no degree: they are copied unchanged."""


def scale_nuisance(photo: Nuisance, scale: float) -> Nuisance:
    """Return nuisance factors interpolated between the studio setup (0) and `photo` (1).

    Below one half nobody wears glasses.
    """
    scaled = {
        name: getattr(_STUDIO, name) + scale * (value - getattr(_STUDIO, name))
        for name, value in vars(photo).items()
        if name not in _UNSCALED_FACTORS
    }
    return dataclasses.replace(photo, **scaled, glasses=photo.glasses if scale >= 0.5 else 0.0)
