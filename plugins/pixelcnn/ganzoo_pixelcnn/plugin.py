"""Registers `pixelcnn`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="pixelcnn",
            summary="PixelCNN and PixelRNN: pixel-by-pixel sampling, exact likelihoods",
            target="ganzoo_pixelcnn.model:PixelCNN",
            config="ganzoo_pixelcnn.config:PixelCNNConfig",
            paper="Pixel Recurrent Neural Networks, arXiv 1601.06759; Conditional Image "
            "Generation with PixelCNN Decoders, arXiv 1606.05328",
            license="Apache-2.0",
            family="tractable",
            fidelity={
                "forward": "equal",
                "losses": "equal",
            },
            capabilities=("sample", "likelihood"),
        )
    )
