"""Correctness and cost of the metrics of `ganzoo evaluate`.

    python benchmarks/evaluation_metrics.py                    # all, five minutes on two cores
    python benchmarks/evaluation_metrics.py --only agreement   # or known, or cost

agreement: FID and KID against torchmetrics and torch-fidelity on the same features, PRDC against
a numpy implementation of its definition. known: image sets with known results. cost: `ganzoo
evaluate` in its own process, on 5,000 samples at 64 px, with only the data cached; it needs idle
cores. Prints a table; the last line is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.data import PackedImages
from ganzoo_core.metrics import classification, distances, neighbors
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.image_sets import random_subset, subset

GOALS = {
    "fid_relative_max": 1e-3,
    "kid_errors_rms_max": 1.0,
    "prdc_max": 1e-9,
    "real_to_noise_max": 0.02,
    "real_kid_errors_max": 3.0,
    "coverage_by_noise_max": 0.05,
    "near_duplicates_of_training_min": 0.99,
    "near_duplicates_of_held_out_max": 0.03,
    "embedder_s_max": 120.0,
    "memory_ratio_max": 1.1,
}
SEEDS = 20
NUM_SAMPLES, FEWER_SAMPLES = 5000, 1250
METRICS = "fid,kid,prdc,diversity,memorization"
CLASSIFIER_METRICS = f"{METRICS},inception-score,intra-fid,gan-test,class-histogram"
"""All but gan-train, which trains two more classifiers."""
FEATURE_EXTRACTOR = "people-identity"
"""A small embedder that a plugin ships."""


def correlated_features(n: int, dim: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two sets [n, dim] of correlated features; the second is scaled and shifted."""
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(n, dim, generator=generator) for _ in range(2))
    mix = torch.randn(dim, dim, generator=generator) / dim**0.5
    return a @ mix, (b * 1.1) @ mix + 0.1


def check_agreement() -> tuple[dict[str, float], bool]:
    """Return the differences from the reference implementations, and whether the goals are met."""
    found = {**compare_with_libraries(), "prdc": max_prdc_difference()}
    fid = max(found["fid_torchmetrics"], found["fid_torch_fidelity"])
    met = fid <= GOALS["fid_relative_max"] and found["prdc"] <= GOALS["prdc_max"]
    return found, met and found["kid_errors_rms"] <= GOALS["kid_errors_rms_max"]


def compare_with_libraries() -> dict[str, float]:
    """Return the differences of FID and KID from other libraries on the same features."""
    from torch_fidelity import metric_fid, metric_kid
    from torchmetrics.image.fid import FrechetInceptionDistance

    class IdentityFeatures(torch.nn.Module):
        num_features = 64

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    differences: dict[str, list[float]] = {"torchmetrics": [], "torch-fidelity": [], "kid": []}
    for seed in range(SEEDS):
        a, b = correlated_features(1000, IdentityFeatures.num_features, seed)
        ours = distances.frechet_distance(a, b)
        theirs = FrechetInceptionDistance(
            IdentityFeatures(), input_img_size=(1, 1, 64), antialias=False
        )
        theirs.set_dtype(torch.float64)
        theirs.update(a, real=True)
        theirs.update(b, real=False)
        differences["torchmetrics"].append(abs(float(theirs.compute()) / ours - 1))
        stats = [metric_fid.fid_features_to_statistics(x) for x in (a, b)]
        found = metric_fid.fid_statistics_to_metric(*stats, verbose=False)
        differences["torch-fidelity"].append(abs(found["frechet_inception_distance"] / ours - 1))
        value, error = distances.kid_with_std_error(a, b)
        kid = metric_kid.kid_features_to_metric(
            a, b, kid_subsets=50, kid_subset_size=500, verbose=False
        )
        differences["kid"].append((value - kid["kernel_inception_distance_mean"]) / error)
    return {
        "fid_torchmetrics": max(differences["torchmetrics"]),
        "fid_torch_fidelity": max(differences["torch-fidelity"]),
        "kid_errors_rms": float(np.sqrt(np.mean(np.square(differences["kid"])))),
    }


def reference_prdc(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, float]:
    """The definitions in arXiv 1904.06991 and arXiv 2002.09797."""

    def pairwise_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(2))

    def kth_neighbor_distance(points: np.ndarray) -> np.ndarray:
        distances = pairwise_distances(points, points)
        return np.sort(distances, 1)[:, k]  # index 0 is the point itself

    between, mine, theirs = (
        pairwise_distances(real, fake),
        kth_neighbor_distance(real),
        kth_neighbor_distance(fake),
    )
    return {
        "precision": np.mean([any(between[:, j] < mine) for j in range(len(fake))]),
        "recall": np.mean([any(between[i] < theirs) for i in range(len(real))]),
        "density": np.mean([sum(between[:, j] < mine) for j in range(len(fake))]) / k,
        "coverage": np.mean([min(between[i]) < mine[i] for i in range(len(real))]),
    }


