"""How long OpenMP's threads spin, chosen by the load of the machine before torch is loaded."""

from __future__ import annotations

import os
import time
from pathlib import Path

SPIN_COUNT_WHEN_BUSY = "1000"
"""Iterations that a thread of libgomp spins before it sleeps; its default is 300,000. Beside one
other process it is the faster one, alone the slower one (`python benchmarks/busy_cores.py`)."""
_SET_BY_USER = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")
_SAMPLES, _SAMPLE_INTERVAL_S = 5, 0.002


def choose_spin_count() -> None:
    """Let OpenMP's threads sleep soon if another process is running, unless the user has chosen.

    A thread whose core is taken makes the others spin, so one busy process costs far more than its
    share. The results of a training do not depend on it.
    """
    if not any(name in os.environ for name in _SET_BY_USER) and other_running_processes() > 0:
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT_WHEN_BUSY


def other_running_processes() -> int:
    """Return how many other threads of the machine run or wait for a core, all the time."""
    try:
        return min(_running_threads() for _ in range(_SAMPLES)) - 1
    except (OSError, ValueError, IndexError):  # not Linux
        return int(os.getloadavg()[0] + 0.5) if hasattr(os, "getloadavg") else 0


def _running_threads() -> int:
    time.sleep(_SAMPLE_INTERVAL_S)
    text = Path("/proc/loadavg").read_text()  # 0.20 0.18 0.12 1/80 11206
    return int(text.split()[3].split("/")[0])
