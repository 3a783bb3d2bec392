"""PFA-GAN's options: the paper's settings, and groups and data that are refused."""

import pytest
from ganzoo_pfa_gan.config import PAPER_GROUPS, PFAConfig
from ganzoo_pfa_gan.model import PFAGAN

from ganzoo_core import config
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo


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
