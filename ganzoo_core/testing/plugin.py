"""The core's own entry in the zoo, registered the way any plugin is."""

from ganzoo_core.zoo.hooks import Registrar, hookimpl
from ganzoo_core.zoo.specs import DatasetSpec


@hookimpl
def ganzoo_register(zoo: Registrar) -> None:
    """Add `shapes`."""
    zoo.add(
        DatasetSpec(
            name="shapes",
            summary="Drawn round faces with ages and identities, for tests and first tries",
            target="ganzoo_core.testing.shapes:Shapes",
            config="ganzoo_core.testing.shapes:ShapesConfig",
            license="Apache-2.0",
            gives=("image", "label", "age", "identity"),
        )
    )
