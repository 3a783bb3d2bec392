"""A GAN whose discriminator has what every term needs."""

from torch import nn
from torch.nn.functional import log_softmax, normalize

from contract_models.networks import SmallGANConfig
from contract_models.plain_gan import PlainGenerator
from ganzoo_core import GAN, Discriminator
from ganzoo_core.losses import make_heads, make_loss

OWN_HEADS = ("adc", "d2d-ce", "2c")


class AllTermsDiscriminator(Discriminator):
    """(image, y) -> logit, without BatchNorm; with features, classes, embeddings and proxies."""

    def __init__(self, info, terms):
        super().__init__()
        num_classes = len(info.class_names)
        conv = nn.Conv2d(info.num_channels, 8, 4, 4)
        self.body = nn.Sequential(conv, nn.LeakyReLU(0.2), nn.Flatten())
        self.logits = nn.Linear(128, num_classes)
        self.classifier = nn.Linear(128, 2 * num_classes)
        self.embed = nn.Linear(128, 4)
        self.class_proxies = nn.Embedding(num_classes, 4)
        others = {name: term for name, term in terms.items() if name not in OWN_HEADS}
        self.heads = make_heads(others, 128, num_classes)

    def pooled(self, image):
        """Return features [N, 128]."""
        return self.body(image)

    def logit(self, features, label=None):
        """Return logits [N]."""
        return self.logits(features).gather(1, label[:, None])[:, 0]

    def forward(self, image, label=None):
        """Return logits [N]."""
        return self.logit(self.pooled(image), label)

    def features(self, image, label=None):
        """Return one map [N, 128]."""
        return [self.body(image)]

    def class_log_probs(self, image):
        """Return log-probabilities [N, 2K]."""
        return log_softmax(self.classifier(self.body(image)), 1)

    def embedding(self, image):
        """Return unit vectors [N, 4]."""
        return normalize(self.embed(self.body(image)))


class AllTermsGAN(GAN):
    """The loss and the terms of its options."""

    Config = SmallGANConfig
    conditional = True

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator = PlainGenerator(info)
        self.generator.prior = "uniform"
        self.discriminator = AllTermsDiscriminator(info, self.terms)
        self.loss = make_loss(config.loss)
