"""Age estimator: a distribution over the ages 0 to 100, whose mean is the estimate.

Papers: Deep Expectation of Real and Apparent Age (Rothe, Timofte and Van Gool 2018,
doi 10.1007/s11263-016-0940-3): 101 classes and their expectation; PFA-GAN (Huang et al. 2020,
arXiv 2012.03459): the network, and the head that reads age groups off the 101 logits.

What differs: PFA-GAN's training code is not public. Here the target may be blurred over
neighbouring ages, and the error of the expectation is part of the loss.

Shapes: N batch, C channels, S size, K groups.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate, smooth_l1_loss

from ganzoo_age_estimator.networks import AGES, build
from ganzoo_core import Draw, Model, Player, Stage, Step
from ganzoo_core.data.augment import Augment


class AgeEstimator(Model):
    """`net` gives 101 logits, `groups` reads the age group off them."""

    serves = ("net", "groups")

    def __init__(self, config, info):
        super().__init__(config, info)
        self.input_size = info.size
        self.net = build(config, info.size)
        self.groups = nn.Linear(AGES, len(config.groups) + 1)
        self.augment = Augment(config.augment)

    # --- what it is for -----------------------------------------------------------------------

    def age_logits(self, image):
        """Return logits [N, 101] of images [N, C, H, W] in [-1, 1] of any size."""
        return self.net(self.fitted(image)).float()

    def estimate_age(self, image):
        """Return expected ages [N] in years."""
        return expectation(self.age_logits(image))

    def group_logits(self, image):
        """Return logits [N, K] over the groups of `config.groups`."""
        return self.groups(self.age_logits(image)).float()

    def fitted(self, image):
        """Return images [N, 3, S, S]: resized, grey ones in three channels."""
        size = (self.input_size, self.input_size)
        if image.shape[2:] != size:
            image = interpolate(image, size, mode="bilinear", antialias=True)
        return image if image.shape[1] == 3 else image.expand(-1, 3, -1, -1)

    # --- how it learns ------------------------------------------------------------------------

    def age_loss(self, t):
        """Cross entropy with the age, error of the expected age, cross entropy of the group."""
        c, age = self.config, t.batch.age
        logits = self.age_logits(self.augment(t.batch.image, t.noise))
        error = expectation(logits) - age
        t.log(age_error=error.detach().abs().mean())
        loss = cross_entropy(logits, blurred(age, c.spread))
        loss = loss + c.expectation * smooth_l1_loss(error, torch.zeros_like(error))
        return loss + c.group * cross_entropy(self.groups(logits).float(), t.batch.label)

    def players(self):
        """Return network and group head, which learn together."""
        return {"net": Player(("net", "groups"), self.config.optim, ema=self.config.ema)}

    def stages(self):
        """Return one stage over all images."""
        draw = Draw(fields=("image", "age", "label"))
        step = Step("age", "net", self.age_loss)
        return (Stage("age", (step,), draw, epochs=self.config.epochs),)


def years(like):
    """Return the ages 0 to 100 [101]."""
    return torch.arange(AGES, dtype=torch.float32, device=like.device)


def expectation(logits):
    """Return the mean age [N] of logits [N, 101]."""
    return logits.softmax(1) @ years(logits)


def blurred(age, spread):
    """Return target distributions [N, 101] for ages [N]: a bell `spread` years wide, or one age."""
    if not spread:
        return (age.round().clamp(0, AGES - 1)[:, None] == years(age)).float()
    distance = age.clamp(0, AGES - 1)[:, None] - years(age)
    return (-0.5 * (distance / spread) ** 2).softmax(1)
