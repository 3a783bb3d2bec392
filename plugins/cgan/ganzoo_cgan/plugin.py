"""Registers `cgan` and `mlp-cgan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add both models to the zoo."""
    zoo.add(
        ModelSpec(
            name="cgan",
            summary="Conditional GAN: images of faces by age group",
            target="ganzoo_cgan.model:CGAN",
            config="ganzoo_cgan.config:CGANConfig",
            paper="Conditional Generative Adversarial Nets, arXiv 1411.1784",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "counts": "equal",
                "forward": "equal",
                "losses": "equal",
                "recipe": "equal",
            },
        )
    )
    zoo.add(
        ModelSpec(
            name="mlp-cgan",
            summary="Conditional GAN of perceptrons, as in its first paper",
            target="ganzoo_cgan.mlp:MLPCGAN",
            config="ganzoo_cgan.config:MLPCGANConfig",
            paper="Conditional Generative Adversarial Nets, arXiv 1411.1784",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "differs: initial weights",
                "forward": "differs: output of G",
                "losses": "equal",
                "recipe": "differs: learning rate; momentum",
            },
        )
    )
