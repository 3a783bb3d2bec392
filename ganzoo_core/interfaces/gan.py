"""The base class of GANs: a generator, a discriminator, a loss, terms, and an augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ganzoo_core.interfaces.batch import BatchSpec, DataInfo
from ganzoo_core.interfaces.context import Rng, StepContext
from ganzoo_core.interfaces.model import Model, OptimizerSpec, Phase, Stage
from ganzoo_core.interfaces.networks import Discriminator, Generator, Loss
from ganzoo_core.interfaces.term import DiscriminatorOutput, GeneratorOutput, Term, TermList


class GAN(Model):
    """Generative adversarial network (Goodfellow et al. 2014, arXiv 1406.2661).

    A subclass sets `generator`, `discriminator` and `loss` in its constructor. With
    ``conditional = True`` both networks receive labels. Everything else is a term
    (`model.terms`, `ganzoo list terms`).
    """

    generator: Generator
    discriminator: Discriminator
    loss: Loss
    terms: nn.ModuleDict
    conditional = False
    augment: Callable[[Tensor, Rng], Tensor] | None
    """Augmentation of the images that D receives, real and fake alike (see data/augment.py)."""

    def __init__(self, config: Any, info: DataInfo) -> None:
        super().__init__(config, info)
        self.augment = None  # on the instance: a class attribute would shadow a submodule
        options = {} if config is None else config.terms
        self.terms = nn.ModuleDict({name: option.build(name) for name, option in options.items()})

    def set_config(self, config: Any) -> None:
        """Use the options of a stage; the weights of the terms are among them."""
        super().set_config(config)
        for name, term in self.terms.items():
            options: Any = config.terms[name]
            term.weight = getattr(options, "weight", 1.0)  # type: ignore[arg-type]

    def generate(
        self, n: int, label: Tensor | None, rng: Rng, truncation: float | None = None
    ) -> Tensor:
        """Return images [n, C, H, W] in [-1, 1] (capability `sample`)."""
        z = self.generator.sample_latent(n, rng)
        if truncation is not None:
            z = self.generator.truncate(z, truncation)
        return self.generator(z, label)  # type: ignore[no-any-return]

    def discriminator_loss(self, ctx: StepContext) -> Tensor:
        """Return the loss of D, 0-d. The fakes are detached, so G gets no gradient."""
        out, terms = self.forward_discriminator(ctx), self.active_terms()
        loss = self.loss.bind(ctx).discriminator_loss(out.real_logits, out.fake_logits)
        return terms.adversarial_loss(ctx, out, loss) + terms.losses("discriminator", ctx, out)

    def generator_loss(self, ctx: StepContext) -> Tensor:
        """Return the loss of G, 0-d. D is frozen; the gradient flows through it to G."""
        out = self.forward_generator(ctx)
        loss = self.loss.bind(ctx).generator_loss(out.fake_logits, out.real_logits)
        return loss + self.active_terms().losses("generator", ctx, out)

    def forward_discriminator(self, ctx: StepContext) -> DiscriminatorOutput:
        """Return what D receives and returns in its phase."""
        terms, label = self.active_terms(), self.fake_labels(ctx)
        real_images = self.augment_for_d(ctx.batch.image, ctx)
        fake_images = self.augment_for_d(self.fake_images(ctx).detach(), ctx)
        extra_labels = terms.extra_labels(ctx)
        (real_logits, *extra_logits), real_heads = self.discriminator.forward_heads(
            real_images, [label, *extra_labels.values()], terms.heads
        )
        (fake_logits,), fake_heads = self.discriminator.forward_heads(
            fake_images, [label], terms.heads
        )
        ctx.log({"logits/real": real_logits.mean(), "logits/fake": fake_logits.mean()})
        accuracy = self.loss.accuracy(real_logits, fake_logits)
        ctx.log({"accuracy/d": accuracy})
        return DiscriminatorOutput(
            real_images,
            fake_images,
            label,
            real_logits,
            fake_logits,
            accuracy,
            real_heads,
            fake_heads,
            extra_logits=dict(zip(extra_labels, extra_logits, strict=True)),
        )

    def forward_generator(self, ctx: StepContext) -> GeneratorOutput:
        """Return what D receives and returns in G's phase."""
        label, real_logits = self.fake_labels(ctx), None
        fake_images = self.augment_for_d(self.fake_images(ctx), ctx)
        (fake_logits,), fake_heads = self.discriminator.forward_heads(
            fake_images, [label], self.active_terms().heads
        )
        if self.loss.needs_real_logits:
            real_logits = self.discriminator(self.augment_for_d(ctx.batch.image, ctx), label)
        return GeneratorOutput(fake_images, label, fake_logits, real_logits, fake_heads)

    def fake_images(self, ctx: StepContext) -> Tensor:
        """Return fakes [N, C, H, W]; both phases share them (with several micro-batches, each phase
        computes them again from the same numbers)."""
        return ctx.cached("fake", lambda: self.generate(len(ctx.batch), self.fake_labels(ctx), ctx))

    def fake_labels(self, ctx: StepContext) -> Tensor | None:
        """Return the labels [N] of the fakes: those of the real batch."""
        return ctx.batch.label if self.conditional else None

    def augment_for_d(self, image: Tensor | None, ctx: StepContext) -> Tensor:
        """Return images [N, C, H, W] as D receives them: augmented where the model augments."""
        assert image is not None
        return image if self.augment is None else self.augment(image, ctx)

    def active_terms(self) -> TermList:
        """Return the terms by name: those of `model.terms`, and an adaptive augmentation."""
        terms: dict[str, Any] = dict(self.terms.items())
        if isinstance(self.augment, Term):
            terms["augment"] = self.augment
        return TermList(self, terms)

    def configure_optimizers(self) -> dict[str, OptimizerSpec]:
        """Return the optimizers of D and G, as `model.optim_d` and `model.optim_g` set them."""
        ema_halflife = self.config.ema_halflife_images
        return {
            "d": OptimizerSpec(("discriminator",), self.config.optim_d),
            "g": OptimizerSpec(("generator",), self.config.optim_g, ema_halflife=ema_halflife),
        }

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage. A step is `model.d_updates` updates of D, then one of G."""
        terms = self.active_terms()
        terms.check()
        batch = BatchSpec(fields=("image",))
        if self.conditional:
            sampler = "class_balanced" if self.config.class_balanced else "random"
            batch = BatchSpec(fields=("image", "label"), sampler=sampler)  # type: ignore[arg-type]
        d = Phase(
            "d",
            optimizer="d",
            loss=self.discriminator_loss,
            repeats=self.config.d_updates,
            condition=terms.hook("should_update_d"),
            after_step=terms.hook("after_discriminator"),
        )
        after_g = terms.hook("after_generator")
        g = Phase("g", optimizer="g", loss=self.generator_loss, after_step=after_g)
        return (Stage("gan", (d, g), batch, epochs=self.config.epochs),)
