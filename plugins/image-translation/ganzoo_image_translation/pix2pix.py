"""pix2pix: a U-Net maps each image to its counterpart, and D sees both images of a pair.

Paper: Image-to-Image Translation with Conditional Adversarial Networks (Isola, Zhu, Zhou and Efros
2017, arXiv 1611.07004). The loss of G is -log D(x, G(x)) + 100 |y - G(x)|. D has a logit for each
patch of 70 x 70 px, and half the loss. The details are those of the authors' code,
junyanz/pytorch-CycleGAN-and-pix2pix.

Differs from the paper:

| | paper | here |
|---|---|---|
| image size | 256 px | 32 px and above: the U-Net goes down to 1 px |
| jitter | resized to 286 px, then cropped | one bilinear resampling of the same geometry |
| inference | dropout, and the statistics of the image | neither: the result does not vary |

Shapes: N batch, S image size, C image channels.
"""

import torch
from torch import nn

from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.layers import check_image_size, num_halvings
from ganzoo_core.losses import BCE
from ganzoo_image_translation.networks import PatchDiscriminator, UNet, jitter_images


class Pix2Pix(Model):
    """A batch has images and, in `ctx.batch.target`, their counterparts, each pair in any order."""

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size("pix2pix", info.image_size, minimum=32, suggestion=64)
        self.source, self.target = config.source, config.target
        num_classes = len(info.class_names)
        if self.source == self.target or max(self.source, self.target) >= num_classes:
            raise ValueError(
                f"pix2pix needs pairs of two classes, and the data have {num_classes}: "
                "--data made-pairs, or --data paired-folder:PATH"
            )
        self.loss = BCE(halve_d_loss=True)
        c = info.num_channels
        self.generator = UNet(
            c, config.g_channels, num_halvings(info.image_size, 1), config.dropout
        )
        self.discriminator = PatchDiscriminator(
            2 * c, config.d_channels, config.d_layers, nn.BatchNorm2d
        )

    def translate(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] of classes [N]: the counterparts for the target
        class, for others the images as they are (capability `translate`)."""
        is_target = (label == self.target)[:, None, None, None]
        return torch.where(is_target, self.generator(image), image)

    def supported_transitions(self, source, target):
        """Return whether G maps images of one class to the other, bool."""
        return (source == self.source) & (target == self.target)

    def pairs(self, ctx):
        """Return images of both classes [N, C, S, S], jittered alike, once for both phases."""

        def make():
            first, second = ctx.batch.image, ctx.batch.target.image
            is_source = (ctx.batch.label == self.source)[:, None, None, None]
            pair = [torch.where(is_source, *order) for order in ((first, second), (second, first))]
            pair = torch.cat(pair, 1)
            pair = jitter_images(pair, ctx, self.config.jitter, self.config.mirror)
            return pair.chunk(2, 1)

        return ctx.cached("pairs", make)

    def fake_images(self, ctx):
        """Return G(x) [N, C, S, S], computed once for both phases."""
        return ctx.cached("fake", lambda: self.generator(self.pairs(ctx)[0]))

    def discriminator_loss(self, ctx):
        """Return the loss of D on real and fake pairs, 0-d."""
        source, target = self.pairs(ctx)
        real_logits = self.discriminator(torch.cat([source, target], 1))
        fake_logits = self.discriminator(torch.cat([source, self.fake_images(ctx).detach()], 1))
        ctx.log(self.loss.statistics(real_logits, fake_logits))
        return self.loss.discriminator_loss(real_logits, fake_logits)

    def generator_loss(self, ctx):
        """Return the adversarial loss plus the weighted error of the pixels, 0-d."""
        (source, target), fake = self.pairs(ctx), self.fake_images(ctx)
        error = (fake - target).abs().mean()
        ctx.log({"loss/pixel": error})
        fake_logits = self.discriminator(torch.cat([source, fake], 1))
        return self.loss.generator_loss(fake_logits) + self.config.pixel_weight * error

    def configure_optimizers(self):
        """Return the optimizers of D and G."""
        d = OptimizerSpec(("discriminator",), self.config.optim_d)
        return {"d": d, "g": OptimizerSpec(("generator",), self.config.optim_g)}

    def stages(self):
        """Return one stage with pairs of images; each step updates D, then G."""
        phases = (Phase("d", "d", self.discriminator_loss), Phase("g", "g", self.generator_loss))
        batch = BatchSpec(fields=("image", "label", "identity"), sampler="identity_pairs")
        return (Stage("gan", phases, batch, epochs=self.config.epochs),)
