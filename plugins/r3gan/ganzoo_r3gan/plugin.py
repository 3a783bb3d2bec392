"""Registers `r3gan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="r3gan",
            summary="R3GAN: modern baseline with a relativistic loss and both gradient penalties",
            target="ganzoo_r3gan.model:R3GAN",
            config="ganzoo_r3gan.config:R3GANConfig",
            paper="The GAN is dead; long live the GAN! A Modern GAN Baseline, arXiv 2501.05441",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "equal",
                "forward": "equal",
                "losses": "equal",
                "recipe": "differs: batches; augmentation in R1 and R2; resampling of `scheduled`; "
                "length",
            },
        )
    )
