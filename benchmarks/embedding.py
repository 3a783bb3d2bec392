"""How much faster are faces embedded than by the plain network?

    python benchmarks/embedding.py [--tries N] [--threads N]

`plain` is the network as it is written: eager, eval, no gradients, batches of 256, fp32. `fp32` is
what judges and `ganzoo evaluate` use: BatchNorm folded, channels last, batches that stay in the
cache (`ganzoo_core/weights/folding.py`, `ganzoo_core/metrics/reading.py`). `ganzoo` is what
`ganzoo face` uses: the same in bf16 where the CPU multiplies it in hardware. `small batches` is the
plain network in ganzoo's batches. They take turns; medians of images a second. Points must agree
with the plain network's to 1e-5 in fp32, and lie within 0.02 of them in bf16. Last one JSON object.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from ganzoo_facenet.config import FaceNetConfig
from ganzoo_facenet.model import FaceNet
from ganzoo_facenet.recognise import Recogniser, open_recogniser

import ganzoo_core as gz
from ganzoo_core.cli.failures import reported
from ganzoo_core.data import to_float
from ganzoo_core.metrics.reading import chunk, read_images
from ganzoo_core.weights import folded, rebuild

GOALS = {"speedup_min": 1.5, "difference_max": 1e-5, "distance_max": 0.02}
BATCH = 256
IMAGES = {"people-identity": 1024, "people-identity-held-out": 1024, "inception": 96}
COLUMNS = {
    "plain": ".0f",
    "small_batches": ".0f",
    "fp32": ".0f",
    "ganzoo": ".0f",
    "speedup_fp32": ".2f",
    "speedup": ".2f",
    "difference": ".0e",
    "distance": ".4f",
}


def networks(name: str) -> tuple[Any, Recogniser]:
    """Return a network as it is written, and as `ganzoo face` uses it."""
    if name != "inception":
        used = open_recogniser(name)
        return rebuild(used.found.bundle), used
    torch.manual_seed(0)
    config = FaceNetConfig(network="inception", embedding=512)
    plain = FaceNet(config, gz.DataInfo(size=160)).eval()
    return plain, replace(open_recogniser(), model=folded(copy.deepcopy(plain)))


@torch.no_grad()
def plainly(model: Any, images: torch.Tensor, batch: int) -> np.ndarray:
    """Return the points of uint8 images, batch by batch."""
    return torch.cat([model.embed(to_float(part)) for part in images.split(batch)]).numpy()


def measure(name: str, tries: int) -> dict[str, float]:
    """Time all ways in turns."""
    plain, used = networks(name)
    generator = torch.Generator().manual_seed(0)
    shape = (IMAGES[name], 3, used.size, used.size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    small = chunk(shape, torch.device("cpu"))
    ways: dict[str, Callable[[], np.ndarray]] = {
        "plain": lambda: plainly(plain, images, BATCH),
        "small_batches": lambda: plainly(plain, images, small),
        "fp32": lambda: read_images(used.model.embed, images),
        "ganzoo": lambda: used.read(images),
    }
    points = {way: run() for way, run in ways.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(tries):
        for way, run in ways.items():
            start = time.perf_counter()
            run()
            seconds[way].append(time.perf_counter() - start)
    rate = {way: len(images) / statistics.median(times) for way, times in seconds.items()}
    return {
        **{way: round(value, 1) for way, value in rate.items()},
        "speedup": round(rate["ganzoo"] / rate["plain"], 2),
        "speedup_fp32": round(rate["fp32"] / rate["plain"], 2),
        "difference": float(np.abs(points["fp32"] - points["plain"]).max()),
        "distance": float(np.linalg.norm(points["ganzoo"] - points["plain"], axis=1).max()),
    }


def is_met(row: dict[str, float]) -> bool:
    """Tell whether a network's figures reach the goals."""
    near = row["difference"] <= GOALS["difference_max"] and row["distance"] <= GOALS["distance_max"]
    return near and row["speedup"] >= GOALS["speedup_min"]


def main() -> None:
    """Measure the shipped judges and InceptionResnetV1 (untrained; its time is the same)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    start, figures = time.process_time(), {}
    print(f"{'images/s':26}" + "".join(f"{name:>14}" for name in COLUMNS))
    for name in IMAGES:
        row = figures[name] = measure(name, args.tries)
        print(f"{name:26}" + "".join(f"{row[key]:14,{form}}" for key, form in COLUMNS.items()))
    report = {
        "benchmark": "embedding",
        "threads": args.threads,
        "figures": figures,
        "goals": GOALS,
        "precision": open_recogniser().precision,
        "cpu_s": round(time.process_time() - start, 1),
        "met": all(is_met(row) for row in figures.values()),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    with reported():
        main()
