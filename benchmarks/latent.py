"""How much faster latents of many faces are found together than one at a time.

    python benchmarks/latent.py [--faces N] [--rounds N] [--tries N]
    python benchmarks/latent.py --network inception --rounds 1 --tries 1

Age-cGAN at the size of its quick preset, untrained, with the identity judge shipped for drawn
portraits, or with an untrained InceptionResnetV1 at 80 px, which is as fast as a trained one; the
faces are the generator's own. Both ways run in turns, medians are printed, and last a JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import torch
from ganzoo_age_cgan.config import AgeCGANConfig
from ganzoo_age_cgan.model import AgeCGAN

import ganzoo_core as gz
from ganzoo_core.cli.failures import reported
from ganzoo_core.interfaces import Judges
from ganzoo_core.weights import find_judge
from ganzoo_core.zoo import resolve, zoo

GOALS = {"shipped": 2.0, "inception": 4.0}
EDGE = 80
"""Of the faces that InceptionResnetV1 is given, in pixels."""
GROUPS = ("0-18", "19-29", "30-39", "40-49", "50-59", "60+")


def recogniser(network: str) -> Any:
    """Return the judge of identity: the shipped one, or InceptionResnetV1."""
    if network == "shipped":
        return find_judge("identity", data="people").build()
    spec = zoo().model("facenet")
    config = resolve(spec.config).model_validate({"network": network, "embedding": 512})
    return resolve(spec.target)(config, gz.DataInfo(size=EDGE))


def build(network: str = "shipped") -> AgeCGAN:
    """Return the model with its judge."""
    torch.manual_seed(0)
    options = AgeCGANConfig.presets["quick"]["model"]
    info = gz.DataInfo(size=64, classes=GROUPS, counts=(1,) * 6, groups=(18, 29, 39, 49, 59))
    model = AgeCGAN(AgeCGANConfig.model_validate(options), info).eval().requires_grad_(False)
    model.judges = Judges({"identity": recogniser(network)})
    return model


def main() -> None:
    """Measure both ways in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=tuple(GOALS), default="shipped")
    parser.add_argument("--faces", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tries", type=int, default=3)
    args = parser.parse_args()
    model, goal = build(args.network), GOALS[args.network]
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
    print(
        json.dumps(
            {
                "benchmark": "latent",
                "network": args.network,
                "faces": args.faces,
                "rounds": args.rounds,
                "threads": torch.get_num_threads(),
                "cpu_seconds": round(time.process_time() - begun, 1),
                "faces_per_minute": {name: round(rate) for name, rate in rates.items()},
                "largest_gap_of_values": gap,
                "ratio": round(ratio, 2),
                "goals": {"ratio": goal},
                "met": ratio >= goal,
            }
        )
    )


if __name__ == "__main__":
    with reported():
        main()
