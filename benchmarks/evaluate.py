"""Can the figures of `ganzoo evaluate` be trusted, and what do they cost?

    python benchmarks/evaluate.py                     # all, about five minutes of two cores
    python benchmarks/evaluate.py --only agreement    # or known, or cost

agreement: FID and KID against torchmetrics and torch-fidelity on the same features, PRDC against
its definition written out in numpy. known: answers that must come out. cost: `ganzoo evaluate` as a
process of its own, on 5,000 samples at 64 px, and nothing cached but the data; it wants idle cores.
A table; the last line is one JSON object.
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

from ganzoo_core.cli.failures import reported
from ganzoo_core.data import Images
from ganzoo_core.metrics import agreement, distances, manifold
from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.sides import first, subset

GOALS = {
    "fid_relative_max": 1e-3,
    "kid_errors_rms_max": 1.0,
    "prdc_max": 1e-9,
    "real_to_noise_max": 0.02,
    "real_kid_errors_max": 3.0,
    "coverage_by_noise_max": 0.05,
    "copies_of_training_min": 0.99,
    "copies_of_held_out_max": 0.03,
    "embedder_s_max": 120.0,
    "memory_ratio_max": 1.1,
}
SEEDS = 20
COUNT, FEWER = 5000, 1250
METRICS = "fid,kid,prdc,diversity,memorisation"
JUDGED = f"{METRICS},inception-score,intra-fid,gan-test,class-shares"
"""All but gan-train, which trains two classifiers more."""
EMBEDDER = "people-identity"
"""A small feature network that a plugin ships."""


def clouds(n: int, dim: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two clouds [n, dim] of correlated features, one wider and moved."""
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(n, dim, generator=generator) for _ in range(2))
    mix = torch.randn(dim, dim, generator=generator) / dim**0.5
    return a @ mix, (b * 1.1) @ mix + 0.1


def agree() -> tuple[dict[str, float], bool]:
    """Return how far figures are from others', and whether that is near enough."""
    found = {**against_others(), "prdc": prdc_apart()}
    fid = max(found["fid_torchmetrics"], found["fid_torch_fidelity"])
    met = fid <= GOALS["fid_relative_max"] and found["prdc"] <= GOALS["prdc_max"]
    return found, met and found["kid_errors_rms"] <= GOALS["kid_errors_rms_max"]


def against_others() -> dict[str, float]:
    """Return how far FID and KID are from others' on the same features."""
    from torch_fidelity import metric_fid, metric_kid
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Same(torch.nn.Module):
        num_features = 64

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    apart: dict[str, list[float]] = {"torchmetrics": [], "torch-fidelity": [], "kid": []}
    for seed in range(SEEDS):
        a, b = clouds(1000, Same.num_features, seed)
        ours = distances.frechet(a, b)
        theirs = FrechetInceptionDistance(Same(), input_img_size=(1, 1, 64), antialias=False)
        theirs.set_dtype(torch.float64)
        theirs.update(a, real=True)
        theirs.update(b, real=False)
        apart["torchmetrics"].append(abs(float(theirs.compute()) / ours - 1))
        stats = [metric_fid.fid_features_to_statistics(x) for x in (a, b)]
        found = metric_fid.fid_statistics_to_metric(*stats, verbose=False)
        apart["torch-fidelity"].append(abs(found["frechet_inception_distance"] / ours - 1))
        value, error = distances.kernel_distance(a, b)
        kid = metric_kid.kid_features_to_metric(
            a, b, kid_subsets=50, kid_subset_size=500, verbose=False
        )
        apart["kid"].append((value - kid["kernel_inception_distance_mean"]) / error)
    return {
        "fid_torchmetrics": max(apart["torchmetrics"]),
        "fid_torch_fidelity": max(apart["torch-fidelity"]),
        "kid_errors_rms": float(np.sqrt(np.mean(np.square(apart["kid"])))),
    }


def prdc_by_definition(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, float]:
    """arXiv 1904.06991 and arXiv 2002.09797, word by word."""

    def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(2))

    def reach(points: np.ndarray) -> np.ndarray:
        return np.sort(apart(points, points), 1)[:, k]  # the nearest of all is the point itself

    between, mine, theirs = apart(real, fake), reach(real), reach(fake)
    return {
        "precision": np.mean([any(between[:, j] < mine) for j in range(len(fake))]),
        "recall": np.mean([any(between[i] < theirs) for i in range(len(real))]),
        "density": np.mean([sum(between[:, j] < mine) for j in range(len(fake))]) / k,
        "coverage": np.mean([min(between[i]) < mine[i] for i in range(len(real))]),
    }


