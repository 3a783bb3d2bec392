"""Image to image translation with pairs of classes, an adversarial loss and an identity loss."""

import torch
from torch import nn

from contract_models.networks import SmallDiscriminator, one_hot
from ganzoo_core import Adam, BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.losses import LeastSquares


class AuxiliaryLossModel(Model):
    """Translates to the class of the target; a frozen network measures the change of identity."""

    auxiliary_roles = ("identity",)
    loss = LeastSquares()

    def __init__(self, config, info):
        super().__init__(config, info)
        self.num_classes = len(info.class_names)
        conv = nn.Conv2d(info.num_channels + self.num_classes, 8, 3, 1, 1)
        to_image = nn.Conv2d(8, info.num_channels, 3, 1, 1)
        self.generator = nn.Sequential(conv, nn.BatchNorm2d(8), nn.ReLU(), to_image, nn.Tanh())
        self.discriminator = SmallDiscriminator(info)

    def translate(self, image, label):
        """Return images [N, C, H, W] of the target labels [N]."""
        label_maps = one_hot(label, self.num_classes).to(image)[:, :, None, None]
        return self.generator(torch.cat([image, label_maps.expand(-1, -1, *image.shape[2:])], 1))

    def fake_images(self, ctx):
        """Return translations, computed once a batch."""
        return ctx.cached("fake", lambda: self.translate(ctx.batch.image, ctx.batch.target.label))

    def discriminator_loss(self, ctx):
        """Return the loss of D; real images have the target class."""
        real_logits = self.discriminator(ctx.batch.target.image)
        fake_logits = self.discriminator(self.fake_images(ctx).detach())
        return self.loss.discriminator_loss(real_logits, fake_logits)

    def generator_loss(self, ctx):
        """Return the adversarial loss plus the identity loss."""
        identity, fake = self.auxiliaries["identity"], self.fake_images(ctx)
        distance = (identity.embed(fake) - identity.embed(ctx.batch.image)).square().sum(1).mean()
        ctx.log({"loss/identity": distance})
        return self.loss.generator_loss(self.discriminator(fake)) + distance

    def configure_optimizers(self):
        """Return the optimizers of D and G; the auxiliary network has none."""
        d = OptimizerSpec(("discriminator",), Adam(lr=1e-2))
        return {"d": d, "g": OptimizerSpec(("generator",), Adam(lr=1e-2), ema_halflife=50.0)}

    def stages(self):
        """Return one stage with pairs of two classes."""
        phases = (Phase("d", "d", self.discriminator_loss), Phase("g", "g", self.generator_loss))
        batch = BatchSpec(fields=("image", "label"), sampler="group_pairs")
        return (Stage("pairs", phases, batch, steps=8),)
