"""A GAN whose images are augmented the more strongly the more D overfits (ADA)."""

from ganzoo_core.data.ada import AdaptiveAugment
from zoo_of_proofs.plain import PlainGAN


class AdaptiveGAN(PlainGAN):
    """Whose images are augmented more strongly every fourth round."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.augment = AdaptiveAugment(target=-2, speed=100, p=0.2)
