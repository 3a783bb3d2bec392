"""The networks of IPCGAN (Wang, Tang, Luo and Gao 2018, doi 10.1109/CVPR.2018.00828).

Shapes: N batch, C image channels, S image size, W base channels, K age groups.
"""

from torch import nn
from torch.nn.functional import leaky_relu

from ganzoo_core import Discriminator
from ganzoo_core.layers import concat_label_maps, init_normal


class Translator(nn.Module):
    """Image and target group -> image: two halvings, residual blocks, two doublings, BatchNorm.

    Args:
        base_channels: W.
        num_blocks: residual blocks.
        num_channels: C.
        num_groups: K.
    """

    def __init__(self, base_channels, num_blocks, num_channels, num_groups):
        super().__init__()
        self.num_groups, w = num_groups, base_channels
        self.layers = nn.Sequential(
            *_conv_norm_act(nn.Conv2d(num_channels + num_groups, w, 7, 1, 3)),
            *_conv_norm_act(nn.Conv2d(w, 2 * w, 3, 2, 1)),  # [N, 2W, S/2, S/2]
            *_conv_norm_act(nn.Conv2d(2 * w, 4 * w, 3, 2, 1)),  # [N, 4W, S/4, S/4]
            *(_ResidualBlock(4 * w) for _ in range(num_blocks)),
            *_conv_norm_act(nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, 1)),  # [N, 2W, S/2, S/2]
            *_conv_norm_act(nn.ConvTranspose2d(2 * w, w, 3, 2, 1, 1)),  # [N, W, S, S]
            init_normal(nn.Conv2d(w, num_channels, 7, 1, 3)),
            nn.Tanh(),
        )

    def forward(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] at groups [N], from images [N, C, S, S]."""
        return self.layers(concat_label_maps(image, label, self.num_groups))


class _ResidualBlock(nn.Module):
    """x + f(x), f = conv, norm, ReLU, conv, norm."""

    def __init__(self, num_channels):
        super().__init__()
        first, second = (
            _conv_norm_act(nn.Conv2d(num_channels, num_channels, 3, 1, 1)) for _ in range(2)
        )
        self.layers = nn.Sequential(*first, *second[:2])

    def forward(self, x):
        """Return maps of the shape of x."""
        return x + self.layers(x)


def _conv_norm_act(conv):
    return init_normal(conv), nn.BatchNorm2d(conv.out_channels), nn.ReLU()


class PatchDiscriminator(Discriminator):
    """Image and age group -> logits of patches; label maps are concatenated after the first conv.
    As in the authors' code, the last conv has as many channels as the one before it.

    Args:
        base_channels: W.
        num_channels: C.
        num_groups: K.
    """

    def __init__(self, base_channels, num_channels, num_groups):
        super().__init__()
        self.num_groups, w = num_groups, base_channels
        self.stem = init_normal(nn.Conv2d(num_channels, w, 4, 2, 1))
        self.body = nn.Sequential(
            *_patch_block(w + num_groups, 2 * w, 2),  # [N, 2W, S/4, S/4]
            *_patch_block(2 * w, 4 * w, 2),  # [N, 4W, S/8, S/8]
            *_patch_block(4 * w, 8 * w, 1),  # [N, 8W, S/8, S/8]
            *_same_size_conv(8 * w, 8 * w),
        )

    def forward(self, image, label=None):
        """Return logits [N, 8W, S/8, S/8] from images [N, C, S, S] and age groups [N]."""
        x = leaky_relu(self.stem(image), 0.2)  # [N, W, S/2, S/2]
        return self.body(concat_label_maps(x, label, self.num_groups))


def _patch_block(a, b, stride):
    convs = (init_normal(nn.Conv2d(a, b, 4, 2, 1)),) if stride == 2 else _same_size_conv(a, b)
    return *convs, nn.BatchNorm2d(b), nn.LeakyReLU(0.2)


def _same_size_conv(a, b):
    """A 4x4 conv with stride 1; one more row and column of zeros after the map than before."""
    return nn.ZeroPad2d((1, 2, 1, 2)), init_normal(nn.Conv2d(a, b, 4))
