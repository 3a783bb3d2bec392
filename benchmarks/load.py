"""How long a process takes from nothing to the first image: `python benchmarks/load.py`.

Writes the bundle of an untrained cgan of 3.6 M parameters (64 px, width 64), then times fresh
processes in turns: one that imports torch, one that loads the bundle and draws an image. Prints a
table, and last one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from ganzoo_core.cli.failures import reported

GOAL = 1.3
"""Of the wall time of `import torch`."""
MAKE = """
import sys, torch
from pathlib import Path
from ganzoo_core.config import build
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.weights import origin, write_bundle
from ganzoo_core.zoo import resolve, zoo
tree, spec = build("cgan", preset="report-notebook"), zoo().model("cgan")
names = ("0-18", "19-29", "30-39", "40-49", "50-59", "60+")
model = resolve(spec.target)(tree.model, DataInfo(size=64, classes=names, counts=(1,) * 6))
about = {"model": "cgan", "config": tree.tree()["model"], **origin(spec)}
write_bundle(Path(sys.argv[1]), model, about)
print(sum(p.numel() for p in model.generator.parameters()))
"""
LOAD = """
import sys, ganzoo_core as gz
image = gz.load(sys.argv[1], device="cpu").sample(1, label=3)
assert image.shape == (1, 3, 64, 64)
"""
PROGRAMS = {"import torch": "import torch", "load and draw": LOAD}


def measure(code: str, folder: str) -> tuple[float, float]:
    """Run a program in a fresh process; return its wall and CPU time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, folder], check=True)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Measure in turns, so that a busy moment reaches both alike."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            [sys.executable, "-c", MAKE, folder], check=True, capture_output=True, text=True
        )
        for turn in range(repeats + 1):
            for name, code in PROGRAMS.items():
                once = measure(code, folder)
                if turn:  # the first turn fills the file cache
                    times[name].append(once)
    middle = {
        name: [round(statistics.median(column), 3) for column in zip(*pairs, strict=True)]
        for name, pairs in times.items()
    }
    print(f"{'program':<16}{'wall s':>9}{'cpu s':>9}")
    for name, (wall, cpu) in middle.items():
        print(f"{name:<16}{wall:>9}{cpu:>9}")
    (torch_wall, torch_cpu), (load_wall, load_cpu) = middle.values()
    ratio = round(load_wall / torch_wall, 3)
    figures = {
        "parameters": int(made.stdout),
        "ratio": ratio,
        "cpu_ratio": round(load_cpu / torch_cpu, 3),
        "wall_s": load_wall,
        "torch_wall_s": torch_wall,
    }
    load = round(os.getloadavg()[0], 2)
    print(
        json.dumps(
            {
                "benchmark": "load",
                "repeats": repeats,
                "load": load,
                "figures": figures,
                "goals": {"ratio": GOAL},
                "met": ratio <= GOAL,
            }
        )
    )


if __name__ == "__main__":
    with reported():
        main()
