"""Registers `reacgan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="reacgan",
            summary="ReACGAN: D also classifies the images, by data-to-data cross-entropy",
            target="ganzoo_reacgan.model:ReACGAN",
            config="ganzoo_reacgan.config:ReACGANConfig",
            paper="Rebooting ACGAN: Auxiliary Classifier GANs with Stable Training, "
            "arXiv 2111.01118",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "equal",
                "forward": "equal",
                "losses": "differs: D2D-CE",
                "recipe": "equal",
            },
        )
    )
