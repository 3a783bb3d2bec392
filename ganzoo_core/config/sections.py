"""The two branches of the tree that the core owns: `[data]` and `[train]`."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ganzoo_core.config.base import Config

Split = Literal["all", "train", "test", "train-a", "train-b"]
"""`train-a` and `train-b` are the halves of `train`: for judges of one model that must not have
learned from the same people."""


class DataConfig(Config):
    """`[data]`: which images, and at what size. A data set adds its own options by subclassing."""

    name: str = ""
    """A data set of the zoo."""
    path: str = ""
    """Folder or archive, where the data set needs one: `--data NAME:PATH`."""
    size: int = Field(64, ge=8, le=2048)
    """Edge of the square images, in pixels."""
    channels: Literal[1, 3] = 3
    """1 for grey, 3 for colour."""
    align: bool = False
    """Find the face in each photograph, level its eyes and crop to a fixed geometry."""


class JudgeConfig(Config):
    """`[model.ROLE]` of a model that trains against a frozen judge of that role."""

    weights: str = ""
    """A folder of weights, or the name of a judge that a plugin ships (`ganzoo list judge`); empty
    for the shipped one that was trained on the run's data; or `train`, to train one first, on those
    data, into the run folder."""


class StageConfig(Config):
    """`[train.STAGE]`: how long one stage lasts, in place of what the model says; 0 skips it."""

    rounds: int | None = Field(None, ge=0)
    epochs: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def one_measure(self) -> Self:
        """Refuse two lengths for one stage."""
        if self.rounds is not None and self.epochs is not None:
            raise ValueError("give rounds or epochs, not both")
        return self


class TrainConfig(Config):
    """`[train]`: the engine's options. `train.<stage>.rounds` sets the length of a stage."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, StageConfig]

    batch: int = Field(64, ge=1)
    """Images in a batch."""
    steps: int | None = Field(None, ge=0)
    """Rounds of the run in all; the last stage that is not skipped is stretched or cut to fit.
    `--steps`."""
    seed: int = Field(0, ge=0, lt=2**63)
    init: str = ""
    """A run or a folder of weights of this model to begin with, in place of new ones: `--init`."""
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """auto, cpu, cuda, cuda:N or mps; resolved once and stored."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of forward and backward passes; weights and optimisers stay fp32."""
    compile: bool = False
    """Compile plain passes with torch.compile; double backward stays eager."""
    accumulate: int = Field(1, ge=1)
    """Micro-batches a step: the batch is worked off in so many parts, to save memory."""
    clip: float | None = Field(None, gt=0)
    """Largest norm of a player's gradient."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How learning rates fall to zero over the run."""
    warmup: int = Field(0, ge=0)
    """Rounds in which learning rates rise from zero."""
    deterministic: bool = False
    """Ask CUDA for the same bits on every run, at some cost in speed."""
    log_every: int = Field(20, ge=1)
    """Rounds between lines of metrics.jsonl."""
    sample_every: int = Field(200, ge=1)
    """Rounds between sample grids."""
    checkpoint_every: int = Field(500, ge=1)
    """Rounds between checkpoints; one is always written at the end."""
    keep: int = Field(2, ge=1)
    """Checkpoints kept on disk."""
    best: str = ""
    """A logged value; the checkpoint at which it was lowest is kept as well."""

    @model_validator(mode="before")
    @classmethod
    def known_keys(cls, values: Any) -> Any:
        """Refuse a misspelt option; only a table of a length can be a stage."""
        from ganzoo_core.errors import suggest

        for key, value in dict(values).items():
            if key not in cls.model_fields and not isinstance(value, dict | StageConfig):
                raise ValueError(
                    f"there is no option 'train.{key}'.{suggest(key, cls.model_fields)}"
                )
        return values

    @property
    def stages(self) -> dict[str, StageConfig]:
        """The stage lengths that were set, by stage name."""
        return dict(self.__pydantic_extra__ or {})
