"""How much faster pixels are drawn with a memory than by the whole network at each.

    python benchmarks/pixels.py [--network gated] [--size 28] [--images 4] [--tries 3]

The network of pixelcnn's preset `good`, untrained, which draws as fast as a trained one, in fp32.
Both ways draw from the same noise and must draw the same images. The naive way is timed once, the
other by the median of its tries; last comes a JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch
from ganzoo_pixelcnn.config import PixelCNNConfig
from ganzoo_pixelcnn.model import PixelCNN

from ganzoo_core import DataInfo
from ganzoo_core.cli.failures import reported
from ganzoo_core.interfaces import SeededNoise

GOAL = 5.0
CLASSES = tuple("0123456789")


def build(network: str, size: int) -> PixelCNN:
    """Return the model of the preset, with random weights."""
    torch.manual_seed(0)
    options = {**PixelCNNConfig.presets["good"]["model"], "network": network}
    info = DataInfo(size=size, channels=1, classes=CLASSES)
    return PixelCNN(PixelCNNConfig.model_validate(options), info).eval().requires_grad_(False)


def timed(model: PixelCNN, unit: torch.Tensor, cached: bool) -> tuple[torch.Tensor, float, float]:
    """Return the images, and the seconds of wall and of CPU time that they took."""
    label = torch.arange(len(unit)) % len(CLASSES)
    wall, cpu = time.perf_counter(), time.process_time()
    images = model.drawn(unit, label, cached=cached)
    return images, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Draw both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="gated")
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--tries", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = build(args.network, args.size)
    unit = SeededNoise(torch.device("cpu"), 0)(args.images, 1, args.size, args.size, kind="unit")
    timed(model, unit[:, :, :1, :1], True)  # warm up
    tries = [timed(model, unit, True) for _ in range(args.tries)]
    whole, slow, slow_cpu = timed(model, unit, False)
    fast = statistics.median(wall for _, wall, _ in tries)
    fast_cpu = statistics.median(cpu for _, _, cpu in tries)
    same = float((tries[0][0] == whole).float().mean())
    print(f"{args.network}, {args.size} px, {args.images} images, one thread")
    print(f"{'way':<10}{'wall s':>10}{'cpu s':>10}{'images/s':>12}")
    for name, wall, cpu in (("naive", slow, slow_cpu), ("cached", fast, fast_cpu)):
        print(f"{name:<10}{wall:>10.2f}{cpu:>10.2f}{args.images / wall:>12.3f}")
    faster = slow / fast
    print(f"cached is {faster:.1f} times as fast; {same:.2%} of the pixels are the same")
    print(
        json.dumps(
            {
                "network": args.network,
                "size": args.size,
                "images": args.images,
                "naive_s": round(slow, 3),
                "cached_s": round(fast, 3),
                "faster": round(faster, 2),
                "same_pixels": round(same, 6),
                "goals": {"faster": GOAL, "same_pixels": 1.0},
                "met": faster >= GOAL and same == 1,
            }
        )
    )


if __name__ == "__main__":
    with reported():
        main()
