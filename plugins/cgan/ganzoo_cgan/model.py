"""Convolutional conditional GAN: images of faces by age group.

Paper: Conditional Generative Adversarial Nets (Mirza and Osindero 2014, arXiv 1411.1784), in the
convolutional form of Radford et al. 2015 (arXiv 1511.06434). The paper's own perceptrons are the
model `mlp-cgan` (`mlp.py`).
Source: the report AI2100---Project by srikaran-p, trained on WIKI. Its notebook and its slides
disagree on D, so `model.label_injection` has both, and one more:

- `after_conv1` (the notebook, preset `report-notebook`): D receives the image; one-hot label maps
  are concatenated after the first conv. 2,777,856 parameters; no biases; the loss of D is a sum.
- `input` (the slides, preset `report-slides`): D receives image and label maps together. Six
  stride-2 convs 64-70-128-256-512-1, with 2,853,888 weights (the last conv needs padding 1 to fit
  2x2 maps). The loss of D is halved. The slides end G in ReLU, which is a slip: the images lie in
  [-1, 1]. The default is tanh; `output_activation=relu` follows the slides.
- `late` (Reed et al. 2016, arXiv 1605.05396; not in the report): the label maps are concatenated
  after the last norm of D, so that no batch norm receives labels.

With `late` and the term `adc`, D has the classifier of ADC-GAN (Hou et al. 2021, arXiv 2107.10060):
real images of K classes, and fakes of K more. ADC-GAN itself gives the logit its label by a
projection.

Differs from the report:

| | report | here |
|---|---|---|
| image size | 64 px | 32, 64, 128 or 256 px |
| classes | six age groups | any number |
| image channels | color | grayscale or color |
| loss | cross-entropy | any |
| norm in D | BatchNorm | `model.discriminator.norm` |
| upsampling in G | transposed convs | or nearest neighbor and a conv |
| weights of G | the last ones | optionally a moving average |

At 64 px and six classes all parameter counts are the report's.

Shapes: N batch, Z latent, K classes, W base channels, S image size.
"""

from itertools import pairwise

import torch
from torch import nn

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.data.ada import make_augment
from ganzoo_core.layers import (
    check_image_size,
    concat_label_maps,
    doubled_channels,
    downsample_block,
    latent_block,
    num_halvings,
    one_hot,
    upsample_block,
    upsample_conv,
)
from ganzoo_core.losses import make_loss


class CGANGenerator(Generator):
    """(z, y) -> 4 px -> upsampled to S px, with BatchNorm and ReLU."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        check_image_size("cgan", image_size, minimum=32, maximum=256, suggestion=64)
        self.latent_dim, self.num_classes, self.prior = config.latent_dim, num_classes, config.prior
        channels = doubled_channels(config.base_channels, num_halvings(image_size))[::-1]
        # 512 256 128 64
        layers = [*latent_block(config.latent_dim + num_classes, channels[0])]  # [N, 512, 4, 4]
        last = channels[-1]
        for a, b in pairwise(channels):  # [N, 256, 8, 8] .. [N, 64, 32, 32]
            layers += upsample_block(a, b, upsample=config.upsample)
        if config.upsample == "nearest":  # one more layer at the full size, [N, 64, 64, 64]
            layers += upsample_block(last, last, upsample="nearest")
            layers += [nn.Conv2d(last, num_channels, 3, 1, 1, bias=False)]
        else:
            layers += upsample_conv(last, num_channels)
        layers += [nn.Tanh() if config.output_activation == "tanh" else nn.ReLU()]  # [N, 3, 64, 64]
        self.layers = nn.Sequential(*layers)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z] and labels [N]."""
        y = one_hot(label, self.num_classes, z)  # [N, K]
        return self.layers(torch.cat([z, y], 1)[:, :, None, None])


class _LabelMapDiscriminator(Discriminator):
    """Base of the discriminators that concatenate label maps; `features` says where."""

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and labels [N]."""
        return self.head(self.features(image, label)[0]).flatten()


class AfterConv1LabelDiscriminator(_LabelMapDiscriminator):
    """The notebook's: label maps are concatenated after the first conv."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.num_classes = num_classes
        w, *channels = doubled_channels(config.base_channels, num_halvings(image_size))
        self.stem = nn.Sequential(*_halve([num_channels, w]))
        channels = [w + num_classes, *channels]  # 70 128 256 512
        self.body = nn.Sequential(*_halve(channels, config.discriminator.norm))
        self.head = nn.Conv2d(channels[-1], 1, 4, 1, 0, bias=False)

    def features(self, image, label=None):
        """Return the maps before the logit, a list of one tensor, [N, 8W, 4, 4] at 64 px."""
        h = self.stem(image)  # [N, W, S/2, S/2]
        return [self.body(concat_label_maps(h, label, self.num_classes))]  # from W + K


