"""Registers `my-plugin`. Imports neither torch nor pydantic."""

from ganzoo_core import DatasetSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the data set to the zoo."""
    zoo.add(
        DatasetSpec(
            name="my-plugin",
            summary="Synthetic discs in three colors",
            target="ganzoo_my_plugin.dataset:MyPlugin",
            config="ganzoo_my_plugin.config:MyPluginConfig",
            license="Apache-2.0",
            fields=("image", "label"),
        )
    )
