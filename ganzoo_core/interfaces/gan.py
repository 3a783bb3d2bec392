"""The base class of GANs: a generator, a discriminator, a loss, terms, and an augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor, nn

from ganzoo_core.errors import UsageError
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
    augment: Callable[[Tensor, Rng], Tensor] | None
    """Augmentation of the images that D receives, real and fake alike (see data/augment.py)."""
    conditional = False

    def __init__(self, config: Any, info: DataInfo) -> None:
        super().__init__(config, info)
        self.augment = None  # on the instance: a class attribute would shadow a submodule
        options = {} if config is None else config.terms
        terms: dict[str, Term] = {name: option.build(name) for name, option in options.items()}
        self.terms = nn.ModuleDict(terms)
        # A list, which is no submodule: a model for sampling has its generator only.
        self.terms_with_codes = [term for term in terms.values() if term.overrides("prior")]

    def generate(
        self,
        n: int,
        label: Tensor | None,
        rng: Rng,
        truncation: float | None = None,
        code: int | None = None,
    ) -> Tensor:
        """Return images [n, C, H, W] in [-1, 1] (capability `sample`)."""
        z = self.sample_latents(n, rng, truncation, code)
        return self.generator(z, label)  # type: ignore[no-any-return]

    def sample_latents(
        self, n: int, rng: Rng, truncation: float | None = None, code: int | None = None
    ) -> Tensor:
        """Return z [n, latent_dim] of the prior, with the codes of the term `info`."""
        z = self.generator.sample_latent(n, rng)
        z = z if truncation is None else self.generator.truncate(z, truncation)
        if code is not None and not self.terms_with_codes:
            raise UsageError("code: z has no codes: train the model with the term info")
        for term in self.terms_with_codes:
            z = term.prior(z, rng, code)
        return z

    def discriminator_loss(self, ctx: StepContext) -> Tensor:
        """Return the loss of D, 0-d. The fakes are detached, so G gets no gradient."""
        out, terms = self.forward_discriminator(ctx), self.active_terms()
        loss = self.loss.bind(ctx).discriminator_loss(out.real_logits, out.fake_logits)
        return terms.adversarial_loss(ctx, out, loss) + terms.losses("discriminator", ctx, out)

    def generator_loss(self, ctx: StepContext) -> Tensor:
        """Return the loss of G, 0-d. D is frozen; the gradient flows through it to G."""
        out, terms = self.forward_generator(ctx), self.active_terms()
        loss = self.loss.bind(ctx).generator_loss(out.fake_logits, out.real_logits)
        loss = terms.generator_adversarial_loss(ctx, out, loss)
        return loss + terms.losses("generator", ctx, out)

    def forward_discriminator(self, ctx: StepContext) -> DiscriminatorOutput:
        """Return what D receives and returns in its phase."""
        label, terms = self.fake_labels(ctx), self.active_terms()
        real = self.augment_for_d(terms.real_images(ctx, ctx.batch.image), ctx)
        fake = self.augment_for_d(self.fake_images(ctx).detach(), ctx)
        extra, forward = terms.extra_labels(ctx), self.discriminator.forward_heads
        (real_logits, *others), real_heads = forward(real, [label, *extra.values()], terms.heads)
        (fake_logits,), fake_heads = forward(fake, [label], terms.heads)
        ctx.log(self.loss.statistics(real_logits, fake_logits))
        extra_logits = dict(zip(extra, others, strict=True))
        return DiscriminatorOutput(
            real, fake, label, real_logits, fake_logits, real_heads, fake_heads, extra_logits
        )

    def forward_generator(self, ctx: StepContext) -> GeneratorOutput:
        """Return what D receives and returns in G's phase."""
        label, real_logits = self.fake_labels(ctx), None
        fake, heads = self.augment_for_d(self.fakes_for_g(ctx), ctx), self.active_terms().heads
        (fake_logits,), fake_heads = self.discriminator.forward_heads(fake, [label], heads)
        if self.loss.needs_real_logits:
            real_logits = self.discriminator(self.augment_for_d(ctx.batch.image, ctx), label)
        return GeneratorOutput(fake, label, fake_logits, real_logits, fake_heads)

    def fake_images(self, ctx: StepContext) -> Tensor:
        """Return fakes [N, C, H, W], the same in both phases."""
        if self.active_terms().uses_latent:
            return ctx.cached("fake", lambda: self._fakes_of_latents(ctx, "discriminator"))
        return ctx.cached("fake", lambda: self.generate(len(ctx.batch), self.fake_labels(ctx), ctx))

    def fakes_for_g(self, ctx: StepContext) -> Tensor:
        """Return the fakes [N, C, H, W] of G's phase: those of `fake_images`, unless a term changes
        z by means of D, which has been updated since."""
        if not self.active_terms().changes_latent:
            return self.fake_images(ctx)
        return ctx.cached("fake of g", lambda: self._fakes_of_latents(ctx, "generator"))

    def latents(self, ctx: StepContext) -> Tensor:
        """Return z [N, latent_dim] of the fakes, for the terms with `uses_latent`, the same in both
        phases."""
        return ctx.cached("latent", lambda: self.sample_latents(len(ctx.batch), ctx))

    def changed_latents(
        self, ctx: StepContext, network: Literal["discriminator", "generator"]
    ) -> tuple[Tensor, Tensor]:
        """Return z [N, latent_dim] as the terms with `changes_latent` change it in the phase of a
        network, and the mean squared length of the change, 0-d."""
        z, label = self.latents(ctx), self.fake_labels(ctx)
        terms = self.active_terms()
        return ctx.cached(f"latent of {network}", lambda: terms.change_latent(ctx, z, label))

    def _fakes_of_latents(
        self, ctx: StepContext, network: Literal["discriminator", "generator"]
    ) -> Tensor:
        z, _ = self.changed_latents(ctx, network)
        return self.generator(z, self.fake_labels(ctx))  # type: ignore[no-any-return]

    def fake_labels(self, ctx: StepContext) -> Tensor | None:
        """Return the labels [N] of the fakes: those of the real batch."""
        return ctx.batch.label if self.conditional else None

    def augment_for_d(self, image: Tensor | None, ctx: StepContext) -> Tensor:
        """Return images [N, C, H, W] as D receives them: augmented where the model augments."""
        assert image is not None
        return image if self.augment is None else self.augment(image, ctx)

    def active_terms(self) -> TermList:
        """Return the terms by name: those of `model.terms`, and an adaptive augmentation."""
        return TermList(self)

    def set_config(self, config: Any) -> None:
        """Use the options of a stage; the weights of the terms are among them."""
        super().set_config(config)
        self.active_terms().set_weights(config.terms)

    def configure_optimizers(self) -> dict[str, OptimizerSpec]:
        """Return the optimizers of D and G, as `model.optim_d` and `model.optim_g` set them."""
        ema_halflife = self.config.ema_halflife_images
        return {
            "d": OptimizerSpec(("discriminator",), self.config.optim_d),
            "g": OptimizerSpec(("generator",), self.config.optim_g, ema_halflife=ema_halflife),
        }

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage. A step is `model.d_updates` updates of D, then one of G."""
        config, terms = self.config, self.active_terms()
        terms.check()
        fields = ("image", "label") if self.conditional else ("image",)
        is_balanced = self.conditional and config.class_balanced
        batch = BatchSpec(fields=fields, sampler="class_balanced" if is_balanced else "random")
        d = Phase("d", "d", self.discriminator_loss, repeats=config.d_updates, **terms.d_hooks())
        g = Phase("g", "g", self.generator_loss, **terms.g_hooks())
        return (Stage("gan", (d, g), batch, epochs=config.epochs),)
