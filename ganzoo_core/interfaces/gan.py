"""The plain GAN: both gradient steps in plain sight, every part overridable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces.batch import DataInfo, Draw, How
from ganzoo_core.interfaces.cures import Warden
from ganzoo_core.interfaces.model import Model, Player, Stage, Step
from ganzoo_core.interfaces.networks import Discriminator, Generator, Loss
from ganzoo_core.interfaces.turn import Noise, Turn


@runtime_checkable
class Adaptive(Protocol):
    """An augmentation that follows what D says of real images, such as data/ada.py's."""

    def __call__(self, image: Tensor, noise: Noise) -> Tensor:
        """Return images [N, C, H, W] augmented."""

    def observe(self, real: Tensor, t: Turn) -> None:
        """Take D's logits of real images, less the boundary."""

    def update(self, t: Turn) -> None:
        """Adapt, after a step of D."""


class GAN(Model):
    """Generator against discriminator (Goodfellow et al. 2014, arXiv 1406.2661).

    A subclass sets the three parts in its constructor and says `players()`; conditional ones say
    ``conditional = True`` and get labels in both networks.
    """

    generator: Generator
    discriminator: Discriminator
    loss: Loss
    conditional = False
    d_accuracy: Tensor | None
    """Of D over the last batches, 0-d, where `model.cures` asks for it."""
    augment: Callable[[Tensor, Noise], Tensor] | Adaptive | None
    """What the discriminator sees images through, real and fake alike (see data/augment.py)."""

    def __init__(self, config: Any, info: DataInfo) -> None:
        super().__init__(config, info)
        self.augment = None  # of the object: one of the class would hide a module of that name
        watched = config is not None and config.cures.halt_d_above
        self.register_buffer("d_accuracy", torch.tensor(0.5) if watched else None)

    def fake(self, t: Turn) -> Tensor:
        """Return fakes [N, C, H, W], made once a draw and shared by both steps."""
        return t.once("fake", lambda: self.generate(len(t.batch), self.labels(t), t.noise))

    def labels(self, t: Turn) -> Tensor | None:
        """Return the labels of the fakes [N]: those of the real batch."""
        return t.batch.label if self.conditional else None

    def other_labels(self, t: Turn) -> Tensor:
        """Return labels [N] that the real images do not have: of age groups a neighbour, since
        those are hard to tell apart, else each of the others equally often."""
        classes, label = len(self.info.classes), t.batch.label
        assert label is not None
        if self.info.groups:
            return beside(label, 1 - 2 * (t.noise(len(label), kind="unit") < 0.5).long(), classes)
        ahead = (t.noise(len(label), kind="unit") * (classes - 1)).long()  # 0 .. K - 2
        return (label + 1 + ahead.clamp_(max=classes - 2)) % classes

    def generate(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Return images [n, C, H, W] in [-1, 1] (capability `sample`)."""
        return self.generator(self.generator.latent(noise, n), label)  # type: ignore[no-any-return]

    def discriminator_loss(self, t: Turn) -> Tensor:
        """Tell real from fake: the fakes are detached, so only D learns."""
        label = self.labels(t)
        real, fake = self.shown(t.batch.image, t), self.shown(self.fake(t).detach(), t)
        if share := self.loss.mismatch_in(t):
            asked = label, self.other_labels(t)
            real_logit, wrong_logit = self.discriminator.under(real, *asked)
        else:
            real_logit = self.discriminator(real, label)
        fake_logit = self.discriminator(fake, label)
        accuracy = self.loss.accuracy(real_logit, fake_logit)
        t.log(d_real=real_logit.mean(), d_fake=fake_logit.mean(), d_accuracy=accuracy)
        self.warden.watch(t, accuracy)
        if isinstance(self.augment, Adaptive):
            self.augment.observe(real_logit - (self.loss.boundary or 0), t)
        penalty = self.loss.penalty(lambda x: self.discriminator(x, label), real, fake, t.noise)
        loss = self.loss.within(t).d(real_logit, fake_logit)
        if share:
            t.log(d_wrong=wrong_logit.mean())
            loss = (1 - share) * loss + share * self.loss.within(t).d(real_logit, wrong_logit)
        return loss + penalty

    def generator_loss(self, t: Turn) -> Tensor:
        """Fool the discriminator, which is frozen; the gradient flows through it to G."""
        label = self.labels(t)
        fake, real_logit = self.shown(self.fake(t), t), None
        fake_logit = self.discriminator(fake, label)
        if self.loss.pairs:
            real_logit = self.discriminator(self.shown(t.batch.image, t), label)
        loss = self.loss.within(t).g(fake_logit, real_logit)
        if self.loss.feature_matching:
            features, real = self.discriminator.features, self.shown(t.batch.image, t)
            gap = self.loss.matching(features(real, label), features(fake, label))
            loss = loss + self.loss.feature_matching * gap
        return loss

    def shown(self, image: Tensor | None, t: Turn) -> Tensor:
        """Return images as the discriminator sees them: augmented, where the model augments."""
        assert image is not None
        return image if self.augment is None else self.augment(image, t.noise)

    def players(self) -> dict[str, Player]:
        """Return the two players; rates and averaging come from the configuration."""
        return {
            "d": Player(("discriminator",), self.config.optim_d),
            "g": Player(("generator",), self.config.optim_g, ema=self.config.ema),
        }

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage: D steps, then a G step, a round."""
        adapts = isinstance(self.augment, Adaptive)
        check_loss(self.loss, self.discriminator, adapts)
        if self.loss.mismatch and not (self.conditional and len(self.info.classes) > 1):
            raise UsageError(
                "model.loss.mismatch: there are no wrong labels where D sees none: "
                "--set model.loss.mismatch=0"
            )
        draw = Draw(fields=("image",))
        if self.conditional:
            how: How = "balanced" if self.config.balanced else "shuffle"
            draw = Draw(fields=("image", "label"), how=how)
        d = Step(
            "d",
            "d",
            self.discriminator_loss,
            repeat=self.config.d_steps,
            when=self.warden.lets_learn if self.warden.halts else None,
            after=self.after_d if self.loss.clip or adapts else None,
        )
        g = Step(
            "g", "g", self.generator_loss, after=self.renew if self.config.cures.reset_d else None
        )
        return (Stage("gan", (d, g), draw, epochs=self.config.epochs),)

    @property
    def warden(self) -> Warden:
        """What holds D back, where `model.cures` says so."""
        return Warden(self.config.cures, self.d_accuracy)

    def renew(self, t: Turn) -> None:
        """Let D begin anew when its time is up."""
        self.warden.renew(t, self.discriminator)

    def after_d(self, t: Turn) -> None:
        """Cut D's weights to [-clip, clip] (Arjovsky et al. 2017, arXiv 1701.07875); adapt what it
        sees images through."""
        for weight in self.discriminator.parameters() if self.loss.clip else ():
            weight.clamp_(-self.loss.clip, self.loss.clip)
        if isinstance(self.augment, Adaptive):
            self.augment.update(t)


def beside(label: Tensor, step: Tensor | int, classes: int) -> Tensor:
    """Return the neighbours of labels, a step of 1 or -1 away; at either end the only one."""
    there = label + step
    return torch.where((there < 0) | (there == classes), label - step, there)


def check_loss(loss: Loss, discriminator: Discriminator, adapts: bool = False) -> None:
    """Refuse a loss that this discriminator cannot play for.

    Args:
        adapts: an augmentation follows D's logits.

    Raises:
        UsageError: a gradient for each image through BatchNorm, which mixes them; features to
            match that are not offered; logits without a boundary for ADA to follow.
    """
    mixed = [m for m in discriminator.modules() if isinstance(m, _BatchNorm)]
    if loss.regularizers and mixed:
        raise UsageError(
            "model.loss: its penalty takes the gradient of D for each image, and D's BatchNorm "
            "mixes them: --set model.discriminator.norm=instance (or layer, or none)"
        )
    if loss.feature_matching and type(discriminator).features is Discriminator.features:
        raise UsageError(
            f"model.loss.feature_matching: {type(discriminator).__name__} offers no features to "
            "match: take another loss, or give it a method features()"
        )
    if adapts and loss.boundary is None:
        raise UsageError(
            "model.augment: ada follows how many real images D takes for real, and this loss only "
            "compares: --set model.loss.kind=bce, or another augment such as flip,translation"
        )
