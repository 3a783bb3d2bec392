"""Options and presets of `stylegan2`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import Adam, GANConfig, SamplingOptions, WeightedTermOptions

AGE_BINS = (18, 29, 39, 49, 59)
Architecture = Literal["skip", "resnet", "orig"]


class StyleGAN2Adam(Adam):
    """Adam with the authors' settings as defaults."""

    lr: float = Field(0.0025, gt=0, allow_inf_nan=False)
    """Learning rate."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Decay rates of the first and the second moment."""


class PathLengthOptions(WeightedTermOptions):
    """(|J^T y| - a)^2, J the derivative of the image with respect to w, a its running mean."""

    weight: float = Field(2.0, gt=0, allow_inf_nan=False)
    """Factor of the term in the loss; 2 in StyleGAN2."""
    interval: int = Field(4, ge=1)
    """The term is computed in every `interval`-th step, with its weight times `interval`."""
    decay: float = Field(0.01, gt=0, le=1)
    """Weight of the newest batch in the running mean."""
    batch_shrink: int = Field(2, ge=1)
    """The term uses this fraction of the batch: 2 for one half."""


def regularizers(gamma):
    """Return the terms of StyleGAN2: lazy R1 of weight gamma, and path lengths."""
    return {"r1": {"weight": gamma, "interval": 16}, "path-length": {}}


def auto(image_size, batch_size):
    """Return `[model]` by the rules of the authors' configuration `auto`."""
    adam = {"lr": 0.002 if image_size >= 1024 else 0.0025}
    return {
        "channel_base": 32768 if image_size >= 512 else 16384,
        "mapping_layers": 2,
        "terms": regularizers(0.0002 * image_size**2 / batch_size),
        "ema_halflife_images": batch_size * 10_000 / 32,
        "optim_d": adam,
        "optim_g": adam,
    }


class StyleGAN2Config(GANConfig):
    """`[model]` of stylegan2."""

    class Sampling(SamplingOptions):
        """The sampling options of `StyleGAN2.generate`."""

        truncation: float = 1.0
        """psi: w is moved towards its mean, to which it is equal at 0; 1 for no truncation."""
        truncation_layers: int | None = Field(None, ge=0)
        """The number of layers, from the first, whose w is moved; none for all."""
        noise: Literal["const", "random", "none"] = "const"
        """Noise of the layers: that of the network, new noise, or none."""

    age_bins: tuple[int, ...] = AGE_BINS
    """Inclusive upper edges of the age bins, in years."""
    channel_base: int = Field(16384, ge=64)
    """Channels at S px are `channel_base` / S, at most `channel_max`."""
    channel_max: int = Field(512, ge=1)
    """Largest number of channels."""
    latent_dim: int = Field(512, ge=1)
    """Length of z."""
    style_dim: int = Field(512, ge=1)
    """Length of w."""
    mapping_layers: int = Field(8, ge=1)
    """Layers from z to w."""
    d_mapping_layers: int = Field(8, ge=1)
    """Layers from the class to the vector that the discriminator multiplies."""
    g_architecture: Architecture = "skip"
    """Of the generator: `skip` adds the colors of all resolutions, `resnet` has residual blocks,
    `orig` neither."""
    d_architecture: Architecture = "resnet"
    """Of the discriminator: `resnet`, `skip` or `orig`."""
    mbstd_group_size: int = Field(4, ge=1)
    """Images in each group of the minibatch standard deviation."""
    conv_clamp: float | None = Field(None, gt=0)
    """Activations are clamped to this absolute value; 256 in the authors' code, for fp16."""
    style_mixing: float = Field(0.9, ge=0, le=1)
    """Probability that the layers of an image have two different w."""
    augment: str = ""
    """Augmentation of the images that D receives: `ada`, or names such as "flip,translation"."""
    mirror: bool = False
    """Flip real images with probability 1/2, as if the data set also held their mirror images."""
    ema_rampup: float | None = Field(0.05, gt=0)
    """The half-life of the average is at most this share of the images so far; none for no
    ramp."""
    optim_d: StyleGAN2Adam = StyleGAN2Adam()
    """The optimizer of the discriminator."""
    optim_g: StyleGAN2Adam = StyleGAN2Adam()
    """The optimizer of the generator."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "channel_base": 256,
                "channel_max": 8,
                "latent_dim": 8,
                "style_dim": 8,
                "mapping_layers": 2,
                "d_mapping_layers": 1,
                "terms": regularizers(0.1),
                "ema_halflife_images": 1000.0,
            },
            "data": {"name": "shapes", "image_size": 16},
            "train": {"batch_size": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "channel_base": 1024,
                "channel_max": 64,
                "latent_dim": 64,
                "style_dim": 64,
                "mapping_layers": 2,
                "d_mapping_layers": 2,
                "terms": regularizers(0.02),
                "ema_halflife_images": 3000.0,
            },
            "data": {"name": "people", "image_size": 32, "count": 6000, "nuisance_scale": 0.35},
            "train": {"batch_size": 16, "steps": 1200},
        },
        "people-64": {
            "model": {**auto(64, 32), "channel_base": 8192, "channel_max": 128, "augment": "ada"},
            "data": {"name": "people", "image_size": 64, "count": 20000, "nuisance_scale": 0.35},
            "train": {"batch_size": 32, "steps": 20000, "sample_every": 1000},
        },
        "cifar10": {
            "model": {
                "channel_base": 32768,
                "mapping_layers": 2,
                "d_architecture": "orig",
                "mbstd_group_size": 32,
                "conv_clamp": 256.0,
                "style_mixing": 0.0,
                "augment": "ada",
                "terms": {"r1": {"weight": 0.01, "interval": 16}},
                "ema_halflife_images": 500_000.0,
            },
            "data": {"name": "cifar10", "image_size": 32},
            "train": {"batch_size": 64, "steps": 1_562_500, "sample_every": 2000},
        },
        "ffhq-256": {
            "model": {
                "mbstd_group_size": 8,
                "conv_clamp": 256.0,
                "augment": "ada",
                "mirror": True,
                "terms": regularizers(1.0),
                "ema_halflife_images": 20_000.0,
                "ema_rampup": None,
            },
            "data": {"name": "folder", "image_size": 256},
            "train": {"batch_size": 64, "steps": 390_625, "sample_every": 2000},
        },
        "afhq": {
            "model": {
                "channel_base": 32768,
                "mbstd_group_size": 8,
                "conv_clamp": 256.0,
                "augment": "ada",
                "mirror": True,
                "terms": regularizers(0.5),
                "ema_halflife_images": 20_000.0,
                "ema_rampup": None,
            },
            "data": {"name": "folder", "image_size": 512},
            "train": {"batch_size": 64, "steps": 390_625, "sample_every": 2000},
        },
    }
