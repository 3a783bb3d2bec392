"""A second stage without data: an encoder is trained to invert the generator (Age-cGAN)."""

from dataclasses import replace

import torch

from contract_models.networks import (
    SmallDiscriminator,
    SmallGANConfig,
    SmallGenerator,
    conv_encoder,
)
from ganzoo_core import GAN, Adam, BatchSpec, OptimizerSpec, Phase, Stage
from ganzoo_core.losses import BCE


class EncoderGAN(GAN):
    """A GAN, then E on pairs (G(z, y), z) without real images."""

    Config = SmallGANConfig
    conditional = True
    inference_modules = ("generator", "encoder")

    def __init__(self, config, info):
        super().__init__(config, info)
        self.num_classes = len(info.class_names)
        self.generator = SmallGenerator(info, num_classes=self.num_classes)
        self.discriminator = SmallDiscriminator(info)
        self.encoder = conv_encoder(info.num_channels, 8, self.generator.latent_dim)
        self.loss = BCE(real_target=0.9)

    def encoder_loss(self, ctx):
        """Return |z - E(G(z, y))|^2; G is in eval mode and has its EMA weights."""
        n = len(ctx.batch)
        label = (ctx.rand(n) * self.num_classes).long()
        z = self.generator.sample_latent(n, ctx)
        with torch.no_grad():
            image = self.generator(z, label)
        return (self.encoder(image).float() - z).square().mean()

    def configure_optimizers(self):
        """Return the optimizers of D, G and E."""
        e = OptimizerSpec(("encoder",), Adam(lr=1e-2), ema_halflife=30.0)
        return super().configure_optimizers() | {"e": e}

    def stages(self):
        """Return a GAN stage with two updates of D in each step, then the encoder stage."""
        (gan,) = super().stages()
        d, g = gan.phases
        encoder = (Phase("e", "e", self.encoder_loss),)
        return (
            replace(gan, phases=(replace(d, repeats=2), g), steps=6),
            Stage("encoder", encoder, BatchSpec(sampler="none"), steps=6),
        )
