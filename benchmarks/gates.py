"""What closed gates cost in PFA-GAN: a round that skips them against one that runs them all.

    python benchmarks/gates.py

Whole rounds of training (D step and G step, untrained judges), batch 24 at 64 px, full width, the
two in turn; the least of a few. Prints a table; the last line is one JSON object.
"""

import argparse
import json
import time

import torch
from ganzoo_pfa_gan.config import PAPER_GROUPS, REPORT_GROUPS
from ganzoo_pfa_gan.model import PFAGAN
from ganzoo_pfa_gan.networks import Progression

from ganzoo_core import config
from ganzoo_core.cli.failures import reported
from ganzoo_core.data import prepare
from ganzoo_core.engine import Trainer, Watcher, resolve_setup
from ganzoo_core.interfaces import Judges
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
from ganzoo_core.testing.standins import StandIn

GOALS = {"four": 1.4, "six": 1.7}
GROUPS = {"four": PAPER_GROUPS, "six": REPORT_GROUPS}
BATCH, SIZE = 24, 64


class RunAll(Progression):
    """Every sub-network runs on every row, as in the public code."""

    def forward(self, image, source, target):
        """Return images [N, C, S, S] moved from groups source [N] to target [N]."""
        for i, hop in enumerate(self.hops):
            gate = ((source <= i) & (i < target))[:, None, None, None]
            image = image + gate * hop(image)
        return image


def trainer(groups, device, precision):
    """Return a Trainer of a fresh model."""
    data = ShapesConfig(name="shapes", count=240, size=SIZE)
    images = prepare(Shapes(data), size=SIZE, groups=groups)
    tree = config.build("pfa-gan", preset="paper", patches=[{"model": {"groups": groups}}])
    torch.manual_seed(0)
    model = PFAGAN(tree.model, images.info)
    model.judges = Judges({role: StandIn() for role in ("identity", "age")})
    train = tree.train.model_copy(update={"batch": BATCH, "steps": 10**6})
    return Trainer(model, images, train, resolve_setup(device, precision), Watcher())


def seconds(worker):
    """Return wall and CPU seconds of one round."""
    wait = torch.cuda.synchronize if worker.device.type == "cuda" else lambda: None
    wait()
    wall, cpu = time.perf_counter(), time.process_time()
    worker.play(worker.plan.at(worker.round))
    wait()
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(groups, options):
    """Return the least (wall, CPU) seconds of a round that skips, and of one that runs all."""
    skips, runs = (trainer(groups, options.device, options.precision) for _ in range(2))
    runs.model.ageing.__class__ = RunAll
    rounds = [(seconds(skips), seconds(runs)) for _ in range(options.tries + 1)][1:]
    return [[min(pair[k][i] for pair in rounds) for i in range(2)] for k in range(2)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--tries", type=int, default=4)
    options = parser.parse_args()
    report, begun = {"benchmark": "gates", "batch": BATCH, "size": SIZE}, time.process_time()
    print(f"{'groups':8}{'skip, s':>10}{'run all, s':>12}{'times':>8}{'CPU times':>11}")
    for name, groups in GROUPS.items():
        skip, run = compare(groups, options)
        wall, cpu = (a / b for a, b in zip(run, skip, strict=True))
        print(f"{name:8}{skip[0]:10.3f}{run[0]:12.3f}{wall:8.2f}{cpu:11.2f}", flush=True)
        report[name] = {
            "skip_s": round(skip[0], 4),
            "all_s": round(run[0], 4),
            "times": round(wall, 3),
            "cpu_times": round(cpu, 3),
        }
    report |= {
        "threads": torch.get_num_threads(),
        "cpu_s": round(time.process_time() - begun, 1),
        "images_seen": 4 * (options.tries + 1) * BATCH,
        "goals": GOALS,
        "met": all(report[name]["times"] >= goal for name, goal in GOALS.items()),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    with reported():
        main()
