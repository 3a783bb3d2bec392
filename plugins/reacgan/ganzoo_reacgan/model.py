"""ReACGAN: D also classifies the images, with a loss that stays stable.

Papers:

- Conditional Image Synthesis with Auxiliary Classifier GANs (Odena, Olah and Shlens 2017, arXiv
  1610.09585).
- Rebooting ACGAN: Auxiliary Classifier GANs with Stable Training (Kang, Shim, Cho and Park 2021,
  arXiv 2111.01118). The data-to-data cross-entropy is the term `d2d-ce`
  (`ganzoo_core/losses/terms/d2d_ce.py`), which every preset has.

The networks are BigGAN's (`networks.py`).
"""

from dataclasses import replace

from ganzoo_core import GAN
from ganzoo_core.layers import check_image_size
from ganzoo_core.losses import make_loss
from ganzoo_reacgan.networks import ACDiscriminator, ACGenerator


class ReACGAN(GAN):
    """BigGAN's networks, D with embeddings and class proxies for the term `d2d-ce`."""

    conditional = True

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size("reacgan", info.image_size, minimum=32, suggestion=32)
        if not info.class_names:
            raise ValueError(
                "reacgan needs data with classes, such as --data people or --data fashion-mnist"
            )
        shape = (info.image_size, info.num_channels, len(info.class_names))
        self.generator = ACGenerator(config, *shape)
        self.discriminator = ACDiscriminator(config, *shape)
        self.loss = make_loss(config.loss)

    def configure_optimizers(self):
        """Return the optimizers of D and G; the average of G starts after `ema_copy_images`."""
        specs = super().configure_optimizers()
        halflife, start = self.config.ema_halflife_images, self.config.ema_copy_images
        if halflife and start:
            specs["g"] = replace(specs["g"], ema_halflife=lambda n: halflife if n >= start else 0.0)
        return specs