def known_manifolds() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return (real, fake) sets whose manifolds differ in known ways."""
    line = torch.arange(40.0)[:, None].repeat(1, 2)
    angle = torch.linspace(0, 6.2, 120)[:, None]
    circle = torch.cat([angle.cos(), angle.sin()], 1)
    return {
        "equal": (line, line.clone()),
        "one point": (line, torch.full((30, 2), 4.2)),
        "disjoint": (line, line + 1000),
        "half of a circle": (circle, circle[:60] * 1.01),
        "correlated": correlated_features(200, 5, 0),
    }


def max_prdc_difference() -> float:
    """Return the largest difference of PRDC from the reference over all sets."""
    worst = 0.0
    for real, fake in known_manifolds().values():
        for k in (3, 5):
            ours = neighbors.compute_prdc(real, fake, k)
            theirs = reference_prdc(real.double().numpy(), fake.double().numpy(), k)
            worst = max(worst, *(abs(ours[name] - theirs[name]) for name in theirs))
    return worst


def render_portraits(split: str, count: int) -> PackedImages:
    """Render portraits at 32 px with age groups."""
    from ganzoo_core.report import Progress
    from ganzoo_core.training.open_data import decode_dataset, open_dataset, parse_data_config

    options = {"split": split, "count": count, "image_size": 32}
    return decode_dataset(
        open_dataset(parse_data_config("people", options)), (30, 50), Progress(True)
    )


def check_known_answers(cache: Path) -> tuple[dict[str, float], bool]:
    """Return the values of real images, noise and copied training images, and whether the goals
    are met."""
    train, test = render_portraits("gan-train", 3000), render_portraits("test", 2000)
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
    half, other = (subset(test, rows.sort().values, "half") for rows in order.chunk(2))
    seeded = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (len(other), 3, 32, 32), dtype=torch.uint8, generator=seeded)
    sets = {
        "real": other,
        "noise": PackedImages(pixels, other.info, label=other.label),
        "copied": random_subset(train, len(other), 0, "copied"),
    }
    values: dict[str, float] = {}
    for name, fake in sets.items():
        ctx = EvaluationContext(
            train, test, half, fake, lambda c: c.classifier, conditional=True, cache_dir=cache
        )
        kid = distances.kid(ctx)["kid"]
        assert kid.std_error is not None
        prdc, memorization = neighbors.prdc(ctx), neighbors.memorization(ctx)
        values |= {
            f"{name}_fid": distances.fid(ctx)["fid"].value,
            f"{name}_kid": kid.value,
            f"{name}_kid_error": kid.std_error,
            f"{name}_precision": prdc["precision"].value,
            f"{name}_density": prdc["density"].value,
            f"{name}_coverage": prdc["coverage"].value,
            f"{name}_near_duplicate_rate": memorization["near_duplicate_rate"].value,
            f"{name}_gan_test_ratio": classification.gan_test(ctx)["gan_test_ratio"].value,
        }
    met = values["real_fid"] <= GOALS["real_to_noise_max"] * values["noise_fid"]
    met = met and abs(values["real_kid"]) <= GOALS["real_kid_errors_max"] * values["real_kid_error"]
    met = met and values["noise_coverage"] <= GOALS["coverage_by_noise_max"]
    met = met and values["copied_near_duplicate_rate"] >= GOALS["near_duplicates_of_training_min"]
    rate = values["real_near_duplicate_rate"]
    return values, met and rate <= GOALS["near_duplicates_of_held_out_max"]


def time_command(args: list[str], folder: Path) -> dict[str, float]:
    """Run `ganzoo` in a folder with its own cache; return seconds, CPU seconds, MiB."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    env = {**os.environ, "GANZOO_CACHE": str(folder / "cache")}
    # ru_maxrss is that of the largest child so far, so each command gets its own parent process
    memory_script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
        "stdout=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    ganzoo = [sys.executable, "-m", "ganzoo_core.cli", *args, "-q"]
    command = [sys.executable, "-c", memory_script, *ganzoo]
    result = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"s": wall, "cpu_s": cpu, "mib": int(result.stdout) / 1024}


def measure_cost(folder: Path) -> tuple[dict[str, float], bool]:
    """Return the cost of an evaluation of 5,000 samples at 64 px with prepared data, and whether
    the goals are met."""
    options = (f"data.count={NUM_SAMPLES * 5}", "data.image_size=64")
    data = ["--data", "shapes", *(word for option in options for word in ("--set", option))]
    run = ["run", "cgan", "--preset", "people-64", "--steps", "2", *data, "--out", "run"]
    time_command(run, folder)
    args = ["evaluate", "run", "--metrics"]
    embedder = time_command(
        [*args, METRICS, "--feature-extractor", FEATURE_EXTRACTOR, "-n", str(NUM_SAMPLES)], folder
    )
    args += [CLASSIFIER_METRICS, "-n"]
    cold = time_command([*args, str(NUM_SAMPLES)], folder)
    warm = time_command([*args, str(NUM_SAMPLES)], folder)
    fewer = time_command([*args, str(FEWER_SAMPLES)], folder)
    found = {
        "embedder_s": embedder["s"],
        "embedder_cpu_s": embedder["cpu_s"],
        "classifier_cold_s": cold["s"],
        "classifier_cold_cpu_s": cold["cpu_s"],
        "classifier_cached_s": warm["s"],
        "classifier_cached_cpu_s": warm["cpu_s"],
        "mib": warm["mib"],
        "mib_of_a_quarter": fewer["mib"],
        "memory_ratio": warm["mib"] / fewer["mib"],
    }
    met = found["embedder_s"] <= GOALS["embedder_s_max"]
    return found, met and found["memory_ratio"] <= GOALS["memory_ratio_max"]


def main() -> None:
    """Run the parts and print a table and a JSON object."""
    parts = {
        "agreement": lambda _: check_agreement(),
        "known": check_known_answers,
        "cost": measure_cost,
    }
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=parts, action="append")
    selected, values, met = parser.parse_args().only or parts, {}, True
    for part in selected:
        with tempfile.TemporaryDirectory(prefix="ganzoo-") as name:
            found, is_met = parts[part](Path(name))
        values, met = {**values, **found}, met and is_met
        for key, value in found.items():
            print(f"{key:<26}{value:>12.4g}", flush=True)
    line = {key: round(value, 10) for key, value in values.items()}
    print(json.dumps({"benchmark": "evaluation_metrics", **line, "goals": GOALS, "met": met}))


if __name__ == "__main__":
    with exit_on_error():
        main()
