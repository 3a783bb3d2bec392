"""my-plugin passes the conformance checks, and trains."""

from ganzoo_core import train
from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("my-plugin")
def test_conformance(check):
    """The checks that `ganzoo check my-plugin` runs."""
    check()


def test_training(tmp_path):
    """A run of two steps gives a model that samples."""
    run = train("my-plugin", preset="smoke", steps=2, out=tmp_path / "run", quiet=True)
    assert len(run.model.sample(3)) == 3
