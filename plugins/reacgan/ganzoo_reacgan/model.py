"""ReACGAN: D also classifies the images, with a loss that stays stable.

Papers:

- Conditional Image Synthesis with Auxiliary Classifier GANs (Odena, Olah and Shlens 2017, arXiv
  1610.09585).
- Rebooting ACGAN: Auxiliary Classifier GANs with Stable Training (Kang, Shim, Cho and Park 2021,
  arXiv 2111.01118). The embeddings f of the images and the class proxies v lie on a unit sphere.
  The data-to-data cross-entropy (D2D-CE) compares each embedding with the proxy of its class and
  with the embeddings of the other classes in the batch:

    -log  exp([f.v - m_p]_- / t) / (exp([f.v - m_p]_- / t) + sum_j exp([f.f_j - m_n]_+ / t))

  with m_n = 1 - m_p, [x]_- = min(x, 0), [x]_+ = max(x, 0), j over the images of other classes.

As in the authors' code, D is trained on the classes of real images, and G on the classes that the
fakes were generated for. The networks are BigGAN's (`networks.py`).

Shapes: N batch, E embedding, C image channels, S image size.
"""

import torch
from torch.nn.functional import normalize

from ganzoo_core import GAN
from ganzoo_core.losses import make_loss
from ganzoo_reacgan.networks import ACDiscriminator, ACGenerator


def d2d_ce(embeddings, proxies, label, margin, temperature):
    """Return the data-to-data cross-entropy, 0-d.

    Args:
        embeddings: unit vectors [N, E] of the images.
        proxies: unit vectors [N, E] of their classes.
        label: class indices [N].
        margin: m_p, the cosine to its proxy above which an embedding has no positive loss.
        temperature: t.
    """
    positive = ((embeddings * proxies).sum(1) - margin).clamp(max=0) / temperature  # [N]
    negatives = (embeddings @ embeddings.T - (1 - margin)).clamp(min=0) / temperature  # [N, N]
    negatives = negatives.masked_fill(label[:, None] == label, -torch.inf)
    return (torch.cat([positive[:, None], negatives], 1).logsumexp(1) - positive).mean()


class ReACGAN(GAN):
    """Adds D2D-CE to both losses: on the real images for D, on the fakes for G."""

    conditional = True

    def __init__(self, config, info):
        super().__init__(config, info)
        if info.image_size < 32 or info.image_size & (info.image_size - 1):
            raise ValueError(
                f"data.image_size: reacgan supports 32, 64, 128 ... px, not {info.image_size}: "
                "--set data.image_size=32"
            )
        if not info.class_names:
            raise ValueError(
                "reacgan needs data with classes, such as --data people or --data fashion-mnist"
            )
        if config.loss.wrong_label_weight:
            raise ValueError(
                "model.loss.wrong_label_weight: the real/fake logit of reacgan does not depend on "
                "the class: --set model.loss.wrong_label_weight=0"
            )
        shape = (info.image_size, info.num_channels, len(info.class_names))
        self.generator = ACGenerator(config, *shape)
        self.discriminator = ACDiscriminator(config, *shape)
        self.loss = make_loss(config.loss)

    def class_loss(self, embeddings, label):
        """Return the weighted D2D-CE, 0-d, of embeddings [N, E] and labels [N]."""
        config = self.config
        proxies = normalize(self.discriminator.class_proxies(label).float())  # [N, E]
        class_loss = d2d_ce(embeddings, proxies, label, config.margin, config.temperature)
        return config.class_loss_weight * class_loss

    def discriminator_loss(self, ctx):
        """Return the adversarial loss of D plus the class loss of the real images, 0-d."""
        real_images = self.augment_for_d(ctx.batch.image, ctx)
        fake_images = self.augment_for_d(self.fake_images(ctx).detach(), ctx)
        real_logits, embeddings = self.discriminator.logits_and_embedding(real_images)
        fake_logits = self.discriminator(fake_images)
        class_loss = self.class_loss(embeddings, ctx.batch.label)
        accuracy = self.loss.accuracy(real_logits, fake_logits)
        ctx.log({"logits/real": real_logits.mean(), "logits/fake": fake_logits.mean()})
        ctx.log({"accuracy/d": accuracy, "loss/d_class": class_loss})
        self.d_control.update_accuracy(ctx, accuracy)
        penalty = self.loss.penalty(self.discriminator, real_images, fake_images, ctx)
        d_loss = self.loss.bind(ctx).discriminator_loss(real_logits, fake_logits)
        return d_loss + class_loss + penalty

    def generator_loss(self, ctx):
        """Return the adversarial loss of G plus the class loss of the fakes, 0-d."""
        fake_images, real_logits = self.augment_for_d(self.fake_images(ctx), ctx), None
        fake_logits, embeddings = self.discriminator.logits_and_embedding(fake_images)
        if self.loss.needs_real_logits:
            real_logits = self.discriminator(self.augment_for_d(ctx.batch.image, ctx))
        class_loss = self.class_loss(embeddings, ctx.batch.label)
        ctx.log({"loss/g_class": class_loss})
        return self.loss.bind(ctx).generator_loss(fake_logits, real_logits) + class_loss
