"""Terms of a GAN's losses: regularizers, conditioning losses, controls of the discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces.context import Rng, StepContext

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
    parts: tuple[str, ...] = ()
    """Other optional parts of D that it uses: `class_proxies`."""
    models_with_heads: str = "dcgan, sngan"
    """The models of this repository whose D has them, for the message of `check`."""
    uses_latent: bool = False
    """Whether it uses `GAN.latents`, the z of the fakes."""
    changes_latent: bool = False
    """Whether it has `change_latent`."""
    needs_labels: bool = False
    """Whether it needs images with classes, and a generator that receives them."""

    def check(self, gan: GAN) -> None:
        """Refuse a model that this term cannot work with: here, one without its heads or labels.

        Raises:
            UsageError: one line with the remedy.
        """
        network, remove = type(gan.discriminator).__name__, f"--set model.terms.{self.name}=none"
        if self.needs_labels and not (gan.conditional and len(gan.info.class_names) > 1):
            raise UsageError(
                f"model.terms.{self.name} needs labels: {remove}, or take data with classes "
                "(--data fashion-mnist) and a model that receives them (sngan)"
            )
        for head in (*self.heads, *self.parts):
            if not gan.discriminator.has_head(head):
                raise UsageError(
                    f"model.terms.{self.name}: {network} has no {head}: {remove}, or take a model "
                    f"whose discriminator has it ({self.models_with_heads})"
                )

    def build_heads(self, feature_dim: int, num_classes: int) -> dict[str, nn.Module]:
        """Return the heads that a discriminator with `Discriminator.pooled` builds for this term,
        by name; they map features [N, feature_dim]."""
        return {}

    def prior(self, z: Tensor, rng: Rng, code: int | None = None) -> Tensor:
        """Return z [N, latent_dim] with codes in it, in training and at sampling.

        Args:
            z: of the prior of the generator.
            rng: of random codes.
            code: the code that was chosen at sampling (`ganzoo sample --set code=3`), or None.
        """
        return z

    def change_latent(
        self, gan: GAN, ctx: StepContext, z: Tensor, label: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return other z [N, latent_dim] for the fakes of a phase, in training only, and the mean
        squared length of the change, 0-d."""
        return z, z.new_zeros(())

    def real_images(self, gan: GAN, ctx: StepContext, images: Tensor) -> Tensor:
        """Return the real images [N, C, H, W] of D's phase, possibly others, before they are
        augmented."""
        return images

    def extra_labels(self, gan: GAN, ctx: StepContext) -> Tensor | None:
        """Return labels [N] for which D also scores the real images; None for none."""
        return None

    def adversarial_loss(
        self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput, loss: Tensor
    ) -> Tensor:
        """Return the adversarial loss of D, 0-d, possibly changed."""
        return loss

    def generator_adversarial_loss(
        self, gan: GAN, ctx: StepContext, out: GeneratorOutput, loss: Tensor
    ) -> Tensor:
        """Return the adversarial loss of G, 0-d, possibly changed."""
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

    @property
    def uses_latent(self) -> bool:
        """Whether a term uses the z of the fakes."""
        return any(term.uses_latent for term in self.values())

    @property
    def changes_latent(self) -> bool:
        """Whether a term changes the z of the fakes in each phase."""
        return any(term.changes_latent for term in self.values())

    def change_latent(
        self, ctx: StepContext, z: Tensor, label: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return z [N, latent_dim] as the terms change it, and the mean squared length of the
        change, 0-d."""
        total = z.new_zeros(())
        for term in self.values():
            z, length = term.change_latent(self.gan, ctx, z, label)
            total = total + length
        return z, total

    def real_images(self, ctx: StepContext, images: Tensor | None) -> Tensor | None:
        """Return the real images [N, C, H, W] of D's phase as the terms change them."""
        for term in self.values():
            if images is not None and term.overrides("real_images"):
                images = term.real_images(self.gan, ctx, images)
        return images

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

    def generator_adversarial_loss(
        self, ctx: StepContext, out: GeneratorOutput, loss: Tensor
    ) -> Tensor:
        """Return the adversarial loss of G, 0-d, as the terms change it."""
        for term in self.values():
            loss = term.generator_adversarial_loss(self.gan, ctx, out, loss)
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
