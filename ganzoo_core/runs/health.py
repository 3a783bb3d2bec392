"""Notices a GAN that has stopped learning, and says what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.interfaces import GAN
from ganzoo_core.interfaces.sampling import sample

WON = 0.98
"""Accuracy of a discriminator above which its generator learns next to nothing."""
LINES = 5
"""Lines of metrics in a row after which it is said."""
COUNT = 16
"""Samples whose diversity is looked at: fixed latents, of one label where there are labels."""
FALLEN = 0.25
"""Share of its highest diversity below which a generator has collapsed."""


class Health:
    """Warns once when D has won, and once when G has collapsed."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.warn = warn
        self.won = 0
        self.highest = 0.0
        self.told: set[str] = set()

    def line(self, record: Mapping[str, Any]) -> None:
        """Look at a line of metrics."""
        self.won = self.won + 1 if record.get("d_accuracy", 0.0) > WON else 0
        if self.won >= LINES:
            self.tell(
                "won",
                f"warning: the discriminator has won by round {record['round']}: it tells "
                f"more than {WON:.0%} right, so the generator learns little. Try "
                "--set model.loss.real_target=0.9, a lower --set model.optim_d.lr=..., "
                "--set model.cures.halt_d_above=0.9 or --set model.cures.reset_d=1",
            )

    def pictures(self, model: Any, round: int) -> None:
        """Look at samples of fixed latents."""
        if not isinstance(model, GAN):
            return
        label = model.info.present[0] if model.info.classes else None
        spread = diversity(sample(model, COUNT, label))
        self.highest = max(self.highest, spread)
        if spread < FALLEN * self.highest:
            self.tell(
                "collapsed",
                f"warning: the generator has collapsed by round {round}: its pictures "
                f"differ by {spread:.3f}, and did by {self.highest:.3f}. Try a lower "
                "--set model.optim_g.lr=..., --set model.loss.kind=relativistic with "
                "--set model.loss.r1=1, or go back to a checkpoint before it",
            )

    def tell(self, what: str, words: str) -> None:
        """Warn, once a run."""
        if what not in self.told:
            self.told.add(what)
            self.warn(words)


def diversity(images: Tensor) -> float:
    """Return the root mean square distance of two of n images [n, C, H, W], per pixel."""
    distances = torch.pdist(images.flatten(1).float())
    return float(distances.square().mean().sqrt() / images[0].numel() ** 0.5)
