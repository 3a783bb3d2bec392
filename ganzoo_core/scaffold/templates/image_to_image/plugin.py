"""Registers `my-plugin`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="my-plugin",
            summary="Turns an image into one of another class",
            target="ganzoo_my_plugin.model:MyPlugin",
            config="ganzoo_my_plugin.config:MyPluginConfig",
            paper="StarGAN, arXiv 1711.09020",
            license="Apache-2.0",
            can=("translate",),
        )
    )
