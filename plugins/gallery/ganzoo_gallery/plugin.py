"""Registers the command `ganzoo gallery`; imports neither torch nor pydantic."""

from ganzoo_core import CommandSpec, hookimpl


@hookimpl
def ganzoo_commands():
    """Add the command `gallery`."""
    text = "Look at runs in the browser: live curves, grids, comparisons and samples."
    return [CommandSpec(name="gallery", help=text, target="ganzoo_gallery.commands:gallery")]
