"""Fixtures of the core's tests: the command line in new processes."""

from conftest import ganzoo_subprocess, run_shell

__all__ = ["ganzoo_subprocess", "run_shell"]
