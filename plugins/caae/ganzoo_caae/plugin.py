"""Registers `caae`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="caae",
            summary="CAAE: an autoencoder with a uniform latent renders a face at any age group",
            target="ganzoo_caae.model:CAAE",
            config="ganzoo_caae.config:CAAEConfig",
            paper="Age Progression/Regression by Conditional Adversarial Autoencoder, "
            "arXiv 1702.08423",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "forward": "differs: gender; padding; BatchNorm of the discriminators",
                "losses": "equal",
                "recipe": "differs: order of the updates",
            },
            capabilities=("translate", "edit_age"),
        )
    )
