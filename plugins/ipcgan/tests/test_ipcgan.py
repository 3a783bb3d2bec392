"""IPCGAN: gradients, ages in years, exact resume, unsupported data and auxiliary networks."""

from functools import partial

import pytest
import torch
from ganzoo_face_aging.capabilities import SupportsAgeEditing
from ganzoo_face_aging.testing import StubAgeEstimator
from ganzoo_ipcgan.config import AGE_BINS, IPCGANConfig
from ganzoo_ipcgan.model import IPCGAN
from torch import nn
from training_helpers import (
    FakeStepContext,
    assert_aged_alike_after_loading,
    assert_resume_of_model_is_bit_exact,
    make_images,
)

import ganzoo_core as gz
from ganzoo_core.data import BatchLoader
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.interfaces import Auxiliaries, SupportsTranslation

SMALL_CONFIG = IPCGANConfig(age_bins=AGE_BINS, g_channels=4, num_blocks=1, d_channels=4)


@pytest.fixture(scope="module")
def images():
    return make_images(num_images=40, image_size=32, age_bins=AGE_BINS)


def build_model(info):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = IPCGAN(SMALL_CONFIG, info)
        model.auxiliaries = Auxiliaries({"identity": StubAgeEstimator(), "age": StubAgeEstimator()})
    return model


def test_gradients_of_the_generator_only(images):
    model = build_model(images.info)
    model.discriminator.requires_grad_(False)  # as the Trainer does
    (stage,) = model.stages()
    batch = BatchLoader(images, stage.batch, 8, torch.device("cpu"), 0, "gan")(0)
    model.generator_loss(FakeStepContext(batch)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.generator.parameters())
    frozen = [network.module for network in model.auxiliaries.values()]
    assert all(p.grad is None for module in frozen for p in module.parameters())


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
    assert_resume_of_model_is_bit_exact(IPCGAN, build, tmp_path, images)


def test_unsupported_data_and_networks_raise(images):
    with pytest.raises(UsageError, match=r"model\.age_bins"):
        IPCGAN(SMALL_CONFIG, gz.DataInfo(image_size=32, class_names=("a",)))
    with pytest.raises(ValueError, match="multiple of 8 px"):
        IPCGAN(SMALL_CONFIG, gz.DataInfo(image_size=36, class_names=("a", "b"), age_bins=(30,)))
    model = build_model(images.info)
    model.auxiliaries = Auxiliaries({"identity": nn.Linear(1, 1), "age": StubAgeEstimator()})
    with pytest.raises(WeightsError, match=r"Linear, has no features\(\), which ipcgan needs"):
        model.stages()


def test_pretrained_folder_matches_its_run(tmp_path):
    assert_aged_alike_after_loading("ipcgan", tmp_path)
