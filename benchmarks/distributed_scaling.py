"""The speedup of a second rank on a CPU at the same global batch size.

    python benchmarks/distributed_scaling.py [--repeats N] [--steps N]

Each measurement starts new processes, one a rank, with the gloo backend. The configurations are
measured in turn; figures are medians. A rank has half of the cores, so a single rank leaves half of
them idle. "1 rank, all cores" shows the speedup of threads instead. The last line is one JSON
object.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ganzoo_core.cli.error_handling import exit_on_error

BATCH_SIZE, WARMUP_STEPS = 64, 2
_NUM_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
_HALF_CORES = max(1, _NUM_CORES // 2)
_WORLD_SIZE_AND_THREADS = {
    "1 rank": (1, _HALF_CORES),
    "2 ranks": (2, _HALF_CORES),
    "1 rank, all cores": (1, _NUM_CORES),
}
"""(ranks, threads of each) by name."""


def train_rank(num_steps, batch_size):
    """Train the DCGAN of benchmarks/train_step.py as one rank; the first rank prints images/s."""
    import torch
    from train_step import DCGAN, IMAGE_SIZE, NUM_IMAGES, VERY_LARGE, DCGANConfig

    from ganzoo_core.config import TrainConfig
    from ganzoo_core.data import PackedImages
    from ganzoo_core.engine import Callback, Trainer, resolve_setup
    from ganzoo_core.engine.world import World
    from ganzoo_core.interfaces import DataInfo

    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (NUM_IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8)
    images = PackedImages(pixels, DataInfo(image_size=IMAGE_SIZE, num_images=NUM_IMAGES))
    config = TrainConfig(
        batch_size=batch_size,
        steps=VERY_LARGE,
        sample_every=VERY_LARGE,
        checkpoint_every=VERY_LARGE,
    )
    setup, world = resolve_setup("cpu", "auto"), World.init(torch.device("cpu"))
    model = DCGAN(DCGANConfig(), images.info)
    trainer = Trainer(model, images, config, setup, Callback(), world=world)
    trainer.started = time.perf_counter()
    for step in range(WARMUP_STEPS + num_steps):
        if step == WARMUP_STEPS:
            world.barrier()
            start = time.perf_counter()
        trainer.advance(Path())
    world.barrier()
    if world.is_main:
        print(num_steps * batch_size / (time.perf_counter() - start))
    world.destroy()


def _free_port():
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _run_ranks(world_size, num_threads, args):
    """Start the ranks; return the images/s that the first rank prints."""
    common = {
        "OMP_NUM_THREADS": str(num_threads),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(world_size),
    }
    command = [sys.executable, __file__, "--train-rank", *args]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **common, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(world_size)
    ]
    printed = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit("a rank failed")
    return float(printed[0])


def main():
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="measured steps of each run")
    parser.add_argument("--batch", type=int, default=BATCH_SIZE, help="of all ranks together")
    parser.add_argument("--train-rank", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train_rank:
        train_rank(args.steps, args.batch)
        return
    rank_args = ["--steps", str(args.steps), "--batch", str(args.batch)]
    speeds = {name: [] for name in _WORLD_SIZE_AND_THREADS}
    for _ in range(args.repeats):
        for name, (ranks, threads) in _WORLD_SIZE_AND_THREADS.items():
            speeds[name].append(_run_ranks(ranks, threads, rank_args))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    print(f"{'what':<20}{'threads':>9}{'images/s':>10}{'ratio':>8}")
    for name, speed in medians.items():
        threads = _WORLD_SIZE_AND_THREADS[name][0] * _WORLD_SIZE_AND_THREADS[name][1]
        print(f"{name:<20}{threads:>9}{speed:>10,.1f}{speed / medians['1 rank']:>8.2f}")
    figures = {
        "images_per_second": {name: round(value, 1) for name, value in medians.items()},
        "speedup": round(medians["2 ranks"] / medians["1 rank"], 2),
        "against_threads": round(medians["2 ranks"] / medians["1 rank, all cores"], 2),
    }
    print(
        json.dumps(
            {
                "benchmark": "distributed_scaling",
                "cores": _NUM_CORES,
                "batch_size": args.batch,
                "repeats": args.repeats,
                "load": round(os.getloadavg()[0], 2),
                "figures": figures,
                "goals": {},
                "met": {},
            }
        )
    )


if __name__ == "__main__":
    with exit_on_error():
        main()
