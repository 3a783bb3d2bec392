"""StarGAN: target groups, gradients, ages in years, exact resume, unsupported data."""

from functools import partial

import pytest
import torch
from ganzoo_face_aging.capabilities import SupportsAgeEditing
from ganzoo_stargan.config import AGE_BINS, StarGANConfig
from ganzoo_stargan.model import StarGAN
from training_helpers import (
    FakeStepContext,
    assert_aged_alike_after_loading,
    assert_resume_of_model_is_bit_exact,
    make_images,
)

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
    build = partial(build_model, images.info)
    assert_resume_of_model_is_bit_exact(StarGAN, build, tmp_path, images)


def test_unsupported_data_raises():
    with pytest.raises(UsageError, match="--data people"):
        StarGAN(SMALL_CONFIG, gz.DataInfo(image_size=32, class_names=("a",)))
    with pytest.raises(ValueError, match=r"data\.image_size=64"):
        StarGAN(SMALL_CONFIG, gz.DataInfo(image_size=48, class_names=("a", "b"), age_bins=(30,)))


def test_pretrained_folder_matches_its_run(tmp_path):
    assert_aged_alike_after_loading("stargan", tmp_path)
