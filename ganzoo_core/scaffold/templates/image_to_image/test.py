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
    image, label = torch.zeros(2, 3, 32, 32), torch.tensor([0, 1])
    assert run.model.translate(image, label).shape == (2, 3, 32, 32)
