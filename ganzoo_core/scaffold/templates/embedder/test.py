"""my-plugin keeps what every model of the zoo promises, and trains."""

import torch

from ganzoo_core import train
from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("my-plugin")
def test_promises(check):
    """Each conformance check; `ganzoo check my-plugin` prints them."""
    check()


def test_it_trains(tmp_path):
    """A run of a few rounds ends in a model that works."""
    run = train("my-plugin", preset="tiny", steps=4, out=tmp_path / "run", quiet=True)
    assert run.model.embed(torch.zeros(2, 3, 48, 48)).shape == (2, 16)