def hand_made() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return pairs of sets whose manifolds differ in known ways."""
    line = torch.arange(40.0)[:, None].repeat(1, 2)
    turn = torch.linspace(0, 6.2, 120)[:, None]
    circle = torch.cat([turn.cos(), turn.sin()], 1)
    return {
        "the same line twice": (line, line.clone()),
        "one point again and again": (line, torch.full((30, 2), 4.2)),
        "far away": (line, line + 1000),
        "half of a circle": (circle, circle[:60] * 1.01),
        "clouds": clouds(200, 5, 0),
    }


def prdc_apart() -> float:
    """Return the largest difference of PRDC from its definition over all sets."""
    worst = 0.0
    for real, fake in hand_made().values():
        for k in (3, 5):
            ours = manifold.manifold(real, fake, k)
            theirs = prdc_by_definition(real.double().numpy(), fake.double().numpy(), k)
            worst = max(worst, *(abs(ours[name] - theirs[name]) for name in theirs))
    return worst


def portraits(split: str, count: int) -> Images:
    """Draw portraits at 32 px with their age groups."""
    from ganzoo_core.report import Progress
    from ganzoo_core.runs.data import images_of, open_dataset
    from ganzoo_core.runs.survey import data_config

    options = {"split": split, "count": count, "size": 32}
    return images_of(open_dataset(data_config("people", options)), (30, 50), Progress(True))


def know(cache: Path) -> tuple[dict[str, float], bool]:
    """Return the figures of real images, noise and stolen ones, and whether they are as they must
    be."""
    train, test = portraits("gan-train", 3000), portraits("test", 2000)
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
    half, other = (subset(test, rows.sort().values, "half") for rows in order.chunk(2))
    seeded = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (len(other), 3, 32, 32), dtype=torch.uint8, generator=seeded)
    sets = {
        "real": other,
        "noise": Images(pixels, other.info, label=other.label),
        "stolen": first(train, len(other), 0, "stolen"),
    }
    found: dict[str, float] = {}
    for name, fake in sets.items():
        case = Case(train, test, half, fake, lambda c: c.judge, conditional=True, cache=cache)
        kid = distances.kid(case)["kid"]
        assert kid.error is not None
        prdc, copies = manifold.prdc(case), manifold.memorisation(case)
        found |= {
            f"{name}_fid": distances.fid(case)["fid"].value,
            f"{name}_kid": kid.value,
            f"{name}_kid_error": kid.error,
            f"{name}_precision": prdc["precision"].value,
            f"{name}_density": prdc["density"].value,
            f"{name}_coverage": prdc["coverage"].value,
            f"{name}_copies": copies["copies"].value,
            f"{name}_gan_test_ratio": agreement.gan_test(case)["gan_test_ratio"].value,
        }
    met = found["real_fid"] <= GOALS["real_to_noise_max"] * found["noise_fid"]
    met = met and abs(found["real_kid"]) <= GOALS["real_kid_errors_max"] * found["real_kid_error"]
    met = met and found["noise_coverage"] <= GOALS["coverage_by_noise_max"]
    met = met and found["stolen_copies"] >= GOALS["copies_of_training_min"]
    return found, met and found["real_copies"] <= GOALS["copies_of_held_out_max"]


def timed(words: list[str], folder: Path) -> dict[str, float]:
    """Run `ganzoo` in a folder with a cache of its own; return seconds, CPU seconds, MiB."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    env = {**os.environ, "GANZOO_CACHE": str(folder / "cache")}
    watched = (  # ru_maxrss of all children is that of the largest, so each has a parent of its own
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
        "stdout=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", watched, sys.executable, "-m", "ganzoo_core.cli", *words, "-q"]
    done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, check=True)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"s": wall, "cpu_s": cpu, "mib": int(done.stdout) / 1024}


def cost(folder: Path) -> tuple[dict[str, float], bool]:
    """Return what an evaluation of 5,000 samples at 64 px takes, and whether that is little enough;
    data are prepared before."""
    data = ["--data", "shapes", "--set", f"data.count={COUNT * 5}", "--set", "data.size=64"]
    timed(["run", "cgan", "--preset", "good", "--steps", "2", *data, "--out", "run"], folder)
    words = ["evaluate", "run", "--metrics"]
    embedder = timed([*words, METRICS, "--features", EMBEDDER, "-n", str(COUNT)], folder)
    words += [JUDGED, "-n"]
    first_time = timed([*words, str(COUNT)], folder)
    warm = timed([*words, str(COUNT)], folder)
    fewer = timed([*words, str(FEWER)], folder)
    found = {
        "embedder_s": embedder["s"],
        "embedder_cpu_s": embedder["cpu_s"],
        "judge_first_s": first_time["s"],
        "judge_first_cpu_s": first_time["cpu_s"],
        "judge_again_s": warm["s"],
        "judge_again_cpu_s": warm["cpu_s"],
        "mib": warm["mib"],
        "mib_of_a_quarter": fewer["mib"],
        "memory_ratio": warm["mib"] / fewer["mib"],
    }
    met = found["embedder_s"] <= GOALS["embedder_s_max"]
    return found, met and found["memory_ratio"] <= GOALS["memory_ratio_max"]


def main() -> None:
    """Measure, print a table, and end with one JSON object."""
    parts = {"agreement": lambda _: agree(), "known": know, "cost": cost}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=parts, action="append")
    chosen, figures, met = parser.parse_args().only or parts, {}, True
    for part in chosen:
        with tempfile.TemporaryDirectory(prefix="ganzoo-") as name:
            found, good = parts[part](Path(name))
        figures, met = {**figures, **found}, met and good
        for key, value in found.items():
            print(f"{key:<24}{value:>12.4g}", flush=True)
    line = {key: round(value, 10) for key, value in figures.items()}
    print(json.dumps({"benchmark": "evaluate", **line, "goals": GOALS, "met": met}))


if __name__ == "__main__":
    with reported():
        main()
