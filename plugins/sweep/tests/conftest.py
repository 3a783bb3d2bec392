"""Fixtures of the core's tests: the command line in new processes, a trained run."""

from conftest import run_ganzoo, trained_run

__all__ = ["run_ganzoo", "trained_run"]
