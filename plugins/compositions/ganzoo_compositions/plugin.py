"""Registers the compositions of this package; imports neither torch nor pydantic."""

from ganzoo_core import compositions, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the TOML files in `compositions/`."""
    zoo.add(*compositions("ganzoo_compositions"))
