"""The term `adc` on cgan: the classifier of ADC-GAN for real and generated classes."""

import math
from types import SimpleNamespace

import pytest
import torch
from ganzoo_cgan.config import CGANConfig
from ganzoo_cgan.model import CGAN
from training_helpers import FakeStepContext, make_images, make_trainer

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo

CLASS_NAMES = ("a", "b", "c")


def build(adc_weight=1.0, class_names=CLASS_NAMES, terms=None, **options):
    torch.manual_seed(0)
    info = DataInfo(image_size=32, num_channels=3, class_names=class_names)
    terms = {**(terms or {}), "adc": {"weight": adc_weight} if adc_weight else "none"}
    options = {"label_injection": "late", "base_channels": 4, "latent_dim": 8, **options}
    return CGAN(CGANConfig(**options, terms=terms), info)


BATCH = SimpleNamespace(image=torch.randn(5, 3, 32, 32), label=torch.tensor([0, 1, 2, 2, 0]))


def test_classifier_parameter_count():
    with_classifier, without_classifier = (
        sum(p.numel() for p in build(weight).discriminator.parameters()) for weight in (1.0, 0.0)
    )
    # at 32 px and 4 base channels the last maps have 16: 1x1 conv, then 4x4 to two times three
    assert with_classifier - without_classifier == (16 * 16 + 16) + (16 * 16 * 6 + 6)


def test_class_log_probs_cover_real_and_fake_classes():
    log_p = build().discriminator.class_log_probs(BATCH.image)
    assert log_p.shape == (5, 6) and torch.allclose(log_p.exp().sum(1), torch.ones(5))


def test_logit_and_classifier_share_the_features_of_an_image():
    d, forward_calls = build().discriminator, []
    d.body.register_forward_hook(lambda *_: forward_calls.append(1))
    (logits,), heads = d.forward_heads(BATCH.image, [BATCH.label], ["class_log_probs"])
    assert len(forward_calls) == 1
    assert torch.equal(logits, d(BATCH.image, BATCH.label))
    assert torch.equal(heads["class_log_probs"], d.class_log_probs(BATCH.image))


def test_logit_and_classifier_receive_the_same_augmented_images():
    """As in the authors' code. Each image is computed once: a real one and a fake one for D."""
    model, received = build(augment="noise(0.5)"), []
    model.discriminator.body.register_forward_hook(lambda _, args, __: received.append(args[0]))
    ctx = FakeStepContext(BATCH, cache={"fake": torch.randn(5, 3, 32, 32)})
    model.discriminator_loss(ctx)
    assert len(received) == 2
    model.generator_loss(ctx)
    assert len(received) == 3


def test_both_losses_by_hand():
    fake = torch.randn(5, 3, 32, 32)
    model, without_adc = build(0.7), build(0.0)
    without_adc.discriminator.load_state_dict(model.discriminator.state_dict(), strict=False)
    losses = {}
    for current in (model, without_adc):
        current.eval()
        ctx = FakeStepContext(BATCH, cache={"fake": fake})
        losses[current] = current.discriminator_loss(ctx).item(), current.generator_loss(ctx).item()
    y = BATCH.label[:, None]
    real_probs, fake_probs = (
        model.discriminator.class_log_probs(x).softmax(1) for x in (BATCH.image, fake)
    )
    d = -real_probs.gather(1, y).log().mean() - fake_probs.gather(1, y + 3).log().mean()
    g = -(fake_probs.gather(1, y) / fake_probs.gather(1, y + 3)).log().mean()
    (d_with, g_with), (d_without, g_without) = losses[model], losses[without_adc]
    assert d_with - d_without == pytest.approx(0.7 * d.item(), rel=1e-4)
    assert g_with - g_without == pytest.approx(0.7 * g.item(), rel=1e-4)


def test_generator_gradient_raises_real_class_and_lowers_fake_class():
    model = build(1e6).eval()  # the adversarial loss is negligible
    fake = torch.randn(5, 3, 32, 32, requires_grad=True)
    own = torch.arange(5), BATCH.label

    def ratio(images):
        log_p = model.discriminator.class_log_probs(images)
        return (log_p[own] - log_p[own[0], own[1] + 3]).mean()

    (gradient,) = torch.autograd.grad(ratio(fake), fake)
    assert ratio(fake + 0.01 * gradient / gradient.norm()) > ratio(fake)
    (descent,) = torch.autograd.grad(
        model.generator_loss(FakeStepContext(BATCH, cache={"fake": fake})), fake
    )
    assert torch.allclose(descent, -1e6 * gradient, rtol=1e-2, atol=1e-1)


@pytest.mark.parametrize(
    "options", [{}, {"augment": "noise(0.5)", "terms": {"wrong-labels": {"weight": 0.25}}}]
)
def test_losses_stay_finite(options, tmp_path):
    images = make_images(image_size=32)
    model = build(class_names=images.info.class_names, **options)
    before = [p.clone() for p in model.parameters()]
    trainer = make_trainer(CGAN, model=model, images=images, batch_size=8, steps=10, log_every=1)
    trainer.run(tmp_path)
    keys = ("loss/d", "loss/g", "loss/d_adc", "loss/g_adc")
    assert all(math.isfinite(r[key]) for r in trainer.callback.records for key in keys)
    assert not any(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("label_injection", ["after_conv1", "input"])
def test_adc_requires_late_label_injection(label_injection):
    with pytest.raises(UsageError, match=r"model\.label_injection=late") as error:
        build(label_injection=label_injection).stages()
    assert "model.terms.adc=none" in str(error.value) and "\n" not in str(error.value)
    assert build(0.0, label_injection=label_injection).stages()
