"""Registers `my-plugin`. Imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="my-plugin",
            summary="Embeddings: distances tell identities apart",
            target="ganzoo_my_plugin.model:MyPlugin",
            config="ganzoo_my_plugin.config:MyPluginConfig",
            paper="FaceNet, arXiv 1503.03832",
            license="Apache-2.0",
            capabilities=("embed",),
        )
    )
