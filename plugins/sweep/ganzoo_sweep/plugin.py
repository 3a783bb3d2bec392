"""Registers the command `ganzoo sweep`; imports neither torch nor pydantic."""

from ganzoo_core import CommandSpec, hookimpl


@hookimpl
def ganzoo_commands():
    """Add the command `sweep`."""
    text = "Train a model with a grid of options and seeds, and compare the runs."
    return [CommandSpec(name="sweep", help=text, target="ganzoo_sweep.commands:sweep")]
