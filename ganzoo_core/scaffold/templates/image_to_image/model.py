"""Turns an image into one of another class, and back again.

Paper: StarGAN (Choi et al. 2018, arXiv 1711.09020), small: D is told the class, with the hinge.
What differs: say here what is yours.

Shapes: N batch, K classes, W width, S size, C channels.
"""

import torch
from torch import nn

from ganzoo_core import Discriminator, Draw, Model, Player, Stage, Step
from ganzoo_core.losses import Hinge


def with_label(image, label, classes):
    """Return images [N, C, S, S] with one map a class, [N, C + K, S, S]."""
    y = nn.functional.one_hot(label, classes).to(image)  # [N, K]
    return torch.cat([image, y[:, :, None, None].expand(-1, -1, *image.shape[2:])], 1)


def down(a, b):
    """Return conv, LeakyReLU: halves the edge."""
    return nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2)


class MyPluginTranslator(nn.Module):
    """(image, label) -> halved twice -> put together again -> image."""

    def __init__(self, w, info):
        super().__init__()
        self.classes = len(info.classes)
        self.layers = nn.Sequential(
            *down(info.channels + self.classes, w),  # [N, W, S/2, S/2]
            *down(w, 2 * w),  # [N, 2W, S/4, S/4]
            nn.Conv2d(2 * w, 16 * info.channels, 3, 1, 1),  # [N, 16C, S/4, S/4]
            nn.PixelShuffle(4),  # [N, C, S, S]
        )

    def forward(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] like `image`, of classes `label` [N]."""
        return torch.tanh(self.layers(with_label(image, label, self.classes)))


class MyPluginDiscriminator(Discriminator):
    """(image, label) -> a logit a patch."""

    def __init__(self, w, info):
        super().__init__()
        self.classes, c = len(info.classes), info.channels + len(info.classes)
        self.layers = nn.Sequential(*down(c, w), *down(w, 2 * w), nn.Conv2d(2 * w, 1, 3, 1, 1))

    def forward(self, image, label=None):
        """Return logits [N, 1, S/4, S/4] of images [N, C, S, S] and labels [N]."""
        return self.layers(with_label(image, label, self.classes))


class MyPlugin(Model):
    """A batch is an image and, as `t.batch.target`, another one of the class it shall become."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.loss = Hinge()
        if info.size % 4 or len(info.classes) < 2:
            raise ValueError("it takes data of two classes or more, and sizes that 4 divides")
        self.generator = MyPluginTranslator(config.width, info)
        self.discriminator = MyPluginDiscriminator(config.width, info)

    def translate(self, image, label):
        """Return images [N, C, S, S] like these, of classes [N] (capability `translate`)."""
        return self.generator(image, label)

    def fake(self, t):
        """Return the images as their targets' classes, made once a draw for both steps."""
        return t.once("fake", lambda: self.translate(t.batch.image, t.batch.target.label))

    def discriminator_loss(self, t):
        """Tell real images of the target class from translated ones, which are detached."""
        real = self.discriminator(t.batch.target.image, t.batch.target.label)
        return self.loss.d(real, self.discriminator(self.fake(t).detach(), t.batch.target.label))

    def generator_loss(self, t):
        """Fool D, and find the way back to the image one came from."""
        fake = self.fake(t)
        cycle = (self.translate(fake, t.batch.label) - t.batch.image).abs().mean()
        t.log(g_cycle=cycle)
        fooled = self.discriminator(fake, t.batch.target.label)
        return self.loss.g(fooled) + self.config.cycle * cycle

    def players(self):
        """Return who learns."""
        d = Player(("discriminator",), self.config.optim_d)
        return {"d": d, "g": Player(("generator",), self.config.optim_g, ema=self.config.ema)}

    def stages(self):
        """Return one stage: pairs of classes, a D step, a G step."""
        steps = (Step("d", "d", self.discriminator_loss), Step("g", "g", self.generator_loss))
        draw = Draw(fields=("image", "label"), how="pairs")
        return (Stage("gan", steps, draw, epochs=self.config.epochs),)
