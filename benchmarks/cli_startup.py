"""Startup time of the command line: `python benchmarks/cli_startup.py [--repeats N]`.

Prints the median wall and CPU time of each command and of two baselines; the last line is JSON. On
a busy machine, compare the CPU times and the baselines.
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

from ganzoo_core.cli.error_handling import exit_on_error

GANZOO_COMMAND = [sys.executable, "-m", "ganzoo_core.cli"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import click, pluggy, rich": [sys.executable, "-c", "import click, pluggy, rich"],
    "ganzoo --help": [*GANZOO_COMMAND, "--help"],
    "ganzoo list": [*GANZOO_COMMAND, "list"],
    "ganzoo plugins": [*GANZOO_COMMAND, "plugins"],
}
GOALS = {"ganzoo --help": 150.0, "ganzoo list": 300.0}
"""Goal in milliseconds of wall time, with all first-party plugins installed."""


def time_command(command: list[str]) -> tuple[float, float]:
    """Run a command once; return its wall and CPU time in milliseconds."""
    # A user has compiled files; some environments turn them off.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=env)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall * 1000, cpu * 1000


def main() -> None:
    """Time the commands in turns, so that other load affects all of them equally."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for repeat in range(repeats + 1):
        for name, command in COMMANDS.items():
            elapsed = time_command(command)
            if repeat:  # the first repeat fills the file cache
                times[name].append(elapsed)
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
    facts = {"benchmark": "cli_startup", "repeats": repeats, "load": load}
    print(json.dumps({**facts, "figures": figures, "goals": GOALS, "met": met}))


if __name__ == "__main__":
    with exit_on_error():
        main()
