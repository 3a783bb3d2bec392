"""The cost of a checkpoint: time to write it, share of the training time, time to load, size.

    python benchmarks/checkpointing.py [--repeats N]

The state is that of the DCGAN of benchmarks/train_step.py with an EMA of its generator.
`torch.save` and `torch.load` of the same tensors and a write of the same number of bytes are
measured in turn; figures are medians. Every write is flushed to the disk. The last line is one
JSON object.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch
from train_step import DCGAN, IMAGE_SIZE, NUM_IMAGES, VERY_LARGE, DCGANConfig

from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.config import TrainConfig
from ganzoo_core.data import PackedImages
from ganzoo_core.engine import Callback, Trainer, resolve_setup
from ganzoo_core.interfaces import DataInfo

BATCH_SIZE, WARMUP_STEPS = 64, 8


def _timed(function):
    """Return the wall time of a call in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _make_trainer():
    """Return a Trainer of the DCGAN."""
    pixels = torch.randint(0, 256, (NUM_IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8)
    images = PackedImages(pixels, DataInfo(image_size=IMAGE_SIZE, num_images=NUM_IMAGES))
    config = TrainConfig(batch_size=BATCH_SIZE, steps=VERY_LARGE, sample_every=VERY_LARGE)
    model = DCGAN(DCGANConfig(ema_halflife_images=10_000.0), images.info)
    trainer = Trainer(model, images, config, resolve_setup("cpu", "auto"), Callback())
    trainer.started = time.perf_counter()
    return trainer


def _write_and_fsync(path, write):
    """Write a file and flush it to the disk."""
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _measure(trainer, folder, repeats):
    """Return the seconds of each repeat by operation, and the size of a checkpoint in bytes."""
    checkpoints, torch_file, raw_file = (
        folder / "checkpoints",
        folder / "state.pt",
        folder / "bytes",
    )
    trainer.save(checkpoints)
    size = next(checkpoints.glob("*.safetensors")).stat().st_size
    content = bytes(size)
    operations = {
        "step": lambda: trainer.advance(folder),
        "write": lambda: trainer.save(checkpoints),
        "torch.save": lambda: _write_and_fsync(
            torch_file, lambda file: torch.save(trainer.state_dict(), file)
        ),
        "raw bytes": lambda: _write_and_fsync(raw_file, lambda file: file.write(content)),
        "resume": lambda: trainer.restore(checkpoints),
        "torch.load": lambda: torch.load(torch_file, weights_only=True),
    }
    times = {name: [] for name in operations}
    for repeat in range(repeats + 1):
        for name, operation in operations.items():
            elapsed = _timed(operation)
            if repeat:  # the first repeat fills caches
                times[name].append(elapsed)
    return times, size


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument(
        "--steps", type=int, default=WARMUP_STEPS, help="steps before the measurement"
    )
    args = parser.parse_args()
    trainer = _make_trainer()
    with tempfile.TemporaryDirectory() as name:
        for _ in range(args.steps):
            trainer.advance(Path(name))
        times, size = _measure(trainer, Path(name), args.repeats)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{'operation':<14}{'ms':>10}{'MB/s':>10}")
    for name, seconds in medians.items():
        speed = "" if name == "step" else f"{size / seconds / 1e6:,.0f}"
        print(f"{name:<14}{1000 * seconds:>10,.1f}{speed:>10}")
    checkpoint_every = trainer.config.checkpoint_every
    figures = {
        "write_ms": round(1000 * medians["write"], 1),
        "write_ratio": round(medians["torch.save"] / medians["write"], 2),
        "resume_ms": round(1000 * medians["resume"], 1),
        "resume_ratio": round(medians["torch.load"] / medians["resume"], 2),
        "stall_share": round(
            medians["write"] / (checkpoint_every * medians["step"] + medians["write"]), 5
        ),
        "checkpoint_every": checkpoint_every,
        "megabytes": round(size / 1e6, 1),
    }
    print(
        json.dumps(
            {
                "benchmark": "checkpointing",
                **trainer.setup.to_json(),
                "repeats": args.repeats,
                "figures": figures,
                "goals": {},
                "met": {},
            }
        )
    )


if __name__ == "__main__":
    with exit_on_error():
        main()
