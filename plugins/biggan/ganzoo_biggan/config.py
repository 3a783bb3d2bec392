"""Options and presets of `sagan`, `biggan` and `biggan-deep`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, GANConfig

AGE_BINS = (18, 29, 39, 49, 59)
HINGE = {"loss": {"kind": "hinge"}}
PEOPLE_32 = {"name": "people", "image_size": 32, "count": 6000, "nuisance_scale": 0.35}
FASHION_32 = {"name": "fashion-mnist", "image_size": 32, "num_channels": 1}
CIFAR10 = {"name": "cifar10", "image_size": 32}
CLASSES_128 = {"name": "class-folder", "image_size": 128}
SMOKE = {
    "data": {"name": "shapes", "image_size": 32},
    "train": {"batch_size": 8, "steps": 20, "sample_every": 10, "log_every": 5},
}
QUICK_TRAIN = {"batch_size": 32, "steps": 1500}
FASHION_TRAIN = {"batch_size": 64, "steps": 6000, "sample_every": 1000}
CIFAR10_TRAIN = {"batch_size": 64, "steps": 100_000, "sample_every": 1000}
ADAM_4E4_BETA1_0 = Adam(lr=4e-4, betas=(0.0, 0.9))
ADAM_1E4_BETA1_0 = Adam(lr=1e-4, betas=(0.0, 0.9))
ADAM_2E4_BETA2_999 = Adam(lr=2e-4, betas=(0.0, 0.999))
ADAM_5E5_BETA2_999 = Adam(lr=5e-5, betas=(0.0, 0.999))
SHORT_RUN = {
    "ema_halflife_images": 5000.0,
    "d_updates": 1,
    "optim_d": {"lr": 4e-4, "betas": (0.0, 0.9)},
    "optim_g": {"lr": 2e-4, "betas": (0.0, 0.9)},
    **HINGE,
}
"""For the short presets: one update of D, and the betas of SAGAN."""
HALFLIFE_OF_2048 = 14_194_949.0
"""Of a decay of 0.9999 for each batch of 2,048 images."""


class AttentionGANConfig(GANConfig):
    """The options that the three models share."""

    class Sampling(GANConfig.Sampling):
        """The sampling options."""

        standing_batches: int | None = Field(None, ge=1)
        """Use the statistics of BatchNorm over so many batches of new fakes, with the truncation of
        the samples (standing statistics, BigGAN); none for those of the training."""

    age_bins: tuple[int, ...] = AGE_BINS
    """Inclusive upper edges of the age bins, in years."""
    conditional: bool = True
    """Whether the networks receive the labels, if the data have any."""
    augment: str = ""
    """Augmentation of the images that D receives: "ada", or a list such as
    "color,translation,cutout"; see docs/how-to/use-data.md."""
    g_channels: int = Field(96, ge=1)
    """Base channels of G: at 128 px the last block has as many, the first sixteen times as many."""
    d_channels: int = Field(96, ge=1)
    """Base channels of D."""
    attention_size: int = Field(64, ge=0)
    """Edge of the maps with self-attention, at most half the image size; 0 for no attention."""


class SAGANConfig(AttentionGANConfig):
    """`[model]` of sagan."""

    g_channels: int = Field(64, ge=1)
    """Base channels of G: at 128 px the last block has as many, the first sixteen times as many."""
    d_channels: int = Field(64, ge=1)
    """Base channels of D."""
    attention_size: int = Field(32, ge=0)
    """Edge of the maps with self-attention, at most half the image size; 0 for no attention."""
    latent_dim: int = Field(128, ge=1)
    """Length of z."""
    optim_d: Adam = ADAM_4E4_BETA1_0
    """The optimizer of the discriminator."""
    optim_g: Adam = ADAM_1E4_BETA1_0
    """The optimizer of the generator."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "g_channels": 4,
                "d_channels": 4,
                "latent_dim": 8,
                "ema_halflife_images": 1000.0,
                **HINGE,
            },
            **SMOKE,
        },
        "quick": {
            "model": {"g_channels": 12, "d_channels": 12, **SHORT_RUN},
            "data": PEOPLE_32,
            "train": QUICK_TRAIN,
        },
        "fashion-32": {
            "model": {"g_channels": 16, "d_channels": 16, **SHORT_RUN},
            "data": FASHION_32,
            "train": FASHION_TRAIN,
        },
        "cifar10": {  # 256 channels in both networks
            "model": {"d_updates": 5, "optim_d": {"lr": 2e-4}, "optim_g": {"lr": 2e-4}, **HINGE},
            "data": CIFAR10,
            "train": CIFAR10_TRAIN,
        },
        "paper": {
            "model": HINGE,
            "data": CLASSES_128,
            "train": {"batch_size": 256, "steps": 1_000_000, "sample_every": 5000},
        },
    }


