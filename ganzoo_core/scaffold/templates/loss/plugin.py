"""Registers `my-plugin`. Imports neither torch nor pydantic."""

from ganzoo_core import LossSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the loss to the zoo."""
    zoo.add(
        LossSpec(
            name="my-plugin",
            summary="Binary cross-entropy with a temperature",
            target="ganzoo_my_plugin.loss:MyPlugin",
            config="ganzoo_my_plugin.config:MyPluginOptions",
            paper="Generative Adversarial Nets, arXiv 1406.2661",
            license="Apache-2.0",
        )
    )
