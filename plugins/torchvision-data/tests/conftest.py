"""Helpers that open data sets of the zoo and return their error messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ganzoo_core.errors import GanzooError
from ganzoo_core.zoo import import_target, zoo


def open_dataset(name: str, path: Path | str, **options: Any) -> Any:
    """Open a data set; all images of CelebA, or another split."""
    if name == "celeba":
        options.setdefault("split", "all")
    spec = zoo().dataset(name)
    return import_target(spec.target)(
        import_target(spec.config)(name=name, path=str(path), **options)
    )


def error_message(name: str, path: Path | str, **options: Any) -> str:
    """Return the one-line error message of a data set."""
    with pytest.raises(GanzooError) as caught:
        open_dataset(name, path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Kit(NamedTuple):
    """The functions above, for tests."""

    open_dataset: Any
    error_message: Any


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit(open_dataset, error_message)