class BigGANConfig(AttentionGANConfig):
    """`[model]` of biggan."""

    latent_chunk_dim: int = Field(20, ge=1)
    """Length of each chunk of z: one for the first layer of G, one for each block."""
    class_embed_dim: int = Field(128, ge=1)
    """Length of the class embedding that all blocks of G share."""
    d_updates: int = Field(2, ge=1)
    """Updates of D in each step, each on its own batch; 2 in the paper."""
    optim_d: Adam = ADAM_2E4_BETA2_999
    """The optimizer of the discriminator."""
    optim_g: Adam = ADAM_5E5_BETA2_999
    """The optimizer of the generator."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "g_channels": 4,
                "d_channels": 4,
                "latent_chunk_dim": 4,
                "class_embed_dim": 4,
                "d_updates": 1,
                "ema_halflife_images": 1000.0,
                **HINGE,
            },
            **SMOKE,
        },
        "quick": {
            "model": {"g_channels": 12, "d_channels": 12, "class_embed_dim": 32, **SHORT_RUN},
            "data": PEOPLE_32,
            "train": QUICK_TRAIN,
        },
        "fashion-32": {
            "model": {"g_channels": 16, "d_channels": 16, "class_embed_dim": 32, **SHORT_RUN},
            "data": FASHION_32,
            "train": FASHION_TRAIN,
        },
        "cifar10": {  # 384 channels in G, 192 in D, as in StudioGAN
            "model": {
                "d_channels": 48,
                "d_updates": 5,
                "ema_halflife_images": 443_592.0,  # a decay of 0.9999 for each batch of 64
                "optim_d": {"lr": 2e-4, "betas": (0.5, 0.999)},
                "optim_g": {"lr": 2e-4, "betas": (0.5, 0.999)},
                **HINGE,
            },
            "data": CIFAR10,
            "train": CIFAR10_TRAIN,
        },
        "paper": {
            "model": {
                "ema_halflife_images": HALFLIFE_OF_2048,
                "terms": {"orthogonal": {"weight": 1e-4}},
                **HINGE,
            },
            "data": CLASSES_128,
            "train": {"batch_size": 2048, "steps": 200_000, "sample_every": 5000},
        },
    }


class BigGANDeepConfig(AttentionGANConfig):
    """`[model]` of biggan-deep."""

    g_channels: int = Field(128, ge=4)
    """Base channels of G: at 128 px the last block has as many, the first sixteen times as many."""
    d_channels: int = Field(128, ge=4)
    """Base channels of D."""
    latent_dim: int = Field(128, ge=1)
    """Length of z, which every block of G receives."""
    class_embed_dim: int = Field(128, ge=1)
    """Length of the class embedding that all blocks of G share."""
    d_updates: int = Field(2, ge=1)
    """Updates of D in each step, each on its own batch; 2 in the paper."""
    optim_d: Adam = ADAM_2E4_BETA2_999
    """The optimizer of the discriminator."""
    optim_g: Adam = ADAM_5E5_BETA2_999
    """The optimizer of the generator."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "g_channels": 4,
                "d_channels": 4,
                "latent_dim": 8,
                "class_embed_dim": 4,
                "d_updates": 1,
                "ema_halflife_images": 1000.0,
                **HINGE,
            },
            **SMOKE,
        },
        "quick": {
            "model": {
                "g_channels": 24,
                "d_channels": 24,
                "latent_dim": 64,
                "class_embed_dim": 32,
                **SHORT_RUN,
            },
            "data": PEOPLE_32,
            "train": QUICK_TRAIN,
        },
        "fashion-32": {
            "model": {"g_channels": 32, "d_channels": 32, "class_embed_dim": 32, **SHORT_RUN},
            "data": FASHION_32,
            "train": FASHION_TRAIN,
        },
        "cifar10": {
            "model": {
                "d_updates": 5,
                "ema_halflife_images": 443_592.0,  # a decay of 0.9999 for each batch of 64
                "optim_d": {"lr": 2e-4, "betas": (0.5, 0.999)},
                "optim_g": {"lr": 2e-4, "betas": (0.5, 0.999)},
                **HINGE,
            },
            "data": CIFAR10,
            "train": CIFAR10_TRAIN,
        },
        "paper": {
            "model": {
                "ema_halflife_images": HALFLIFE_OF_2048,
                "terms": {"orthogonal": {"weight": 1e-4}},
                **HINGE,
            },
            "data": CLASSES_128,
            "train": {"batch_size": 2048, "steps": 200_000, "sample_every": 5000},
        },
    }
