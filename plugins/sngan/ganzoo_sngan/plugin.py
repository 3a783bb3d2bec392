"""Registers `sngan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="sngan",
            summary="SNGAN: spectral norm, residual networks, projection discriminator",
            target="ganzoo_sngan.model:SNGAN",
            config="ganzoo_sngan.config:SNGANConfig",
            paper="Spectral Normalization for Generative Adversarial Networks, arXiv 1802.05957",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "differs: power iteration",
                "forward": "equal",
                "losses": "equal",
                "recipe": "differs: labels of the fakes; real images",
            },
        )
    )
