"""What a plugin implements."""

from ganzoo_core.interfaces.batch import Batch, BatchSpec, DataInfo
from ganzoo_core.interfaces.capabilities import (
    AdaptsToImages,
    Auxiliaries,
    FrozenNetwork,
    HasFeatures,
    HasSampleGrid,
    HasSupportedTransitions,
    SampleGrid,
    SupportsEmbedding,
    SupportsLikelihood,
    SupportsSampling,
    SupportsTranslation,
)
from ganzoo_core.interfaces.context import Rng, SeededRng, StepContext, derive_seed
from ganzoo_core.interfaces.converted import ConvertedCheckpoint
from ganzoo_core.interfaces.dataset import Dataset, Metadata, UnreadableImage, escape_unprintable
from ganzoo_core.interfaces.gan import GAN
from ganzoo_core.interfaces.likelihood import log_likelihood
from ganzoo_core.interfaces.model import Model, OptimizerSpec, Phase, Stage
from ganzoo_core.interfaces.networks import (
    Discriminator,
    Generator,
    LogitFn,
    Loss,
)
from ganzoo_core.interfaces.sampling import label_index
from ganzoo_core.interfaces.term import DiscriminatorOutput, GeneratorOutput, Term, TermList
from ganzoo_core.interfaces.transform import ImageTransform, Keypoints

__all__ = [
    "GAN",
    "AdaptsToImages",
    "Auxiliaries",
    "Batch",
    "BatchSpec",
    "ConvertedCheckpoint",
    "DataInfo",
    "Dataset",
    "Discriminator",
    "DiscriminatorOutput",
    "FrozenNetwork",
    "Generator",
    "GeneratorOutput",
    "HasFeatures",
    "HasSampleGrid",
    "HasSupportedTransitions",
    "ImageTransform",
    "Keypoints",
    "LogitFn",
    "Loss",
    "Metadata",
    "Model",
    "OptimizerSpec",
    "Phase",
    "Rng",
    "SampleGrid",
    "SeededRng",
    "Stage",
    "StepContext",
    "SupportsEmbedding",
    "SupportsLikelihood",
    "SupportsSampling",
    "SupportsTranslation",
    "Term",
    "TermList",
    "UnreadableImage",
    "derive_seed",
    "escape_unprintable",
    "label_index",
    "log_likelihood",
]
