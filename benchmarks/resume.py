"""What a checkpoint costs: time and stall to write, time to resume from, size on disk.

    python benchmarks/resume.py [--repeats N]

The state is that of the DCGAN of benchmarks/engine.py with an averaged generator. `torch.save` and
`torch.load` of the same tensors, and the bare bytes, take turns with it; figures are medians. Every
writer flushes to the disk. The last line is one JSON object.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch
from engine import COUNT, DCGAN, ENDLESS, SIZE, DCGANConfig

from ganzoo_core.cli.failures import reported
from ganzoo_core.config import TrainConfig
from ganzoo_core.data import Images
from ganzoo_core.engine import Trainer, Watcher, resolve_setup
from ganzoo_core.interfaces import DataInfo

BATCH, ROUNDS = 64, 8


def seconds(work):
    """Return the wall seconds of a call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def make_trainer():
    """Return a Trainer of the DCGAN, as a fresh process would build it."""
    pixels = torch.randint(0, 256, (COUNT, 3, SIZE, SIZE), dtype=torch.uint8)
    images = Images(pixels, DataInfo(size=SIZE, images=COUNT))
    config = TrainConfig(batch=BATCH, steps=ENDLESS, sample_every=ENDLESS)
    model = DCGAN(DCGANConfig(ema=10_000.0), images.info)
    trainer = Trainer(model, images, config, resolve_setup("cpu", "auto"), Watcher())
    trainer.started = time.perf_counter()
    return trainer


def flushed(path, write):
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def measure(trainer, folder, repeats):
    """Return name -> seconds in each turn."""
    checkpoints, rival, bare = folder / "checkpoints", folder / "rival.pt", folder / "bare"
    trainer.save(checkpoints)
    size = next(checkpoints.glob("*.safetensors")).stat().st_size
    content = bytes(size)
    works = {
        "round": lambda: trainer.advance(folder),
        "write": lambda: trainer.save(checkpoints),
        "torch.save": lambda: flushed(rival, lambda file: torch.save(trainer.state(), file)),
        "bare bytes": lambda: flushed(bare, lambda file: file.write(content)),
        "resume": lambda: trainer.restore(checkpoints),
        "torch.load": lambda: torch.load(rival, weights_only=True),
    }
    times = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            took = seconds(work)
            if turn:  # the first turn fills caches
                times[name].append(took)
    return times, size


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="trained before")
    args = parser.parse_args()
    trainer = make_trainer()
    with tempfile.TemporaryDirectory() as name:
        for _ in range(args.rounds):
            trainer.advance(Path(name))
        times, size = measure(trainer, Path(name), args.repeats)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{'what':<14}{'ms':>10}{'MB/s':>10}")
    for name, took in medians.items():
        speed = "" if name == "round" else f"{size / took / 1e6:,.0f}"
        print(f"{name:<14}{1000 * took:>10,.1f}{speed:>10}")
    every = trainer.config.checkpoint_every
    figures = {
        "write_ms": round(1000 * medians["write"], 1),
        "write_ratio": round(medians["torch.save"] / medians["write"], 2),
        "resume_ms": round(1000 * medians["resume"], 1),
        "resume_ratio": round(medians["torch.load"] / medians["resume"], 2),
        "stall_share": round(medians["write"] / (every * medians["round"] + medians["write"]), 5),
        "checkpoint_every": every,
        "megabytes": round(size / 1e6, 1),
    }
    print(
        json.dumps(
            {
                "benchmark": "resume",
                **trainer.setup.to_json(),
                "repeats": args.repeats,
                "figures": figures,
                "goals": {},
                "met": {},
            }
        )
    )


if __name__ == "__main__":
    with reported():
        main()
