"""IDCGAN: shapes and counts, each loss by hand, exact continuation, refusals."""

import pytest
import torch
from ganzoo_idcgan.config import GROUPS, IDCGANConfig
from ganzoo_idcgan.model import IDCGAN
from torch import nn
from workbench import differences, drawn, trainer

import ganzoo_core as gz
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import Batch, EditsAge, Judges, Translates
from ganzoo_core.testing.standins import StandIn

TINY = IDCGANConfig(
    groups=GROUPS,
    width=8,
    latent=16,
    ema=50.0,
    epochs=1.0,
    optim_d=gz.Adam(lr=1e-3),
    optim_g=gz.Adam(lr=1e-3),
)


@pytest.fixture(scope="module")
def images():
    return drawn(40, 32, groups=GROUPS)


def built(info, config=TINY):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = IDCGAN(config, info)
        model.judges = Judges({"age": StandIn()})
    return model


def count(net):
    return sum(p.numel() for p in net.parameters())


def test_networks_at_64_px():
    info = gz.DataInfo(size=64, classes=tuple("abcdef"), groups=GROUPS, mean_ages=(1.0,) * 6)
    model = IDCGAN(IDCGANConfig(), info)
    convs = [m for m in model.encoder.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convs] == [64, 128, 256, 512]
    assert {(c.kernel_size, c.stride) for c in convs} == {((5, 5), (2, 2))}
    entry = 256 + 6 * 8
    kernels = 16 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 3  # transposed convs
    norms = 2 * (512 + 256 + 128 + 64)
    assert count(model.generator) == entry * 512 * 16 + kernels + norms
    image = torch.zeros(2, 3, 64, 64)
    z = model.encoder(image)
    assert z.shape == (2, 256) and model.connector(z, torch.tensor([0, 5])).shape == (2, entry)
    (maps,) = model.discriminator.features(image)
    assert maps.shape == (2, 128, 16, 16)
    assert model.discriminator(image, torch.tensor([0, 5])).shape == (2,)


def test_the_connector_repeats_the_age_beside_the_person():
    info = gz.DataInfo(size=32, classes=("a", "b"), groups=(30,), mean_ages=(1.0, 2.0))
    model = IDCGAN(IDCGANConfig(width=8, latent=3, repeat=2), info)
    vector = model.connector(torch.tensor([[0.1, 0.2, 0.3]]), torch.tensor([1]))
    assert vector.tolist()[0] == pytest.approx([0.1, 0.2, 0.3, -1, 1, -1, 1])


class Pages:
    """A turn by hand."""

    def __init__(self, batch):
        self.batch, self.kept, self.logged = batch, {}, {}

    def once(self, name, make):
        return self.kept.setdefault(name, make()) if name not in self.kept else self.kept[name]

    def log(self, **values):
        self.logged |= values


def test_each_loss_is_what_the_head_of_the_file_says(images):
    model = built(images.info).eval()
    rows = torch.tensor([0, 7, 13, 22])
    image = images.gather(rows).float() / 127.5 - 1
    label = images.label[rows]
    t = Pages(Batch(size=4, image=image, label=label))
    total = model.generator_loss(t)
    aged, same, asked = t.kept["drawn"]
    assert asked.tolist() == [label[3], label[0], label[1], label[2]]
    z = model.encoder(image)
    torch.testing.assert_close(aged, model.draw(z, asked))
    torch.testing.assert_close(same, model.draw(z, label))
    d, w = model.discriminator, model.config.weights
    means = torch.tensor(images.info.mean_ages)[asked]
    terms = {
        "adversarial": nn.functional.softplus(-d(aged, asked)).mean(),
        "pixel": (same - image).abs().mean(),
        "age": (model.judges["age"].estimate_age(aged) - means).abs().mean() / 10,
        "feature": (d.features(aged)[0] - d.features(image)[0]).square().mean(),
    }
    for name, value in terms.items():
        torch.testing.assert_close(t.logged[f"g_{name}"], value)
    torch.testing.assert_close(total, sum(getattr(w, k) * v for k, v in terms.items()))
    expected = nn.functional.softplus(-d(image, label)) + nn.functional.softplus(d(aged, asked))
    torch.testing.assert_close(model.discriminator_loss(t), expected.mean())


def test_gradients_reach_encoder_and_generator_but_no_judge(images):
    model = built(images.info)
    model.judges["age"].module.requires_grad_(False)
    image = images.gather(torch.arange(8)).float() / 127.5 - 1
    model.generator_loss(Pages(Batch(size=8, image=image, label=images.label[:8]))).backward()
    learning = [*model.encoder.parameters(), *model.generator.parameters()]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learning)
    assert all(p.grad is None for p in model.judges["age"].module.parameters())


def test_resumes_bit_by_bit(images, tmp_path):
    straight = trainer(IDCGAN, model=built(images.info), images=images)
    straight.run(tmp_path / "straight")
    worker = trainer(IDCGAN, model=built(images.info), images=images, steps=2)
    worker.run(tmp_path / "run")
    again = trainer(IDCGAN, model=built(images.info), images=images)
    again.restore(tmp_path / "run")
    again.run(tmp_path / "run")
    assert straight.round == again.round == 5
    assert differences(straight.state(), again.state()) == []


def test_ages_in_both_directions_from_one_latent(images):
    model = built(images.info).eval()
    assert isinstance(model, EditsAge) and isinstance(model, Translates)
    faces, targets = torch.rand(2, 3, 32, 32), torch.tensor([[0, 5], [5, 0]])
    with torch.no_grad():
        aged = model.age(faces, None, targets)
        assert aged.shape == (2, 2, 3, 32, 32) and aged.abs().max() <= 1
        torch.testing.assert_close(aged[1, 0], model.translate(faces, targets[:, 0])[1])
    assert not torch.allclose(aged[0, 0], aged[0, 1], atol=1e-3)


def test_data_it_cannot_use_are_refused():
    with pytest.raises(UsageError, match="needs data with ages"):
        IDCGAN(TINY, gz.DataInfo(size=32, classes=("a",)))
    with pytest.raises(ValueError, match=r"data\.size=64"):
        IDCGAN(TINY, gz.DataInfo(size=48, classes=("a", "b"), groups=(30,)))


def test_a_bundle_ages_as_its_run_does(tmp_path):
    run = gz.train("idcgan", preset="tiny", steps=2, out=tmp_path / "run", quiet=True)
    faces, targets = torch.rand(2, 3, 32, 32), torch.tensor([[0, 5], [5, 0]])
    loaded = gz.load(tmp_path / "run" / "weights", device="cpu")
    with torch.no_grad():
        aged = loaded.age(faces, None, targets)
        torch.testing.assert_close(aged, run.model.eval().age(faces, None, targets))
