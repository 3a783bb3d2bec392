"""Options: one pydantic tree of `[model]`, `[data]` and `[train]`."""

from ganzoo_core.config.base import Config, ModelConfig, parse
from ganzoo_core.config.optim import SGD, Adam
from ganzoo_core.config.sections import DataConfig, JudgeConfig, StageConfig, TrainConfig
from ganzoo_core.config.tree import RunConfig, assign, build, merge, read_toml

__all__ = [
    "SGD", "Adam", "Config", "DataConfig", "JudgeConfig", "ModelConfig", "RunConfig", "StageConfig",
    "TrainConfig", "assign", "build", "merge", "parse", "read_toml",
]  # fmt: skip
