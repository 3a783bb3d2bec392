"""Image-to-image translation between classes.

Paper: StarGAN (Choi et al. 2018, arXiv 1711.09020), small; D receives the class, with hinge loss.
Differences: describe yours here.

Shapes: N batch, K classes, B base channels, S image size, C image channels.
"""

from torch import nn

from ganzoo_core import BatchSpec, Discriminator, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.layers import check_image_size, concat_label_maps
from ganzoo_core.losses import Hinge


def downsample_block(in_channels, out_channels):
    """Conv, LeakyReLU: half the resolution."""
    return nn.Conv2d(in_channels, out_channels, 4, 2, 1), nn.LeakyReLU(0.2)


class MyPluginGenerator(nn.Module):
    """(image, label) -> two downsampling convs -> pixel shuffle -> image."""

    def __init__(self, config, info):
        super().__init__()
        b, c, self.num_classes = config.base_channels, info.num_channels, len(info.class_names)
        self.layers = nn.Sequential(
            *downsample_block(c + self.num_classes, b),  # [N, B, S/2, S/2]
            *downsample_block(b, 2 * b),  # [N, 2B, S/4, S/4]
            nn.Conv2d(2 * b, 16 * c, 3, 1, 1),  # [N, 16C, S/4, S/4]
            nn.PixelShuffle(4),  # [N, C, S, S]
            nn.Tanh(),
        )

    def forward(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] of classes `label` [N]."""
        return self.layers(concat_label_maps(image, label, self.num_classes))


class MyPluginDiscriminator(Discriminator):
    """(image, label) -> one logit for each patch."""

    def __init__(self, config, info):
        super().__init__()
        b, c, self.num_classes = config.base_channels, info.num_channels, len(info.class_names)
        convs = (*downsample_block(c + self.num_classes, b), *downsample_block(b, 2 * b))
        self.layers = nn.Sequential(*convs, nn.Conv2d(2 * b, 1, 3, 1, 1))

    def forward(self, image, label=None):
        """Return logits [N, 1, S/4, S/4] from images [N, C, S, S] and labels [N]."""
        return self.layers(concat_label_maps(image, label, self.num_classes))


class MyPlugin(Model):
    """A batch has images and, in `ctx.batch.target`, images of the target classes."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.loss = Hinge()
        check_image_size("my-plugin", info.image_size, minimum=4, multiple_of=4)
        if len(info.class_names) < 2:
            raise ValueError("my-plugin needs data with two classes, such as --data shapes")
        self.generator = MyPluginGenerator(config, info)
        self.discriminator = MyPluginDiscriminator(config, info)

    def translate(self, image, label):
        """Return images [N, C, S, S] translated to classes [N] (capability `translate`)."""
        return self.generator(image, label)

    def fake_images(self, ctx):
        """Return the images in their target classes, computed once for both phases."""
        return ctx.cached("fake", lambda: self.translate(ctx.batch.image, ctx.batch.target.label))

    def discriminator_loss(self, ctx):
        """Hinge loss of real images of the target class and detached translated ones."""
        target, fake = ctx.batch.target, self.fake_images(ctx).detach()
        real_logits = self.discriminator(target.image, target.label)
        return self.loss.discriminator_loss(real_logits, self.discriminator(fake, target.label))

    def generator_loss(self, ctx):
        """Adversarial loss plus the cycle consistency loss."""
        fake = self.fake_images(ctx)
        cycle = (self.translate(fake, ctx.batch.label) - ctx.batch.image).abs().mean()
        ctx.log({"loss/cycle": cycle})
        fake_logits = self.discriminator(fake, ctx.batch.target.label)
        return self.loss.generator_loss(fake_logits) + self.config.cycle_weight * cycle

    def configure_optimizers(self):
        """Return the optimizers of D and G."""
        g = OptimizerSpec(("generator",), self.config.optim_g, self.config.ema_halflife_images)
        return {"d": OptimizerSpec(("discriminator",), self.config.optim_d), "g": g}

    def stages(self):
        """Return one stage with pairs of classes; each step updates D, then G."""
        phases = (Phase("d", "d", self.discriminator_loss), Phase("g", "g", self.generator_loss))
        batch = BatchSpec(fields=("image", "label"), sampler="group_pairs")
        return (Stage("gan", phases, batch, epochs=self.config.epochs),)