class InputLabelDiscriminator(_LabelMapDiscriminator):
    """The slides': label maps are concatenated to the image; every conv has stride 2."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.num_classes = num_classes
        w, *channels = doubled_channels(config.base_channels, num_halvings(image_size))
        # 64 70 128 256 512: the slides have 70 here, which is the notebook's 64 + 6
        channels = [w, w + num_classes, *channels]
        stem = _halve([num_channels + num_classes, w])
        blocks = _halve(channels, config.discriminator.norm)
        self.body = nn.Sequential(*stem, *blocks)
        self.head = nn.Conv2d(channels[-1], 1, 4, 2, 1, bias=False)

    def features(self, image, label=None):
        """Return the maps before the logit, a list of one tensor, [N, 8W, 2, 2] at 64 px."""
        return [self.body(concat_label_maps(image, label, self.num_classes))]  # from C + K


class LateLabelDiscriminator(_LabelMapDiscriminator):
    """That of Reed et al.: label maps are concatenated after the last norm."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.num_classes = num_classes
        channels = doubled_channels(config.base_channels, num_halvings(image_size))
        # 64 128 256 512
        stem = _halve([num_channels, channels[0]])
        blocks = _halve(channels, config.discriminator.norm)
        self.body = nn.Sequential(*stem, *blocks)
        self.last_channels = last = channels[-1]
        self.fuse = nn.Sequential(nn.Conv2d(last + num_classes, last, 1), nn.ReLU())
        self.head = nn.Conv2d(last, 1, 4, 1, 0, bias=False)

    def features(self, image, label=None):
        """Return the maps before the logit, a list of one tensor, [N, 8W, 4, 4] at 64 px."""
        return [self._fuse_labels(self.body(image), label)]

    def forward_heads(self, image, labels, heads=()):
        """Return logits [N] for each of the labels [N]; the image features are computed once."""
        return self._logits(self.body(image), labels), {}

    def _logits(self, h, labels):
        return [self.head(self._fuse_labels(h, label)).flatten() for label in labels]

    def _fuse_labels(self, h, label):
        return self.fuse(concat_label_maps(h, label, self.num_classes))


class ClassifyingDiscriminator(LateLabelDiscriminator):
    """That of Reed et al. with the classifier of ADC-GAN, for the term `adc`."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__(config, image_size, num_channels, num_classes)
        last = self.last_channels
        hidden = nn.Conv2d(last, last, 1), nn.ReLU()
        self.classifier = nn.Sequential(*hidden, nn.Conv2d(last, 2 * num_classes, 4))

    def forward_heads(self, image, labels, heads=()):
        """Return logits [N] for each of the labels [N], and the head `class_log_probs`."""
        h = self.body(image)
        return self._logits(h, labels), {head: self._class_log_probs(h) for head in heads}

    def class_log_probs(self, image):
        """Return log-probabilities [N, 2K]: real of each class, then fake of each class."""
        return self._class_log_probs(self.body(image))

    def _class_log_probs(self, h):
        return self.classifier(h).flatten(1).float().log_softmax(1)


def _halve(channels, norm=None):
    """Return conv, norm and ReLU for each step of `channels`; each one halves the resolution."""
    blocks = [downsample_block(a, b, norm=norm, activation=nn.ReLU) for a, b in pairwise(channels)]
    return [layer for block in blocks for layer in block]


class CGAN(GAN):
    """G maps noise and a class to an image; D classifies (image, class) as real or generated.

    Both losses are those of `ganzoo_core.GAN`. The fakes have the labels of the real batch.
    """

    conditional = True

    def __init__(self, config, info):
        super().__init__(config, info)
        shape = (info.image_size, info.num_channels, len(info.class_names))
        self.generator = CGANGenerator(config, *shape)
        discriminators = {
            "after_conv1": AfterConv1LabelDiscriminator,
            "input": InputLabelDiscriminator,
            "late": ClassifyingDiscriminator if "adc" in self.terms else LateLabelDiscriminator,
        }
        self.discriminator = discriminators[config.label_injection](config, *shape)
        self.augment = make_augment(config.augment)
        self.loss = make_loss(config.loss)
