"""The loss my-plugin passes the conformance checks, and matches its formula."""

import math

import pytest
import torch
from ganzoo_my_plugin.loss import MyPlugin

from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("my-plugin")
def test_conformance(check):
    """The checks that `ganzoo check my-plugin` runs."""
    check()


def test_formula():
    """The formula of the docstring, for two logits."""
    real, fake = torch.tensor([2.0]), torch.tensor([-1.0])
    p, q = (1 / (1 + math.exp(-x / 2)) for x in (2.0, -1.0))
    loss = MyPlugin(temperature=2.0)
    d, g = loss.discriminator_loss(real, fake).item(), loss.generator_loss(fake).item()
    assert d == pytest.approx(-math.log(p) - math.log(1 - q), rel=1e-5)
    assert g == pytest.approx(-math.log(q), rel=1e-5)
