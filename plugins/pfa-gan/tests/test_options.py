"""PFA-GAN's options: the paper's settings, and groups and data that are refused."""

from dataclasses import replace

import pytest
from ganzoo_pfa_gan.config import PAPER_GROUPS, PFAConfig
from ganzoo_pfa_gan.model import PFAGAN
from torch import nn

from ganzoo_core import config
from ganzoo_core.data import group_names
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.interfaces import DataInfo, Judges
from ganzoo_core.runs.ageing import targets_of
from ganzoo_core.testing.standins import StandIn


def test_data_without_ages_are_refused():
    with pytest.raises(ValueError, match="data with ages"):
        PFAGAN(PFAConfig(), DataInfo(size=32, classes=("a", "b"), mean_ages=()))


@pytest.mark.parametrize("groups", [[], [30, 20], [30, 30], [-1, 5], [40, 120]])
def test_bad_groups_are_one_line(groups):
    with pytest.raises(UsageError, match=r"model\.groups") as error:
        config.build("pfa-gan", preset="tiny", patches=[{"model": {"groups": groups}}])
    assert "\n" not in str(error.value)


def test_the_papers_settings():
    tree = config.build("pfa-gan", preset="paper")
    assert (tree.data.size, tree.train.batch, tree.model.rounds) == (256, 48, 200_000)
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert (optim.lr, optim.betas) == (1e-4, (0.5, 0.99))
    assert (tree.model.groups, tree.model.width) == (PAPER_GROUPS, 32)
    assert (tree.model.start, tree.model.ema, tree.model.direction) == (0.02, None, "ageing")


INFO = DataInfo(
    size=32,
    classes=("0-30", "31-40", "41-50", "51+"),
    groups=PAPER_GROUPS,
    counts=(1,) * 4,
    mean_ages=(20.0, 35.0, 45.0, 60.0),
)


class Names(nn.Module):
    def embed(self, image):
        return nn.functional.normalize(image.flatten(1))


class Guesses(nn.Module):
    def estimate_age(self, image):
        return 50 * (image.mean((1, 2, 3)) + 1)


@pytest.mark.parametrize(
    ("role", "judge", "lacks"),
    [("identity", Names, r"features\(\)"), ("age", Guesses, r"age_logits\(\)")],
)
def test_judges_that_cannot_say_what_the_losses_ask_for(role, judge, lacks):
    model = PFAGAN(PFAConfig(width=4), INFO)
    model.judges = Judges({"identity": StandIn(), "age": StandIn()} | {role: judge()})
    line = rf"the judge of '{role}', {judge.__name__}, has no {lacks}.*--set model\.{role}\.weights"
    with pytest.raises(WeightsError, match=line) as error:
        model.stages()
    assert "\n" not in str(error.value)


def test_groups_of_other_weights_are_refused_with_those_there_are():
    with pytest.raises(UsageError, match=r"no label '60\+'.*0-30, 31-40, 41-50, 51\+") as error:
        targets_of(INFO, ["60+"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [16, 48, 100])
def test_a_bad_size_is_one_line(size):
    with pytest.raises(ValueError, match=f"not {size}: --set data.size=64"):
        PFAGAN(PFAConfig(width=4), replace(INFO, size=size))


@pytest.mark.parametrize("preset", PFAConfig.presets)
def test_every_preset_validates_and_builds(preset):
    tree = config.build("pfa-gan", preset=preset)
    small, names = tree.model.model_copy(update={"width": 4}), group_names(tree.model.groups)
    info = DataInfo(
        size=tree.data.size,
        classes=names,
        groups=tree.model.groups,
        counts=(1,) * len(names),
        mean_ages=tuple(range(10, 70, 10))[: len(names)],
    )
    model = PFAGAN(small, info)
    assert set(model.serves) == set(model.players()["g"].nets)
    (stage,) = model.stages()
    assert [step.name for step in stage.steps] == ["d", "g"] and stage.draw.how == "pairs"
