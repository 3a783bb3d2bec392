"""Registers `age-cgan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="age-cgan",
            summary="Age-cGAN: finds the latent of a face, then generates it at another age",
            target="ganzoo_age_cgan.model:AgeCGAN",
            config="ganzoo_age_cgan.config:AgeCGANConfig",
            paper="Face Aging with Conditional Generative Adversarial Networks, arXiv 1702.01983",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "forward": "differs: channels of E",
                "losses": "differs: distances",
                "recipe": "differs: latent optimization",
            },
            capabilities=("sample", "edit_age"),
            auxiliaries=("identity",),
        )
    )
