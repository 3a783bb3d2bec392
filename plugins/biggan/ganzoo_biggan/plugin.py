"""Registers `sagan`, `biggan` and `biggan-deep`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl

_BIGGAN_PAPER = (
    "Large Scale GAN Training for High Fidelity Natural Image Synthesis, arXiv 1809.11096"
)
_BIGGAN_FIDELITY = {
    "counts": "equal",
    "init": "equal",
    "forward": "equal",
    "losses": "equal",
    "recipe": "differs: labels of the fakes; average of G",
}


@hookimpl
def ganzoo_register(zoo):
    """Add the models to the zoo."""
    zoo.add(
        ModelSpec(
            name="sagan",
            summary="SAGAN: self-attention in both networks, spectral norm, hinge loss",
            target="ganzoo_biggan.sagan:SAGAN",
            config="ganzoo_biggan.config:SAGANConfig",
            paper="Self-Attention Generative Adversarial Networks, arXiv 1805.08318",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "differs: power iteration",
                "forward": "equal",
                "losses": "equal",
                "recipe": "differs: labels of the fakes",
            },
        ),
        ModelSpec(
            name="biggan",
            summary="BigGAN: a chunk of z and a shared class embedding in every block",
            target="ganzoo_biggan.biggan:BigGAN",
            config="ganzoo_biggan.config:BigGANConfig",
            paper=_BIGGAN_PAPER,
            license="Apache-2.0",
            family="implicit",
            fidelity=_BIGGAN_FIDELITY,
        ),
        ModelSpec(
            name="biggan-deep",
            summary="BigGAN-deep: bottleneck blocks, four times as deep, fewer parameters",
            target="ganzoo_biggan.biggan_deep:BigGANDeep",
            config="ganzoo_biggan.config:BigGANDeepConfig",
            paper=_BIGGAN_PAPER,
            license="Apache-2.0",
            family="implicit",
            fidelity=_BIGGAN_FIDELITY,
        ),
    )
