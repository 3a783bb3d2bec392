"""For all tests, the plugins' too: stores go into a folder of their own, not the user's cache."""

import os
import tempfile

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Choose the cache before anything is imported; parallel workers inherit it."""
    if "GANZOO_CACHE" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="ganzoo-cache-")
        config.add_cleanup(folder.cleanup)
        os.environ["GANZOO_CACHE"] = folder.name
