"""`model.loss.mismatch` of cgan: real images under labels that they do not have."""

from types import SimpleNamespace

import pytest
import torch
from ganzoo_cgan.config import REPORT_GROUPS, CGANConfig
from ganzoo_cgan.model import CGAN

from ganzoo_core.data import group_names
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo, Discriminator, SeededNoise

SIX = group_names(REPORT_GROUPS)


def build(classes=SIX, groups=(), **options):
    info = DataInfo(size=32, channels=3, classes=classes, groups=groups)
    return CGAN(CGANConfig(width=4, **options), info)


class Told:
    """A turn whose batch and noise are given, and which keeps what is logged."""

    def __init__(self, image, label, round=0):
        self.batch, self.logged = SimpleNamespace(image=image, label=label), {}
        self.noise, self.round = SeededNoise(torch.device("cpu"), 0), round

    def rounds(self, epochs):
        return int(10 * epochs)

    def once(self, name, make):
        return torch.zeros_like(self.batch.image)

    def log(self, **values):
        self.logged |= values


def test_a_mismatch_shows_d_real_images_under_labels_they_do_not_have():
    label = torch.arange(6).repeat(500)
    t = Told(torch.ones(len(label), 1, 2, 2), label)
    model = build(loss={"kind": "hinge", "mismatch": 0.25})
    seen = []

    class Scripted(Discriminator):  # 2 of what is real, 1/2 of zeros, 1 under another label
        def forward(self, image, label=None):
            seen.append(label)
            wrong = (label != t.batch.label) * 1.0
            return torch.where(image.flatten(1)[:, 0] > 0, 2.0 - wrong, 0.5)

    model.discriminator = Scripted()
    # hinge: max(0, 1 - 2) of the real ones, 1 + 1/2 of fakes, 1 + 1 of the mismatched
    assert model.discriminator_loss(t).item() == pytest.approx(0.75 * 1.5 + 0.25 * 2)
    assert t.logged["d_wrong"] == 1 and len(seen) == 3
    ahead = (seen[1] - label) % 6  # right, wrong, and the fakes
    assert ahead.bincount(minlength=6)[0] == 0 and ahead.bincount()[1:].min() > 500


def test_reeds_reading_looks_at_an_image_once_for_several_labels():
    d = build(reading="reed").discriminator
    image = torch.randn(3, 3, 32, 32)
    right, wrong = torch.tensor([0, 1, 2]), torch.tensor([5, 0, 3])
    looks = []
    d.layers.register_forward_hook(lambda *_: looks.append(1))
    together = d.under(image, right, wrong)
    assert len(looks) == 1
    for logits, label in zip(together, (right, wrong), strict=True):
        assert torch.equal(logits, d(image, label))


def test_a_mismatch_ends_after_its_epochs():
    model = build(loss={"kind": "hinge", "mismatch": 0.5, "mismatch_epochs": 1.5})

    class Brightness(Discriminator):
        def forward(self, image, label=None):
            return image.flatten(1)[:, 0]

    model.discriminator = Brightness()
    found = []
    for round in (0, 14, 15, 100):
        t = Told(torch.ones(6, 1, 2, 2), torch.arange(6), round)
        found.append((model.discriminator_loss(t).item(), "d_wrong" in t.logged))
    # 1 of real ones and 0 of fakes: 0 + 1; 1 of the mismatched too: 0 + 2
    assert found == [(1.5, True), (1.5, True), (1.0, False), (1.0, False)]


def test_a_wrong_age_group_is_a_neighbour():
    label = torch.arange(6).repeat(500)
    model = build(groups=REPORT_GROUPS, loss={"mismatch": 0.5})
    away = model.other_labels(Told(torch.ones(len(label), 1, 2, 2), label)) - label
    for group, steps in enumerate([{1}, *[{-1, 1}] * 4, {-1}]):
        assert set(away[label == group].tolist()) == steps
    assert 900 < (away[(label > 0) & (label < 5)] == 1).sum() < 1100  # either as often


@pytest.mark.parametrize("classes", [(), ("only",)])
def test_a_mismatch_needs_labels_to_be_wrong(classes):
    model = build(classes or SIX, loss={"mismatch": 0.5})
    model.conditional = bool(classes)
    with pytest.raises(UsageError, match=r"--set model\.loss\.mismatch=0"):
        model.stages()
