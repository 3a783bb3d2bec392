"""Speedup of cached sampling of pixelcnn over recomputing the whole image for each pixel.

    python benchmarks/pixelcnn_sampling.py [--network gated] [--size 28] [--images 4] [--repeats 3]

The network is that of the preset `fashion-28` in fp32, untrained: training does not change the
speed. Both ways sample from the same random numbers and must return equal images. The naive way is
timed once, the cached way by the median of its repeats. The last line is a JSON object.
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
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.interfaces import SeededRng

_MIN_SPEEDUP = 5.0
_CLASS_NAMES = tuple("0123456789")


def _build_model(network: str, size: int) -> PixelCNN:
    """Return the model of the preset, with random weights."""
    torch.manual_seed(0)
    options = {**PixelCNNConfig.presets["fashion-28"]["model"], "network": network}
    info = DataInfo(image_size=size, num_channels=1, class_names=_CLASS_NAMES)
    return PixelCNN(PixelCNNConfig.model_validate(options), info).eval().requires_grad_(False)


def _time_sampling(
    model: PixelCNN, uniform: torch.Tensor, use_cache: bool
) -> tuple[torch.Tensor, float, float]:
    """Return the images, and the wall and CPU time in seconds."""
    label = torch.arange(len(uniform)) % len(_CLASS_NAMES)
    wall, cpu = time.perf_counter(), time.process_time()
    images = model.sample_pixels(uniform, label, use_cache=use_cache)
    return images, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Sample both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="gated")
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = _build_model(args.network, args.size)
    rng = SeededRng(torch.device("cpu"), 0)
    uniform = rng.rand(args.images, 1, args.size, args.size)
    _time_sampling(model, uniform[:, :, :1, :1], True)  # warm up
    repeats = [_time_sampling(model, uniform, True) for _ in range(args.repeats)]
    naive_images, naive_seconds, naive_cpu = _time_sampling(model, uniform, False)
    cached_seconds = statistics.median(wall for _, wall, _ in repeats)
    cached_cpu = statistics.median(cpu for _, _, cpu in repeats)
    equal_pixels = float((repeats[0][0] == naive_images).float().mean())
    print(f"{args.network}, {args.size} px, {args.images} images, one thread")
    print(f"{'way':<10}{'wall s':>10}{'cpu s':>10}{'images/s':>12}")
    for name, wall, cpu in (
        ("naive", naive_seconds, naive_cpu),
        ("cached", cached_seconds, cached_cpu),
    ):
        print(f"{name:<10}{wall:>10.2f}{cpu:>10.2f}{args.images / wall:>12.3f}")
    speedup = naive_seconds / cached_seconds
    print(f"cached is {speedup:.1f} times as fast; {equal_pixels:.2%} of the pixels are equal")
    print(
        json.dumps(
            {
                "network": args.network,
                "image_size": args.size,
                "num_images": args.images,
                "naive_seconds": round(naive_seconds, 3),
                "cached_seconds": round(cached_seconds, 3),
                "speedup": round(speedup, 2),
                "equal_pixels": round(equal_pixels, 6),
                "goals": {"speedup": _MIN_SPEEDUP, "equal_pixels": 1.0},
                "met": speedup >= _MIN_SPEEDUP and equal_pixels == 1,
            }
        )
    )


if __name__ == "__main__":
    with exit_on_error():
        main()
