"""Registers the command `ganzoo bench gans`; imports neither torch nor pydantic."""

from ganzoo_bench import curve
from ganzoo_core import CommandSpec, hookimpl


@hookimpl
def ganzoo_commands():
    """Add the command `bench gans`."""
    text = "Train many models on the same images and budget, and compare them."
    return [CommandSpec(name="bench gans", help=text, target="ganzoo_bench.commands:gans")]


@hookimpl
def ganzoo_checkpoint_saved(run):
    """Measure the checkpoints of a run of a benchmark."""
    curve.checkpoint_saved(run)
