"""Image to image: pairs of classes, an adversary, and a frozen judge of identity."""

import torch
from torch import nn

from ganzoo_core import Adam, Draw, Model, Player, Stage, Step
from ganzoo_core.losses import LeastSquares
from zoo_of_proofs.parts import SmallD, one_hot


class Judged(Model):
    """G moves an image into the class of its target; the judge sees that it stays the person."""

    uses = ("identity",)
    loss = LeastSquares()

    def __init__(self, config, info):
        super().__init__(config, info)
        self.classes = len(info.classes)
        inputs = info.channels + self.classes
        self.generator = nn.Sequential(
            nn.Conv2d(inputs, 8, 3, 1, 1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, info.channels, 3, 1, 1),
            nn.Tanh(),
        )
        self.discriminator = SmallD(info)

    def translate(self, image, label):
        """Return images [N, C, H, W] of the target labels [N]."""
        maps = one_hot(label, self.classes).to(image)[:, :, None, None]
        return self.generator(torch.cat([image, maps.expand(-1, -1, *image.shape[2:])], 1))

    def fake(self, t):
        """Return one translation a draw, for both steps."""
        return t.once("fake", lambda: self.translate(t.batch.image, t.batch.target.label))

    def d_loss(self, t):
        """Real images are those of the target class."""
        real = self.discriminator(t.batch.target.image)
        return self.loss.d(real, self.discriminator(self.fake(t).detach()))

    def g_loss(self, t):
        """Fool D, stay the same person."""
        judge, fake = self.judges["identity"], self.fake(t)
        identity = (judge.embed(fake) - judge.embed(t.batch.image)).square().sum(1).mean()
        t.log(g_identity=identity)
        return self.loss.g(self.discriminator(fake)) + identity

    def players(self):
        """The judge is none of them."""
        d = Player(("discriminator",), Adam(lr=1e-2))
        return {"d": d, "g": Player(("generator",), Adam(lr=1e-2), ema=50.0)}

    def stages(self):
        """Pairs of two classes."""
        steps = (Step("d", "d", self.d_loss), Step("g", "g", self.g_loss))
        return (Stage("pairs", steps, Draw(fields=("image", "label"), how="pairs"), rounds=8),)
