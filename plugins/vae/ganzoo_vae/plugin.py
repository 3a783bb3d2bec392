"""Registers `vae` and the verb `vae`; imports neither torch nor pydantic."""

from ganzoo_core import CommandSpec, ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="vae",
            summary="Variational autoencoder: a latent code, and a bound of the likelihood",
            target="ganzoo_vae.model:VAE",
            config="ganzoo_vae.config:VAEConfig",
            paper="Auto-Encoding Variational Bayes, arXiv 1312.6114",
            license="Apache-2.0",
            family="approximate",
            can=("sample", "likelihood"),
        )
    )


@hookimpl
def ganzoo_commands():
    """Add the verb `vae`."""
    text = "Look into a VAE: images rebuilt, walks through the latent space."
    return [CommandSpec(name="vae", help=text, target="ganzoo_vae.verbs:vae")]
