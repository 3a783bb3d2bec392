"""The term my-plugin passes the conformance checks, and matches its formula."""

from types import SimpleNamespace

import pytest
import torch
from ganzoo_my_plugin.term import MyPlugin

from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("my-plugin")
def test_conformance(check):
    """The checks that `ganzoo check my-plugin` runs."""
    check()


def test_formula():
    """The formula of the docstring, for two logits."""
    out = SimpleNamespace(real_logits=torch.tensor([2.0, -1.0]))
    value = MyPlugin(target=1.0).discriminator(None, None, out)
    assert value.item() == pytest.approx((1 + 4) / 2)
