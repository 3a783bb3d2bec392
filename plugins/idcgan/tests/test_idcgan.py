"""IDCGAN: shapes and parameter counts, losses by hand, exact resume, unsupported data."""

import pytest
import torch
from ganzoo_face_aging.capabilities import SupportsAgeEditing
from ganzoo_face_aging.testing import StubAgeEstimator
from ganzoo_idcgan.config import AGE_BINS, IDCGANConfig
from ganzoo_idcgan.model import IDCGAN
from torch import nn
from training_helpers import (
    FakeStepContext,
    assert_aged_alike_after_loading,
    differing_keys,
    make_images,
    make_trainer,
    num_params,
)

import ganzoo_core as gz
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import Auxiliaries, Batch, SupportsTranslation

SMALL_CONFIG = IDCGANConfig(
    age_bins=AGE_BINS,
    base_channels=8,
    latent_dim=16,
    ema_halflife_images=50.0,
    epochs=1.0,
    optim_d=gz.Adam(lr=1e-3),
    optim_g=gz.Adam(lr=1e-3),
)


@pytest.fixture(scope="module")
def images():
    return make_images(num_images=40, image_size=32, age_bins=AGE_BINS)


def build_model(info, config=SMALL_CONFIG):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = IDCGAN(config, info)
        model.auxiliaries = Auxiliaries({"age": StubAgeEstimator()})
    return model


def test_networks_at_64_px():
    info = gz.DataInfo(
        image_size=64, class_names=tuple("abcdef"), age_bins=AGE_BINS, class_mean_ages=(1.0,) * 6
    )
    model = IDCGAN(IDCGANConfig(), info)
    encoder_convs = [m for m in model.encoder.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in encoder_convs] == [64, 128, 256, 512]
    assert {(c.kernel_size, c.stride) for c in encoder_convs} == {((5, 5), (2, 2))}
    in_features = 256 + 6 * 8
    convs = 16 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 3  # transposed convs
    norms = 2 * (512 + 256 + 128 + 64)
    assert num_params(model.generator) == in_features * 512 * 16 + convs + norms
    image = torch.zeros(2, 3, 64, 64)
    z = model.encoder(image)
    assert z.shape == (2, 256) and model.connector(z, torch.tensor([0, 5])).shape == (
        2,
        in_features,
    )
    (maps,) = model.discriminator.features(image)
    assert maps.shape == (2, 128, 16, 16)
    assert model.discriminator(image, torch.tensor([0, 5])).shape == (2,)


def test_connector_concatenates_repeated_labels():
    info = gz.DataInfo(
        image_size=32, class_names=("a", "b"), age_bins=(30,), class_mean_ages=(1.0, 2.0)
    )
    model = IDCGAN(IDCGANConfig(base_channels=8, latent_dim=3, label_repeats=2), info)
    vector = model.connector(torch.tensor([[0.1, 0.2, 0.3]]), torch.tensor([1]))
    assert vector.tolist()[0] == pytest.approx([0.1, 0.2, 0.3, -1, 1, -1, 1])


def test_losses_match_the_formulas(images):
    model = build_model(images.info).eval()
    rows = torch.tensor([0, 7, 13, 22])
    image = images.gather(rows).float() / 127.5 - 1
    label = images.label[rows]
    ctx = FakeStepContext(Batch(size=4, image=image, label=label))
    g_loss = model.generator_loss(ctx)
    aged, reconstruction, target_label = ctx.cache["fake_images"]
    assert target_label.tolist() == [label[3], label[0], label[1], label[2]]
    z = model.encoder(image)
    torch.testing.assert_close(aged, model.decode(z, target_label))
    torch.testing.assert_close(reconstruction, model.decode(z, label))
    d, weights = model.discriminator, model.config.loss_weights
    mean_ages = torch.tensor(images.info.class_mean_ages)[target_label]
    terms = {
        "adversarial": nn.functional.softplus(-d(aged, target_label)).mean(),
        "pixel": (reconstruction - image).abs().mean(),
        "age": (model.auxiliaries["age"].estimate_age(aged) - mean_ages).abs().mean() / 10,
        "feature": (d.features(aged)[0] - d.features(image)[0]).square().mean(),
    }
    for name, value in terms.items():
        torch.testing.assert_close(ctx.logged[f"loss/g_{name}"], value)
    torch.testing.assert_close(g_loss, sum(getattr(weights, k) * v for k, v in terms.items()))
    real_loss = nn.functional.softplus(-d(image, label))
    fake_loss = nn.functional.softplus(d(aged, target_label))
    torch.testing.assert_close(model.discriminator_loss(ctx), (real_loss + fake_loss).mean())


def test_gradients_of_encoder_and_generator_only(images):
    model = build_model(images.info)
    model.auxiliaries["age"].module.requires_grad_(False)
    image = images.gather(torch.arange(8)).float() / 127.5 - 1
    ctx = FakeStepContext(Batch(size=8, image=image, label=images.label[:8]))
    model.generator_loss(ctx).backward()
    trained = [*model.encoder.parameters(), *model.generator.parameters()]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)
    assert all(p.grad is None for p in model.auxiliaries["age"].module.parameters())


def test_resume_is_bit_exact(images, tmp_path):
    uninterrupted = make_trainer(IDCGAN, model=build_model(images.info), images=images)
    uninterrupted.run(tmp_path / "uninterrupted")
    make_trainer(IDCGAN, model=build_model(images.info), images=images, steps=2).run(tmp_path / "a")
    resumed = make_trainer(IDCGAN, model=build_model(images.info), images=images)
    resumed.restore(tmp_path / "a")
    resumed.run(tmp_path / "a")
    assert uninterrupted.step == resumed.step == 5
    assert differing_keys(uninterrupted.state_dict(), resumed.state_dict()) == []


def test_edit_age_in_both_directions(images):
    model = build_model(images.info).eval()
    assert isinstance(model, SupportsAgeEditing) and isinstance(model, SupportsTranslation)
    faces, target_age = torch.rand(2, 3, 32, 32), torch.tensor([[5.0, 70.0], [70.0, 18.9]])
    with torch.no_grad():
        aged = model.edit_age(faces, None, target_age)
        assert aged.shape == (2, 2, 3, 32, 32) and aged.abs().max() <= 1
        expected = model.translate(faces, torch.tensor([5, 0]))
        torch.testing.assert_close(torch.stack([aged[0, 1], aged[1, 1]]), expected)
    assert not torch.allclose(aged[0, 0], aged[0, 1], atol=1e-3)


def test_unsupported_data_raises():
    with pytest.raises(UsageError, match=r"model\.age_bins"):
        IDCGAN(SMALL_CONFIG, gz.DataInfo(image_size=32, class_names=("a",)))
    with pytest.raises(ValueError, match=r"data\.image_size=64"):
        IDCGAN(SMALL_CONFIG, gz.DataInfo(image_size=48, class_names=("a", "b"), age_bins=(30,)))


def test_pretrained_folder_matches_its_run(tmp_path):
    assert_aged_alike_after_loading("idcgan", tmp_path)
