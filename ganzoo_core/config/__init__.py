"""Options: one pydantic tree of `[model]`, `[data]` and `[train]`."""

from ganzoo_core.config.base import Config, ModelConfig, SamplingOptions, parse
from ganzoo_core.config.gan import GANConfig, NormConfig
from ganzoo_core.config.losses import LossOptions
from ganzoo_core.config.optim import SGD, Adam, OptimizerChoice
from ganzoo_core.config.sections import (
    AuxiliaryConfig,
    DataConfig,
    Split,
    StageConfig,
    TrainConfig,
    available_splits,
    with_split,
)
from ganzoo_core.config.terms import TermOptions, WeightedTermOptions
from ganzoo_core.config.tree import (
    RunConfig,
    build_config,
    data_config_class,
    merge,
    parse_assignments,
    parse_data_source,
    parse_options,
    read_toml,
)

__all__ = [
    "SGD",
    "Adam",
    "AuxiliaryConfig",
    "Config",
    "DataConfig",
    "GANConfig",
    "LossOptions",
    "ModelConfig",
    "NormConfig",
    "OptimizerChoice",
    "RunConfig",
    "SamplingOptions",
    "Split",
    "StageConfig",
    "TermOptions",
    "TrainConfig",
    "WeightedTermOptions",
    "available_splits",
    "build_config",
    "data_config_class",
    "merge",
    "parse",
    "parse_assignments",
    "parse_data_source",
    "parse_options",
    "read_toml",
    "with_split",
]
