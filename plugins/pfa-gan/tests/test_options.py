"""PFA-GAN: the paper's settings, and unsupported options and data."""

from dataclasses import replace

import pytest
from ganzoo_face_aging.target_ages import parse_target_ages
from ganzoo_face_aging.testing import StubAgeEstimator
from ganzoo_pfa_gan.config import PAPER_AGE_BINS, PFAGANConfig
from ganzoo_pfa_gan.model import PFAGAN
from torch import nn

from ganzoo_core import config
from ganzoo_core.data import age_bin_names
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.interfaces import Auxiliaries, DataInfo


def test_data_without_ages_raise():
    info = DataInfo(image_size=32, class_names=("a", "b"), class_mean_ages=())
    with pytest.raises(ValueError, match=r"model\.age_bins"):
        PFAGAN(PFAGANConfig(), info)


@pytest.mark.parametrize("age_bins", [[], [30, 20], [30, 30], [-1, 5], [40, 120]])
def test_invalid_age_bins_are_one_line(age_bins):
    patch = {"model": {"age_bins": age_bins}}
    with pytest.raises(UsageError, match=r"model\.age_bins") as error:
        config.build_config("pfa-gan", preset="smoke", patches=[patch])
    assert "\n" not in str(error.value)


def test_paper_settings():
    tree = config.build_config("pfa-gan", preset="paper")
    assert (tree.data.image_size, tree.train.batch_size, tree.model.steps) == (256, 48, 200_000)
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert (optim.lr, optim.betas) == (1e-4, (0.5, 0.99))
    assert (tree.model.age_bins, tree.model.g_channels) == (PAPER_AGE_BINS, 32)
    assert (tree.model.last_conv_init_std, tree.model.direction) == (0.02, "aging")
    assert tree.model.ema_halflife_images is None


INFO = DataInfo(
    image_size=32,
    class_names=("0-30", "31-40", "41-50", "51+"),
    age_bins=PAPER_AGE_BINS,
    class_counts=(1,) * 4,
    class_mean_ages=(20.0, 35.0, 45.0, 60.0),
)


class EmbeddingOnly(nn.Module):
    def embed(self, image):
        return nn.functional.normalize(image.flatten(1))


class AgeEstimationOnly(nn.Module):
    def estimate_age(self, image):
        return 50 * (image.mean((1, 2, 3)) + 1)


@pytest.mark.parametrize(
    ("role", "network_class", "method"),
    [("identity", EmbeddingOnly, r"features\(\)"), ("age", AgeEstimationOnly, r"age_logits\(\)")],
)
def test_auxiliaries_without_required_methods_raise(role, network_class, method):
    model = PFAGAN(PFAGANConfig(g_channels=4), INFO)
    model.auxiliaries = Auxiliaries(
        {"identity": StubAgeEstimator(), "age": StubAgeEstimator()} | {role: network_class()}
    )
    words = rf"{network_class.__name__}.*{method}.*--set model\.auxiliaries\.{role}\.weights"
    with pytest.raises(WeightsError, match=words) as error:
        model.stages()
    assert "\n" not in str(error.value)


def test_unknown_target_label_lists_class_names():
    with pytest.raises(UsageError, match=r"60\+.*0-30, 31-40, 41-50, 51\+") as error:
        parse_target_ages(PFAGAN(PFAGANConfig(g_channels=4), INFO), ["60+"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("image_size", [16, 48, 100])
def test_unsupported_sizes_raise(image_size):
    with pytest.raises(ValueError, match=r"--set data\.image_size=64"):
        PFAGAN(PFAGANConfig(g_channels=4), replace(INFO, image_size=image_size))


@pytest.mark.parametrize("preset", PFAGANConfig.presets)
def test_every_preset_builds(preset):
    tree = config.build_config("pfa-gan", preset=preset)
    small_config = tree.model.model_copy(update={"g_channels": 4})
    names = age_bin_names(tree.model.age_bins)
    info = DataInfo(
        image_size=tree.data.image_size,
        class_names=names,
        age_bins=tree.model.age_bins,
        class_counts=(1,) * len(names),
        class_mean_ages=tuple(range(10, 70, 10))[: len(names)],
    )
    model = PFAGAN(small_config, info)
    assert set(model.inference_modules) == set(model.configure_optimizers()["g"].modules)
    (stage,) = model.stages()
    assert [phase.name for phase in stage.phases] == ["d", "g"]
    assert stage.batch.sampler == "group_pairs"
