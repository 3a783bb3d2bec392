"""The speedup of batched latent search over one face at a time.

    python benchmarks/latent_search.py [--faces N] [--steps N] [--repeats N]
    python benchmarks/latent_search.py --network inception --steps 1 --repeats 1

Age-cGAN at the size of its preset quick, with random weights, and the shipped identity network for
`people`, or an InceptionResnetV1 with random weights at 80 px. The faces are generated. Both ways
alternate. Prints medians; the last line is a JSON object.
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
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.interfaces import Auxiliaries
from ganzoo_core.weights import find_auxiliary
from ganzoo_core.zoo import import_target, zoo

GOALS = {"shipped": 2.0, "inception": 4.0}
INCEPTION_IMAGE_SIZE = 80
"""Input size of InceptionResnetV1, in pixels."""
AGE_GROUP_NAMES = ("0-18", "19-29", "30-39", "40-49", "50-59", "60+")


def build_identity_network(network: str) -> Any:
    """Return the shipped identity network, or InceptionResnetV1."""
    if network == "shipped":
        return find_auxiliary("identity", data="people").build()
    spec = zoo().model("facenet")
    config = import_target(spec.config).model_validate({"network": network, "embed_dim": 512})
    return import_target(spec.target)(config, gz.DataInfo(image_size=INCEPTION_IMAGE_SIZE))


def build_model(network: str = "shipped") -> AgeCGAN:
    """Return the model with its identity network."""
    torch.manual_seed(0)
    options = AgeCGANConfig.presets["quick"]["model"]
    info = gz.DataInfo(
        image_size=64,
        class_names=AGE_GROUP_NAMES,
        class_counts=(1,) * 6,
        age_bins=(18, 29, 39, 49, 59),
    )
    model = AgeCGAN(AgeCGANConfig.model_validate(options), info).eval().requires_grad_(False)
    model.auxiliaries = Auxiliaries({"identity": build_identity_network(network)})
    return model


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=tuple(GOALS), default="shipped")
    parser.add_argument("--faces", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    model, goal = build_model(args.network), GOALS[args.network]
    label = torch.arange(args.faces) % len(AGE_GROUP_NAMES)
    faces = model.generator(torch.randn(args.faces, 100), label)

    def search(rows: slice) -> torch.Tensor:
        return model.invert(faces[rows], label[rows], max_steps=args.steps).objective_value

    batches = {
        "batched": [slice(None)],
        "one by one": [slice(i, i + 1) for i in range(args.faces)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in batches}
    cpu_start, max_difference = time.process_time(), 0.0
    for _ in range(args.repeats):
        values = {}
        for name, slices in batches.items():
            start = time.perf_counter()
            values[name] = torch.cat([search(rows) for rows in slices])
            seconds[name].append(time.perf_counter() - start)
        max_difference = float((values["batched"] - values["one by one"]).abs().max())
    rates = {name: 60 * args.faces / statistics.median(s) for name, s in seconds.items()}
    ratio = rates["batched"] / rates["one by one"]
    print(f"{'':<12}{'faces/minute':>14}")
    for name, rate in rates.items():
        print(f"{name:<12}{rate:>14.0f}")
    result = {
        "benchmark": "latent_search",
        "network": args.network,
        "num_faces": args.faces,
        "steps": args.steps,
        "threads": torch.get_num_threads(),
        "cpu_s": round(time.process_time() - cpu_start, 1),
        "faces_per_minute": {name: round(rate) for name, rate in rates.items()},
        "max_objective_difference": max_difference,
        "ratio": round(ratio, 2),
        "goals": {"ratio": goal},
        "met": ratio >= goal,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    with exit_on_error():
        main()
