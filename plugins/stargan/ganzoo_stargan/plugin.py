"""Registers `stargan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="stargan",
            summary="StarGAN: one generator translates faces between all age groups",
            target="ganzoo_stargan.model:StarGAN",
            config="ganzoo_stargan.config:StarGANConfig",
            paper="StarGAN: Unified Generative Adversarial Networks for Multi-Domain "
            "Image-to-Image Translation, arXiv 1711.09020",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "forward": "equal",
                "losses": "equal",
                "recipe": "differs: domains; target labels",
            },
            capabilities=("translate", "edit_age"),
        )
    )
