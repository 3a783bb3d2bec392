"""ReACGAN: the discriminator also says which class it sees, and does not blow up over it.

Papers: Conditional Image Synthesis with Auxiliary Classifier GANs (Odena, Olah and Shlens 2017,
arXiv 1610.09585); Rebooting ACGAN: Auxiliary Classifier GANs with Stable Training (Kang, Shim, Cho
and Park 2021, arXiv 2111.01118), which puts D's embeddings and the classes' proxies on a sphere and
compares each picture with its proxy and with the pictures of other classes (D2D-CE):

    -log  exp([f.v - m_p]_- / t) / (exp([f.v - m_p]_- / t) + sum_j exp([f.f_j - m_n]_+ / t))

with m_n = 1 - m_p, [x]_- = min(x, 0), [x]_+ = max(x, 0), j over pictures of other classes.

The steps are those of the authors' code: D is taught by the classes of real pictures, G by those it
was asked for. The networks are BigGAN's (`networks.py`).

Shapes: N batch, E point, C channels, S size.
"""

import torch
from torch.nn.functional import normalize

from ganzoo_core import GAN
from ganzoo_core.losses import make_loss
from ganzoo_reacgan.networks import ACDiscriminator, ACGenerator


def d2d_ce(points, proxies, label, margin, temperature):
    """Return the data-to-data cross-entropy, 0-d, of points and proxies [N, E] on the sphere."""
    near = ((points * proxies).sum(1) - margin).clamp(max=0) / temperature  # [N]
    far = (points @ points.T - (1 - margin)).clamp(min=0) / temperature  # [N, N]
    far = far.masked_fill(label[:, None] == label, -torch.inf)
    return (torch.cat([near[:, None], far], 1).logsumexp(1) - near).mean()


class ReACGAN(GAN):
    """Both steps, each with the class of its own images: the real ones for D, the fakes for G."""

    conditional = True

    def __init__(self, config, info):
        super().__init__(config, info)
        if info.size < 32 or info.size & (info.size - 1):
            raise ValueError(f"data.size: 32, 64, 128 ... px, not {info.size}: --set data.size=32")
        if not info.classes:
            raise ValueError("reacgan needs data with classes, such as people or fashion-mnist")
        if config.loss.mismatch:
            raise ValueError(
                "model.loss.mismatch: reacgan's D tells the class apart from real and fake: "
                "--set model.loss.mismatch=0"
            )
        shape = (info.size, info.channels, len(info.classes))
        self.generator = ACGenerator(config, *shape)
        self.discriminator = ACDiscriminator(config, *shape)
        self.loss = make_loss(config.loss)

    def class_loss(self, points, label):
        """Return the weighted D2D-CE of points [N, E] of images of classes [N]."""
        c, proxies = self.config, normalize(self.discriminator.proxy(label).float())
        return c.classes * d2d_ce(points, proxies, label, c.margin, c.temperature)

    def discriminator_loss(self, t):
        """Tell real from fake, and the class of the real."""
        real, fake = self.shown(t.batch.image, t), self.shown(self.fake(t).detach(), t)
        real_logit, points = self.discriminator.both(real)
        fake_logit = self.discriminator(fake)
        classes = self.class_loss(points, t.batch.label)
        accuracy = self.loss.accuracy(real_logit, fake_logit)
        t.log(d_real=real_logit.mean(), d_fake=fake_logit.mean())
        t.log(d_accuracy=accuracy, d_class=classes)
        self.warden.watch(t, accuracy)
        penalty = self.loss.penalty(self.discriminator, real, fake, t.noise)
        return self.loss.within(t).d(real_logit, fake_logit) + classes + penalty

    def generator_loss(self, t):
        """Fool D, and be of the class asked for."""
        fake_logit, points = self.discriminator.both(self.shown(self.fake(t), t))
        real_logit = self.discriminator(self.shown(t.batch.image, t)) if self.loss.pairs else None
        classes = self.class_loss(points, t.batch.label)
        t.log(g_class=classes)
        return self.loss.within(t).g(fake_logit, real_logit) + classes
