"""The two networks of a GAN, and the adversarial loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces.context import Rng, StepContext

LogitFn = Callable[[Tensor], Tensor]
"""Images [N, C, H, W] to logits [N]: the discriminator with fixed labels."""


class Generator(nn.Module, ABC):
    """Maps a latent z and, if conditional, labels to images."""

    latent_dim: int
    """Length of z."""
    prior: str = "normal"
    """"normal" for z ~ N(0, 1), "uniform" for z ~ U(-1, 1)."""

    def sample_latent(self, n: int, rng: Rng) -> Tensor:
        """Return z [n, latent_dim] from the prior; override for another one."""
        if self.prior == "uniform":
            return rng.uniform(-1, 1, n, self.latent_dim)
        return rng.randn(n, self.latent_dim)

    def truncate(self, z: Tensor, threshold: float) -> Tensor:
        """Return z [n, latent_dim] of the prior truncated to |z| < threshold.

        It is a monotone function of z, so images of one seed change gradually with the threshold.
        Override it together with `sample_latent`.

        Raises:
            UsageError: `sample_latent` has another prior.
        """
        if type(self).sample_latent is not Generator.sample_latent:
            raise UsageError(
                f"truncation: {type(self).__name__} has a prior of its own, and no truncate()"
            )
        if self.prior == "uniform":
            return z * min(threshold, 1.0)
        bound = torch.special.ndtr(torch.tensor(threshold, dtype=torch.float64))
        quantile = torch.special.ndtr(z.cpu().double())  # float64: some devices lack it
        truncated: Tensor = torch.special.ndtri(1 - bound + (2 * bound - 1) * quantile)
        return truncated.to(z)

    @abstractmethod
    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return images [N, C, H, W] in [-1, 1] from z [N, latent_dim] and labels [N]."""


class Discriminator(nn.Module, ABC):
    """Maps images to logits, never to probabilities.

    `forward` is all that a GAN needs. Some terms need `features`, or an optional head: a method
    such as `class_log_probs` or `embedding`, or a module in `self.heads`
    (`ganzoo_core.losses.make_heads`) of a discriminator that has `pooled` and `logit`.
    """

    uses_label: bool = True
    """Whether the logit depends on the label, for conditional models."""

    @abstractmethod
    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        """Return logits [N], or [N, 1, h, w] for patches, from images [N, C, H, W] in [-1, 1]."""

    def forward_heads(
        self, image: Tensor, labels: Sequence[Tensor | None], heads: Sequence[str] = ()
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return the logits of the same images [N, C, H, W] for each of several labels [N], and the
        outputs of optional heads by name (`class_log_probs`, `embedding`).

        The heads in `self.heads` receive the features of `pooled`, which are computed once.
        Override it where other heads share features of the image.
        """
        modules = getattr(self, "heads", {})
        if not any(head in modules for head in heads):
            logits = [self(image, label) for label in labels]
            return logits, {head: getattr(self, head)(image) for head in heads}
        h = self.pooled(image)
        outputs = {
            head: modules[head](h) if head in modules else getattr(self, head)(image)
            for head in heads
        }
        return [self.logit(h, label) for label in labels], outputs

    def has_head(self, name: str) -> bool:
        """Return whether it has an optional head: a module in `self.heads`, or a method."""
        if name in getattr(self, "heads", {}):
            return True
        missing = getattr(Discriminator, name, None)
        found = getattr(self, name, None)
        return found is not None and getattr(found, "__func__", found) is not missing

    def find_head(self, name: str) -> Any:
        """Return an optional head: the module in `self.heads`, else the attribute."""
        modules = getattr(self, "heads", {})
        return modules[name] if name in modules else getattr(self, name)

    def pooled(self, image: Tensor) -> Tensor:
        """Return the features [N, F] of images that the heads in `self.heads` receive. Optional."""
        raise TypeError(f"{type(self).__name__} has no pooled() for heads")

    def logit(self, features: Tensor, label: Tensor | None = None) -> Tensor:
        """Return logits [N] from the features [N, F] of `pooled` and labels [N]. Optional."""
        raise TypeError(f"{type(self).__name__} has no logit() for heads")

    def reset_parameters(self) -> None:
        """Initialize the weights again; override where torch's own initialization is not used."""
        for module in self.modules():
            if module is not self and callable(reset := getattr(module, "reset_parameters", None)):
                reset()

    def features(self, image: Tensor, label: Tensor | None = None) -> list[Tensor]:
        """Return the feature maps that feature matching compares. Optional."""
        raise TypeError(f"{type(self).__name__} has no features() for feature matching")

    def class_log_probs(self, image: Tensor) -> Tensor:
        """Return log-probabilities [N, 2K] of K real and K fake classes, for ADC. Optional."""
        raise TypeError(f"{type(self).__name__} has no class_log_probs() for ADC")

    def embedding(self, image: Tensor) -> Tensor:
        """Return embeddings, unit vectors [N, E], for D2D-CE. Optional."""
        raise TypeError(f"{type(self).__name__} has no embedding() for D2D-CE")


class Loss(ABC):
    """An adversarial loss. Logits may be half precision; losses are fp32."""

    needs_real_logits = False
    """Whether `generator_loss` needs the logits of real images."""
    decision_threshold: float | None = 0.0
    """The logit above which an image counts as real; None for losses that only compare."""

    @abstractmethod
    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss, 0-d, from the logits of real and of fake images."""

    @abstractmethod
    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return the generator's loss, 0-d. Losses that compare pairs need `real_logits` too."""

    def bind(self, ctx: StepContext) -> Loss:
        """Return the loss for this step. A loss that uses the mean of the global batch takes
        `ctx.all_reduce_mean`, since a rank may hold only a part of the batch."""
        return self

    def statistics(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        """Return what is logged in the phase of D, 0-d: the mean logits and the accuracy."""
        return {
            "logits/real": real_logits.mean(),
            "logits/fake": fake_logits.mean(),
            "accuracy/d": self.accuracy(real_logits, fake_logits),
        }

    @torch.no_grad()
    def accuracy(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the balanced accuracy of D, 0-d in [0, 1]. Losses without a decision threshold use
        the middle between the two mean logits."""
        threshold: Tensor | float | None = self.decision_threshold
        if threshold is None:
            threshold = (real_logits.mean() + fake_logits.mean()) / 2
        is_real_correct, is_fake_correct = real_logits > threshold, fake_logits < threshold
        return (is_real_correct.float().mean() + is_fake_correct.float().mean()) / 2
