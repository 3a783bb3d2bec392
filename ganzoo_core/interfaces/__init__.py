"""What a plugin implements."""

from ganzoo_core.interfaces.batch import Batch, DataInfo, Draw
from ganzoo_core.interfaces.dataset import Dataset, Table, UnreadableImage, printable
from ganzoo_core.interfaces.gan import GAN
from ganzoo_core.interfaces.imported import Imported
from ganzoo_core.interfaces.likelihood import log_likelihood
from ganzoo_core.interfaces.model import Model, Player, Stage, Step
from ganzoo_core.interfaces.networks import (
    NORMS,
    Critic,
    Discriminator,
    Generator,
    Loss,
    Regularizer,
    one_hot,
)
from ganzoo_core.interfaces.roles import (
    CAPABILITIES,
    ROLES,
    EditsAge,
    Embeds,
    EstimatesAge,
    HasAgeLogits,
    HasFeatures,
    HasLikelihood,
    HasReach,
    Judge,
    Judges,
    Samples,
    Translates,
)
from ganzoo_core.interfaces.turn import Noise, SeededNoise, Turn, seed_at

__all__ = [
    "CAPABILITIES",
    "GAN",
    "NORMS",
    "ROLES",
    "Batch",
    "Critic",
    "DataInfo",
    "Dataset",
    "Discriminator",
    "Draw",
    "EditsAge",
    "Embeds",
    "EstimatesAge",
    "Generator",
    "HasAgeLogits",
    "HasFeatures",
    "HasLikelihood",
    "HasReach",
    "Imported",
    "Judge",
    "Judges",
    "Loss",
    "Model",
    "Noise",
    "Player",
    "Regularizer",
    "Samples",
    "SeededNoise",
    "Stage",
    "Step",
    "Table",
    "Translates",
    "Turn",
    "UnreadableImage",
    "log_likelihood",
    "one_hot",
    "printable",
    "seed_at",
]
