"""Time of `ganzoo check` for each model: `python benchmarks/conformance_checks.py [MODEL ...]`.

Prints the wall and CPU time of one process for each model, imports included, and its three slowest
checks; the last line is JSON. The first check that trains also imports torch's compiler.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.zoo import zoo

MAX_WALL_SECONDS = 8.0
"""Goal in seconds for each model, on two cores without other load."""


def run_checks_of(name: str) -> tuple[float, float, list[dict]]:
    """Check a model once; return wall and CPU seconds, and the results."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "ganzoo_core.cli", "check", name, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    if done.returncode not in {0, 4}:
        raise SystemExit(done.stderr)
    return wall, cpu, json.loads(done.stdout)


def main() -> None:
    """Check the models one by one, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="default: all installed models")
    names = parser.parse_args().models or zoo().names("model")
    timings = {}
    print(f"{'model':<16}{'wall s':>8}{'CPU s':>8}{'checks':>8}{'failed':>8}  slowest")
    for name in names:
        wall, cpu, results = run_checks_of(name)
        failed = sum(not (r["passed"] or r["skipped"]) for r in results)
        slow = sorted(results, key=lambda r: -r["seconds"])[:3]
        worst = ", ".join(f"{r['name']} {r['seconds']:.1f}" for r in slow)
        print(f"{name:<16}{wall:8.1f}{cpu:8.1f}{len(results):8}{failed:8}  {worst}", flush=True)
        timings[name] = {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "failed": failed}
    met = all(f["wall_s"] <= MAX_WALL_SECONDS and not f["failed"] for f in timings.values())
    print(json.dumps({"figures": timings, "goal_wall_s": MAX_WALL_SECONDS, "met": met}))


if __name__ == "__main__":
    with exit_on_error():
        main()
