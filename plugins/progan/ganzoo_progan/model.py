"""ProGAN: G and D grow from 4 px to the size of the images, one resolution at a time.

Paper: Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras, Aila,
Laine and Lehtinen 2018, arXiv 1710.10196). Each resolution is a stage. In its first images the new
layers are faded in: G returns a weighted mean of the new image and the enlarged former one, D
weights its features in the same way, and real images are blended with their own half resolution.
Weights are scaled when they are used (equalized learning rate), G normalizes each pixel, D receives
the standard deviation over the batch. The loss is Wasserstein's with a gradient penalty and a
drift penalty. The details are those of the authors' code, tkarras/progressive_growing_of_gans.

Differs from the paper:

| | paper | here |
|---|---|---|
| groups of the minibatch stddev | 4 images, which divide the batch | the largest divisor to 4 |
| state of Adam | cleared for each new resolution | kept |
| batches | D and G have latents of their own | both share them |
| labels | an auxiliary classifier, in some experiments | none |

Shapes: N batch, S image size, r resolution of the stage, C image channels.
"""

from functools import partial

import torch
from torch.nn.functional import avg_pool2d

from ganzoo_core import GAN, BatchSpec, Phase, Stage
from ganzoo_core.layers import check_image_size, num_halvings
from ganzoo_core.losses import make_loss
from ganzoo_progan.networks import ProDiscriminator, ProGenerator, double_size


class ProGAN(GAN):
    """Both losses are those of `ganzoo_core.GAN`; the presets set WGAN-GP and the term `drift`."""

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size("progan", info.image_size, minimum=8, suggestion=32)
        self.num_levels = num_halvings(info.image_size) + 1
        channels = [
            min(max(config.base_channels // 2 ** (i + 1), 1), config.max_channels)
            for i in range(self.num_levels)
        ]
        self.generator = ProGenerator(config, channels, info.num_channels)
        self.discriminator = ProDiscriminator(config, channels, info.num_channels)
        self.loss = make_loss(config.loss)
        self.register_buffer("stage_start", torch.zeros((), dtype=torch.int64))

    def stages(self):
        """Return a stage for each resolution, `px4`, `px8` .. A step is `model.d_updates` updates
        of D, then one of G."""
        config, terms = self.config, self.active_terms()
        terms.check()
        stages = []
        for level in range(self.num_levels):
            losses = (
                partial(self._loss_at, level, name)
                for name in ("discriminator_loss", "generator_loss")
            )
            d_loss, g_loss = losses
            phases = (
                Phase("d", "d", d_loss, repeats=config.d_updates, **terms.d_hooks()),
                Phase("g", "g", g_loss, **terms.g_hooks()),
            )
            images = config.stable_images + (config.fade_images if level else 0)
            stages.append(Stage(f"px{4 << level}", phases, BatchSpec(), images=images))
        return tuple(stages)

    def _loss_at(self, level, name, ctx):
        """Return a loss, 0-d, with both networks at a level."""
        if ctx.step == 0:
            self.stage_start.copy_(ctx.images_seen)
        for network in (self.generator, self.discriminator):
            network.growth.set(level, ctx.images_seen - self.stage_start)
        self._level = level  # also here, since reading a buffer waits for the device
        return getattr(self, name)(ctx)

    def fake_images(self, ctx):
        """Return fakes [N, C, r, r], the same in both phases."""

        def make():
            z = self.generator.sample_latent(len(ctx.batch), ctx)
            return self.generator.at_level(z, self._level)

        return ctx.cached("fake", make)

    def augment_for_d(self, image, ctx):
        """Return images [N, C, r, r] as D receives them. Real images are reduced to the resolution
        of the stage and blended with their half resolution as the fakes are."""
        if image is ctx.batch.image:
            image = self.reduce(image, self._level)
        return super().augment_for_d(image, ctx)

    def reduce(self, image, level):
        """Return real images [N, C, S, S] at the resolution of a level, [N, C, r, r]."""
        image = avg_pool2d(image, 2 ** (self.num_levels - 1 - level))
        if not level:
            return image
        former = double_size(avg_pool2d(image, 2))
        return former + self.discriminator.growth.alpha() * (image - former)
