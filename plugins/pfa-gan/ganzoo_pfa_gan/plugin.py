"""Registers `pfa-gan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="pfa-gan",
            summary="Progressive face ageing: group by group, the same person",
            target="ganzoo_pfa_gan.model:PFAGAN",
            config="ganzoo_pfa_gan.config:PFAConfig",
            can=("edit_age", "translate"),
            uses=("identity", "age"),
            paper="PFA-GAN: Progressive Face Aging with Generative Adversarial Network, "
            "arXiv 2012.03459",
            license="Apache-2.0",
            family="implicit",
        )
    )
