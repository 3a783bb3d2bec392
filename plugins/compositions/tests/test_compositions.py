"""Every composition trains at its smoke settings and resumes to the bit."""

import pytest

from ganzoo_core.testing import run_checks
from ganzoo_core.zoo import zoo

NAMES = [
    spec.name for plugin in zoo().plugins if plugin.name == "compositions" for spec in plugin.specs
]


@pytest.mark.parametrize("name", NAMES)
def test_conformance(name):
    results = [*run_checks(name)]
    assert not [(r.name, r.message) for r in results if not r.passed]
    assert "resume-is-exact" in {r.name for r in results}
