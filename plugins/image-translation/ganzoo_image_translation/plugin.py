"""Registers `pix2pix`, `cyclegan` and `made-pairs`; imports neither torch nor pydantic."""

from ganzoo_core import DatasetSpec, ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the models and the data set to the zoo."""
    zoo.add(
        ModelSpec(
            name="pix2pix",
            summary="pix2pix: one image from another, learned from pairs",
            target="ganzoo_image_translation.pix2pix:Pix2Pix",
            config="ganzoo_image_translation.config:Pix2PixConfig",
            paper="Image-to-Image Translation with Conditional Adversarial Networks, "
            "arXiv 1611.07004",
            license="Apache-2.0",
            capabilities=("translate",),
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "equal",
                "forward": "equal",
                "losses": "equal",
                "recipe": "differs: jitter; inference",
            },
        ),
        ModelSpec(
            name="cyclegan",
            summary="CycleGAN: images of one class as images of another, without pairs",
            target="ganzoo_image_translation.cyclegan:CycleGAN",
            config="ganzoo_image_translation.config:CycleGANConfig",
            paper="Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial "
            "Networks, arXiv 1703.10593",
            license="Apache-2.0",
            capabilities=("translate",),
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "equal",
                "forward": "equal",
                "losses": "equal",
                "recipe": "differs: jitter",
            },
        ),
        DatasetSpec(
            name="made-pairs",
            summary="Pairs made from another data set: gray or edges, and the image",
            target="ganzoo_image_translation.made_pairs:MadePairs",
            config="ganzoo_image_translation.config:MadePairsConfig",
            license="that of the other data set",
            fields=("image", "label", "identity"),
        ),
    )
