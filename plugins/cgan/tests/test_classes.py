"""`model.classes` of cgan: ADC-GAN's classifier, which tells real classes and fakes' apart."""

import math
from types import SimpleNamespace

import pytest
import torch
from ganzoo_cgan.config import CGANConfig
from ganzoo_cgan.model import CGAN
from workbench import drawn, trainer

from ganzoo_core import config
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo, SeededNoise

THREE = ("a", "b", "c")


def build(classes=1.0, **options):
    torch.manual_seed(0)
    info = DataInfo(size=32, channels=3, classes=THREE)
    return CGAN(CGANConfig(reading="reed", width=4, latent=8, classes=classes, **options), info)


class Turn:
    """A turn on a given batch, which keeps what is logged."""

    def __init__(self, batch, fake):
        self.batch, self.fake, self.logged = batch, fake, {}
        self.noise, self.round = SeededNoise(torch.device("cpu"), 0), 0

    def once(self, name, make):
        return self.fake

    def log(self, **values):
        self.logged |= values


BATCH = SimpleNamespace(image=torch.randn(5, 3, 32, 32), label=torch.tensor([0, 1, 2, 2, 0]))


def test_the_parameter_count():
    with_it, without = (
        sum(p.numel() for p in build(weight).discriminator.parameters()) for weight in (1.0, 0.0)
    )
    # at 32 px and width 4 the last maps have 16 channels: 1x1 conv, then 4x4 to two times three
    assert with_it - without == (16 * 16 + 16) + (16 * 16 * 6 + 6)


def test_the_classifier_has_a_probability_for_each_class_real_and_fake():
    log_p = build().discriminator.told(BATCH.image)
    assert log_p.shape == (5, 6) and torch.allclose(log_p.exp().sum(1), torch.ones(5))


def test_both_losses_by_hand():
    fake = torch.randn(5, 3, 32, 32)
    model, plain = build(0.7), build(0.0)
    plain.discriminator.load_state_dict(model.discriminator.state_dict(), strict=False)
    losses = {}
    for one in (model, plain):
        one.eval()
        t = Turn(BATCH, fake)
        losses[one] = one.discriminator_loss(t).item(), one.generator_loss(t).item()
    y = BATCH.label[:, None]
    real, false = (model.discriminator.told(x).softmax(1) for x in (BATCH.image, fake))
    d = -real.gather(1, y).log().mean() - false.gather(1, y + 3).log().mean()
    g = -(false.gather(1, y) / false.gather(1, y + 3)).log().mean()
    (d_with, g_with), (d_without, g_without) = losses[model], losses[plain]
    assert d_with - d_without == pytest.approx(0.7 * d.item(), rel=1e-4)
    assert g_with - g_without == pytest.approx(0.7 * g.item(), rel=1e-4)


def test_the_generator_is_pulled_to_real_images_of_the_class_and_away_from_its_fakes():
    model = build().eval()
    fake = torch.randn(5, 3, 32, 32, requires_grad=True)
    own = torch.arange(5), BATCH.label

    def ratio(images):
        log_p = model.discriminator.told(images)
        return (log_p[own] - log_p[own[0], own[1] + 3]).mean()

    (gradient,) = torch.autograd.grad(ratio(fake), fake)
    assert ratio(fake + 0.01 * gradient / gradient.norm()) > ratio(fake)
    model.config = CGANConfig(reading="reed", width=4, latent=8, classes=1e6)  # nothing else counts
    (descent,) = torch.autograd.grad(model.generator_loss(Turn(BATCH, fake)), fake)
    assert torch.allclose(descent, -1e6 * gradient, rtol=1e-2, atol=1e-1)


@pytest.mark.parametrize("options", [{}, {"augment": "grain", "loss": {"mismatch": 0.25}}])
def test_ten_finite_rounds(options, tmp_path):
    images = drawn(size=32)
    info = DataInfo(size=32, channels=3, classes=images.info.classes)
    model = CGAN(CGANConfig(reading="reed", width=4, latent=8, classes=1, **options), info)
    before = [p.clone() for p in model.parameters()]
    run = trainer(CGAN, model=model, images=images, batch=8, steps=10, log_every=1)
    run.run(tmp_path)
    keys = ("d", "g", "d_class", "g_class")
    assert all(math.isfinite(r[key]) for r in run.watcher.records for key in keys)
    assert not any(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("reading", ["notebook", "slides", "mirza"])
def test_a_d_that_has_seen_the_label_is_not_asked_for_it(reading):
    patch = config.assign(["model.classes=1", f"model.reading={reading}"])
    with pytest.raises(UsageError, match=r"--set model\.reading=reed") as error:
        config.build("cgan", preset="tiny", patches=[patch])
    assert "\n" not in str(error.value)
