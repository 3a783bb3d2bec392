"""Time from `ganzoo new` to the first samples, on this machine.

    python benchmarks/scaffold_time.py [--keep DIR]

pip installs without an index and without build isolation.
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

from ganzoo_core.cli.error_handling import exit_on_error

MAX_SECONDS = {"smoke": 60, "quick": 180}
"""Goal in seconds, from an empty folder to an image of samples."""


def main() -> None:
    """Run the commands, and print the time of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="a new folder to leave the plugin and runs in")
    keep = parser.parse_args().keep
    home = keep or Path(tempfile.mkdtemp(prefix="ganzoo-new-"))
    home.mkdir(parents=True, exist_ok=True)
    seconds_by_command = {name: time_command(command, home) for name, command in commands().items()}
    setup_seconds = seconds_by_command["new"] + seconds_by_command["install"]
    figures = {
        **{name: round(seconds, 1) for name, seconds in seconds_by_command.items()},
        "smoke": round(
            setup_seconds + seconds_by_command["run smoke"] + seconds_by_command["sample smoke"], 1
        ),
        "quick": round(
            setup_seconds + seconds_by_command["run quick"] + seconds_by_command["sample quick"], 1
        ),
    }
    if not keep:
        shutil.rmtree(home)
    met = all(figures[name] <= goal for name, goal in MAX_SECONDS.items())
    print(json.dumps({"seconds": figures, "goals": MAX_SECONDS, "met": met}))


def commands() -> dict[str, list[str]]:
    """Return the commands by name."""
    ganzoo = [sys.executable, "-m", "ganzoo_core.cli"]
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "install"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", "site"]
    return {
        "new": [*ganzoo, "new", "timed-gan", "--out", "timed-gan"],
        "install": [*pip, *offline, "./timed-gan"],
        "run smoke": [*ganzoo, "run", "timed-gan", "--preset", "smoke", "--out", "smoke", "-q"],
        "sample smoke": [*ganzoo, "sample", "smoke", "-n", "8", "--out", "smoke.png"],
        "run quick": [*ganzoo, "run", "timed-gan", "--out", "quick", "-q"],
        "sample quick": [*ganzoo, "sample", "quick", "-n", "24", "--out", "quick.png"],
    }


def time_command(command: list[str], home: Path) -> float:
    """Run a command and print its wall and CPU time; return the wall time in seconds."""
    env = {**os.environ, "PYTHONPATH": str(home / "site")}
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, cwd=home, env=env, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    print(f"{seconds:7.1f} s  {cpu:7.1f} s CPU  {' '.join(command[3:])}", flush=True)
    return seconds


if __name__ == "__main__":
    with exit_on_error():
        main()
