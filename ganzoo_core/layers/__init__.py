"""Layers that several networks share, one file for each idea."""

from ganzoo_core.layers.attention import SelfAttention2d
from ganzoo_core.layers.blocks import (
    downsample_block,
    latent_block,
    upsample_block,
    upsample_conv,
)
from ganzoo_core.layers.channels import channels_by_resolution, doubled_channels, num_halvings
from ganzoo_core.layers.conditional_batchnorm import (
    ConditionalBatchNorm2d,
    LinearConditionalBatchNorm2d,
)
from ganzoo_core.layers.image_input import resize_to_rgb, standardize_images
from ganzoo_core.layers.image_size import check_image_size
from ganzoo_core.layers.init import init_dcgan, init_normal, init_orthogonal, init_xavier
from ganzoo_core.layers.labels import concat_label_maps, label_maps, one_hot
from ganzoo_core.layers.maxout import Maxout
from ganzoo_core.layers.norms import NORMS, add_spectral_norm, spectral_norm
from ganzoo_core.layers.ordinal import bin_index, expected_index
from ganzoo_core.layers.residual import (
    ResidualDownBlock,
    ResidualUpBlock,
    residual_discriminator_blocks,
)
from ganzoo_core.layers.resnet import ProjectionBlock, conv_bn_relu

__all__ = [
    "NORMS",
    "ConditionalBatchNorm2d",
    "LinearConditionalBatchNorm2d",
    "Maxout",
    "ProjectionBlock",
    "ResidualDownBlock",
    "ResidualUpBlock",
    "SelfAttention2d",
    "add_spectral_norm",
    "bin_index",
    "channels_by_resolution",
    "check_image_size",
    "concat_label_maps",
    "conv_bn_relu",
    "doubled_channels",
    "downsample_block",
    "expected_index",
    "init_dcgan",
    "init_normal",
    "init_orthogonal",
    "init_xavier",
    "label_maps",
    "latent_block",
    "num_halvings",
    "one_hot",
    "residual_discriminator_blocks",
    "resize_to_rgb",
    "spectral_norm",
    "standardize_images",
    "upsample_block",
    "upsample_conv",
]
