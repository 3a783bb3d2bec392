"""R1 every fourth step, and an augmentation probability p that follows the overfitting of D."""

from dataclasses import replace

import torch

from contract_models.networks import SmallDiscriminator, SmallGANConfig, SmallGenerator
from ganzoo_core import GAN, Phase
from ganzoo_core.losses import Hinge, r1


class LazyADA(GAN):
    """p is a buffer, so it is saved with everything else and resumes exactly."""

    Config = SmallGANConfig

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator, self.discriminator = SmallGenerator(info), SmallDiscriminator(info)
        self.loss = Hinge()
        self.register_buffer("p", torch.tensor(0.5))

    def augment_batch(self, image, ctx):
        """Flip each image with probability p, without a branch that waits for the device."""
        flip = ctx.rand(len(image)) < self.p
        return torch.where(flip[:, None, None, None], image.flip(3), image)

    def discriminator_loss(self, ctx):
        """Return the loss of D on augmented images; cache the real logits for `update_p`."""
        real_logits = self.discriminator(self.augment_batch(ctx.batch.image, ctx))
        fakes = self.fake_images(ctx).detach()
        fake_logits = self.discriminator(self.augment_batch(fakes, ctx))
        ctx.cached("real_logits", real_logits.detach)
        ctx.log({"augment/p": self.p})
        return self.loss.discriminator_loss(real_logits, fake_logits)

    def generator_loss(self, ctx):
        """Return the loss of G on augmented fakes."""
        fakes = self.augment_batch(self.fake_images(ctx), ctx)
        return self.loss.generator_loss(self.discriminator(fakes))

    def update_p(self, ctx):
        """Move p toward D(x) > 0 for 60 % of the real images."""
        sign = ctx.all_reduce_mean(ctx.cached("real_logits", lambda: None).sign().mean())
        overfitting = sign - 0.6
        self.p.add_(0.02 * overfitting.sign()).clamp_(0, 1)

    def r1_loss(self, ctx):
        """Return gamma R1, times 4 for the steps without it."""
        return 4 * 0.1 * r1(self.discriminator, ctx.batch.image)

    def stages(self):
        """Return one stage: D with feedback, lazy R1 with the same optimizer, G."""
        (stage,) = super().stages()
        d, g = stage.phases
        d = replace(d, after_step=self.update_p)
        lazy_r1 = Phase("r1", "d", self.r1_loss, interval=4)
        return (replace(stage, phases=(d, lazy_r1, g), steps=11),)
