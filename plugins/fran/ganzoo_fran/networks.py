"""The networks of FRAN.

Shapes: N batch, C image channels, S image size, W base channels.
"""

import torch
from torch import nn
from torch.nn import functional

from ganzoo_core.layers import init_normal

YEARS = 100.0
"""Years of an age plane of 1."""


def age_plane(age, image):
    """Return ages [N] in years as constant planes [N, 1, S, S] of age / 100, like the images."""
    plane = (age / YEARS).to(image)[:, None, None, None]
    return plane.expand(-1, 1, *image.shape[2:])


class BlurPool2d(nn.Module):
    """Blurs by the 4x4 binomial filter, then keeps every `stride`-th value: no aliasing, so a
    shifted image has a shifted output (Zhang 2019, arXiv 1904.11486)."""

    def __init__(self, num_channels, stride):
        super().__init__()
        self.stride = stride
        row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        kernel = torch.outer(row, row).expand(num_channels, 1, 4, 4)
        self.register_buffer("kernel", kernel.contiguous(), persistent=False)

    def forward(self, x):
        """Return maps [N, W, h / stride, w / stride], rounded up, of maps [N, W, h, w]."""
        x = functional.pad(x, (1, 2, 1, 2), mode="reflect")
        return functional.conv2d(x, self.kernel.to(x), stride=self.stride, groups=x.shape[1])


class UNet(nn.Module):
    """Image, its age and the target age -> the change of the image. 31,033,027 parameters at W = 64
    and four halvings.

    Args:
        base_channels: W; doubled at each halving.
        num_halvings: of the resolution.
        num_channels: C.
    """

    def __init__(self, base_channels, num_halvings, num_channels):
        super().__init__()
        channels = [base_channels * 2**i for i in range(num_halvings + 1)]  # 64 128 256 512 1024
        self.stem = _two_convs(num_channels + 2, base_channels)
        self.down = nn.ModuleList(_Down(a, 2 * a) for a in channels[:-1])
        self.up = nn.ModuleList(_Up(2 * a, a) for a in channels[-2::-1])
        self.head = nn.Conv2d(base_channels, num_channels, 1)

    def forward(self, image, source_age, target_age):
        """Return the change [N, C, S, S], unbounded, of images from ages [N] to ages [N], years."""
        planes = age_plane(source_age, image), age_plane(target_age, image)
        maps = [self.stem(torch.cat([image, *planes], 1))]  # [N, W, S, S]
        for down in self.down:
            maps.append(down(maps[-1]))  # [N, 2W, S/2, S/2] .. [N, 16W, S/16, S/16]
        x = maps.pop()
        for up in self.up:
            x = up(x, maps.pop())  # [N, 8W, S/8, S/8] .. [N, W, S, S]
        return self.head(x)


def _two_convs(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, 1, 1),
        nn.LeakyReLU(),
        nn.Conv2d(out_channels, out_channels, 3, 1, 1),
        nn.LeakyReLU(),
    )


class _Down(nn.Module):
    """Halves the resolution by a max pool with blur, then two convs."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.pool = nn.Sequential(nn.MaxPool2d(2, stride=1), BlurPool2d(in_channels, stride=2))
        self.convs = _two_convs(in_channels, out_channels)

    def forward(self, x):
        """Return maps [N, out, h/2, w/2] of maps [N, in, h, w]."""
        return self.convs(self.pool(x))


class _Up(nn.Module):
    """Doubles the resolution by a transposed conv with blur, then two convs with the skip maps."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        conv = nn.ConvTranspose2d(in_channels, out_channels, 2, 2)
        self.upsample = nn.Sequential(conv, BlurPool2d(out_channels, stride=1))
        self.convs = _two_convs(2 * out_channels, out_channels)

    def forward(self, x, skip):
        """Return maps [N, out, 2h, 2w] of maps [N, in, h, w] and skip maps [N, out, 2h, 2w]."""
        return self.convs(torch.cat([self.upsample(x), skip], 1))


class PatchDiscriminator(nn.Module):
    """Image and its age -> logits of overlapping patches: the 70 x 70 PatchGAN of pix2pix (Isola et
    al. 2017, arXiv 1611.07004), with blur pools in place of strides.

    Args:
        base_channels: of the first conv, 64 in pix2pix.
        num_channels: C.
    """

    def __init__(self, base_channels, num_channels):
        super().__init__()
        w = base_channels
        self.layers = nn.Sequential(
            *_patch_block(num_channels + 1, w, norm=False),  # [N, W, S/2, S/2]
            *_patch_block(w, 2 * w),  # [N, 2W, S/4, S/4]
            *_patch_block(2 * w, 4 * w),  # [N, 4W, S/8, S/8]
            *_patch_block(4 * w, 8 * w, pool=False),  # [N, 8W, S/8 - 1, S/8 - 1]
            init_normal(nn.Conv2d(8 * w, 1, 4, 1, 1)),
        )

    def forward(self, image, age):
        """Return logits [N, 1, S/8 - 2, S/8 - 2] of images [N, C, S, S] and ages [N] in years."""
        return self.layers(torch.cat([image, age_plane(age, image)], 1))


def _patch_block(in_channels, out_channels, *, norm=True, pool=True):
    conv = init_normal(nn.Conv2d(in_channels, out_channels, 4, 1, 1))
    layers = [conv, nn.BatchNorm2d(out_channels)] if norm else [conv]
    layers += [nn.LeakyReLU(0.2)]
    return [*layers, BlurPool2d(out_channels, stride=2)] if pool else layers
