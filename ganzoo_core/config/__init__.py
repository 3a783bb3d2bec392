"""Options: one pydantic tree of `[model]`, `[data]` and `[train]`."""

from ganzoo_core.config.base import Config, ModelConfig, parse
from ganzoo_core.config.gan import Cures, GANConfig, NormedConfig
from ganzoo_core.config.losses import LossOptions
from ganzoo_core.config.optim import SGD, Adam, AnyOptim
from ganzoo_core.config.sections import DataConfig, JudgeConfig, Split, StageConfig, TrainConfig
from ganzoo_core.config.tree import RunConfig, assign, build, merge, read_toml

__all__ = [
    "SGD",
    "Adam",
    "AnyOptim",
    "Config",
    "Cures",
    "DataConfig",
    "GANConfig",
    "JudgeConfig",
    "LossOptions",
    "ModelConfig",
    "NormedConfig",
    "RunConfig",
    "Split",
    "StageConfig",
    "TrainConfig",
    "assign",
    "build",
    "merge",
    "parse",
    "read_toml",
]
