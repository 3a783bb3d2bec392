"""Terms of a GAN's losses: regularizers, conditioning losses, controls of the discriminator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ganzoo_core.interfaces.context import StepContext

if TYPE_CHECKING:
    from ganzoo_core.interfaces.gan import GAN


@dataclass
class DiscriminatorOutput:
    """What D received and returned in its phase."""

    real_images: Tensor
    """[N, C, H, W] as D received them, augmented."""
    fake_images: Tensor
    """[N, C, H, W] as D received them, augmented and detached."""
    label: Tensor | None
    """[N] labels of both, for conditional models."""
    real_logits: Tensor
    fake_logits: Tensor
    accuracy: Tensor
    """Balanced accuracy of D, 0-d (`Loss.accuracy`)."""
    real_embedding: Tensor | None = None
    """[N, E], if a term sets `needs_embedding`."""
    extra_logits: dict[str, Tensor] = field(default_factory=dict)
    """Logits of the real images for the labels of `Term.extra_labels`, by the name of the term."""


@dataclass
class GeneratorOutput:
    """What D received and returned in G's phase."""

    fake_images: Tensor
    """[N, C, H, W] as D received them, augmented."""
    label: Tensor | None
    fake_logits: Tensor
    real_logits: Tensor | None = None
    """For losses that compare with real images."""
    fake_embedding: Tensor | None = None
    """[N, E], if a term sets `needs_embedding`."""


class Term(nn.Module):
    """One term of a GAN's losses. `[model.terms.NAME]` configures it; a plugin registers a
    `TermSpec`.

    A term overrides only the methods that it needs. State lives in buffers, so that it resumes.
    Losses are returned without their weight: `GAN` multiplies by `weight`, and by `interval` where
    a lazy term runs in every `interval`-th step only (Karras et al. 2020, arXiv 1912.04958).
    """

    name: str = ""
    """Its name in `model.terms`; `TermOptions.build` sets it, `weight` and `interval`."""
    weight: float = 1.0
    interval: int = 1
    needs_embedding: bool = False
    """Whether D must return embeddings too (`Discriminator.logits_and_embedding`)."""

    def check(self, gan: GAN) -> None:
        """Refuse a model that this term cannot work with.

        Raises:
            UsageError: one line with the remedy.
        """

    def extra_labels(self, gan: GAN, ctx: StepContext) -> Tensor | None:
        """Return labels [N] for which D also scores the real images; None for none."""
        return None

    def adversarial_loss(
        self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput, loss: Tensor
    ) -> Tensor:
        """Return the adversarial loss of D, 0-d, possibly changed."""
        return loss

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor | None:
        """Return what is added to the loss of D, 0-d; None for nothing."""
        return None

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor | None:
        """Return what is added to the loss of G, 0-d; None for nothing."""
        return None

    def should_update_d(self, gan: GAN, ctx: StepContext) -> Tensor | None:
        """Return whether updates of D count in this step, a 0-d bool tensor; None for always."""
        return None

    def after_discriminator(self, gan: GAN, ctx: StepContext) -> None:
        """Called after each update of D, without gradients."""

    def after_generator(self, gan: GAN, ctx: StepContext) -> None:
        """Called after each update of G, without gradients."""

    def overrides(self, method: str) -> bool:
        """Return whether this term has its own version of a method."""
        return getattr(type(self), method) is not getattr(Term, method)
