"""Registers `gan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="gan",
            summary="Vanilla GAN: perceptrons, maxout, and both generator objectives",
            target="ganzoo_gan.model:VanillaGAN",
            config="ganzoo_gan.config:VanillaGANConfig",
            paper="Generative Adversarial Nets, arXiv 1406.2661",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "differs: initial weights",
                "forward": "differs: output of G",
                "losses": "equal",
                "recipe": "differs: learning rate; momentum",
            },
        )
    )
