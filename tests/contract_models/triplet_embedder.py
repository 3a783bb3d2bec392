"""An embedder that is trained with triplets over P people x K images."""

import torch
from torch.nn.functional import normalize, relu

from contract_models.networks import conv_encoder
from ganzoo_core import SGD, BatchSpec, Model, OptimizerSpec, Phase, Stage


class TripletEmbedder(Model):
    """Triplet loss with the hardest pairs of the batch (Schroff et al. 2015)."""

    inference_modules = ("net",)
    input_size = 16
    margin = 0.2

    def __init__(self, config, info):
        super().__init__(config, info)
        self.net = conv_encoder(info.num_channels, 8, 12)

    def embed(self, image):
        """Return unit vectors [N, 12]."""
        return normalize(self.net(image).float())

    def triplet_loss(self, ctx):
        """Return the mean over anchors of max(0, positive - negative + margin), 0-d."""
        embedding, identity = self.embed(ctx.batch.image), ctx.batch.identity
        distance = (embedding[:, None] - embedding[None]).square().sum(2)
        is_same = identity[:, None] == identity[None]
        positive = torch.where(is_same, distance, 0.0).amax(1)
        negative = torch.where(is_same, 9.0, distance).amin(1)
        ctx.log({"distance/positive": positive.mean(), "distance/negative": negative.mean()})
        return relu(positive - negative + self.margin).mean()

    def configure_optimizers(self):
        """Return one optimizer, SGD with momentum."""
        return {"net": OptimizerSpec(("net",), SGD(lr=0.05, momentum=0.9), ema_halflife=40.0)}

    def stages(self):
        """Return one stage with P x K batches."""
        batch = BatchSpec(fields=("image", "identity"), sampler="pk", images_per_identity=2)
        return (Stage("triplets", (Phase("triplet", "net", self.triplet_loss),), batch, steps=9),)
