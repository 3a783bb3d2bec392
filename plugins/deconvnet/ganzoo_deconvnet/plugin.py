"""Registers the command `ganzoo visualize`; imports neither torch nor pydantic."""

from ganzoo_core import CommandSpec, hookimpl


@hookimpl
def ganzoo_commands():
    """Add the command `visualize`."""
    text = "Visualize the feature maps of a convolutional network, or occlude images."
    return [CommandSpec(name="visualize", help=text, target="ganzoo_deconvnet.commands:visualize")]
