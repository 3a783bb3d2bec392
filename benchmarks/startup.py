"""How long the command line takes to answer: `python benchmarks/startup.py [--repeats N]`.

Prints the median wall and CPU time of each command beside two baselines, and last one line of
JSON. Wall times of a busy machine say little; the CPU time and the baselines tell how busy it was.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

from ganzoo_core.cli.failures import reported

GANZOO = [sys.executable, "-m", "ganzoo_core.cli"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import click, pluggy, rich": [sys.executable, "-c", "import click, pluggy, rich"],
    "ganzoo --help": [*GANZOO, "--help"],
    "ganzoo list": [*GANZOO, "list"],
    "ganzoo plugins": [*GANZOO, "plugins"],
}
GOALS = {"ganzoo --help": 150.0, "ganzoo list": 300.0}
"""Milliseconds of wall time, with every first-party plugin installed."""


def measure(words: list[str]) -> tuple[float, float]:
    """Run a command once; return its wall and CPU time in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall * 1000, cpu * 1000


def main() -> None:
    """Measure in turns, so that a busy moment reaches every command alike."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for turn in range(repeats + 1):
        for name, words in COMMANDS.items():
            once = measure(words)
            if turn:  # the first turn fills the file cache
                times[name].append(once)
    figures = {
        name: {
            "wall_ms": round(statistics.median(wall for wall, _ in pairs), 1),
            "cpu_ms": round(statistics.median(cpu for _, cpu in pairs), 1),
        }
        for name, pairs in times.items()
    }
    print(f"{'command':<28}{'wall ms':>9}{'cpu ms':>9}{'goal':>8}")
    for name, figure in figures.items():
        goal = f"{GOALS[name]:.0f}" if name in GOALS else ""
        print(f"{name:<28}{figure['wall_ms']:>9}{figure['cpu_ms']:>9}{goal:>8}")
    met = {name: figures[name]["wall_ms"] <= goal for name, goal in GOALS.items()}
    load = round(os.getloadavg()[0], 2)
    print(
        json.dumps(
            {
                "benchmark": "startup",
                "repeats": repeats,
                "load": load,
                "figures": figures,
                "goals": GOALS,
                "met": met,
            }
        )
    )


if __name__ == "__main__":
    with reported():
        main()
