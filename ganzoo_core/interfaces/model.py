"""A model: its networks, who learns, and in which steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.optim import Optimizer

from ganzoo_core.interfaces.batch import DataInfo, Draw
from ganzoo_core.interfaces.imported import Imported
from ganzoo_core.interfaces.roles import Judges
from ganzoo_core.interfaces.sampling import Label, sample
from ganzoo_core.interfaces.turn import Turn


@dataclass(frozen=True)
class Player:
    """Networks that learn together under one optimiser; several steps may share a player."""

    nets: tuple[str, ...]
    """Attribute names of the model's networks."""
    optim: Callable[[Iterable[Tensor]], Optimizer]
    """Builds the optimiser from the parameters; `ganzoo_core.config.Adam` is one."""
    ema: float | None = None
    """Half-life in images of an exponential moving average of the weights; None for none."""


@dataclass(frozen=True)
class Step:
    """One optimiser step: `loss` is minimised over the player's parameters."""

    name: str
    player: str
    loss: Callable[[Turn], Tensor]
    """Returns the 0-d loss. The other players are frozen meanwhile."""
    repeat: int = 1
    """Times a round; each repetition after the first gets a fresh draw."""
    every: int = 1
    """Runs in rounds that this divides."""
    when: Callable[[Turn], bool | Tensor] | None = None
    """Asked once in each round that `every` leaves; None for always. A bool (from `t.round`) says
    whether the step runs. A 0-d bool tensor (from buffers) says, on the device, whether a step
    that runs counts: its loss is computed and logged, weights and optimiser stay as they were."""
    after: Callable[[Turn], None] | None = None
    """Runs without gradients after the optimiser: weight clipping, ADA's feedback, networks that
    are initialised again. Noise, torch's own too, is the same on all ranks there."""


@dataclass(frozen=True)
class Stage:
    """A part of training with its own steps and its own draw. One round passes all steps once.

    Networks whose player has no step in the stage are in eval mode. A player that has none in any
    later stage either takes its average for its weights as the stage begins, so that an encoder,
    say, learns to invert the generator that the bundle will carry.
    """

    name: str
    steps: tuple[Step, ...]
    draw: Draw = field(default_factory=Draw)
    epochs: float | None = None
    images: int | None = None
    rounds: int | None = None
    """Its length, in passes over the data, in images (as a stage that makes its own has it), or in
    rounds; `train.<stage>` overrides it."""


class Model(nn.Module, ABC):
    """Networks and the steps that train them.

    Whatever changes in training is a Parameter or a buffer, so it is saved and resumes exactly.
    A model knows no device, precision, process group, file or progress bar.
    """

    Config: ClassVar[Any] = None
    """Configuration class for models used as objects, outside the zoo."""
    serves: ClassVar[tuple[str, ...]] = ("generator",)
    """The networks that a bundle carries in model.safetensors; the others only train."""
    remark: str = ""
    """A sentence on the limits of its weights: their card says it, and so do verbs."""

    def __init__(self, config: Any, info: DataInfo) -> None:
        super().__init__()
        self.config = config
        self.info = info
        self.judges = Judges()

    @abstractmethod
    def players(self) -> dict[str, Player]:
        """Return who learns, by name."""

    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of training, in order."""

    @classmethod
    def import_state(cls, state: Mapping[str, Tensor]) -> Imported:
        """Translate a checkpoint from elsewhere (`ganzoo weights import`); override to map names.

        This one takes this model's own names, and those of its one served network by itself.

        Args:
            state: every tensor of the file by its dotted path, ``state_dict`` and ``module``
                wrappers taken off.

        Raises:
            KeyError, ValueError: what the checkpoint lacks; it becomes one line.
        """
        kept = {k: v for k, v in state.items() if k.split(".")[0] in cls.serves}
        if not kept and len(cls.serves) == 1:
            kept = {f"{cls.serves[0]}.{k}": v for k, v in state.items()}
        return Imported(state=kept or state)

    def sample(self, n: int, label: Label = None, seed: int = 0) -> Tensor:
        """Return n images [n, C, H, W] in [-1, 1] on the CPU; the same seed gives the same images.

        Args:
            label: a class index or name, one for each image, or None: the trained classes in turn.

        Raises:
            UsageError: the model does not sample, or there is no such label.
        """
        return sample(self, n, label, seed)
