"""A discriminator that is held back: halted for a span, halted while it wins, and made anew."""

from dataclasses import replace

import torch

from ganzoo_core import GAN
from ganzoo_core.losses import BCE
from zoo_of_proofs.parts import Small, SmallD, SmallG

HALT = (2, 4)
AGAIN = 1.2  # epochs: 6 rounds of 8 of 40 images
BOUND = 0.6


class Handicapped(GAN):
    """Its accuracy is a buffer, so that nothing waits for it and it resumes exactly."""

    Config = Small

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator, self.discriminator, self.loss = SmallG(info), SmallD(info), BCE()
        self.register_buffer("accuracy", torch.tensor(0.5))

    def players(self):
        """D is averaged too."""
        both = super().players()
        return {"d": replace(both["d"], ema=30.0), "g": both["g"]}

    def discriminator_loss(self, t):
        """As ever; how often D is right moves its accuracy."""
        real, fake = self.discriminator(t.batch.image), self.discriminator(self.fake(t).detach())
        right = torch.cat([real > 0, fake < 0]).float().mean()
        self.accuracy.lerp_(t.mean(right), 0.5)
        t.log(d_accuracy=self.accuracy)
        return self.loss.d(real, fake)

    def may(self, t):
        """Halt in a span of rounds; elsewhere, while D is too often right."""
        return False if HALT[0] <= t.round < HALT[1] else self.accuracy < BOUND

    def again(self, t):
        """Initialise D anew, as its layers do, at the end of every so many epochs."""
        if (t.round + 1) % t.rounds(AGAIN) == 0:
            for layer in self.discriminator.layers:
                getattr(layer, "reset_parameters", lambda: None)()
            t.restart("d")

    def stages(self):
        """D under both rules, then G."""
        (gan,) = super().stages()
        d, g = gan.steps
        return (
            replace(
                gan, steps=(replace(d, when=self.may), replace(g, after=self.again)), rounds=15
            ),
        )
