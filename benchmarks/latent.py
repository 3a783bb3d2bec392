"""How much faster latents of many faces are found together than one at a time.

    python benchmarks/latent.py [--faces N] [--rounds N] [--tries N]

Age-cGAN at the size of its quick preset, untrained, with the identity judge shipped for drawn
portraits; the faces are the generator's own. Both ways run in turns, medians are printed, and last
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch
from ganzoo_age_cgan.config import AgeCGANConfig
from ganzoo_age_cgan.model import AgeCGAN

import ganzoo_core as gz
from ganzoo_core.interfaces import Judges
from ganzoo_core.weights import find_judge

GOAL = 2.0
GROUPS = ("0-18", "19-29", "30-39", "40-49", "50-59", "60+")


def build() -> AgeCGAN:
    """Return the model with its judge."""
    torch.manual_seed(0)
    options = AgeCGANConfig.presets["quick"]["model"]
    info = gz.DataInfo(size=64, classes=GROUPS, counts=(1,) * 6, groups=(18, 29, 39, 49, 59))
    model = AgeCGAN(AgeCGANConfig.model_validate(options), info).eval().requires_grad_(False)
    model.judges = Judges({"identity": find_judge("identity", data="people").build()})
    return model


def main() -> None:
    """Measure both ways in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tries", type=int, default=3)
    args = parser.parse_args()
    model = build()
    label = torch.arange(args.faces) % len(GROUPS)
    faces = model.generator(torch.randn(args.faces, 100), label)

    def together() -> torch.Tensor:
        return model.invert(faces, label, rounds=args.rounds).value

    def alone() -> torch.Tensor:
        found = [
            model.invert(faces[i : i + 1], label[i : i + 1], rounds=args.rounds).value
            for i in range(args.faces)
        ]
        return torch.cat(found)

    seconds: dict[str, list[float]] = {"together": [], "alone": []}
    begun, gap = time.process_time(), 0.0
    for _ in range(args.tries):
        values = {}
        for name, way in (("together", together), ("alone", alone)):
            start = time.perf_counter()
            values[name] = way()
            seconds[name].append(time.perf_counter() - start)
        gap = float((values["together"] - values["alone"]).abs().max())
    rates = {name: 60 * args.faces / statistics.median(s) for name, s in seconds.items()}
    ratio = rates["together"] / rates["alone"]
    print(f"{'way':<12}{'faces/minute':>14}")
    for name, rate in rates.items():
        print(f"{name:<12}{rate:>14.0f}")
    print(json.dumps({
        "benchmark": "latent", "faces": args.faces, "rounds": args.rounds,
        "threads": torch.get_num_threads(), "cpu_seconds": round(time.process_time() - begun, 1),
        "faces_per_minute": {name: round(rate) for name, rate in rates.items()},
        "largest_gap_of_values": gap, "ratio": round(ratio, 2), "goals": {"ratio": GOAL},
        "met": ratio >= GOAL,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
