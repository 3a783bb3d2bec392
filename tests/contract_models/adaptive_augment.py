"""A GAN with the ADA pipeline of the core."""

from contract_models.plain_gan import PlainGAN
from ganzoo_core.data.ada import AdaptiveAugment


class AdaptiveGAN(PlainGAN):
    """p is updated every fourth step."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.augment = AdaptiveAugment(target=-2, ramp_images=100, initial_p=0.2)
