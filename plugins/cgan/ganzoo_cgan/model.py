"""Conditional GAN, drawing faces by age group.

Paper: Conditional Generative Adversarial Nets (Mirza and Osindero 2014, arXiv 1411.1784), in the
convolutional form of Radford et al. 2015 (arXiv 1511.06434).
Source: the report AI2100---Project by srikaran-p, trained on WIKI. Its notebook and its slides
disagree, so both are here (preset `report-notebook` and `report-slides`); the paper's own
perceptrons are in `mirza.py`.

- notebook: D takes the image, and the one-hot label maps join after the first conv. 2,777,856
  parameters; no biases; D's loss is a sum.
- slides: D takes image and label maps together, six stride-2 convs 64-70-128-256-512-1 (2,853,888
  weights; the last needs padding 1 to fit 2x2); D's loss is halved. The slides end G in ReLU, a
  slip: the data lie in [-1, 1]; tanh is the default and `output = "relu"` the slide's reading.
- Reed et al. 2016 (arXiv 1605.05396), not of the report: the label maps join where all that is left
  is a 1x1 conv and the logit, so that no norm over a batch sees labels.
- Conditional GANs with Auxiliary Discriminative Classifier (ADC-GAN, Hou et al. 2021, arXiv
  2107.10060), an option of Reed's reading: D classifies real images into K classes and fakes into K
  more. Its logit sees the label as Reed's does; the paper's, by projection.

What differs from the report: 32, 64 or 128 px, any number of classes, grey or colour, any loss,
another norm in D, another way to double the edge in G, and an optional average of G. At 64 px and
six classes all counts are the report's.

Shapes: N batch, Z latent, K classes, W width, S size.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import nll_loss

from ganzoo_cgan.mirza import MirzaDiscriminator, MirzaGenerator
from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.data.ada import make_augment
from ganzoo_core.interfaces import NORMS, one_hot
from ganzoo_core.losses import make_loss

SIZES = (32, 64, 128, 256)


def check_size(size):
    """Refuse sizes that halving does not bring to 4 px."""
    if size not in SIZES:
        raise ValueError(
            f"data.size: cgan draws 32, 64, 128 or 256 px, not {size}: --set data.size=64"
        )


class CGenerator(Generator):
    """(z, y) -> 4 px -> doubled up to S px; BatchNorm and ReLU between.

    The edge is doubled by transposed convs as in the papers, which have weights of their own for
    every second pixel, or by nearest neighbours, which are alike until a conv learns otherwise: so
    fewer checkerboards (Odena, Dumoulin and Olah 2016, "Deconvolution and Checkerboard Artifacts").
    """

    def __init__(self, config, size, channels, classes):
        super().__init__()
        check_size(size)
        self.latent_dim, self.classes, self.prior = config.latent, classes, config.prior
        doublings = int(math.log2(size)) - 3
        widths = [config.width * 2**i for i in reversed(range(doublings + 1))]  # 512 256 128 64
        first = nn.ConvTranspose2d(config.latent + classes, widths[0], 4, bias=False)
        layers = [first, *normed(widths[0])]  # [N, 512, 4, 4]
        double = {"deconv": deconv, "nearest": nearest}[config.up]
        for wide, narrow in pairwise(widths):
            layers += [*double(wide, narrow), *normed(narrow)]  # [N, 256, 8, 8] .. [N, 64, 32, 32]
        if config.up == "nearest":  # what is drawn has a layer at full size: [N, 64, 64, 64]
            layers += [*double(widths[-1], widths[-1]), *normed(widths[-1])]
            layers += [nn.Conv2d(widths[-1], channels, 3, 1, 1, bias=False)]
        else:
            layers += [*double(widths[-1], channels)]
        layers += [nn.Tanh() if config.output == "tanh" else nn.ReLU()]  # [N, 3, 64, 64]
        self.layers = nn.Sequential(*layers)

    def latent(self, noise, n):
        """Draw z [N, Z] from the prior."""
        return noise(n, self.latent_dim, kind=self.prior)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] of latents [N, Z] and labels [N]."""
        y = one_hot(label, self.classes, z)  # [N, K]
        return self.layers(torch.cat([z, y], 1)[:, :, None, None])


class JoinedDiscriminator(Discriminator):
    """Label maps join the image's; where, the readings say in their `features`."""

    def forward(self, image, label=None):
        """Return logits [N] of images [N, C, S, S] and labels [N]."""
        return self.last(self.features(image, label)[0]).flatten()


