"""Terms of a GAN's losses: regularizers, conditioning losses, controls of the discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
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
    real_heads: dict[str, Tensor] = field(default_factory=dict)
    """Outputs of the heads that terms need (`Term.heads`), for the real images."""
    fake_heads: dict[str, Tensor] = field(default_factory=dict)
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
    fake_heads: dict[str, Tensor] = field(default_factory=dict)
    """Outputs of the heads that terms need (`Term.heads`)."""


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
    heads: tuple[str, ...] = ()
    """Optional heads of D whose outputs it needs: `class_log_probs`, `embedding`."""

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


class TermList(dict[str, Term]):
    """The terms of a GAN by name: what they add to its two losses and its two phases."""

    def __init__(self, gan: GAN) -> None:
        super().__init__(gan.terms.items())  # type: ignore[arg-type]
        if isinstance(gan.augment, Term):
            self["augment"] = gan.augment
        self.gan = gan

    def set_weights(self, options: Mapping[str, Any]) -> None:
        """Set the weights to those of `model.terms`."""
        for name, option in options.items():
            self[name].weight = getattr(option, "weight", 1.0)

    def check(self) -> None:
        """Refuse a model that a term cannot work with.

        Raises:
            UsageError: one line with the remedy.
        """
        for term in self.values():
            term.check(self.gan)

    @property
    def heads(self) -> list[str]:
        """The optional heads of D whose outputs the terms need."""
        return sorted({head for term in self.values() for head in term.heads})

    def d_hooks(self) -> dict[str, Any]:
        """Return `condition` and `after_step` of the phase of D."""
        return {
            "condition": self._used("should_update_d"),
            "after_step": self._used("after_discriminator"),
        }

    def g_hooks(self) -> dict[str, Any]:
        """Return `after_step` of the phase of G."""
        return {"after_step": self._used("after_generator")}

    def _used(self, method: str) -> Any:
        """Return a method of this list, or None if no term has its own version."""
        is_used = any(term.overrides(method) for term in self.values())
        return getattr(self, method) if is_used else None

    def extra_labels(self, ctx: StepContext) -> dict[str, Tensor]:
        """Return the labels [N] for which D also scores the real images, by the name of the
        term."""
        labels = {name: term.extra_labels(self.gan, ctx) for name, term in self.items()}
        return {name: value for name, value in labels.items() if value is not None}

    def adversarial_loss(self, ctx: StepContext, out: DiscriminatorOutput, loss: Tensor) -> Tensor:
        """Return the adversarial loss of D, 0-d, as the terms change it."""
        for term in self.values():
            loss = term.adversarial_loss(self.gan, ctx, out, loss)
        return loss

    def losses(
        self,
        network: Literal["discriminator", "generator"],
        ctx: StepContext,
        out: DiscriminatorOutput | GeneratorOutput,
    ) -> Tensor:
        """Return the weighted sum of what the terms add to the loss of a network, 0-d."""
        total = torch.zeros((), device=out.fake_logits.device)
        for name, term in self.items():
            if ctx.step % term.interval:
                continue
            value = getattr(term, network)(self.gan, ctx, out)
            if value is not None:
                value = term.weight * term.interval * value
                ctx.log({f"loss/{network[0]}_{name}": value})
                total = total + value
        return total

    def should_update_d(self, ctx: StepContext) -> Tensor:
        """Return whether the update of D counts, a 0-d bool tensor: no term objects."""
        should_update = torch.ones((), dtype=torch.bool, device=ctx.images_seen.device)
        for term in self.values():
            answer = term.should_update_d(self.gan, ctx)
            should_update = should_update if answer is None else should_update & answer
        return should_update

    def after_discriminator(self, ctx: StepContext) -> None:
        """Run the terms' hooks after an update of D."""
        for term in self.values():
            term.after_discriminator(self.gan, ctx)

    def after_generator(self, ctx: StepContext) -> None:
        """Run the terms' hooks after an update of G."""
        for term in self.values():
            term.after_generator(self.gan, ctx)
