"""Registers `progan` and the term `drift`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, TermSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model and the term to the zoo."""
    zoo.add(
        ModelSpec(
            name="progan",
            summary="ProGAN: both networks grow from 4 px to the size of the images",
            target="ganzoo_progan.model:ProGAN",
            config="ganzoo_progan.config:ProGANConfig",
            paper="Progressive Growing of GANs for Improved Quality, Stability, and Variation, "
            "arXiv 1710.10196",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "equal",
                "forward": "differs: groups of the minibatch stddev",
                "losses": "equal",
                "recipe": "differs: state of Adam; batches",
            },
        ),
        TermSpec(
            name="drift",
            summary="The squared logits of real images, which keep D near zero (ProGAN)",
            target="ganzoo_progan.drift:Drift",
            config="ganzoo_progan.config:DriftOptions",
            paper="Progressive Growing of GANs for Improved Quality, Stability, and Variation, "
            "arXiv 1710.10196",
            license="Apache-2.0",
        ),
    )