class NotebookDiscriminator(JoinedDiscriminator):
    """The notebook's reading: label maps join after the first conv."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.classes = classes
        w, halvings, norm = config.width, int(math.log2(size)) - 2, NORMS[config.discriminator.norm]
        self.first = nn.Sequential(nn.Conv2d(channels, w, 4, 2, 1, bias=False), nn.ReLU())
        widths = [w + classes, *(w * 2**i for i in range(1, halvings))]  # 70 128 256 512
        self.rest = nn.Sequential(*(m for a, b in pairwise(widths) for m in down(a, b, norm)))
        self.last = nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False)

    def features(self, image, label=None):
        """Return the maps before the logit, [N, 8W, 4, 4] at 64 px."""
        h = self.first(image)  # [N, W, S/2, S/2]
        return [self.rest(torch.cat([h, maps(label, self.classes, h)], 1))]  # W + K -> 8W


class SlidesDiscriminator(JoinedDiscriminator):
    """The slides' reading: image and label maps enter together, every conv has stride 2."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.classes = classes
        w, halvings, norm = config.width, int(math.log2(size)) - 1, NORMS[config.discriminator.norm]
        # 64 70 128 256 512: the slides' odd 70 is the notebook's 64 + 6
        widths = [w, w + classes, *(w * 2**i for i in range(1, halvings - 1))]
        layers = [nn.Conv2d(channels + classes, w, 4, 2, 1, bias=False), nn.ReLU()]
        layers += [m for a, b in pairwise(widths) for m in down(a, b, norm)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv2d(widths[-1], 1, 4, 2, 1, bias=False)

    def features(self, image, label=None):
        """Return the maps before the logit, [N, 8W, 2, 2] at 64 px."""
        return [self.layers(torch.cat([image, maps(label, self.classes, image)], 1))]  # from C + K


class ReedDiscriminator(JoinedDiscriminator):
    """Reed's reading: the label maps join the last ones, after every norm over the batch."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.classes = classes
        w, halvings, norm = config.width, int(math.log2(size)) - 2, NORMS[config.discriminator.norm]
        widths = [w * 2**i for i in range(halvings)]  # 64 128 256 512
        layers = [nn.Conv2d(channels, w, 4, 2, 1, bias=False), nn.ReLU()]
        layers += [m for a, b in pairwise(widths) for m in down(a, b, norm)]
        self.layers = nn.Sequential(*layers)
        self.meet = nn.Sequential(nn.Conv2d(widths[-1] + classes, widths[-1], 1), nn.ReLU())
        self.last = nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False)
        if config.classes:
            look = nn.Conv2d(widths[-1], widths[-1], 1), nn.ReLU()
            self.classifier = nn.Sequential(*look, nn.Conv2d(widths[-1], 2 * classes, 4))

    def features(self, image, label=None):
        """Return the maps before the logit, [N, 8W, 4, 4] at 64 px."""
        return [self.joined(self.layers(image), label)]

    def told(self, image):
        """Return log-probabilities [N, 2K] of images being real ones of each class, or fakes."""
        return self.classifier(self.layers(image)).flatten(1).float().log_softmax(1)

    def joined(self, h, label):
        """Return maps [N, 8W, 4, 4] of images that have met their labels."""
        return self.meet(torch.cat([h, maps(label, self.classes, h)], 1))

    def under(self, image, *labels):
        """Return logits [N] for each of the labels [N]; the images are looked at once."""
        h = self.layers(image)
        return [self.last(self.joined(h, label)).flatten() for label in labels]


def deconv(a, b):
    """Return a transposed conv that doubles the edge."""
    return (nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False),)


def nearest(a, b):
    """Return nearest neighbours, which double the edge, and a conv."""
    return nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, 1, 1, bias=False)


def normed(width):
    """Return BatchNorm, ReLU."""
    return nn.BatchNorm2d(width), nn.ReLU()


def down(a, b, norm):
    """Return conv, norm, ReLU: halves the edge."""
    return nn.Conv2d(a, b, 4, 2, 1, bias=False), norm(b), nn.ReLU()


def maps(label, classes, like):
    """Return one-hot maps [N, K, H, W], constant over the picture; channels_last, as what they join
    is, lest the next conv turn all of it round."""
    spread = one_hot(label, classes, like)[:, :, None, None].expand(-1, -1, *like.shape[2:])
    return spread.contiguous(memory_format=torch.channels_last)


class CGAN(GAN):
    """G draws an image of an age group; D sees image and group and tells real from fake.

    Both gradient steps are those of `ganzoo_core.GAN`: D on real and detached fakes, then G
    through the frozen D. Fakes take the labels of the real batch. With a weight in `classes`,
    ADC-GAN's terms join both: a fake whose class shows by what no real image of it has is told.
    """

    conditional = True
    readings = {
        "notebook": (CGenerator, NotebookDiscriminator),
        "slides": (CGenerator, SlidesDiscriminator),
        "reed": (CGenerator, ReedDiscriminator),
        "mirza": (MirzaGenerator, MirzaDiscriminator),
    }

    def __init__(self, config, info):
        super().__init__(config, info)
        shape = (info.size, info.channels, len(info.classes))
        generator, discriminator = self.readings[config.reading]
        self.generator, self.discriminator = (
            generator(config, *shape),
            discriminator(config, *shape),
        )
        self.augment = make_augment(config.augment)
        self.loss = make_loss(config.loss)

    def discriminator_loss(self, t):
        """Tell real from fake, and of which class real images are, and fakes."""
        loss, label, classes = super().discriminator_loss(t), t.batch.label, len(self.info.classes)
        if weight := self.config.classes:
            real = self.discriminator.told(self.shown(t.batch.image, t))
            fake = self.discriminator.told(self.shown(self.fake(t).detach(), t))
            missed = nll_loss(real, label) + nll_loss(fake, label + classes)
            t.log(d_class=missed)
            loss = loss + weight * missed
        return loss

    def generator_loss(self, t):
        """Fool D, and look like a real image of the class rather than like a fake of it."""
        loss, label, classes = super().generator_loss(t), t.batch.label, len(self.info.classes)
        if weight := self.config.classes:
            log_p = self.discriminator.told(self.shown(self.fake(t), t))
            away = nll_loss(log_p, label) - nll_loss(log_p, label + classes)
            t.log(g_class=away)
            loss = loss + weight * away
        return loss
