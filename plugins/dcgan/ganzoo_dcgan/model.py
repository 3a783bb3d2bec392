"""DCGAN: convolutional GAN.

Paper: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks
(Radford, Metz and Chintala 2015, arXiv 1511.06434). Strided convs replace pooling. Both networks
have BatchNorm, except at the output of G and the input of D. ReLU in G, LeakyReLU 0.2 in D, weights
from N(0, 0.02), Adam at 2e-4 with beta1 0.5. At 64 px with 64..512 channels: 3,576,704 and
2,765,568 parameters.

Source of two more presets: the report AI2100---Project by srikaran-p.

- `report-slides` (Tables 5 and 6): D has 6-10-15-25-1 channels and G the reverse; Adam at 0.004
  with betas (0.65, 0.999), 100 epochs. The slides do not give z, norms or the initialization: z and
  norms are the paper's, the weights start from torch's defaults.
- `report-notebook` (its best run): 16-32-64-128 channels, BatchNorm after every conv of D but the
  last, z ~ N(0, I) of length 128, Adam at 4e-4 with betas (0.60, 0.999). 435,424 and 175,328
  parameters.

Differs from the paper:

| | paper | here |
|---|---|---|
| images | 64 px | 32, 64, 128 or 256 px, grayscale or color; at most 8W channels |
| loss | cross-entropy | any |
| norm in D | BatchNorm | `model.discriminator.norm` |
| weights of G | the last ones | optionally a moving average |

Shapes: N batch, Z latent, W base channels, S image size.
"""

from itertools import pairwise

from torch import nn

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.data.ada import make_augment
from ganzoo_core.layers import (
    check_image_size,
    doubled_channels,
    downsample_block,
    init_dcgan,
    latent_block,
    num_halvings,
    upsample_block,
    upsample_conv,
)
from ganzoo_core.losses import make_heads, make_loss


def _channel_schedule(config, image_size):
    """Return the output channels of the convs of D, [64, 128, 256, 512] at 64 px.

    Raises:
        ValueError: an unsupported image size, or `layer_channels` of another length.
    """
    check_image_size("dcgan", image_size, minimum=32, maximum=256, suggestion=64)
    num_downsamples = num_halvings(image_size)  # the last maps are 4 px
    if not config.layer_channels:
        return doubled_channels(config.base_channels, num_downsamples, max_factor=8)
    if len(config.layer_channels) != num_downsamples:
        required_size = 4 * 2 ** len(config.layer_channels)
        raise ValueError(
            f"model.layer_channels: {len(config.layer_channels)} layers need {required_size} px, "
            f"not {image_size}: --set data.image_size={required_size}, or list {num_downsamples} "
            "channel counts"
        )
    return list(config.layer_channels)


class DCGenerator(Generator):
    """Upsamples z from 4 px to S px by transposed convs with BatchNorm and ReLU; tanh output."""

    def __init__(self, config, image_size, num_channels):
        super().__init__()
        self.latent_dim, self.prior = config.latent_dim, config.prior
        channels = _channel_schedule(config, image_size)[::-1]  # 512 256 128 64
        layers = [*latent_block(config.latent_dim, channels[0])]  # [N, 512, 4, 4]
        for in_channels, out_channels in pairwise(channels):
            layers += upsample_block(in_channels, out_channels)
        # [N, 64, 32, 32]
        layers += [*upsample_conv(channels[-1], num_channels), nn.Tanh()]
        # [N, 3, 64, 64]
        self.layers = nn.Sequential(*layers)
        if config.init_std:  # None: the weights stay as torch initialized them
            init_dcgan(self, config.init_std)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z]. Ignores labels."""
        return self.layers(z[:, :, None, None])


class DCDiscriminator(Discriminator):
    """Downsamples S px to 4 px by strided convs with a norm and LeakyReLU, then one logit."""

    def __init__(self, config, image_size, num_channels, terms):
        super().__init__()
        d_config = config.discriminator
        channels = [num_channels, *_channel_schedule(config, image_size)]
        layers = []
        for i, (in_channels, out_channels) in enumerate(pairwise(channels)):
            norm = d_config.norm if i or d_config.norm_first_conv else None
            layers += downsample_block(in_channels, out_channels, norm=norm)
        # [N, 64, 32, 32] .. [N, 512, 4, 4]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels[-1], 1, 4, 1, 0, bias=False)
        self.heads = make_heads(terms, 16 * channels[-1], num_classes=0)
        self.init_std = config.init_std
        self.reset_parameters()

    def reset_parameters(self):
        """Initialize the weights again."""
        super().reset_parameters()
        if self.init_std:
            init_dcgan(self, self.init_std)

    def features(self, image, label=None):
        """Return the maps before the logit, a list of one tensor [N, 8W, 4, 4]."""
        return [self.body(image)]

    def pooled(self, image):
        """Return the maps before the logit as features [N, 8W * 16]."""
        return self.body(image).flatten(1)

    def logit(self, features, label=None):
        """Return logits [N] from the features of `pooled`."""
        return self.head(features.unflatten(1, (-1, 4, 4))).flatten()

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S]."""
        return self.head(self.body(image)).flatten()


class DCGAN(GAN):
    """G maps noise to images; D classifies images as real or generated.

    `ganzoo_core.GAN` has both losses: D is trained on real images and detached fakes, then G
    through the frozen D.
    """

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator = DCGenerator(config, info.image_size, info.num_channels)
        shape = (info.image_size, info.num_channels)
        self.discriminator = DCDiscriminator(config, *shape, self.terms)
        self.augment = make_augment(config.augment)
        self.loss = make_loss(config.loss)
