"""Registers the weights in this package; imports neither torch nor pydantic."""

from ganzoo_core import hookimpl, shipped_weights


@hookimpl
def ganzoo_register(zoo):
    """Add the pretrained folders in `weights/`."""
    zoo.add(*shipped_weights("ganzoo_pretrained"))
