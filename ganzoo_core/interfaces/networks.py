"""The two networks of a GAN, and the losses they play for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganzoo_core.interfaces.turn import Noise, Turn

Critic = Callable[[Tensor], Tensor]
"""Images [N, C, H, W] to logits [N]: the discriminator with its labels filled in."""

Regularizer = Callable[[Critic, Tensor, Tensor, Noise], Tensor]
"""(critic, real images, fake images, noise) to a 0-d penalty of the discriminator."""


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

    def under(self, image: Tensor, *labels: Tensor | None) -> list[Tensor]:
        """Return the logits of the same images [N, C, H, W] under each of several labels [N];
        override where labels join late, so that the images are looked at once."""
        return [self(image, label) for label in labels]

    def begin(self) -> None:
        """Draw the weights as at the start; override where they are not torch's own."""
        for module in self.modules():
            if module is not self and callable(reset := getattr(module, "reset_parameters", None)):
                reset()

    def features(self, image: Tensor, label: Tensor | None = None) -> list[Tensor]:
        """Return the maps that feature matching compares; only networks that offer them do."""
        raise TypeError(f"{type(self).__name__} offers no features() for feature matching")


class Loss(ABC):
    """An adversarial loss in its two halves. Logits may be half precision; losses are fp32.

    `ganzoo_core.losses.make_loss` sets the regularisers from `model.loss`.
    """

    pairs = False
    """Whether `g` needs the logits of real images."""
    boundary: float | None = 0.0
    """The logit between real and fake; None for losses that only compare."""
    regularizers: tuple[Regularizer, ...] = ()
    """What `penalty` adds up. Each takes a gradient for each image, so D may not mix them."""
    clip = 0.0
    """D's weights are cut to this after each of its steps; 0 for not at all."""
    feature_matching = 0.0
    """The weight of `matching` in the generator's loss."""
    mismatch = 0.0
    """The share of real images under wrong labels among what D refuses (GAN-CLS, Reed et al. 2016,
    arXiv 1605.05396), in `GAN.discriminator_loss`."""
    mismatch_epochs = 0.0
    """How long they are shown; 0 for as long as D learns."""

    @abstractmethod
    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss, 0-d, from its logits of real and of fake images."""

    @abstractmethod
    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return the generator's loss, 0-d; losses that compare pairs need `real` too."""

    def within(self, t: Turn) -> Loss:
        """Return the loss as it is in this turn: one that compares with the mean of the whole
        batch takes `t.mean`, since this rank may hold only a part of it."""
        return self

    def mismatch_in(self, t: Turn) -> float:
        """Return `mismatch` as it is in this turn: none once its epochs are over."""
        until = self.mismatch_epochs
        return 0.0 if until and t.round >= t.rounds(until) else self.mismatch

    def penalty(self, critic: Critic, real: Tensor, fake: Tensor, noise: Noise) -> Tensor:
        """Return the sum of the regularisers of the discriminator, 0-d."""
        total = torch.zeros((), device=real.device)
        for regularizer in self.regularizers:
            total = total + regularizer(critic, real, fake, noise)
        return total

    def matching(self, real: list[Tensor], fake: list[Tensor]) -> Tensor:
        """Return |E f(x) - E f(G(z))|^2, 0-d, averaged over the maps of `Discriminator.features`
        (Salimans et al. 2016, arXiv 1606.03498)."""
        means = [(a.float().mean(0) - b.float().mean(0)) for a, b in zip(real, fake, strict=True)]
        return torch.stack([gap.square().mean() for gap in means]).mean()

    @torch.no_grad()
    def accuracy(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the share of logits on the right side of the boundary, 0-d, half of it for each
        kind; a loss without one is given the middle between the two means."""
        middle = (real.mean() + fake.mean()) / 2 if self.boundary is None else self.boundary
        return ((real > middle).float().mean() + (fake < middle).float().mean()) / 2


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "none": lambda channels: nn.Identity(),
}
"""Normalisations by name, from the number of channels; all but `batch` look at one image alone."""


def one_hot(label: Tensor, classes: int, like: Tensor) -> Tensor:
    """Return labels [N] as [N, K] of the type of `like`, one where the class is.

    torch's own reads the labels back from a GPU.
    """
    return (label[:, None] == torch.arange(classes, device=label.device)).to(like)
