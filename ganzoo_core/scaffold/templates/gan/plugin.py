"""Registers `my-plugin`. Imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="my-plugin",
            summary="A small convolutional GAN",
            target="ganzoo_my_plugin.model:MyPlugin",
            config="ganzoo_my_plugin.config:MyPluginConfig",
            paper="Generative Adversarial Nets, arXiv 1406.2661",
            license="Apache-2.0",
        )
    )
