"""The two networks of a GAN, and the losses they play for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganzoo_core.interfaces.turn import Noise

Critic = Callable[[Tensor], Tensor]
"""Images [N, C, H, W] to logits [N]: the discriminator with its labels filled in."""


class Generator(nn.Module, ABC):
    """Maps a latent and, if conditional, labels to images."""

    latent_dim: int
    """Length of z."""

    def latent(self, noise: Noise, n: int) -> Tensor:
        """Draw z [n, latent_dim] from N(0, 1); override for another prior."""
        return noise(n, self.latent_dim)

    @abstractmethod
    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return images [N, C, H, W] in [-1, 1] from z [N, latent_dim] and labels [N]."""


class Discriminator(nn.Module, ABC):
    """Judges images; returns logits, never probabilities."""

    @abstractmethod
    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        """Return logits [N], or [N, 1, h, w] for patches, from images [N, C, H, W] in [-1, 1]."""

    def features(self, image: Tensor, label: Tensor | None = None) -> list[Tensor]:
        """Return the maps that feature matching compares; only networks that offer them do."""
        raise TypeError(f"{type(self).__name__} offers no features() for feature matching")


class Loss(ABC):
    """An adversarial loss in its two halves. Logits may be half precision; losses are fp32."""

    @abstractmethod
    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss, 0-d, from its logits of real and of fake images."""

    @abstractmethod
    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return the generator's loss, 0-d; losses that compare pairs need `real` too."""

    pairs = False
    """Whether `g` needs the logits of real images."""

    def penalty(self, critic: Critic, real: Tensor, fake: Tensor, noise: Noise) -> Tensor:
        """Return a regulariser of the discriminator, 0-d; none by default."""
        return torch.zeros((), device=real.device)
