"""The loss my-plugin keeps what every loss of the zoo promises, and computes what it says."""

import math

import pytest
import torch
from ganzoo_my_plugin.loss import MyPlugin

from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("my-plugin")
def test_promises(check):
    """Each conformance check; `ganzoo check my-plugin` prints them."""
    check()


def test_by_hand():
    """The formula of the docstring, at two logits."""
    real, fake = torch.tensor([2.0]), torch.tensor([-1.0])
    p, q = (1 / (1 + math.exp(-x / 2)) for x in (2.0, -1.0))
    loss = MyPlugin(temperature=2.0)
    assert loss.d(real, fake).item() == pytest.approx(-math.log(p) - math.log(1 - q), rel=1e-5)
    assert loss.g(fake).item() == pytest.approx(-math.log(q), rel=1e-5)
