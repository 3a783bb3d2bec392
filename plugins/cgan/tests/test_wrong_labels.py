"""The term `wrong-labels` on cgan: real images with labels that they do not have."""

from types import SimpleNamespace

import pytest
import torch
from ganzoo_cgan.config import REPORT_AGE_BINS, CGANConfig
from ganzoo_cgan.model import CGAN
from training_helpers import FakeStepContext

from ganzoo_core.data import age_bin_names
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo, Discriminator

SIX_CLASS_NAMES = age_bin_names(REPORT_AGE_BINS)


def build(class_names=SIX_CLASS_NAMES, age_bins=(), **options):
    info = DataInfo(image_size=32, num_channels=3, class_names=class_names, age_bins=age_bins)
    return CGAN(CGANConfig(base_channels=4, **options), info)


def make_context(image, label, step=0):
    batch = SimpleNamespace(image=image, label=label)
    return FakeStepContext(batch, step, {"fake": torch.zeros_like(image)})


def test_wrong_labels_are_paired_with_real_images():
    label = torch.arange(6).repeat(500)
    ctx = make_context(torch.ones(len(label), 1, 2, 2), label)
    model = build(loss={"kind": "hinge"}, terms={"wrong-labels": {"weight": 0.25}})
    received_labels = []

    class Scripted(Discriminator):  # 2 for real images, 1 with a wrong label, 1/2 for the fakes
        def forward(self, image, label=None):
            received_labels.append(label)
            wrong = (label != ctx.batch.label) * 1.0
            return torch.where(image.flatten(1)[:, 0] > 0, 2.0 - wrong, 0.5)

    model.discriminator = Scripted()
    # hinge: max(0, 1 - 2) for real images, 1 + 1/2 for fakes, 1 + 1 for wrong labels
    assert model.discriminator_loss(ctx).item() == pytest.approx(0.75 * 1.5 + 0.25 * 2)
    assert ctx.logged["logits/wrong_label"] == 1 and len(received_labels) == 3
    label_offset = (received_labels[1] - label) % 6  # calls: real, wrong label, fake
    assert label_offset.bincount(minlength=6)[0] == 0 and label_offset.bincount()[1:].min() > 500


def test_labels_share_the_features_of_an_image():
    d = build(label_injection="late").discriminator
    image = torch.randn(3, 3, 32, 32)
    right, wrong = torch.tensor([0, 1, 2]), torch.tensor([5, 0, 3])
    forward_calls = []
    d.body.register_forward_hook(lambda *_: forward_calls.append(1))
    together, _ = d.forward_heads(image, [right, wrong])
    assert len(forward_calls) == 1
    for logits, label in zip(together, (right, wrong), strict=True):
        assert torch.equal(logits, d(image, label))


def test_wrong_label_loss_stops_after_its_epochs():
    terms = {"wrong-labels": {"weight": 0.5, "epochs": 1.5}}
    model = build(loss={"kind": "hinge"}, terms=terms)

    class Brightness(Discriminator):
        def forward(self, image, label=None):
            return image.flatten(1)[:, 0]

    model.discriminator = Brightness()
    results = []
    for step in (0, 14, 15, 100):
        ctx = make_context(torch.ones(6, 1, 2, 2), torch.arange(6), step)
        results.append((model.discriminator_loss(ctx).item(), "logits/wrong_label" in ctx.logged))
    # hinge with logits 1 for real images, 0 for fakes: 0 + 1; wrong labels also have 1: 0 + 2
    assert results == [(1.5, True), (1.5, True), (1.0, False), (1.0, False)]


def test_wrong_age_label_is_adjacent():
    label = torch.arange(6).repeat(500)
    model = build(age_bins=REPORT_AGE_BINS, terms={"wrong-labels": {"weight": 0.5}})
    ctx = make_context(torch.ones(len(label), 1, 2, 2), label)
    label_offset = model.terms["wrong-labels"].extra_labels(model, ctx) - label
    for age_bin, offsets in enumerate([{1}, *[{-1, 1}] * 4, {-1}]):
        assert set(label_offset[label == age_bin].tolist()) == offsets
    assert 900 < (label_offset[(label > 0) & (label < 5)] == 1).sum() < 1100  # equally often


@pytest.mark.parametrize("class_names", [(), ("only",)])
def test_wrong_labels_require_two_classes(class_names):
    model = build(class_names or SIX_CLASS_NAMES, terms={"wrong-labels": {"weight": 0.5}})
    model.conditional = bool(class_names)
    with pytest.raises(UsageError, match=r"--set model\.terms\.wrong-labels=none"):
        model.stages()
