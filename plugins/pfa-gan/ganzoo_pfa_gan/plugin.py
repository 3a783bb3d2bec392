"""Registers `pfa-gan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="pfa-gan",
            summary="PFA-GAN: progressive face aging that preserves identity",
            target="ganzoo_pfa_gan.model:PFAGAN",
            config="ganzoo_pfa_gan.config:PFAGANConfig",
            capabilities=("edit_age", "translate"),
            auxiliaries=("identity", "age"),
            paper="PFA-GAN: Progressive Face Aging with Generative Adversarial Network, "
            "arXiv 2012.03459",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "equal",
                "forward": "equal",
                "losses": "differs: adversarial loss of G; group probability; F",
                "recipe": "differs: pairs of groups; group of a real face for D",
            },
        )
    )
