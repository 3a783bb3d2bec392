"""A loss that uses the mean logits of the global batch, on any number of ranks."""

from contract_models.plain_gan import PlainGAN
from ganzoo_core.losses import RelativisticAverage


class RelativisticGAN(PlainGAN):
    """Relativistic average GAN (Jolicoeur-Martineau 2018)."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.loss = RelativisticAverage()
