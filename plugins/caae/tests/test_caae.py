"""CAAE: gradients, ages in years, exact resume, unsupported data."""

from functools import partial

import pytest
import torch
from ganzoo_caae.config import AGE_BINS, CAAEConfig
from ganzoo_caae.model import CAAE
from ganzoo_face_aging.capabilities import SupportsAgeEditing
from training_helpers import (
    FakeStepContext,
    assert_aged_alike_after_loading,
    assert_resume_of_model_is_bit_exact,
    make_images,
)

import ganzoo_core as gz
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import Batch, SupportsTranslation

SMALL_CONFIG = CAAEConfig(
    age_bins=AGE_BINS, e_channels=4, g_channels=32, d_channels=4, latent_dim=8, epochs=1
)


@pytest.fixture(scope="module")
def images():
    return make_images(num_images=40, image_size=32, age_bins=AGE_BINS)


def build_model(info):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CAAE(SMALL_CONFIG, info)


def test_gradients_of_encoder_and_generator(images):
    """L1 alone reaches both networks, also where the adversarial weights are 0."""
    model = build_model(images.info)
    for discriminator in (model.image_discriminator, model.latent_discriminator):
        discriminator.requires_grad_(False)  # as the Trainer does
    image = images.gather(torch.arange(8)).float() / 127.5 - 1
    ctx = FakeStepContext(Batch(size=8, image=image, label=images.label[:8]))
    model.generator_loss(ctx).backward()
    trained = [*model.encoder.parameters(), *model.generator.parameters()]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)


def test_edit_age_in_years(images):
    model = build_model(images.info).eval()
    assert isinstance(model, SupportsAgeEditing) and isinstance(model, SupportsTranslation)
    faces, target_age = torch.rand(2, 3, 32, 32), torch.tensor([[5.0, 70.0], [70.0, 18.9]])
    with torch.no_grad():
        aged = model.edit_age(faces, None, target_age)
        assert aged.shape == (2, 2, 3, 32, 32) and aged.abs().max() <= 1
        expected = model.translate(faces, torch.tensor([5, 0]))
        torch.testing.assert_close(torch.stack([aged[0, 1], aged[1, 1]]), expected)
    assert not torch.equal(aged[0, 0], aged[0, 1])


def test_resume_is_bit_exact(images, tmp_path):
    build = partial(build_model, images.info)
    assert_resume_of_model_is_bit_exact(CAAE, build, tmp_path, images)


def test_unsupported_data_raises():
    with pytest.raises(UsageError, match=r"model\.age_bins"):
        CAAE(SMALL_CONFIG, gz.DataInfo(image_size=32, class_names=("a",)))
    with pytest.raises(ValueError, match=r"data\.image_size=64"):
        CAAE(SMALL_CONFIG, gz.DataInfo(image_size=48, class_names=("a", "b"), age_bins=(30,)))


def test_pretrained_folder_matches_its_run(tmp_path):
    assert_aged_alike_after_loading("caae", tmp_path)
