"""Measure the throughput of face embeddings against the plain network.

    python benchmarks/embedding_throughput.py [--repeats N] [--threads N]

- `plain`: the network without changes: eager, eval, no gradients, batches of 256, fp32.
- `small_batches`: the plain network in the batches of ganzoo.
- `fp32`: what evaluators and `ganzoo evaluate` use: BatchNorm fused, channels last, batches that
  fit the cache (`ganzoo_core.weights.fuse_batchnorm`, `ganzoo_face_aging.batched`).
- `ganzoo`: what `ganzoo face` uses: as `fp32`, in bf16 if the CPU multiplies bf16 in hardware.

The methods alternate; the table shows median images per second. Embeddings must differ from those
of the plain network by at most 1e-5 in fp32 and 0.02 in bf16. The last line is a JSON object.
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
from ganzoo_face_aging.batched import batch_size_for, predict_in_batches
from ganzoo_facenet.config import FaceNetConfig
from ganzoo_facenet.model import FaceNet
from ganzoo_facenet.recognition import FaceRecognizer, load_recognizer

import ganzoo_core as gz
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.data import to_float
from ganzoo_core.weights import fuse_batchnorm, load_model

_GOALS = {"speedup_min": 1.5, "difference_max": 1e-5, "distance_max": 0.02}
_BATCH_SIZE = 256
_NUM_IMAGES = {"people-identity": 1024, "people-identity-held-out": 1024, "inception": 96}
_COLUMN_FORMATS = {
    "plain": ".0f",
    "small_batches": ".0f",
    "fp32": ".0f",
    "ganzoo": ".0f",
    "speedup_fp32": ".2f",
    "speedup": ".2f",
    "difference": ".0e",
    "distance": ".4f",
}


def _plain_and_optimized(name: str) -> tuple[Any, FaceRecognizer]:
    """Return a network without changes, and the recognizer of `ganzoo face`."""
    if name != "inception":
        recognizer = load_recognizer(name)
        return load_model(recognizer.evaluator.pretrained), recognizer
    torch.manual_seed(0)
    config = FaceNetConfig(network="inception", embed_dim=512)
    plain = FaceNet(config, gz.DataInfo(image_size=160)).eval()
    return plain, replace(load_recognizer(), model=fuse_batchnorm(copy.deepcopy(plain)))


@torch.no_grad()
def _embed_in_batches(model: Any, images: torch.Tensor, batch_size: int) -> np.ndarray:
    return torch.cat([model.embed(to_float(part)) for part in images.split(batch_size)]).numpy()


def _measure(name: str, repeats: int) -> dict[str, float]:
    plain, recognizer = _plain_and_optimized(name)
    generator = torch.Generator().manual_seed(0)
    shape = (_NUM_IMAGES[name], 3, recognizer.image_size, recognizer.image_size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    small_batch_size = batch_size_for(shape, torch.device("cpu"))
    methods: dict[str, Callable[[], np.ndarray]] = {
        "plain": lambda: _embed_in_batches(plain, images, _BATCH_SIZE),
        "small_batches": lambda: _embed_in_batches(plain, images, small_batch_size),
        "fp32": lambda: predict_in_batches(recognizer.model.embed, images),
        "ganzoo": lambda: recognizer.embed_images(images),
    }
    embeddings = {method: run() for method, run in methods.items()}
    seconds: dict[str, list[float]] = {method: [] for method in methods}
    for _ in range(repeats):
        for method, run in methods.items():
            start = time.perf_counter()
            run()
            seconds[method].append(time.perf_counter() - start)
    images_per_s = {
        method: len(images) / statistics.median(times) for method, times in seconds.items()
    }
    return {
        **{method: round(value, 1) for method, value in images_per_s.items()},
        "speedup": round(images_per_s["ganzoo"] / images_per_s["plain"], 2),
        "speedup_fp32": round(images_per_s["fp32"] / images_per_s["plain"], 2),
        "difference": float(np.abs(embeddings["fp32"] - embeddings["plain"]).max()),
        "distance": float(np.linalg.norm(embeddings["ganzoo"] - embeddings["plain"], axis=1).max()),
    }


def _meets_goals(row: dict[str, float]) -> bool:
    is_close = (
        row["difference"] <= _GOALS["difference_max"] and row["distance"] <= _GOALS["distance_max"]
    )
    return is_close and row["speedup"] >= _GOALS["speedup_min"]


def main() -> None:
    """Measure the shipped evaluators and InceptionResnetV1 (untrained: the time is the same)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    start, results = time.process_time(), {}
    print(f"{'images/s':26}" + "".join(f"{name:>14}" for name in _COLUMN_FORMATS))
    for name in _NUM_IMAGES:
        row = results[name] = _measure(name, args.repeats)
        print(
            f"{name:26}" + "".join(f"{row[key]:14,{form}}" for key, form in _COLUMN_FORMATS.items())
        )
    report = {
        "benchmark": "embedding_throughput",
        "threads": args.threads,
        "figures": results,
        "goals": _GOALS,
        "precision": load_recognizer().precision,
        "cpu_s": round(time.process_time() - start, 1),
        "met": all(_meets_goals(row) for row in results.values()),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    with exit_on_error():
        main()
