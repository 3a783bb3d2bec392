"""Terms that are means over images, for which the number of ranks must not matter."""

from contract_models.all_terms_gan import AllTermsGAN
from contract_models.networks import SmallGANConfig
from ganzoo_core import SGD


class PerImageTermsGAN(AllTermsGAN):
    """SGD with momentum, whose updates, unlike Adam's, scale with the gradient."""

    @staticmethod
    def Config():
        """Return the options."""
        terms = {
            "r1": {"weight": 0.1, "interval": 2},
            "r2": {"weight": 0.1},
            "gradient-penalty": {"weight": 0.1},
            "wrong-labels": {"weight": 0.25},
            "adc": {"weight": 0.5},
            "d-freeze": {"above_accuracy": 0.9},
            "d-reset": {"every_epochs": 0.6},
        }
        sgd = SGD(lr=0.05, momentum=0.9)
        return SmallGANConfig(terms=terms, optim_d=sgd, optim_g=sgd)
