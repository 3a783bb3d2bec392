"""Registers `cgan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="cgan",
            summary="Conditional GAN: faces drawn by age group",
            target="ganzoo_cgan.model:CGAN",
            config="ganzoo_cgan.config:CGANConfig",
            paper="Conditional Generative Adversarial Nets, arXiv 1411.1784",
            license="Apache-2.0",
            family="implicit",
        )
    )
