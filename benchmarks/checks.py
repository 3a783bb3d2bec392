"""How long `ganzoo check` takes for each model: `python benchmarks/checks.py [MODEL ...]`.

Prints wall and CPU time of a whole process a model, with imports, and its three slowest checks;
last one line of JSON. The first check that trains pays for importing torch's compiler.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

from ganzoo_core.cli.failures import reported
from ganzoo_core.zoo import zoo

GOAL = 8.0
"""Seconds of wall time a model, on two cores with nothing beside."""


def measure(name: str) -> tuple[float, float, list[dict]]:
    """Check a model once; return wall and CPU seconds, and the results."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = [sys.executable, "-m", "ganzoo_core.cli", "check", name, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    if done.returncode not in {0, 4}:
        raise SystemExit(done.stderr)
    return wall, cpu, json.loads(done.stdout)


def main() -> None:
    """Measure model after model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="default: all that are installed")
    names = parser.parse_args().models or zoo().names("model")
    figures = {}
    print(f"{'model':<16}{'wall s':>8}{'CPU s':>8}{'checks':>8}{'failed':>8}  slowest")
    for name in names:
        wall, cpu, results = measure(name)
        failed = sum(not (r["passed"] or r["skipped"]) for r in results)
        slow = sorted(results, key=lambda r: -r["seconds"])[:3]
        worst = ", ".join(f"{r['name']} {r['seconds']:.1f}" for r in slow)
        print(f"{name:<16}{wall:8.1f}{cpu:8.1f}{len(results):8}{failed:8}  {worst}", flush=True)
        figures[name] = {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "failed": failed}
    met = all(f["wall_s"] <= GOAL and not f["failed"] for f in figures.values())
    print(json.dumps({"figures": figures, "goal_wall_s": GOAL, "met": met}))


if __name__ == "__main__":
    with reported():
        main()
