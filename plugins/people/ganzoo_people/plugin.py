"""Registers `people`; imports neither numpy nor pydantic."""

from ganzoo_core import DatasetSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the data set to the zoo."""
    zoo.add(
        DatasetSpec(
            name="people",
            summary="Drawn portraits with known age and identity, rendered on the spot",
            target="ganzoo_people.dataset:People",
            config="ganzoo_people.config:PeopleConfig",
            license="Apache-2.0",
            gives=("image", "age", "identity"),
        )
    )
