"""Registers `my-plugin`. Imports neither torch nor pydantic."""

from ganzoo_core import TermSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the term to the zoo."""
    zoo.add(
        TermSpec(
            name="my-plugin",
            summary="Penalty of large logits",
            target="ganzoo_my_plugin.term:MyPlugin",
            config="ganzoo_my_plugin.config:MyPluginOptions",
            paper="Progressive Growing of GANs, arXiv 1710.10196",
            license="Apache-2.0",
        )
    )
