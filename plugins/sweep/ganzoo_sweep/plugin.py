"""Registers the command `ganzoo sweep`; imports neither torch nor pydantic."""

from ganzoo_core import CommandSpec, hookimpl
from ganzoo_sweep import pruning


@hookimpl
def ganzoo_commands():
    """Add the command `sweep`."""
    text = "Train a model with a grid of options and seeds, and compare the runs."
    return [CommandSpec(name="sweep", help=text, target="ganzoo_sweep.commands:sweep")]


@hookimpl
def ganzoo_step_logged(run, record):
    """Let the pruner of a search see the metrics of its run."""
    pruning.step_logged(run, record)
