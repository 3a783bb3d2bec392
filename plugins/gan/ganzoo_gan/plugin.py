"""Registers `gan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="gan",
            summary="The first GAN: perceptrons, maxout, and both objectives",
            target="ganzoo_gan.model:FirstGAN",
            config="ganzoo_gan.config:FirstGANConfig",
            paper="Generative Adversarial Nets, arXiv 1406.2661",
            license="Apache-2.0",
            family="implicit",
        )
    )
