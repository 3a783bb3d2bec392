"""Registers `people`; imports neither numpy nor pydantic."""

from ganzoo_core import DatasetSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the data set to the zoo."""
    zoo.add(
        DatasetSpec(
            name="people",
            summary="Rendered portraits with exactly known age and identity",
            target="ganzoo_people.dataset:People",
            config="ganzoo_people.config:PeopleConfig",
            license="Apache-2.0",
            fields=("image", "age", "identity"),
        )
    )
