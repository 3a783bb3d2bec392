"""Registers the weights in this package; imports neither torch nor pydantic."""

from ganzoo_core import hookimpl, shipped_weights

TERMS = (
    "trained on photographs of UTKFace, for non-commercial research only, not to identify or "
    "deceive (LICENSE of ganzoo-pretrained-photos)."
)


@hookimpl
def ganzoo_register(zoo):
    """Add the pretrained folders in `weights/`, each under the terms of the data."""
    zoo.add(*shipped_weights("ganzoo_pretrained_photos", terms=TERMS))
