"""A loss that compares with the mean of the whole batch, wherever the ranks hold it."""

from ganzoo_core.losses import RelativisticAverage
from zoo_of_proofs.plain import PlainGAN


class RelativeGAN(PlainGAN):
    """Relativistic average GAN (Jolicoeur-Martineau 2018)."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.loss = RelativisticAverage()
