"""Registers `fran`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="fran",
            summary="FRAN: a U-Net re-ages a face to any age, trained on pairs",
            target="ganzoo_fran.model:FRAN",
            config="ganzoo_fran.config:FRANConfig",
            paper="Production-Ready Face Re-Aging for Visual Effects, doi 10.1145/3550454.3555520",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "forward": "differs: norms and slopes",
                "losses": "differs: perceptual loss; wrong ages for D",
                "recipe": "differs: pairs; training images; weights of G",
            },
            capabilities=("edit_age", "translate"),
            auxiliaries=("identity", "age"),
        )
    )
