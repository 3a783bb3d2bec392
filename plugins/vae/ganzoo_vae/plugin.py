"""Registers `vae`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


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
