"""ReACGAN: the discriminator also says which class it sees, and does not blow up over it.

Papers: Conditional Image Synthesis with Auxiliary Classifier GANs (Odena, Olah and Shlens 2017,
arXiv 1610.09585); Rebooting ACGAN: Auxiliary Classifier GANs with Stable Training (Kang, Shim, Cho
and Park 2021, arXiv 2111.01118), which puts D's embeddings and the classes' proxies on a sphere and
compares each picture with its proxy and with the pictures of other classes (D2D-CE):

    -log  exp([f.v - m_p]_- / t) / (exp([f.v - m_p]_- / t) + sum_j exp([f.f_j - m_n]_+ / t))

with m_n = 1 - m_p, [x]_- = min(x, 0), [x]_+ = max(x, 0), j over pictures of other classes.

What differs: plain convs in place of BigGAN's blocks, with BatchNorm in G and spectral norm in D.

Shapes: N batch, Z latent, W width, E embedding, K classes, S size.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.losses import make_loss


def stairs(width, size):
    """Return the widths from S/2 px down to 4 px: W, 2W, 4W, 8W at 64 px."""
    return [width * 2**i for i in range(int(math.log2(size)) - 2)]


class ACGenerator(Generator):
    """(z, class) -> 4 px -> transposed convs that double up to S px."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.latent_dim = config.latent
        widths = stairs(config.width, size)[::-1]  # 8W 4W 2W W
        self.embed = nn.Embedding(classes, config.latent)
        self.first = nn.Linear(2 * config.latent, widths[0] * 16)
        layers = [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for a, b in pairwise(widths):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] of latents [N, Z] and labels [N]."""
        h = self.first(torch.cat([z, self.embed(label)], 1))
        return self.layers(h.unflatten(1, (-1, 4, 4)))  # from [N, 8W, 4, 4]


class ACDiscriminator(Discriminator):
    """Images -> pooled maps -> a logit, and a point on the sphere of the classes' proxies."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        widths = [channels, *stairs(config.width, size)]
        layers = [m for a, b in pairwise(widths) for m in down(a, b)]
        self.layers = nn.Sequential(*layers)  # .. [N, 8W, 4, 4]
        self.logit = spectral_norm(nn.Linear(widths[-1], 1))
        self.point = spectral_norm(nn.Linear(widths[-1], config.embedding))
        self.proxy = nn.Embedding(classes, config.embedding)

    def begin(self):
        """Draw the weights as at the start."""
        for module in self.modules():
            if hasattr(module, "parametrizations"):
                nn.init.kaiming_uniform_(module.parametrizations.weight.original, a=math.sqrt(5))
        self.proxy.reset_parameters()

    def features(self, image, label=None):
        """Return the maps before they are pooled, [N, 8W, 4, 4]."""
        return [self.layers(image)]

    def forward(self, image, label=None):
        """Return logits [N] of images [N, C, S, S]; the class is not looked at."""
        return self.logit(self.features(image)[0].sum((2, 3))).flatten()

    def classify(self, image, label):
        """Return points [N, E] of images on the unit sphere, and the proxies [N, E] of labels."""
        points = self.point(self.features(image)[0].sum((2, 3)))
        return normalize(points.float()), normalize(self.proxy(label).float())


def down(a, b):
    """Return spectrally normed conv, LeakyReLU: halves the edge."""
    return spectral_norm(nn.Conv2d(a, b, 4, 2, 1)), nn.LeakyReLU(0.1)


def d2d_ce(points, proxies, label, margin, temperature):
    """Return the data-to-data cross-entropy, 0-d, of points and proxies [N, E] on the sphere."""
    near = ((points * proxies).sum(1) - margin).clamp(max=0) / temperature  # [N]
    far = (points @ points.T - (1 - margin)).clamp(min=0) / temperature  # [N, N]
    far = far.masked_fill(label[:, None] == label, -torch.inf)
    return (torch.cat([near[:, None], far], 1).logsumexp(1) - near).mean()


class ReACGAN(GAN):
    """The two steps of `ganzoo_core.GAN`, each with the class of its own images."""

    conditional = True

    def __init__(self, config, info):
        super().__init__(config, info)
        if info.size < 32 or info.size & (info.size - 1):
            raise ValueError(f"data.size: 32, 64, 128 ... px, not {info.size}: --set data.size=32")
        if not info.classes:
            raise ValueError("reacgan needs data with classes, such as people or fashion-mnist")
        shape = (info.size, info.channels, len(info.classes))
        self.generator = ACGenerator(config, *shape)
        self.discriminator = ACDiscriminator(config, *shape)
        self.loss = make_loss(config.loss)

    def class_loss(self, image, label):
        """Return the weighted D2D-CE of images [N, C, S, S] of classes [N]."""
        c = self.config
        points, proxies = self.discriminator.classify(image, label)
        return c.classes * d2d_ce(points, proxies, label, c.margin, c.temperature)

    def discriminator_loss(self, t):
        """Tell real from fake, and the class of the real."""
        classes = self.class_loss(self.shown(t.batch.image, t), t.batch.label)
        t.log(d_class=classes)
        return super().discriminator_loss(t) + classes

    def generator_loss(self, t):
        """Fool D, and be of the class asked for."""
        classes = self.class_loss(self.shown(self.fake(t), t), t.batch.label)
        t.log(g_class=classes)
        return super().generator_loss(t) + classes
