"""Registers `shapes`, the data set of the core, as any plugin does."""

from ganzoo_core.zoo.hooks import Registrar, hookimpl
from ganzoo_core.zoo.specs import DatasetSpec


@hookimpl
def ganzoo_register(zoo: Registrar) -> None:
    """Add `shapes`."""
    zoo.add(
        DatasetSpec(
            name="shapes",
            summary="Synthetic round faces with labels, ages and identities, for tests",
            target="ganzoo_core.testing.shapes:Shapes",
            config="ganzoo_core.testing.shapes_config:ShapesConfig",
            license="Apache-2.0",
            fields=("image", "label", "age", "identity"),
        )
    )
