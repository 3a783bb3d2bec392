"""Registers `stylegan2` and its term `path-length`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, TermSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model and the term to the zoo."""
    zoo.add(
        ModelSpec(
            name="stylegan2",
            summary="StyleGAN2-ADA: styles, modulated convs, adaptive augmentation",
            target="ganzoo_stylegan2.model:StyleGAN2",
            config="ganzoo_stylegan2.config:StyleGAN2Config",
            paper="Training Generative Adversarial Networks with Limited Data, arXiv 2006.06676",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "counts": "equal",
                "init": "equal",
                "forward": "equal",
                "losses": "equal",
                "recipe": "differs: batches; lazy regularization; augmentation in R1; "
                "style mixing; mean of w; moving average; labels of the fakes; "
                "minibatch standard deviation; mixed precision; ADA",
            },
        ),
        TermSpec(
            name="path-length",
            summary="Penalty of G where the size of image changes depends on w",
            target="ganzoo_stylegan2.path_length:PathLength",
            config="ganzoo_stylegan2.config:PathLengthOptions",
            paper="Analyzing and Improving the Image Quality of StyleGAN, arXiv 1912.04958",
            license="Apache-2.0",
        ),
    )
