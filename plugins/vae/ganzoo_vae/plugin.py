"""Registers `vae` and the command `ganzoo vae`; imports neither torch nor pydantic."""

from ganzoo_core import CommandSpec, ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="vae",
            summary="Variational autoencoder: latent codes, and a lower bound of the likelihood",
            target="ganzoo_vae.model:VAE",
            config="ganzoo_vae.config:VAEConfig",
            paper="Auto-Encoding Variational Bayes, arXiv 1312.6114",
            license="Apache-2.0",
            family="approximate",
            fidelity={
                "init": "differs: initial weights",
                "forward": "equal",
                "losses": "equal",
                "recipe": "differs: optimizer; weight decay",
            },
            capabilities=("sample", "likelihood"),
        )
    )


@hookimpl
def ganzoo_commands():
    """Add the command `vae`."""
    text = "Images of a VAE: reconstructions and latent interpolations."
    return [CommandSpec(name="vae", help=text, target="ganzoo_vae.commands:vae")]
