"""my-plugin passes the conformance checks, and trains."""

import torch

from ganzoo_core import train
from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("my-plugin")
def test_conformance(check):
    """The checks that `ganzoo check my-plugin` runs."""
    check()


def test_training(tmp_path):
    """A run of four steps gives a model that embeds images of another size."""
    run = train("my-plugin", preset="smoke", steps=4, out=tmp_path / "run", quiet=True)
    assert run.model.embed(torch.zeros(2, 3, 48, 48)).shape == (2, 16)
