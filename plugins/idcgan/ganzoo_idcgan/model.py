"""IDCGAN: one encoder, one generator, any age from any age.

Paper: Bidirectional Face Aging Synthesis Based on Improved Deep Convolutional Generative
Adversarial Networks (Liu, Zou, Xie, Kuang and Ma 2019, Information 10(2):69,
doi 10.3390/info10020069).

    z = E(x)    G(connector[z, y])  is the person of x at age group y, older or younger
    L_D = adversarial, on real faces and on the aged, each with its age
    L_G = adversarial + pixel |G[z, y_x] - x| + age(G[z, y]) + feature |D_m(G[z, y]) - D_m(x)|^2

D_m is D's middle layer; the age loss comes from a frozen judge of the role `age`.

What differs: the data sets here do not tell the gender, so the connector is [z, age] and what is
left of the gender stays in z. The paper gives neither weights nor widths: those of the presets
were tried on `people`. The age loss is the distance of the judge's age to the mean of the group.
The face at its own age and the face at another are drawn in one pass.

Shapes: N batch, T targets, Z latent, K classes, S size.
"""

import math

import torch
from torch.nn.functional import l1_loss, mse_loss

from ganzoo_core import Draw, Model, Player, Stage, Step
from ganzoo_core.errors import UsageError
from ganzoo_core.losses import BCE
from ganzoo_idcgan.networks import AgedGenerator, AgeDiscriminator, Connector, Encoder

DECADE = 10.0
"""Years."""


class IDCGAN(Model):
    """E says who it is, G draws that person at an age, D tells drawn faces from real ones."""

    reconstructs = True
    serves = ("encoder", "connector", "generator")

    def __init__(self, config, info):
        super().__init__(config, info)
        check(info)
        shape = (info.size, info.channels)
        self.connector = Connector(config, len(info.classes))
        self.encoder = Encoder(config, *shape)
        self.generator = AgedGenerator(config, *shape, self.connector.width)
        self.discriminator = AgeDiscriminator(config, *shape, len(info.classes))
        self.adversarial = BCE(real_target=config.real_target)
        means = [math.nan if age is None else age for age in info.mean_ages]
        self.register_buffer("mean_ages", torch.tensor(means), persistent=False)

    # --- what it is for -----------------------------------------------------------------------

    def draw(self, z, label):
        """Return the people z [N, Z] at groups [N], as images [N, C, S, S] in [-1, 1]."""
        return self.generator(self.connector(z, label))

    def translate(self, image, label):
        """Return images [N, C, S, S] at groups [N] (capability `translate`)."""
        return self.draw(self.encoder(image), label)

    def age(self, images, source_age, target_groups):
        """Return the same people at groups [N, T], as [N, T, C, S, S] (capability `edit_age`).

        The source age is not asked for: a face's own group gives its reconstruction.
        """
        n, targets = target_groups.shape
        z = self.encoder(images).repeat_interleave(targets, 0)  # [N T, Z]
        return self.draw(z, target_groups.flatten()).unflatten(0, (n, targets))

    # --- the two steps ------------------------------------------------------------------------

    def drawn(self, t):
        """Return the faces at other ages and at their own, and the groups asked for, once a draw.

        A face is asked for at the age of the next one in the batch, so that D sees drawn faces of
        each age as often as real ones.
        """

        def make():
            asked, z = t.batch.label.roll(1), self.encoder(t.batch.image)
            both = self.draw(torch.cat([z, z]), torch.cat([asked, t.batch.label]))  # [2N, ...]
            return (*both.chunk(2), asked)

        return t.once("drawn", make)

    def discriminator_loss(self, t):
        """Tell real faces from aged ones, which are detached, each with its age."""
        aged, _, asked = self.drawn(t)
        real_logit = self.discriminator(t.batch.image, t.batch.label)
        fake_logit = self.discriminator(aged.detach(), asked)
        accuracy = self.adversarial.accuracy(real_logit, fake_logit)
        t.log(d_real=real_logit.mean(), d_fake=fake_logit.mean(), d_accuracy=accuracy)
        return self.adversarial.d(real_logit, fake_logit)

    def generator_loss(self, t):
        """Fool D, show the age, keep the pixels at the own age and D's view of the person."""
        aged, same, asked = self.drawn(t)
        (maps,) = self.discriminator.features(aged)
        with torch.no_grad():
            (before,) = self.discriminator.features(t.batch.image)
        years = self.judges["age"].estimate_age(aged) - self.mean_ages[asked]
        terms = {
            "adversarial": self.adversarial.g(self.discriminator.judge(maps, asked)),
            "pixel": l1_loss(same, t.batch.image),
            "age": years.abs().mean() / DECADE,
            "feature": mse_loss(maps.float(), before.float()),
        }
        t.log(**{f"g_{name}": value for name, value in terms.items()})
        return sum(getattr(self.config.weights, name) * value for name, value in terms.items())

    def players(self):
        """Return D, and encoder and generator as one."""
        c = self.config
        return {
            "d": Player(("discriminator",), c.optim_d),
            "g": Player(("encoder", "generator"), c.optim_g, ema=c.ema),
        }

    def stages(self):
        """Return one stage: a D step, then one of encoder and generator."""
        steps = (Step("d", "d", self.discriminator_loss), Step("g", "g", self.generator_loss))
        draw = Draw(fields=("image", "label"))
        return (Stage("gan", steps, draw, epochs=self.config.epochs),)


def check(info):
    """Refuse data without ages, and sizes that halving does not bring to 4 px."""
    if not info.groups:
        raise UsageError("idcgan needs data with ages and model.groups to cut them, such as people")
    if info.size < 32 or info.size & (info.size - 1):
        raise ValueError(
            f"data.size: idcgan draws 32, 64, 128 ... px, not {info.size}: --set data.size=64"
        )
