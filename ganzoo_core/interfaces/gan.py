"""The base class of GANs: losses, optimizers and stages, each in a method of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces.batch import BatchSpec, DataInfo
from ganzoo_core.interfaces.context import Rng, StepContext
from ganzoo_core.interfaces.discriminator_control import DiscriminatorControl
from ganzoo_core.interfaces.model import Model, OptimizerSpec, Phase, Stage
from ganzoo_core.interfaces.networks import Discriminator, Generator, Loss


@runtime_checkable
class AdaptiveAugmentation(Protocol):
    """An augmentation that adjusts its strength from the logits of real images, such as adaptive
    discriminator augmentation (ADA, Karras et al. 2020, arXiv 2006.06676)."""

    def __call__(self, image: Tensor, rng: Rng) -> Tensor:
        """Return augmented images [N, C, H, W]."""

    def observe(self, real_logits: Tensor, ctx: StepContext) -> None:
        """Receive the logits of real images minus the decision threshold."""

    def update(self, ctx: StepContext) -> None:
        """Update the strength after an update of D."""


class GAN(Model):
    """Generative adversarial network (Goodfellow et al. 2014, arXiv 1406.2661).

    A subclass sets `generator`, `discriminator` and `loss` in its constructor. With
    ``conditional = True`` both networks receive labels.
    """

    generator: Generator
    discriminator: Discriminator
    loss: Loss
    conditional = False
    d_accuracy: Tensor | None
    """Running accuracy of D, 0-d; None unless `model.d_control.freeze_above_accuracy` is set."""
    augment: Callable[[Tensor, Rng], Tensor] | AdaptiveAugmentation | None
    """Augmentation of the images that D receives, real and fake alike (see data/augment.py)."""

    def __init__(self, config: Any, info: DataInfo) -> None:
        super().__init__(config, info)
        self.augment = None  # on the instance: a class attribute would shadow a submodule
        tracks_accuracy = config is not None and config.d_control.freeze_above_accuracy
        self.register_buffer("d_accuracy", torch.tensor(0.5) if tracks_accuracy else None)

    def generate(self, n: int, label: Tensor | None, rng: Rng) -> Tensor:
        """Return images [n, C, H, W] in [-1, 1] (capability `sample`)."""
        z = self.generator.sample_latent(n, rng)
        return self.generator(z, label)  # type: ignore[no-any-return]

    def fake_images(self, ctx: StepContext) -> Tensor:
        """Return fakes [N, C, H, W]; both phases share them (with several micro-batches, each phase
        computes them again from the same numbers)."""
        return ctx.cached("fake", lambda: self.generate(len(ctx.batch), self.fake_labels(ctx), ctx))

    def fake_labels(self, ctx: StepContext) -> Tensor | None:
        """Return the labels [N] of the fakes: those of the real batch."""
        return ctx.batch.label if self.conditional else None

    def discriminator_loss(self, ctx: StepContext) -> Tensor:
        """Return the loss of D, 0-d. The fakes are detached, so G gets no gradient."""
        label, bound_loss = self.fake_labels(ctx), self.loss.bind(ctx)
        real_images = self.augment_for_d(ctx.batch.image, ctx)
        fake_images = self.augment_for_d(self.fake_images(ctx).detach(), ctx)
        wrong_label_weight = self.loss.wrong_label_weight_at(ctx)
        if wrong_label_weight:  # matching-aware: a real image with a wrong label counts as fake
            wrong_labels = self.sample_wrong_labels(ctx)
            real_logits, wrong_label_logits = self.discriminator.forward_labels(
                real_images, label, wrong_labels
            )
        else:
            real_logits = self.discriminator(real_images, label)
        fake_logits = self.discriminator(fake_images, label)
        accuracy = self.loss.accuracy(real_logits, fake_logits)
        ctx.log({"logits/real": real_logits.mean(), "logits/fake": fake_logits.mean()})
        ctx.log({"accuracy/d": accuracy})
        self.d_control.update_accuracy(ctx, accuracy)
        if isinstance(self.augment, AdaptiveAugmentation):
            self.augment.observe(real_logits - (self.loss.decision_threshold or 0), ctx)
        penalty = self.loss.penalty(
            lambda images: self.discriminator(images, label), real_images, fake_images, ctx
        )
        d_loss = bound_loss.discriminator_loss(real_logits, fake_logits)
        if wrong_label_weight:
            ctx.log({"logits/wrong_label": wrong_label_logits.mean()})
            d_loss = (1 - wrong_label_weight) * d_loss
            wrong_label_loss = bound_loss.discriminator_loss(real_logits, wrong_label_logits)
            d_loss = d_loss + wrong_label_weight * wrong_label_loss
        return d_loss + penalty

    def generator_loss(self, ctx: StepContext) -> Tensor:
        """Return the loss of G, 0-d. D is frozen; the gradient flows through it to G."""
        label, real_logits = self.fake_labels(ctx), None
        fake_images = self.augment_for_d(self.fake_images(ctx), ctx)
        fake_logits = self.discriminator(fake_images, label)
        if self.loss.needs_real_logits:
            real_logits = self.discriminator(self.augment_for_d(ctx.batch.image, ctx), label)
        g_loss = self.loss.bind(ctx).generator_loss(fake_logits, real_logits)
        if self.loss.feature_matching:
            real_images = self.augment_for_d(ctx.batch.image, ctx)
            distance = self.loss.feature_matching_loss(
                self.discriminator.features(real_images, label),
                self.discriminator.features(fake_images, label),
            )
            g_loss = g_loss + self.loss.feature_matching * distance
        return g_loss

    def augment_for_d(self, image: Tensor | None, ctx: StepContext) -> Tensor:
        """Return images [N, C, H, W] as D receives them: augmented where the model augments."""
        assert image is not None
        return image if self.augment is None else self.augment(image, ctx)

    def sample_wrong_labels(self, ctx: StepContext) -> Tensor:
        """Return labels [N] that the real images do not have.

        For age bins an adjacent one, since those are the hardest to separate; else each of the
        other classes with equal probability.
        """
        num_classes, label = len(self.info.class_names), ctx.batch.label
        assert label is not None
        if self.info.age_bins:
            direction = 1 - 2 * (ctx.rand(len(label)) < 0.5).long()
            return adjacent_label(label, direction, num_classes)
        offset = (ctx.rand(len(label)) * (num_classes - 1)).long()  # 0 .. K - 2
        return (label + 1 + offset.clamp_(max=num_classes - 2)) % num_classes

    def configure_optimizers(self) -> dict[str, OptimizerSpec]:
        """Return the optimizers of D and G, as `model.optim_d` and `model.optim_g` set them."""
        ema_halflife = self.config.ema_halflife_images
        return {
            "d": OptimizerSpec(("discriminator",), self.config.optim_d),
            "g": OptimizerSpec(("generator",), self.config.optim_g, ema_halflife=ema_halflife),
        }

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage. A step is `model.d_updates` updates of D, then one of G."""
        is_adaptive = isinstance(self.augment, AdaptiveAugmentation)
        check_loss(self.loss, self.discriminator, is_adaptive)
        has_labels = self.conditional and len(self.info.class_names) > 1
        if self.loss.wrong_label_weight and not has_labels:
            raise UsageError(
                "model.loss.wrong_label_weight: the discriminator receives no labels: "
                "--set model.loss.wrong_label_weight=0"
            )
        batch = BatchSpec(fields=("image",))
        if self.conditional:
            sampler = "class_balanced" if self.config.class_balanced else "random"
            batch = BatchSpec(fields=("image", "label"), sampler=sampler)  # type: ignore[arg-type]
        d = Phase(
            "d",
            optimizer="d",
            loss=self.discriminator_loss,
            repeats=self.config.d_updates,
            condition=self.d_control.should_step if self.d_control.can_freeze else None,
            after_step=self.after_d_step if self.loss.weight_clip or is_adaptive else None,
        )
        g = Phase(
            "g",
            optimizer="g",
            loss=self.generator_loss,
            after_step=self.maybe_reset_d if self.config.d_control.reset_every_epochs else None,
        )
        return (Stage("gan", (d, g), batch, epochs=self.config.epochs),)

    @property
    def d_control(self) -> DiscriminatorControl:
        """The control of D that `model.d_control` configures."""
        return DiscriminatorControl(self.config.d_control, self.d_accuracy)

    def maybe_reset_d(self, ctx: StepContext) -> None:
        """Reset D every `model.d_control.reset_every_epochs`."""
        self.d_control.maybe_reset(ctx, self.discriminator)

    def after_d_step(self, ctx: StepContext) -> None:
        """Clip the weights of D to [-c, c] (Arjovsky et al. 2017, arXiv 1701.07875) and update an
        adaptive augmentation."""
        if self.loss.weight_clip:
            for weight in self.discriminator.parameters():
                weight.clamp_(-self.loss.weight_clip, self.loss.weight_clip)
        if isinstance(self.augment, AdaptiveAugmentation):
            self.augment.update(ctx)


