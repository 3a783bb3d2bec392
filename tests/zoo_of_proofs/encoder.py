"""A second stage without data: an encoder learns to invert the generator (Age-cGAN's stage 2)."""

from dataclasses import replace

import torch

from ganzoo_core import GAN, Adam, Draw, Player, Stage, Step
from ganzoo_core.losses import BCE
from zoo_of_proofs.parts import Small, SmallD, SmallG, down


class EncoderGAN(GAN):
    """GAN first; then E on pairs (G(z, y), z), with no image of the data."""

    Config = Small
    conditional = True
    serves = ("generator", "encoder")

    def __init__(self, config, info):
        super().__init__(config, info)
        self.classes = len(info.classes)
        self.generator = SmallG(info, classes=self.classes)
        self.discriminator = SmallD(info)
        self.encoder = down(info.channels, 8, self.generator.latent_dim)
        self.loss = BCE(real_target=0.9)

    def encoder_loss(self, t):
        """|z - E(G(z, y))|^2; G rests, so it is in eval mode and carries its average."""
        label = (t.noise(t.batch.size, kind="unit") * self.classes).long()
        z = self.generator.latent(t.noise, t.batch.size)
        with torch.no_grad():
            image = self.generator(z, label)
        return (self.encoder(image).float() - z).square().mean()

    def players(self):
        """The GAN's two, and E."""
        return super().players() | {"e": Player(("encoder",), Adam(lr=1e-2), ema=30.0)}

    def stages(self):
        """A GAN with two D steps a round, then the encoder."""
        (gan,) = super().stages()
        d, g = gan.steps
        return (
            replace(gan, steps=(replace(d, repeat=2), g), rounds=6),
            Stage("encoder", (Step("e", "e", self.encoder_loss),), Draw(how="none"), rounds=6),
        )
