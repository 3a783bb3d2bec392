"""Who is in the picture, as a point on a sphere: photographs of one person lie close together.

Paper: FaceNet (Schroff, Kalenichenko and Philbin 2015, arXiv 1503.03832), small: the hardest
triplets of each batch.
What differs: say here what is yours.

Shapes: N batch, D dim, W width, S size, C channels.
"""

import torch
from torch import nn
from torch.nn.functional import interpolate, normalize, relu

from ganzoo_core import Draw, Model, Player, Stage, Step


class MyPlugin(Model):
    """Triplets over P people x K photographs."""

    serves = ("net",)

    def __init__(self, config, info):
        super().__init__(config, info)
        w = config.width
        self.input_size = info.size
        self.net = nn.Sequential(
            nn.Conv2d(info.channels, w, 4, 2, 1),  # [N, W, S/2, S/2]
            nn.ReLU(),
            nn.Conv2d(w, 2 * w, 4, 2, 1),  # [N, 2W, S/4, S/4]
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),  # [N, 2W, 4, 4]
            nn.Flatten(),
            nn.Linear(32 * w, config.dim),  # [N, D]
        )

    def embed(self, image):
        """Return unit vectors [N, D] of images [N, C, H, W] in [-1, 1] (capability `embed`)."""
        size = (self.input_size, self.input_size)
        if image.shape[2:] != size:
            image = interpolate(image, size, mode="bilinear", antialias=True)
        return normalize(self.net(image).float())

    def triplet_loss(self, t):
        """[ |a - farthest of the same|^2 - |a - nearest other|^2 + margin ]+ over all anchors a."""
        e, who = self.embed(t.batch.image), t.batch.identity
        distance = (e[:, None] - e[None]).square().sum(2)  # [N, N], 0 to 4
        same = who[:, None] == who[None]
        positive = torch.where(same, distance, 0.0).amax(1)
        negative = torch.where(same, 9.0, distance).amin(1)
        t.log(same=positive.mean(), other=negative.mean())
        return relu(positive - negative + self.config.margin).mean()

    def players(self):
        """Return who learns."""
        return {"net": Player(("net",), self.config.optim)}

    def stages(self):
        """Return one stage: P people x 4 photographs a batch."""
        draw = Draw(fields=("image", "identity"), how="identities", per_identity=4)
        steps = (Step("triplet", "net", self.triplet_loss),)
        return (Stage("triplets", steps, draw, epochs=self.config.epochs),)
