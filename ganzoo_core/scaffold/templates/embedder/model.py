"""Embeddings: images of one identity have a small distance.

Paper: FaceNet (Schroff, Kalenichenko and Philbin 2015, arXiv 1503.03832), small, with the hardest
triplets of each batch.
Differences: describe yours here.

Shapes: N batch, D embed_dim, B base channels, S image size, C image channels.
"""

import torch
from torch import nn
from torch.nn.functional import interpolate, normalize, relu

from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage


class MyPlugin(Model):
    """Trained with the triplet loss on batches of P identities x K images."""

    inference_modules = ("net",)

    def __init__(self, config, info):
        super().__init__(config, info)
        b = config.base_channels
        self.input_size = info.image_size
        self.net = nn.Sequential(
            nn.Conv2d(info.num_channels, b, 4, 2, 1),  # [N, B, S/2, S/2]
            nn.ReLU(),
            nn.Conv2d(b, 2 * b, 4, 2, 1),  # [N, 2B, S/4, S/4]
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),  # [N, 2B, 4, 4]
            nn.Flatten(),
            nn.Linear(32 * b, config.embed_dim),  # [N, D]
        )

    def embed(self, image):
        """Return unit vectors [N, D] from images [N, C, H, W] in [-1, 1] (capability `embed`)."""
        size = (self.input_size, self.input_size)
        if image.shape[2:] != size:
            image = interpolate(image, size, mode="bilinear", antialias=True)
        return normalize(self.net(image).float())

    def triplet_loss(self, ctx):
        """Return the mean over anchors of relu(hardest positive - hardest negative + margin)."""
        embedding, identity = self.embed(ctx.batch.image), ctx.batch.identity
        distance = (embedding[:, None] - embedding[None]).square().sum(2)  # [N, N], 0 to 4
        same = identity[:, None] == identity[None]
        positive = torch.where(same, distance, 0.0).amax(1)
        negative = torch.where(same, 9.0, distance).amin(1)
        ctx.log({"distance/positive": positive.mean(), "distance/negative": negative.mean()})
        return relu(positive - negative + self.config.margin).mean()

    def configure_optimizers(self):
        """Return the optimizer of the network."""
        return {"net": OptimizerSpec(("net",), self.config.optim)}

    def stages(self):
        """Return one stage, with batches of P identities x 4 images."""
        batch = BatchSpec(fields=("image", "identity"), sampler="pk", images_per_identity=4)
        phases = (Phase("triplet", "net", self.triplet_loss),)
        return (Stage("triplets", phases, batch, epochs=self.config.epochs),)