def adjacent_label(label: Tensor, direction: Tensor | int, num_classes: int) -> Tensor:
    """Return the labels one class up (direction 1) or down (-1); at an end the only neighbor."""
    neighbor = label + direction
    is_outside = (neighbor < 0) | (neighbor == num_classes)
    return torch.where(is_outside, label - direction, neighbor)


def check_loss(loss: Loss, discriminator: Discriminator, is_adaptive: bool = False) -> None:
    """Check that a loss can train this discriminator.

    Args:
        loss: with its regularizers.
        discriminator: the network.
        is_adaptive: whether the augmentation is adaptive.

    Raises:
        UsageError: a gradient penalty with BatchNorm in D; feature matching without
            `Discriminator.features`; ADA with a loss that has no decision threshold.
    """
    has_batchnorm = any(isinstance(module, _BatchNorm) for module in discriminator.modules())
    if loss.regularizers and has_batchnorm:
        raise UsageError(
            "model.loss: the gradient penalty is per image, but the BatchNorm of the discriminator "
            "mixes images: --set model.discriminator.norm=instance (or layer, or none)"
        )
    if loss.feature_matching and type(discriminator).features is Discriminator.features:
        raise UsageError(
            f"model.loss.feature_matching: {type(discriminator).__name__} has no features() to "
            "match: use another loss, or add that method"
        )
    if is_adaptive and loss.decision_threshold is None:
        raise UsageError(
            "model.augment: ada needs the share of real images that D classifies as real, and this "
            "loss has no decision threshold: --set model.loss.kind=bce, or another augment such as "
            "flip,translation"
        )
