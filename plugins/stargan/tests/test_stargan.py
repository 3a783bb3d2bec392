"""StarGAN: target groups, gradients, ages in years, exact resume, unsupported data."""

import pytest
import torch
from ganzoo_face_aging.capabilities import SupportsAgeEditing
from ganzoo_stargan.config import AGE_BINS, StarGANConfig
from ganzoo_stargan.model import StarGAN
from training_helpers import FakeStepContext, differing_keys, make_images, make_trainer

import ganzoo_core as gz
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import Batch, SupportsTranslation

SMALL_CONFIG = StarGANConfig(
    g_channels=4, num_blocks=1, d_channels=4, d_updates=2, ema_halflife_images=50.0
)


@pytest.fixture(scope="module")
def images():
    return make_images(num_images=40, age_bins=AGE_BINS)


def build_model(info, config=SMALL_CONFIG):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return StarGAN(config, info)


def test_gradients_of_the_generator_only(images):
    model = build_model(images.info)
    model.discriminator.requires_grad_(False)  # as the Trainer does
    image = images.gather(torch.arange(8)).float() / 127.5 - 1
    ctx = FakeStepContext(Batch(size=8, image=image, label=images.label[:8]))
    model.generator_loss(ctx).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.generator.parameters())
    fake, target_label = model.fake_images(ctx)
    assert torch.equal(fake, model.generator(image, target_label))
    assert sorted(target_label.tolist()) == sorted(images.label[:8].tolist())


def test_edit_age_in_years(images):
    model = build_model(images.info).eval()
    assert isinstance(model, SupportsAgeEditing) and isinstance(model, SupportsTranslation)
    faces, target_age = torch.rand(2, 3, 16, 16), torch.tensor([[5.0, 70.0], [70.0, 18.9]])
    with torch.no_grad():
        aged = model.edit_age(faces, None, target_age)
        assert aged.shape == (2, 2, 3, 16, 16) and aged.abs().max() <= 1
        expected = model.translate(faces, torch.tensor([5, 0]))
        torch.testing.assert_close(torch.stack([aged[0, 1], aged[1, 1]]), expected)
    assert not torch.equal(aged[0, 0], aged[0, 1])


def test_resume_is_bit_exact(images, tmp_path):
    options = {"images": images, "steps": 4}
    uninterrupted = make_trainer(StarGAN, model=build_model(images.info), **options)
    uninterrupted.run(tmp_path / "uninterrupted")
    stopped = make_trainer(StarGAN, model=build_model(images.info), images=images, steps=2)
    stopped.run(tmp_path / "a")
    resumed = make_trainer(StarGAN, model=build_model(images.info), **options)
    resumed.restore(tmp_path / "a")
    resumed.run(tmp_path / "a")
    assert differing_keys(uninterrupted.state_dict(), resumed.state_dict()) == []


def test_unsupported_data_raises():
    with pytest.raises(UsageError, match="--data people"):
        StarGAN(SMALL_CONFIG, gz.DataInfo(image_size=32, class_names=("a",)))
    with pytest.raises(ValueError, match=r"data\.image_size=64"):
        StarGAN(SMALL_CONFIG, gz.DataInfo(image_size=48, class_names=("a", "b"), age_bins=(30,)))


def test_pretrained_folder_matches_its_run(tmp_path):
    run = gz.train("stargan", preset="smoke", steps=2, out=tmp_path / "run", quiet=True)
    faces, target_age = torch.rand(2, 3, 32, 32), torch.tensor([[5.0, 70.0], [70.0, 5.0]])
    loaded = gz.load(tmp_path / "run" / "weights", device="cpu")
    with torch.no_grad():
        aged = loaded.edit_age(faces, None, target_age)
        torch.testing.assert_close(aged, run.model.eval().edit_age(faces, None, target_age))
