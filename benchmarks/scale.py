"""What a second rank brings on a CPU, at the same global batch.

    python benchmarks/scale.py [--repeats N] [--rounds N]

Each measurement is a run of its own, one process a rank, gloo between them; they take turns and
figures are medians. A rank has half of the cores: so one rank leaves the other half idle, and the
line of one rank on all cores says what threads would do instead. The last line is one JSON object.
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

from ganzoo_core.cli.failures import reported

BATCH, WARM = 64, 2
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
HALF = max(1, CORES // 2)
CASES = {"1 rank": (1, HALF), "2 ranks": (2, HALF), "1 rank, all cores": (1, CORES)}
"""Name -> ranks, threads of each."""


def work(rounds, batch):
    """Train the DCGAN of benchmarks/engine.py as one rank; the first prints images/s."""
    import torch
    from engine import COUNT, DCGAN, ENDLESS, SIZE, DCGANConfig

    from ganzoo_core.config import TrainConfig
    from ganzoo_core.data import Images
    from ganzoo_core.engine import Trainer, Watcher, resolve_setup
    from ganzoo_core.engine.world import World
    from ganzoo_core.interfaces import DataInfo

    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (COUNT, 3, SIZE, SIZE), dtype=torch.uint8)
    images = Images(pixels, DataInfo(size=SIZE, images=COUNT))
    config = TrainConfig(batch=batch, steps=ENDLESS, sample_every=ENDLESS, checkpoint_every=ENDLESS)
    setup, world = resolve_setup("cpu", "auto"), World.join(torch.device("cpu"))
    model = DCGAN(DCGANConfig(), images.info)
    trainer = Trainer(model, images, config, setup, Watcher(), world=world)
    trainer.started = time.perf_counter()
    for number in range(WARM + rounds):
        if number == WARM:
            world.wait()
            begun = time.perf_counter()
        trainer.advance(Path())
    world.wait()
    if world.main:
        print(rounds * batch / (time.perf_counter() - begun))
    world.leave()


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(ranks, threads, words):
    """Start the ranks; return the images/s that the first one prints."""
    common = {
        "OMP_NUM_THREADS": str(threads),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "WORLD_SIZE": str(ranks),
    }
    command = [sys.executable, __file__, "--work", *words]
    started = [
        subprocess.Popen(
            command,
            env={**os.environ, **common, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        sys.exit("a rank failed")
    return float(printed[0])


def main():
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=10, help="measured in each run")
    parser.add_argument("--batch", type=int, default=BATCH, help="of all ranks together")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.rounds, args.batch)
        return
    words = ["--rounds", str(args.rounds), "--batch", str(args.batch)]
    speeds = {name: [] for name in CASES}
    for _ in range(args.repeats):
        for name, (ranks, threads) in CASES.items():
            speeds[name].append(run(ranks, threads, words))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    print(f"{'what':<20}{'threads':>9}{'images/s':>10}{'ratio':>8}")
    for name, speed in medians.items():
        threads = CASES[name][0] * CASES[name][1]
        print(f"{name:<20}{threads:>9}{speed:>10,.1f}{speed / medians['1 rank']:>8.2f}")
    figures = {
        "images_per_second": {name: round(value, 1) for name, value in medians.items()},
        "speedup": round(medians["2 ranks"] / medians["1 rank"], 2),
        "against_threads": round(medians["2 ranks"] / medians["1 rank, all cores"], 2),
    }
    print(
        json.dumps(
            {
                "benchmark": "scale",
                "cores": CORES,
                "batch": args.batch,
                "repeats": args.repeats,
                "load": round(os.getloadavg()[0], 2),
                "figures": figures,
                "goals": {},
                "met": {},
            }
        )
    )


if __name__ == "__main__":
    with reported():
        main()
