"""Time of a new process until its first image: `python benchmarks/load_time.py`.

It writes a pretrained folder of an untrained cgan of 3.6 M parameters (64 px, 64 channels). Then it
alternates between new processes that import torch, and ones that load the folder and sample an
image. It prints a table, and one line of JSON at the end.
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

from ganzoo_core.cli.error_handling import exit_on_error

_MAX_RATIO = 1.3
"""Maximum ratio to the wall time of `import torch`."""
_WRITE_SCRIPT = """
import sys, torch
from pathlib import Path
from ganzoo_core.config import build_config
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.weights import code_provenance, save_pretrained
from ganzoo_core.zoo import import_target, zoo
config, spec = build_config("cgan", preset="report-notebook"), zoo().model("cgan")
names = ("0-18", "19-29", "30-39", "40-49", "50-59", "60+")
info = DataInfo(image_size=64, class_names=names, class_counts=(1,) * 6)
model = import_target(spec.target)(config.model, info)
index = {"model": "cgan", "config": config.tree()["model"], **code_provenance(spec)}
save_pretrained(Path(sys.argv[1]), model, index)
print(sum(p.numel() for p in model.generator.parameters()))
"""
_LOAD_SCRIPT = """
import sys, ganzoo_core as gz
image = gz.load(sys.argv[1], device="cpu").sample(1, label=3)
assert image.shape == (1, 3, 64, 64)
"""
_PROGRAMS = {"import torch": "import torch", "load and sample": _LOAD_SCRIPT}


def _time_program(code: str, folder: str) -> tuple[float, float]:
    """Run a program in a new process; return its wall and CPU time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, folder], check=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Alternate the programs, so that other load affects both equally."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in _PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        write_result = subprocess.run(
            [sys.executable, "-c", _WRITE_SCRIPT, folder],
            check=True,
            capture_output=True,
            text=True,
        )
        for repeat in range(repeats + 1):
            for name, code in _PROGRAMS.items():
                elapsed = _time_program(code, folder)
                if repeat:  # the first repeat fills the file cache
                    times[name].append(elapsed)
    medians = {
        name: [round(statistics.median(column), 3) for column in zip(*pairs, strict=True)]
        for name, pairs in times.items()
    }
    print(f"{'program':<16}{'wall s':>9}{'cpu s':>9}")
    for name, (wall, cpu) in medians.items():
        print(f"{name:<16}{wall:>9}{cpu:>9}")
    (torch_wall, torch_cpu), (load_wall, load_cpu) = medians.values()
    ratio = round(load_wall / torch_wall, 3)
    figures = {
        "parameters": int(write_result.stdout),
        "ratio": ratio,
        "cpu_ratio": round(load_cpu / torch_cpu, 3),
        "wall_s": load_wall,
        "torch_wall_s": torch_wall,
    }
    load = round(os.getloadavg()[0], 2)
    print(
        json.dumps(
            {
                "benchmark": "load_time",
                "repeats": repeats,
                "load": load,
                "figures": figures,
                "goals": {"ratio": _MAX_RATIO},
                "met": ratio <= _MAX_RATIO,
            }
        )
    )


if __name__ == "__main__":
    with exit_on_error():
        main()
