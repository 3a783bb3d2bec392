"""FaceNet: photographs of one person lie close together on a sphere.

Paper: FaceNet: A Unified Embedding for Face Recognition and Clustering (Schroff, Kalenichenko and
Philbin 2015, arXiv 1503.03832): triplets over P people x K photographs, mined in the batch.

What differs: besides InceptionResnetV1 (Szegedy et al. 2016, arXiv 1602.07261, whose published
checkpoints are the usual "FaceNet") there are two small networks for 64 px; classifying the people
first is an option, and so is a softmax over all pairs of the batch in place of triplets.
`instance` pairs two views of one photograph: it retrieves photographs and is no recogniser.

Shapes: N batch, C channels, S size, D length of the points, P people.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate, normalize

from ganzoo_core import Draw, Imported, Model, Player, Stage, Step
from ganzoo_core.data.augment import Augment
from ganzoo_facenet.inception import SMALLEST, InceptionResnetV1
from ganzoo_facenet.pairs import contrast_loss, triplet_loss
from ganzoo_facenet.small import Plain, SlimResNet

SMALL = {"plain": Plain, "residual": SlimResNet}
VIEWS = "flip,jitter,colour,cutout"
"""What makes two views of one photograph, where the options say nothing else."""

REMARK = (
    "It learned from two views of each photograph, not from people: it retrieves photographs "
    "(instances) and is no recogniser."
)


class FaceNet(Model):
    """One network; `embed` gives its points on the unit sphere."""

    serves = ("net",)

    def __init__(self, config, info):
        super().__init__(config, info)
        self.input_size = info.size
        self.net = self.build(config, info.size)
        if config.pretrain:
            if not info.identities:
                raise ValueError("model.pretrain classifies people, and the data name none")
            self.people = nn.Linear(config.embedding, info.identities)
        if config.objective == "instance":
            self.remark = REMARK
        views = config.augment or (VIEWS if config.objective == "instance" else "")
        self.augment = Augment(views)

    @staticmethod
    def build(config, size):
        """Return the network that the options ask for."""
        if config.network == "inception":
            if size < SMALLEST:
                raise ValueError(f"data.size: inception takes {SMALLEST} px and more, not {size}")
            return InceptionResnetV1(config.embedding, config.classes)
        if size % 16:
            raise ValueError(f"data.size: {config.network} takes multiples of 16 px, not {size}")
        return SMALL[config.network](config.width, config.embedding, size)

    @classmethod
    def import_state(cls, state):
        """Take the names of the published InceptionResnetV1 checkpoints, with or without logits."""
        config = {"network": "inception", "embedding": state["last_linear.weight"].shape[0]}
        if "logits.weight" in state:
            config["classes"] = state["logits.weight"].shape[0]
        return Imported(
            state={f"net.{name}": tensor for name, tensor in state.items()},
            config=config,
            info={"size": 160, "channels": 3},
        )

    # --- what it is for -----------------------------------------------------------------------

    def embed(self, image):
        """Return unit vectors [N, D] of images [N, C, H, W] in [-1, 1] of any size."""
        return normalize(self.net(self.fitted(image)).float())

    def features(self, image):
        """Return a middle layer's maps [N, C', S/8, S/8]."""
        return self.net.middle(self.fitted(image))

    def fitted(self, image):
        """Return images [N, 3, S, S]: resized, grey ones in three channels."""
        size = (self.input_size, self.input_size)
        if image.shape[2:] != size:
            image = interpolate(image, size, mode="bilinear", antialias=True)
        return image if image.shape[1] == 3 else image.expand(-1, 3, -1, -1)

    # --- how it learns ------------------------------------------------------------------------

    def classify_loss(self, t):
        """Tell the people of the training data apart: cross entropy over P."""
        points = self.embed(self.augment(t.batch.image, t.noise))
        logits = self.people(points * 16).float()  # [N, P]; on a sphere the logits need a scale
        return cross_entropy(logits, t.batch.identity)

    def pair_loss(self, t):
        """Bring photographs of one person together, push those of two apart."""
        who, image = t.batch.identity, t.batch.image
        if self.config.objective == "instance":  # every photograph is its own person
            who = torch.arange(len(t.batch), device=image.device).repeat(2)
            image = torch.cat([image, image])
        points = self.embed(self.augment(image, t.noise))
        if self.config.objective == "contrast":
            return contrast_loss(points, who, self.config.temperature)
        loss, active = triplet_loss(points, who, self.config.margin, self.config.mining)
        t.log(triplets_active=active)
        return loss

    def players(self):
        """Return the network by itself, and with its classifier while there is one."""
        c = self.config
        alone = {"net": Player(("net",), c.optim, ema=c.ema)}
        return {"people": Player(("net", "people"), c.optim), **alone} if c.pretrain else alone

    def stages(self):
        """Return the pairs, after the classes where they are asked for."""
        c = self.config
        fields = ("image",) if c.objective == "instance" else ("image", "identity")
        how = "shuffle" if c.objective == "instance" else "identities"
        draw = Draw(fields=fields, how=how, per_identity=c.per_identity)
        pairs = Stage("pairs", (Step("pairs", "net", self.pair_loss),), draw, epochs=c.epochs)
        if not c.pretrain:
            return (pairs,)
        step = Step("people", "people", self.classify_loss)
        classes = Draw(fields=("image", "identity"))
        return (Stage("people", (step,), classes, epochs=c.pretrain), pairs)
