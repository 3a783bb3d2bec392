"""The networks of pix2pix and CycleGAN, as the authors build them
(junyanz/pytorch-CycleGAN-and-pix2pix), and the jitter of the training images.

Shapes: N batch, B base channels, S image size, C image channels, h x w maps.
"""

from functools import partial

import torch
from torch import nn
from torch.nn.functional import affine_grid, grid_sample

from ganzoo_core import Discriminator
from ganzoo_core.layers import init_dcgan

INSTANCE_NORM = partial(nn.InstanceNorm2d, affine=False)


class PatchDiscriminator(Discriminator):
    """Convs with stride 2, then two without: a logit for each patch of the image.

    Args:
        in_channels: of the image, or of two images on top of each other.
        base_channels: B.
        num_layers: convs with stride 2.
        norm: makes a normalization layer. Convs before a norm without a shift have a bias.
    """

    def __init__(self, in_channels, base_channels, num_layers, norm):
        super().__init__()
        bias, leaky = norm is not nn.BatchNorm2d, partial(nn.LeakyReLU, 0.2)
        layers, width = [nn.Conv2d(in_channels, base_channels, 4, 2, 1), leaky()], base_channels
        for i in range(1, num_layers + 1):
            out, stride = base_channels * min(2**i, 8), 2 if i < num_layers else 1
            layers += [nn.Conv2d(width, out, 4, stride, 1, bias=bias), norm(out), leaky()]
            width = out
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 1, 4, 1, 1))
        init_dcgan(self)

    def forward(self, image, label=None):
        """Return logits [N, 1, h, w], one for each patch."""
        return self.layers(image)


class UNet(nn.Module):
    """The U-Net of pix2pix: convs with stride 2 down to 1 px and back, each layer of the decoder
    with the maps of the encoder at its resolution.

    Args:
        num_channels: of input and output.
        base_channels: B; doubled at each of the first three halvings.
        num_halvings: 8 for 256 px.
        dropout: in the inner layers of the decoder whose input and output have 8 B channels.
    """

    def __init__(self, num_channels, base_channels, num_halvings, dropout):
        super().__init__()
        widths = [base_channels * min(2**i, 8) for i in range(num_halvings)]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(widths):
            is_inner = 0 < i < num_halvings - 1
            layers = [nn.LeakyReLU(0.2)] if i else []
            conv = nn.Conv2d(widths[i - 1] if i else num_channels, width, 4, 2, 1, bias=not i)
            self.encoder.append(
                nn.Sequential(*layers, conv, *([nn.BatchNorm2d(width)] if is_inner else []))
            )
        for i in reversed(range(num_halvings)):
            in_channels = widths[i] * (1 if i == num_halvings - 1 else 2)  # with the encoder's maps
            out = widths[i - 1] if i else num_channels
            layers = [nn.ReLU(), nn.ConvTranspose2d(in_channels, out, 4, 2, 1, bias=not i)]
            layers += [nn.BatchNorm2d(out)] if i else [nn.Tanh()]
            layers += [nn.Dropout(dropout)] if 4 <= i < num_halvings - 1 else []
            self.decoder.append(nn.Sequential(*layers))
        init_dcgan(self)

    def forward(self, image):
        """Return images [N, C, S, S] in [-1, 1] from images [N, C, S, S]."""
        maps = [image]
        for block in self.encoder:
            maps.append(block(maps[-1]))  # [N, B, S/2, S/2] .. [N, 8B, 1, 1]
        h = self.decoder[0](maps.pop())
        for block in self.decoder[1:]:
            h = block(torch.cat([maps.pop(), h], 1))
        return h


class ResidualBlock(nn.Module):
    """Two convs with reflection padding and instance norm, added to their input."""

    def __init__(self, num_channels):
        super().__init__()
        w = num_channels
        self.layers = nn.Sequential(
            *(nn.ReflectionPad2d(1), nn.Conv2d(w, w, 3), INSTANCE_NORM(w), nn.ReLU()),
            *(nn.ReflectionPad2d(1), nn.Conv2d(w, w, 3), INSTANCE_NORM(w)),
        )

    def forward(self, x):
        """Return maps of the shape of x [N, W, h, w]."""
        return x + self.layers(x)


class ResNetGenerator(nn.Module):
    """Two convs with stride 2, residual blocks, two transposed convs.

    Args:
        num_channels: of input and output.
        base_channels: B.
        num_blocks: 9 for 256 px, 6 for 128 px.
    """

    def __init__(self, num_channels, base_channels, num_blocks):
        super().__init__()
        b = base_channels
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(num_channels, b, 7), INSTANCE_NORM(b), nn.ReLU()]
        for w in (b, 2 * b):  # [N, 2B, S/2, S/2], [N, 4B, S/4, S/4]
            layers += [nn.Conv2d(w, 2 * w, 3, 2, 1), INSTANCE_NORM(2 * w), nn.ReLU()]
        layers += [ResidualBlock(4 * b) for _ in range(num_blocks)]
        for w in (2 * b, b):
            up = nn.ConvTranspose2d(2 * w, w, 3, 2, 1, output_padding=1)
            layers += [up, INSTANCE_NORM(w), nn.ReLU()]
        head = (nn.ReflectionPad2d(3), nn.Conv2d(b, num_channels, 7), nn.Tanh())
        self.layers = nn.Sequential(*layers, *head)
        init_dcgan(self)

    def forward(self, image):
        """Return images [N, C, S, S] in [-1, 1] from images [N, C, S, S]."""
        return self.layers(image)


def jitter_images(images, rng, num_pixels, mirror):
    """Return images [N, C, S, S] enlarged to S + num_pixels, cropped to S px at a random place, and
    flipped with probability 1/2 if `mirror`: one bilinear resampling."""
    if not num_pixels and not mirror:
        return images
    n, size = len(images), images.shape[-1]
    u = rng.rand(n, 3)
    scale = size / (size + num_pixels)
    theta = torch.zeros(n, 2, 3, device=images.device)
    theta[:, 0, 0] = torch.where(u[:, 2] < 0.5, -scale, scale) if mirror else scale
    theta[:, 1, 1] = scale
    theta[:, :, 2] = (2 * u[:, :2] - 1) * (1 - scale)
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="reflection", align_corners=False)
