"""The two branches of the configuration that the core owns: `[data]` and `[train]`."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeVar, get_args

from pydantic import ConfigDict, Field, field_validator, model_validator

from ganzoo_core.config.base import Config
from ganzoo_core.config.former_names import FORMER_OPTIONS, present_name
from ganzoo_core.errors import suggest

Split = Literal["all", "train", "test", "train-a", "train-b"]
"""`train-a` and `train-b` are the halves of `train`: for two networks of one model that must not be
trained on the same people."""


LRScheduler = Literal["constant", "linear", "constant-linear", "cosine"]


class DataConfig(Config):
    """`[data]`: the data set and the size of its images. A data set adds its own options by
    subclassing."""

    name: str = ""
    """A data set of the zoo: `ganzoo list dataset`."""
    path: str = ""
    """Folder or archive, where the data set needs one: `--data NAME:PATH`."""
    image_size: int = Field(64, ge=8, le=2048)
    """Edge of the square images, in pixels."""
    num_channels: Literal[1, 3] = 3
    """1 for grayscale, 3 for RGB."""
    transform: str = ""
    """An image transform that is applied when the images are decoded: `ganzoo list transforms`."""


class AuxiliaryConfig(Config):
    """`[model.auxiliaries.ROLE]` of a model whose loss uses a frozen network of that role."""

    weights: str = ""
    """A pretrained folder or a run; or the name of an evaluator that a plugin ships (`ganzoo list
    evaluator`); empty for the shipped one that was trained on the data of the run; or `train` to
    train one first, on those data, inside the run folder."""


class StageConfig(Config):
    """`[train.STAGE]`: the length of one stage, in place of the model's, and the options that hold
    in it. A length of 0 skips the stage."""

    steps: int | None = Field(None, ge=0)
    """Length in steps."""
    epochs: float | None = Field(None, ge=0)
    """Length in passes over the data."""
    phases_of: str = ""
    """The stage of the model whose phases this one has. It adds a stage of a new name after those
    of the model, so that a recipe in several parts is one run."""
    overrides: dict[str, Any] = {}
    """The options that differ in this stage: `train.STAGE.overrides.model.optim_g.lr=1e-4`, or
    `train.STAGE.overrides.data.split=train-a`."""

    @model_validator(mode="after")
    def check_single_length(self) -> Self:
        """Refuse two lengths for one stage."""
        if self.steps is not None and self.epochs is not None:
            raise ValueError("give steps or epochs, not both")
        return self


class TrainConfig(Config):
    """`[train]`: the options of the engine. `train.STAGE.steps` sets the length of a stage."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, StageConfig]

    batch_size: int = Field(64, ge=1)
    """Images in a batch, over all ranks."""
    steps: int | None = Field(None, ge=0)
    """Total steps of the run: `--steps`. The last stage that is not skipped is lengthened or cut
    to fit. A step is one pass through the phases of a stage."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of weights, random numbers and data order."""
    init_from: str = ""
    """A run or weights of this model, by any of their names, which replace the initial ones:
    `--init-from`."""
    init_partial: bool = False
    """Keep the random initialization of the layers that `init_from` does not fit: `--partial`."""
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """auto, cpu, cuda, cuda:N or mps; resolved once and stored."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of forward and backward passes; weights and optimizers stay fp32."""
    compile: bool = False
    """Use torch.compile, except for double backward."""
    grad_accum_steps: int = Field(1, ge=1)
    """Micro-batches in a batch: more of them need less memory."""
    grad_clip_norm: float | None = Field(None, gt=0)
    """Maximum norm of the gradient of each optimizer; none for no clipping."""
    lr_scheduler: LRScheduler = "constant"
    """Decay of the learning rates to zero over the run; `constant-linear` is constant in the first
    half and linear in the second, as in CycleGAN. An optimizer may have its own,
    `model.optim_d.lr_scheduler`."""
    warmup_steps: int = Field(0, ge=0)
    """Steps during which the learning rates rise linearly from zero."""
    deterministic: bool = False
    """Use deterministic CUDA kernels only, at some cost in speed."""
    log_every: int = Field(20, ge=1)
    """Steps between lines of metrics.jsonl."""
    sample_every: int = Field(200, ge=1)
    """Steps between sample grids."""
    checkpoint_every: int = Field(500, ge=1)
    """Steps between checkpoints; one is always written at the end."""
    save_total_limit: int = Field(2, ge=1)
    """Checkpoints kept on disk."""
    monitor: str = ""
    """A key of metrics.jsonl, such as loss/g, whose lowest value marks the best checkpoint, which
    is kept too; or `eval/NAME` of `train.metrics`, whose better direction is known."""
    metrics: tuple[str, ...] = ()
    """Metrics that are computed while the run trains and logged as `eval/NAME`: `--metrics`."""
    evaluate_every: int | None = Field(None, ge=1)
    """Steps between computations of `train.metrics`; none for each checkpoint."""
    num_eval_samples: int = Field(1000, ge=2)
    """Samples, and real images at most, of each computation of `train.metrics`."""
    track: tuple[str, ...] = ()
    """Trackers that log the run, such as wandb or mlflow: `--track`."""

    @field_validator("metrics", "track", mode="before")
    @classmethod
    def split_names(cls, value: Any) -> Any:
        """Read names joined by commas."""
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @model_validator(mode="before")
    @classmethod
    def check_keys(cls, values: Any) -> Any:
        """Refuse a misspelled option; only a table that holds a length can be a stage."""
        for key, value in dict(values).items():
            if key not in cls.model_fields and not isinstance(value, dict | StageConfig):
                hint = suggest(
                    present_name(FORMER_OPTIONS, str(key), cls.model_fields),
                    cls.model_fields,
                    "train.",
                )
                raise ValueError(f"there is no option 'train.{key}'.{hint}")
        return values

    @model_validator(mode="after")
    def check_monitor_is_evaluated(self) -> Self:
        """Refuse a monitored metric that no checkpoint has a value of."""
        if not self.monitor.startswith("eval/"):
            return self
        if not self.metrics:
            raise ValueError(f"monitor={self.monitor} needs train.metrics, such as --metrics kid")
        if self.evaluate_every and self.checkpoint_every % self.evaluate_every:
            raise ValueError(
                f"monitor={self.monitor} needs a value at each checkpoint: make checkpoint_every "
                "a multiple of evaluate_every, or leave evaluate_every out"
            )
        return self

    @model_validator(mode="after")
    def check_init_partial(self) -> Self:
        """Refuse `init_partial` without weights to load."""
        if self.init_partial and not self.init_from:
            raise ValueError("init_partial needs init_from: --init-from WEIGHTS --partial")
        return self

    @property
    def stages(self) -> dict[str, StageConfig]:
        """The stage lengths that were set, by stage name."""
        return dict(self.__pydantic_extra__ or {})


_DataConfigT = TypeVar("_DataConfigT", bound=DataConfig)


def available_splits(config: DataConfig) -> tuple[str, ...]:
    """Return the names of the splits of a data set."""
    field = type(config).model_fields.get("split")
    return get_args(field.annotation) if field else ()


def with_split(config: _DataConfigT, split: str) -> _DataConfigT:
    """Return the same options with another split."""
    return type(config)(**{**config.model_dump(), "split": split})
