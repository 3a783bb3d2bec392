"""From `ganzoo new` to a picture: how long an author waits, on this machine.

    python benchmarks/new.py [--keep DIR]

pip installs without an index and without build isolation, as an author with ganzoo installed can.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ganzoo_core.cli.failures import reported

GOALS = {"tiny": 60, "quick": 180}
"""Seconds from nothing to a picture."""


def main() -> None:
    """Walk, and print what each step took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="a new folder to leave the plugin and runs in")
    keep = parser.parse_args().keep
    home = keep or Path(tempfile.mkdtemp(prefix="ganzoo-new-"))
    home.mkdir(parents=True, exist_ok=True)
    took = {name: timed(command, home) for name, command in steps().items()}
    begin = took["new"] + took["install"]
    figures = {
        **{name: round(seconds, 1) for name, seconds in took.items()},
        "tiny": round(begin + took["run tiny"] + took["sample tiny"], 1),
        "quick": round(begin + took["run quick"] + took["sample quick"], 1),
    }
    if not keep:
        shutil.rmtree(home)
    met = all(figures[name] <= goal for name, goal in GOALS.items())
    print(json.dumps({"seconds": figures, "goals": GOALS, "met": met}))


def steps() -> dict[str, list[str]]:
    """Return the commands of the walk."""
    ganzoo = [sys.executable, "-m", "ganzoo_core.cli"]
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "install"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", "site"]
    return {
        "new": [*ganzoo, "new", "walked-gan", "--out", "walked-gan"],
        "install": [*pip, *offline, "./walked-gan"],
        "run tiny": [*ganzoo, "run", "walked-gan", "--preset", "tiny", "--out", "tiny", "-q"],
        "sample tiny": [*ganzoo, "sample", "tiny", "-n", "8", "--out", "tiny.png"],
        "run quick": [*ganzoo, "run", "walked-gan", "--out", "quick", "-q"],
        "sample quick": [*ganzoo, "sample", "quick", "-n", "24", "--out", "quick.png"],
    }


def timed(command: list[str], home: Path) -> float:
    """Run a command; return its seconds, and print them with its CPU time."""
    env = {**os.environ, "PYTHONPATH": str(home / "site")}
    before, begun = os.times(), time.perf_counter()
    subprocess.run(command, cwd=home, env=env, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    print(f"{seconds:7.1f} s  {cpu:7.1f} s CPU  {' '.join(command[3:])}", flush=True)
    return seconds


if __name__ == "__main__":
    with reported():
        main()
