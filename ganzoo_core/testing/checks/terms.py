"""Checks of terms, on a small GAN that offers everything a term may need."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from ganzoo_core.config import Adam, GANConfig
from ganzoo_core.config.sections import TrainConfig
from ganzoo_core.engine import Callback, Trainer, resolve_setup
from ganzoo_core.interfaces import GAN, DataInfo, Discriminator, Generator
from ganzoo_core.losses import make_heads, make_loss
from ganzoo_core.testing.checks.framework import check, require
from ganzoo_core.testing.other_subjects import TermSubject, make_images

_NUM_STEPS = 4
_FEATURE_DIM = 6


class _TermGenerator(Generator):
    """A linear layer from z to an image."""

    latent_dim = 16
    prior = "uniform"

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        self.shape = (info.num_channels, info.image_size, info.image_size)
        self.layer = nn.Linear(self.latent_dim, info.num_channels * info.image_size**2)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return torch.tanh(self.layer(z)).reshape(len(z), *self.shape)


class _TermDiscriminator(Discriminator):
    """A small network with labels and features, and with the heads that the term needs."""

    def __init__(self, info: DataInfo, terms: nn.ModuleDict) -> None:
        super().__init__()
        num_classes = len(info.class_names)
        size = info.num_channels * info.image_size**2
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(size, _FEATURE_DIM), nn.Tanh())
        self.head = nn.Linear(_FEATURE_DIM, 1)
        self.class_embed = nn.Embedding(num_classes, _FEATURE_DIM)
        self.heads = make_heads(terms, _FEATURE_DIM, num_classes)

    def pooled(self, image: Tensor) -> Tensor:
        h: Tensor = self.body(image)
        return h

    def logit(self, features: Tensor, label: Tensor | None = None) -> Tensor:
        assert label is not None
        projection: Tensor = (features * self.class_embed(label)).sum(1)
        logits: Tensor = self.head(features).flatten() + projection
        return logits

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        return self.logit(self.pooled(image), label)

    def features(self, image: Tensor, label: Tensor | None = None) -> list[Tensor]:
        return [self.body(image)]


class _TermGAN(GAN):
    """A conditional GAN with one term."""

    conditional = True

    def __init__(self, config: GANConfig, info: DataInfo) -> None:
        super().__init__(config, info)
        self.generator = _TermGenerator(info)
        self.discriminator = _TermDiscriminator(info, self.terms)
        self.loss = make_loss(config.loss)


def _train(subject: TermSubject, steps: int, with_term: bool) -> Trainer:
    options = {subject.name: subject.option_values()} if with_term else {}
    config = GANConfig(terms=options, optim_d=Adam(lr=0.01), optim_g=Adam(lr=0.01), epochs=1)
    images = make_images(16, 0)
    torch.manual_seed(0)
    model = _TermGAN(config, images.info)
    train_config = TrainConfig(batch_size=8, steps=steps, log_every=1, device="cpu")
    setup = resolve_setup("cpu", "fp32")
    trainer = Trainer(model, images, train_config, setup, Callback())
    while trainer.step < steps:
        trainer.train_step(trainer.plan.stage_at(trainer.step))
    return trainer


def _weights(trainer: Trainer) -> list[Tensor]:
    """Return the weights of both networks, without the heads of the term."""
    parameters = trainer.model.named_parameters()
    return [p.detach().clone() for name, p in parameters if ".heads." not in name]


@check("term")
def term_trains(subject: TermSubject) -> None:
    """Trains a small conditional GAN with finite losses"""
    trainer = _train(subject, _NUM_STEPS, with_term=True)
    metrics = trainer.log.means()
    broken = [name for name, value in metrics.items() if math.isnan(value)]
    require(not broken, f"{broken} is NaN: return a finite 0-d loss")
    terms = trainer.model.active_terms()  # type: ignore[operator]
    require(
        all(term.weight > 0 and term.interval >= 1 for term in terms.values()),
        "weight and interval must be positive: let TermOptions set them",
    )


@check("term")
def term_changes_training(subject: TermSubject) -> None:
    """Changes the weights that a GAN is trained to"""
    with_term = _weights(_train(subject, _NUM_STEPS, with_term=True))
    without = _weights(_train(subject, _NUM_STEPS, with_term=False))
    pairs = zip(with_term, without, strict=True)
    require(
        any(not torch.equal(a, b) for a, b in pairs),
        "the weights are the same without it: return its loss from discriminator() or generator()",
    )


@check("term")
def term_is_reproducible(subject: TermSubject) -> None:
    """Trains to the same bits twice"""
    first, second = (_weights(_train(subject, _NUM_STEPS, with_term=True)) for _ in range(2))
    require(
        all(torch.equal(a, b) for a, b in zip(first, second, strict=True)),
        "two runs with one seed differ: take random numbers from ctx only",
    )


@check("term")
def term_keeps_state_in_buffers(subject: TermSubject) -> None:
    """Keeps what changes in training in buffers"""
    before = _plain_attributes(_train(subject, 0, with_term=True), subject.name)
    after = _plain_attributes(_train(subject, _NUM_STEPS, with_term=True), subject.name)
    changed = sorted(name for name in after if repr(after[name]) != repr(before.get(name)))
    require(
        not changed,
        f"the attribute {changed[:1]} changes in training and would not resume: "
        "self.register_buffer(...) it",
    )


def _plain_attributes(trainer: Trainer, name: str) -> dict[str, object]:
    term = trainer.model.active_terms()[name]  # type: ignore[operator]
    internal = {"training"}
    values = {k: v for k, v in vars(term).items() if k[0] != "_" and k not in internal}
    return copy.deepcopy(values)
