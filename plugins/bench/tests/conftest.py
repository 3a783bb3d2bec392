"""Fixtures of the core's tests: the command line in new processes."""

from conftest import run_ganzoo

__all__ = ["run_ganzoo"]
