"""Lazy R1 every 4 rounds, and augmentation whose strength p follows D's overfitting (ADA)."""

from dataclasses import replace

import torch

from ganzoo_core import GAN, Step
from ganzoo_core.losses import Hinge, r1
from zoo_of_proofs.parts import Small, SmallD, SmallG


class LazyADA(GAN):
    """p is a buffer, so it is saved with everything else and resumes exactly."""

    Config = Small

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator, self.discriminator = SmallG(info), SmallD(info)
        self.loss = Hinge()
        self.register_buffer("p", torch.tensor(0.5))

    def augmented(self, image, t):
        """Mirror each image with probability p: no branch, so nothing waits for the device."""
        flip = t.noise(len(image), kind="unit") < self.p
        return torch.where(flip[:, None, None, None], image.flip(3), image)

    def discriminator_loss(self, t):
        """As ever, on augmented images; what D thinks of real ones is kept for `after`."""
        real = self.discriminator(self.augmented(t.batch.image, t))
        fake = self.discriminator(self.augmented(self.fake(t).detach(), t))
        t.once("real", real.detach)
        t.log(ada_p=self.p)
        return self.loss.d(real, fake)

    def generator_loss(self, t):
        """Fool D on augmented fakes."""
        return self.loss.g(self.discriminator(self.augmented(self.fake(t), t)))

    def adapt(self, t):
        """Move p towards D(x) > 0 for 60 % of the real images."""
        sign = t.once("real", lambda: None).sign().mean() - 0.6
        self.p.add_(0.02 * sign.sign()).clamp_(0, 1)

    def r1_loss(self, t):
        """gamma R1, times 4 for the rounds it was left out."""
        return 4 * 0.1 * r1(self.discriminator, t.batch.image)

    def stages(self):
        """D (with feedback), lazy R1 by the same player, G."""
        (gan,) = super().stages()
        d, g = gan.steps
        lazy = Step("r1", "d", self.r1_loss, every=4)
        return (replace(gan, steps=(replace(d, after=self.adapt), lazy, g), rounds=11),)
