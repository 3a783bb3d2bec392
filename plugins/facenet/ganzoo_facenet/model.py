"""FaceNet: embeddings on the unit sphere, close together for photographs of one person.

Paper: FaceNet: A Unified Embedding for Face Recognition and Clustering (Schroff, Kalenichenko and
Philbin 2015, arXiv 1503.03832): triplets over P people x K photographs, mined in the batch.

Differs from the paper:

| | paper | here |
|---|---|---|
| networks | Zeiler and Fergus', Inception | the published InceptionResnetV1; two for 64 px |
| pretraining | none | optionally identity classification |
| objective | triplets | or a softmax over all pairs of the batch (`supcon`), or `instance` |

The objective `instance` pairs two views of one photograph: for image retrieval, not face
recognition.

Shapes: N batch, C channels, S image size, D embedding length, P people.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from ganzoo_core import BatchSpec, ConvertedCheckpoint, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.data.augment import Augment
from ganzoo_core.layers import check_image_size, resize_to_rgb
from ganzoo_facenet.inception import MIN_IMAGE_SIZE, InceptionResnetV1
from ganzoo_facenet.metric_losses import supcon_loss, triplet_loss
from ganzoo_facenet.small_networks import PlainConvNet, SlimResNet

_SMALL_NETWORKS = {"plain": PlainConvNet, "residual": SlimResNet}
_INSTANCE_AUGMENT = "flip,crop,color,cutout"
"""Default augmentation of the two views of a photograph."""
_INSTANCE_USAGE_NOTE = (
    "Trained on two views of each photograph, not on identities: use it for image retrieval, not "
    "for face recognition."
)


class FaceNet(Model):
    """One network, `net`, whose normalized output is the embedding."""

    inference_modules = ("net",)

    def __init__(self, config, info):
        super().__init__(config, info)
        self.input_size = info.image_size
        self.net = self.build_network(config, info.image_size)
        if config.pretrain_epochs:
            if not info.num_identities:
                raise ValueError(
                    "model.pretrain_epochs: the data have no identities to classify: "
                    "--set model.pretrain_epochs=0"
                )
            self.classifier = nn.Linear(config.embed_dim, info.num_identities)
        if config.objective == "instance":
            self.usage_note = _INSTANCE_USAGE_NOTE
        default_augment = _INSTANCE_AUGMENT if config.objective == "instance" else ""
        self.augment = Augment(config.augment or default_augment)

    @staticmethod
    def build_network(config, image_size):
        """Return the network that `config` names."""
        if config.network == "inception":
            check_image_size(
                "inception", image_size, minimum=MIN_IMAGE_SIZE, multiple_of=1, suggestion=160
            )
            return InceptionResnetV1(config.embed_dim, config.num_classes)
        check_image_size(config.network, image_size, minimum=16, multiple_of=16)
        return _SMALL_NETWORKS[config.network](config.base_channels, config.embed_dim, image_size)

    @classmethod
    def convert_checkpoint(cls, state):
        """Convert a published InceptionResnetV1 checkpoint, with or without its classifier."""
        config = {"network": "inception", "embed_dim": state["last_linear.weight"].shape[0]}
        if "logits.weight" in state:
            config["num_classes"] = state["logits.weight"].shape[0]
        return ConvertedCheckpoint(
            state={f"net.{name}": tensor for name, tensor in state.items()},
            config=config,
            info={"image_size": 160, "num_channels": 3},
        )

    # --- inference ----------------------------------------------------------------------------

    def embed(self, image):
        """Return unit vectors [N, D] for images [N, C, H, W] in [-1, 1] of any size."""
        return normalize(self.net(self._preprocess(image)).float())

    def features(self, image):
        """Return the maps of a middle layer, [N, C', S/8, S/8]; inception has [N, 896, 8, 8]."""
        return self.net.intermediate_features(self._preprocess(image))

    def _preprocess(self, image):
        """Return images [N, 3, S, S]: resized, and gray ones repeated over three channels."""
        return resize_to_rgb(image, self.input_size)

    # --- training -----------------------------------------------------------------------------

    def classification_loss(self, ctx):
        """Return the cross entropy over the P identities of the training data, 0-d."""
        embeddings = self.embed(self.augment(ctx.batch.image, ctx))
        logits = self.classifier(embeddings * 16).float()  # [N, P]; unit vectors need a scale
        return cross_entropy(logits, ctx.batch.identity)

    def pair_loss(self, ctx):
        """Return the metric learning loss that `model.objective` names, 0-d."""
        identity, image = ctx.batch.identity, ctx.batch.image
        if self.config.objective == "instance":  # each photograph is an identity of its own
            identity = torch.arange(len(ctx.batch), device=image.device).repeat(2)
            image = torch.cat([image, image])
        embeddings = self.embed(self.augment(image, ctx))
        if self.config.objective == "supcon":
            return supcon_loss(embeddings, identity, self.config.temperature)
        loss, active_fraction = triplet_loss(
            embeddings, identity, self.config.margin, self.config.mining
        )
        ctx.log(active_triplet_fraction=active_fraction)
        return loss

    def configure_optimizers(self):
        """Return the optimizer of `net`, and one of `net` with the classifier for pretraining."""
        c = self.config
        specs = {"net": OptimizerSpec(("net",), c.optim, ema_halflife=c.ema_halflife_images)}
        if c.pretrain_epochs:
            return {"people": OptimizerSpec(("net", "classifier"), c.optim), **specs}
        return specs

    def stages(self):
        """Return the stage of metric learning, after one of pretraining if it is configured."""
        c = self.config
        if c.objective == "instance":
            batch = BatchSpec()
        else:
            batch = BatchSpec(
                fields=("image", "identity"),
                sampler="pk",
                images_per_identity=c.images_per_identity,
            )
        pairs = Stage("pairs", (Phase("pairs", "net", self.pair_loss),), batch, epochs=c.epochs)
        if not c.pretrain_epochs:
            return (pairs,)
        phase = Phase("people", "people", self.classification_loss)
        batch = BatchSpec(fields=("image", "identity"))
        return (Stage("people", (phase,), batch, epochs=c.pretrain_epochs), pairs)
