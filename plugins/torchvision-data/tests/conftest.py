"""Opens data sets of the zoo, and catches their one-line refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ganzoo_core.errors import GanzooError
from ganzoo_core.zoo import resolve, zoo


def opened(name: str, path: Path | str, **options: Any) -> Any:
    """Open a data set of the zoo."""
    spec = zoo().dataset(name)
    return resolve(spec.target)(resolve(spec.config)(name=name, path=str(path), **options))


def message(name: str, path: Path | str, **options: Any) -> str:
    """Return the one line with which a data set refuses."""
    with pytest.raises(GanzooError) as caught:
        opened(name, path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Kit(NamedTuple):
    """The tools above, for tests."""

    opened: Any
    message: Any


@pytest.fixture(scope="session")
def kit() -> Kit:
    """Return the tools."""
    return Kit(opened, message)
