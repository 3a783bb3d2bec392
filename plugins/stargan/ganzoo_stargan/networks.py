"""The networks of StarGAN (Choi et al. 2018, arXiv 1711.09020, tables 4 and 5).

Shapes: N batch, C image channels, S image size, W base channels, K classes.
"""

from itertools import pairwise

from torch import nn

from ganzoo_core import Discriminator
from ganzoo_core.layers import concat_label_maps, doubled_channels, num_halvings


class Translator(nn.Module):
    """Image and target group -> image: two halvings, residual blocks, two doublings.

    8,430,528 parameters at W = 64 with six blocks and five classes. The norms use the statistics of
    the image, in training and inference alike, as in the authors' code, which never leaves the
    training mode.

    Args:
        base_channels: W.
        num_blocks: residual blocks.
        num_channels: C.
        num_classes: K.
    """

    def __init__(self, base_channels, num_blocks, num_channels, num_classes):
        super().__init__()
        self.num_classes, w = num_classes, base_channels
        self.layers = nn.Sequential(
            *_norm_act(nn.Conv2d(num_channels + num_classes, w, 7, 1, 3, bias=False)),
            *_norm_act(nn.Conv2d(w, 2 * w, 4, 2, 1, bias=False)),  # [N, 2W, S/2, S/2]
            *_norm_act(nn.Conv2d(2 * w, 4 * w, 4, 2, 1, bias=False)),  # [N, 4W, S/4, S/4]
            *(_ResidualBlock(4 * w) for _ in range(num_blocks)),
            *_norm_act(nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1, bias=False)),  # [N, 2W, S/2, S/2]
            *_norm_act(nn.ConvTranspose2d(2 * w, w, 4, 2, 1, bias=False)),  # [N, W, S, S]
            nn.Conv2d(w, num_channels, 7, 1, 3, bias=False),
            nn.Tanh(),
        )

    def forward(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] at groups [N], from images [N, C, S, S]."""
        return self.layers(concat_label_maps(image, label, self.num_classes))


class _ResidualBlock(nn.Module):
    """x + f(x), f = conv, norm, ReLU, conv, norm."""

    def __init__(self, num_channels):
        super().__init__()
        convs = (nn.Conv2d(num_channels, num_channels, 3, 1, 1, bias=False) for _ in range(2))
        first, second = (_norm_act(conv) for conv in convs)
        self.layers = nn.Sequential(*first, *second[:2])

    def forward(self, x):
        """Return maps of the shape of x."""
        return x + self.layers(x)


def _norm_act(conv):
    return conv, nn.InstanceNorm2d(conv.out_channels, affine=True), nn.ReLU()


class DomainDiscriminator(Discriminator):
    """Image -> patch logits and logits of the groups. 44,762,048 parameters at W = 64, 128 px and
    five classes.

    Args:
        base_channels: W; doubled at each halving.
        image_size: S, halved down to 2 px.
        num_channels: C.
        num_classes: K.
    """

    uses_label = False

    def __init__(self, base_channels, image_size, num_channels, num_classes):
        super().__init__()
        channels = doubled_channels(base_channels, num_halvings(image_size, 2))
        layers = []
        for a, b in pairwise([num_channels, *channels]):  # 3 64 128 256 512 1024 2048 at 128 px
            layers += [nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.01)]
        self.body = nn.Sequential(*layers)  # [N, 32W, 2, 2] at 128 px
        self.patch_head = nn.Conv2d(channels[-1], 1, 3, 1, 1, bias=False)
        self.class_head = nn.Conv2d(channels[-1], num_classes, 2, bias=False)

    def forward(self, image, label=None):
        """Return logits [N, 1, 2, 2] from images [N, C, S, S]; they do not depend on the label."""
        return self.patch_head(self.body(image))

    def logits_and_class_logits(self, image):
        """Return logits [N, 1, 2, 2] and the logits [N, K] of the groups."""
        h = self.body(image)
        return self.patch_head(h), self.class_head(h).flatten(1)
