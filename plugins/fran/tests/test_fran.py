"""FRAN: pairs of one person, ages in years and their range, exact resume, unsupported data."""

import pytest
import torch
from ganzoo_face_aging.capabilities import SupportsAgeEditing
from ganzoo_face_aging.testing import StubAgeEstimator
from ganzoo_fran.config import FRANConfig
from ganzoo_fran.model import FRAN
from training_helpers import FakeStepContext, differing_keys, make_images, make_trainer

import ganzoo_core as gz
from ganzoo_core.data import BatchLoader
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import Auxiliaries, SupportsTranslation

SMALL_CONFIG = FRANConfig(base_channels=2, d_channels=2, num_halvings=2, ema_halflife_images=50.0)


@pytest.fixture(scope="module")
def images():
    return make_images(num_images=40, image_size=32, age_bins=SMALL_CONFIG.age_bins)


def build_model(info, config=SMALL_CONFIG):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = FRAN(config, info)
        model.auxiliaries = Auxiliaries({"identity": StubAgeEstimator(), "age": StubAgeEstimator()})
    return model


def test_gradients_of_the_generator_only(images):
    """The target of the losses is the other image of the pair, at its own age."""
    model = build_model(images.info)
    (stage,) = model.stages()
    batch = BatchLoader(images, stage.batch, 6, torch.device("cpu"), 0, "gan")(0)
    assert batch.target is not None and not torch.equal(batch.age, batch.target.age)
    ctx = FakeStepContext(batch)
    model.generator_loss(ctx).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.generator.parameters())
    assert all(p.grad is None for p in model.auxiliaries["identity"].module.parameters())
    expected = (ctx.cache["fake"] - batch.target.image).abs().mean()
    torch.testing.assert_close(ctx.logged["loss/g_pixel"], expected)


def test_edit_age_in_years(images):
    model = build_model(images.info).eval()
    assert isinstance(model, SupportsAgeEditing) and isinstance(model, SupportsTranslation)
    faces, source_age = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([20.0, 71.0])
    target_age = torch.tensor([[30.0, 31.0, 70.0], [5.0, 60.0, 30.0]])
    with torch.no_grad():
        aged = model.edit_age(faces, source_age, target_age)
        single = faces + model.generator(faces, source_age, target_age[:, 1])
        assert aged.shape == (2, 3, 3, 32, 32) and aged.abs().max() <= 1
        torch.testing.assert_close(aged[:, 1], single.clamp(-1, 1))
        assert not torch.equal(aged[0, 0], aged[0, 1])  # a year makes a difference
        estimate = model.auxiliaries["age"].estimate_age(faces)
        torch.testing.assert_close(
            model.edit_age(faces, None, target_age), model.edit_age(faces, estimate, target_age)
        )
        at_mean_age = torch.tensor(images.info.class_mean_ages)[torch.tensor([4, 1])]
        torch.testing.assert_close(
            model.translate(faces, torch.tensor([4, 1])),
            model.edit_age(faces, estimate, at_mean_age[:, None]).squeeze(1),
        )
    with pytest.raises(UsageError, match=r"95 years: .* ages \d+ to \d+"):
        model.edit_age(faces, source_age, torch.full((2, 1), 95.0))
    model.auxiliaries = Auxiliaries()
    with pytest.raises(UsageError, match="--from AGE"):
        model.edit_age(faces, None, target_age)


def test_other_sizes(images):
    """The U-Net has no size of its own."""
    model = build_model(images.info).eval()
    with torch.no_grad():
        wide = model.reage(torch.rand(1, 3, 24, 40), torch.tensor([20.0]), torch.tensor([50.0]))
    assert wide.shape == (1, 3, 24, 40)


def test_resume_is_bit_exact(images, tmp_path):
    options = {"images": images, "steps": 4}
    uninterrupted = make_trainer(FRAN, model=build_model(images.info), **options)
    uninterrupted.run(tmp_path / "uninterrupted")
    stopped = make_trainer(FRAN, model=build_model(images.info), images=images, steps=2)
    stopped.run(tmp_path / "a")
    resumed = make_trainer(FRAN, model=build_model(images.info), **options)
    resumed.restore(tmp_path / "a")
    resumed.run(tmp_path / "a")
    assert uninterrupted.step == resumed.step == 4
    assert differing_keys(uninterrupted.state_dict(), resumed.state_dict()) == []


def test_unsupported_data_raises(images):
    with pytest.raises(UsageError, match="--data people"):
        FRAN(SMALL_CONFIG, gz.DataInfo(image_size=32, class_names=("a",)))
    with pytest.raises(ValueError, match="multiple of 4 px"):
        FRAN(SMALL_CONFIG, gz.DataInfo(image_size=34, class_names=("a", "b"), age_bins=(30,)))
    one_each = make_images(num_images=6, image_size=32, age_bins=SMALL_CONFIG.age_bins)
    with pytest.raises(DataError, match="two people with two images"):
        make_trainer(FRAN, model=build_model(one_each.info), images=one_each)


@pytest.mark.parametrize("preset", FRANConfig.presets)
def test_presets_fit_their_image_size(preset):
    tree = gz.config.build_config("fran", preset=preset)
    assert tree.data.image_size % 2**tree.model.num_halvings == 0


def test_pretrained_folder_matches_its_run(tmp_path):
    run = gz.train("fran", preset="smoke", steps=2, out=tmp_path / "run", quiet=True)
    faces, ages = torch.rand(2, 3, 32, 32), torch.tensor([20.0, 60.0])
    target_age = torch.tensor([[70.0], [33.0]])
    loaded = gz.load(tmp_path / "run" / "weights", device="cpu")
    with torch.no_grad():
        aged = loaded.edit_age(faces, ages, target_age)
        expected = run.model.eval().edit_age(faces, ages, target_age)
        torch.testing.assert_close(aged, expected)
    low, high = (int(age) for age in loaded.info.age_range)
    card = (tmp_path / "run" / "weights" / "README.md").read_text()
    assert f"ages from {low} to {high} years" in card
