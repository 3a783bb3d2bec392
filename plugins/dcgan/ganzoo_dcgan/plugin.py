"""Registers `dcgan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="dcgan",
            summary="DCGAN: the unconditional convolutional GAN",
            target="ganzoo_dcgan.model:DCGAN",
            config="ganzoo_dcgan.config:DCGANConfig",
            paper="Unsupervised Representation Learning with DCGANs, arXiv 1511.06434",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "equal",
                "forward": "equal",
                "losses": "equal",
                "recipe": "equal",
            },
        )
    )
