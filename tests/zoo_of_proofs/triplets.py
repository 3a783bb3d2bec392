"""An embedder: triplets over P people x K photographs."""

import torch
from torch.nn.functional import normalize, relu

from ganzoo_core import SGD, Draw, Model, Player, Stage, Step
from zoo_of_proofs.parts import down


class Triplets(Model):
    """Photographs of one person lie close together (Schroff et al. 2015), hardest in the batch."""

    serves = ("net",)
    input_size = 16
    margin = 0.2

    def __init__(self, config, info):
        super().__init__(config, info)
        self.net = down(info.channels, 8, 12)

    def embed(self, image):
        """Return unit vectors [N, 12]."""
        return normalize(self.net(image).float())

    def triplet_loss(self, t):
        """[ farthest positive - nearest negative + margin ]+ over all anchors."""
        e, who = self.embed(t.batch.image), t.batch.identity
        distance = (e[:, None] - e[None]).square().sum(2)
        same = who[:, None] == who[None]
        positive = torch.where(same, distance, 0.0).amax(1)
        negative = torch.where(same, 9.0, distance).amin(1)
        t.log(t_positive=positive.mean(), t_negative=negative.mean())
        return relu(positive - negative + self.margin).mean()

    def players(self):
        """One player, by momentum."""
        return {"net": Player(("net",), SGD(lr=0.05, momentum=0.9), ema=40.0)}

    def stages(self):
        """P x K photographs a batch."""
        draw = Draw(fields=("image", "identity"), how="identities", per_identity=2)
        return (Stage("triplets", (Step("triplet", "net", self.triplet_loss),), draw, rounds=9),)
