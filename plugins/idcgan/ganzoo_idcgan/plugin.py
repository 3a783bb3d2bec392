"""Registers `idcgan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="idcgan",
            summary="IDCGAN: older and younger faces by one encoder and one generator",
            target="ganzoo_idcgan.model:IDCGAN",
            config="ganzoo_idcgan.config:IDCGANConfig",
            paper="Bidirectional Face Aging Synthesis Based on Improved Deep Convolutional "
            "Generative Adversarial Networks, doi 10.3390/info10020069",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "forward": "differs: connector",
                "losses": "differs: loss weights and channels",
            },
            capabilities=("translate", "edit_age"),
            auxiliaries=("age",),
        )
    )
