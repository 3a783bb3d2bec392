"""Registers the verb `visualise`; imports neither torch nor pydantic."""

from ganzoo_core import CommandSpec, hookimpl


@hookimpl
def ganzoo_commands():
    """Add the verb `visualise`."""
    text = "Show what the maps of a convolutional network see."
    return [CommandSpec(name="visualise", help=text, target="ganzoo_deconvnet.verb:visualise")]
