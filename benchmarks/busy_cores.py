"""Training speed on idle and on busy cores, by how OpenMP's threads wait for each other.

    python benchmarks/busy_cores.py [--repeats N] [--load N] [--settings NAME ...]

OpenMP's threads spin at the end of each parallel region. A thread whose core is taken by another
process makes all others spin, so one busy process costs far more than its share of the cores.
`former` spins as long as OpenMP does by default; `chosen` is what `ganzoo run` chooses by the load
that it finds; `passive` and `spin-1000` force a setting. Each combination of model, load and
setting runs in turn as a process of its own; figures are medians of images per second. The busy
process (`--load`, default 1) counts in a loop of Python. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from ganzoo_core.cli.error_handling import exit_on_error

_MIN_BUSY, _MIN_IDLE = 1.5, 0.97
"""Goals: speed of `chosen` relative to `former`, beside another process and alone."""
_MODELS = {
    "dcgan-64": "dcgan --preset paper --set data.name=people --set train.batch_size=64 "
    "--set data.count=512 --steps 12 --set train.log_every=3",
    "cgan-quick": "cgan --preset quick --set data.count=1024 --steps 240 --set train.log_every=40",
}
_SETTINGS = {
    "former": {"GOMP_SPINCOUNT": "300000"},
    "chosen": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spin-1000": {"GOMP_SPINCOUNT": "1000"},
    "spin-10000": {"GOMP_SPINCOUNT": "10000"},
    "spin-100000": {"GOMP_SPINCOUNT": "100000"},
    "one-thread": {"OMP_NUM_THREADS": "1"},
}


def _images_per_second(options: str, setting: dict[str, str], folder: Path) -> float:
    """Train in a new process; the first third of the log warms up."""
    run = folder / "run"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    program = Path(sys.executable).with_name("ganzoo")
    fixed = "--set train.device=cpu --set train.sample_every=100000 --quiet"
    command = [program, "run", *options.split(), "--out", run, *fixed.split()]
    subprocess.run(command, check=True, env=environment | setting, capture_output=True)
    lines = [json.loads(text) for text in (run / "metrics.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "loss/d" in line]
    first, last = lines[len(lines) // 3], lines[-1]
    shutil.rmtree(run)
    return (last["images_seen"] - first["images_seen"]) / (last["seconds"] - first["seconds"])


def main() -> None:
    """Measure all combinations in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--load", type=int, default=1, help="number of busy processes")
    parser.add_argument("--settings", nargs="+", choices=_SETTINGS, default=["former", "chosen"])
    args = parser.parse_args()
    speeds: dict[tuple[str, str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.repeats):
            for load, count in (("idle", 0), ("busy", args.load)):
                busy = [
                    subprocess.Popen([sys.executable, "-c", "while True: pass"])
                    for _ in range(count)
                ]
                try:
                    for name, options in _MODELS.items():
                        for setting in args.settings:
                            speed = _images_per_second(options, _SETTINGS[setting], Path(folder))
                            speeds.setdefault((name, load, setting), []).append(speed)
                            print(name, load, setting, round(speed, 1), file=sys.stderr, flush=True)
                finally:
                    for process in busy:
                        process.kill()
                        process.wait()
    medians = {key: statistics.median(values) for key, values in speeds.items()}
    print(f"{'model':<12}{'load':<6}" + "".join(f"{name:>13}" for name in args.settings))
    for name in _MODELS:
        for load in ("idle", "busy"):
            row = "".join(f"{medians[name, load, s]:>13.1f}" for s in args.settings)
            print(f"{name:<12}{load:<6}{row}")
    ratios, met = {}, None
    if {"former", "chosen"} <= set(args.settings):
        goals = {"idle": _MIN_IDLE, "busy": _MIN_BUSY}
        ratios = {
            f"{name}/{load}": round(
                medians[name, load, "chosen"] / medians[name, load, "former"], 3
            )
            for name in _MODELS
            for load in goals
        }
        met = all(ratio >= goals[key.split("/")[1]] for key, ratio in ratios.items())
    ratios = {key: round(ratio, 3) for key, ratio in ratios.items()}
    figures = {"/".join(key): round(value, 1) for key, value in medians.items()}
    print(
        json.dumps(
            {
                "images_per_second": figures,
                "ratios": ratios,
                "min_idle": _MIN_IDLE,
                "min_busy": _MIN_BUSY,
                "met": met,
            }
        )
    )


if __name__ == "__main__":
    with exit_on_error():
        main()
