"""A model: its networks, its optimizers, and the phases that train it."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.optim import Optimizer

from ganzoo_core.interfaces.batch import BatchSpec, DataInfo
from ganzoo_core.interfaces.capabilities import Auxiliaries
from ganzoo_core.interfaces.context import StepContext
from ganzoo_core.interfaces.converted import ConvertedCheckpoint
from ganzoo_core.interfaces.sampling import Label, sample


@dataclass(frozen=True)
class OptimizerSpec:
    """One optimizer and the modules whose parameters it updates; several phases may use it."""

    modules: tuple[str, ...]
    """Attribute names of the model's modules."""
    optimizer: Callable[[Iterable[Tensor]], Optimizer]
    """Builds the optimizer from the parameters; `ganzoo_core.config.Adam` is one."""
    ema_halflife: float | Callable[[int], float] | None = None
    """Half-life in images of an exponential moving average of the weights, which starts at 0 and is
    at most 5 % of the images so far; or a schedule: a function of the images so far; None for no
    average."""


@dataclass(frozen=True)
class Phase:
    """One optimizer update: `loss` is minimized over the parameters of the optimizer.

    All other optimizers' parameters are frozen during the phase.
    """

    name: str
    optimizer: str
    """A name of `Model.configure_optimizers`."""
    loss: Callable[[StepContext], Tensor]
    """Returns the loss, 0-d."""
    repeats: int = 1
    """Updates in each step; each one after the first gets a new batch."""
    interval: int = 1
    """The phase runs in every `interval`-th step of the stage."""
    condition: Callable[[StepContext], bool | Tensor] | None = None
    """Called once in each step that `interval` selects; None: the phase always runs.

    A bool (from `ctx.step`) decides whether the phase runs. A 0-d bool tensor (from buffers)
    decides on the device whether the update counts: the loss is computed and logged, and weights
    and optimizer state stay as they were where it is False."""
    after_step: Callable[[StepContext], None] | None = None
    """Called after the update, without gradients: weight clipping, the feedback of ADA, a reset of
    networks. Random numbers, torch's own too, are the same on all ranks there."""


@dataclass(frozen=True)
class Stage:
    """A part of the training with its own phases and batches. A step runs all phases once.

    Modules whose optimizer has no phase in the stage are in eval mode. An optimizer that has no
    phase in any later stage either copies its moving average into its weights when the stage
    starts, so that, for example, an encoder is trained on the generator that inference uses.

    Its length is `epochs`, `images` or `steps`; `train.STAGE` overrides it.
    """

    name: str
    phases: tuple[Phase, ...]
    batch: BatchSpec = field(default_factory=BatchSpec)
    """How its batches are sampled."""
    epochs: float | None = None
    """Length in passes over the data."""
    images: int | None = None
    """Length in images, for a stage that generates its own."""
    steps: int | None = None
    """Length in steps."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """The options that differ in this stage, ``{"model": {"loss_weights": {"pixel": 10}}, "train":
    {"batch_size": 32}}``; `ModelConfig.stage_overrides` names those that may. A schedule of the
    learning rate that a stage sets runs from the start to the end of the stage."""


class Model(nn.Module, ABC):
    """Networks and the phases that train them.

    Everything that training changes is a Parameter or a buffer, so it is saved and resumes
    exactly. A model knows no device, precision, process group, file or progress bar.

    Args:
        config: the model's configuration.
        info: the facts of the data.
    """

    Config: ClassVar[Any] = None
    """The `ModelConfig` of a class that is trained without a plugin: `gz.train(MyGAN, "shapes",
    preset="smoke", options={"model": {"latent_dim": 32}})`."""
    inference_modules: ClassVar[tuple[str, ...]] = ("generator",)
    """The modules that a pretrained folder holds in model.safetensors; the others only train."""
    auxiliary_roles: ClassVar[tuple[str, ...]] = ()
    """The roles of the auxiliary networks of a model outside the zoo; a `ModelSpec` names those of
    a model of the zoo."""
    usage_note: str = ""
    """One sentence on the limits of the weights; the card and the commands print it."""

    def __init__(self, config: Any, info: DataInfo) -> None:
        super().__init__()
        self.config = config
        self.info = info
        self.auxiliaries = Auxiliaries()
        self.index_fields: dict[str, Any] = {}

    @abstractmethod
    def configure_optimizers(self) -> dict[str, OptimizerSpec]:
        """Return the optimizers by name."""

    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of the training, in order."""

    def set_config(self, config: Any) -> None:
        """Use the options that hold in a stage (`Stage.overrides`). Override it where the
        constructor copied an option that a stage may override."""
        self.config = config

    @classmethod
    def convert_checkpoint(cls, state: Mapping[str, Tensor]) -> ConvertedCheckpoint:
        """Convert a checkpoint of another code base (`ganzoo weights import`); override to map
        names.

        This version accepts the names of this model, and those of its only inference module.

        Args:
            state: every tensor of the file by its dotted path, without the wrappers ``state_dict``
                and ``module``.

        Raises:
            KeyError, ValueError: what the checkpoint lacks; it becomes one line.
        """
        kept = {k: v for k, v in state.items() if k.split(".")[0] in cls.inference_modules}
        if not kept and len(cls.inference_modules) == 1:
            kept = {f"{cls.inference_modules[0]}.{k}": v for k, v in state.items()}
        return ConvertedCheckpoint(state=kept or state)

    @classmethod
    def convert_file(cls, path: Path) -> ConvertedCheckpoint | None:
        """Convert a file that holds more than named tensors, such as a pickle of another code base
        (`ganzoo_core.weights.read_inert_pickle`); None for every other file, whose tensors
        `convert_checkpoint` receives.

        Raises:
            WeightsError: damaged, unsafe, or of another architecture.
        """
        return None

    def save_pretrained(self, folder: str | Path, precision: str = "fp32") -> Path:
        """Write the networks for inference into a pretrained folder, which `load` reads.

        A model that was loaded keeps the facts of its folder, such as its data and its license.

        Args:
            folder: the folder; one that exists changes as a whole.
            precision: of the floats on disk: fp32, fp16 or bf16.

        Raises:
            WeightsError: a weight is not finite, or too large for the precision.
            OutputError: the folder cannot be written.
        """
        share = importlib.import_module("ganzoo_core.weights.share")
        path: Path = share.save_model(self, Path(folder), precision).path
        return path

    def push_to_hub(self, repo: str, *, private: bool = False, precision: str = "fp32") -> str:
        """Upload the pretrained folder of `save_pretrained` to the Hugging Face hub.

        Args:
            repo: ``owner/name``; it is created if it does not exist.
            private: make a new repository private.
            precision: see `save_pretrained`.

        Returns:
            ``hf://owner/name@commit``, which `load` takes.

        Raises:
            WeightsError: no network, or refused.
        """
        share = importlib.import_module("ganzoo_core.weights.share")
        address: str = share.push_model(self, repo, precision, private=private)
        return address

    def sample(self, n: int, label: Label = None, seed: int = 0, **options: Any) -> Tensor:
        """Return n images [n, C, H, W] in [-1, 1] on the CPU; the same seed gives the same images.

        Args:
            n: the number of images.
            label: a class index or name, or one for each image, or None: the nonempty classes in
                order.
            seed: of the random numbers.
            **options: the model's sampling options, such as ``truncation=0.7`` (`ganzoo info`).

        Raises:
            UsageError: the model does not sample, or there is no such label or option.
        """
        return sample(self, n, label, seed, options=options)
