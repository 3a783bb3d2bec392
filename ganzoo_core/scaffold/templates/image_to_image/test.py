"""my-plugin passes the conformance checks, and trains."""

import torch

from ganzoo_core import train
from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("my-plugin")
def test_conformance(check):
    """The checks that `ganzoo check my-plugin` runs."""
    check()


def test_training(tmp_path):
    """A run of four steps gives a model that translates."""
    run = train("my-plugin", preset="smoke", steps=4, out=tmp_path / "run", quiet=True)
    image, label = torch.zeros(2, 3, 32, 32), torch.tensor([0, 1])
    assert run.model.translate(image, label).shape == (2, 3, 32, 32)
