"""Registers `my-plugin`. Imports neither torch nor pydantic."""

from ganzoo_core import MetricSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the metric to the zoo."""
    zoo.add(
        MetricSpec(
            name="my-plugin",
            summary="Contrast of samples divided by that of real images",
            target="ganzoo_my_plugin.metric:my_plugin",
            license="Apache-2.0",
        )
    )
