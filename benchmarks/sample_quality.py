"""The sample quality of cgan and dcgan after training a whole preset.

    python benchmarks/sample_quality.py cgan-people
    python benchmarks/sample_quality.py cgan-fashion --data shared/FashionMNIST
    python benchmarks/sample_quality.py dcgan-fashion --data shared/FashionMNIST [--out runs/dcgan]

For cgan: GAN-test beside the classifier's accuracy on real test images, and GAN-train beside the
same classifier trained on as many real images, because GAN-test alone does not detect mode
collapse. The classifier is not used in training. An existing run is evaluated without training.
Prints a table; the last line is a JSON object. Tens of minutes.
"""

import argparse
import json
import resource
import statistics
from itertools import pairwise
from pathlib import Path

import ganzoo_core as gz
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.evaluation.api import evaluate
from ganzoo_core.report import read_metrics

RUNS = {
    "cgan-people": ("cgan", "people-64", "people"),
    "cgan-fashion": ("cgan", "fashion-32", "fashion-mnist"),
    "dcgan-fashion": ("dcgan", "fashion-32", "fashion-mnist"),
}
"""Model, preset, data set."""
METRICS = ("class-histogram", "diversity", "memorization")
CONDITIONAL_METRICS = ("gan-test", "gan-train", *METRICS)
GOALS_BY_MODEL = {
    "cgan": {"gan_test_ratio": 0.95, "lowest_class_ratio": 0.85, "gan_train_ratio": 0.85},
    "dcgan": {"class_coverage": 1.0, "min_class_frequency": 0.03},
}
"""Minimum values."""


def cpu_seconds():
    """Return the user and system CPU time of this process and its children."""
    scopes = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, scopes))


def train_if_missing(model, preset, data, folder):
    """Train unless the run exists; return images seen, median images/s, and CPU seconds."""
    is_trained = (folder / "metrics.jsonl").exists()
    if not is_trained:
        gz.train(model, data, preset=preset, out=folder)
    lines = read_metrics(folder / "metrics.jsonl")
    images_per_second = [
        (b["images"] - a["images"]) / (b["seconds"] - a["seconds"])
        for a, b in pairwise(lines)
        if b["seconds"] > a["seconds"]
    ]
    return {
        "images_seen": lines[-1]["images"],
        "images_per_s": round(statistics.median(images_per_second), 1),
        "train_cpu_s": None if is_trained else round(cpu_seconds()),
    }


def evaluate_samples(model, folder, n):
    """Return the metric values of n samples."""
    metrics = CONDITIONAL_METRICS if model == "cgan" else METRICS
    evaluation = evaluate(folder, metrics=metrics, num_samples=n)
    results = {k: v for metric in evaluation.results.values() for k, v in metric.items()}
    values = {name: round(value.value, 4) for name, value in results.items()}
    if "gan_test_ratio" in results:
        ratio_by_class = results["gan_test_ratio"].breakdown
        values["lowest_class_ratio"] = round(min(ratio_by_class.values()), 4)
        values["lowest_class"] = min(ratio_by_class, key=ratio_by_class.get)
    return values


def main():
    """Train, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", choices=RUNS)
    parser.add_argument("--data", default="", help="path of Fashion-MNIST")
    parser.add_argument("--out", type=Path, help="the run folder; an existing run is not trained")
    parser.add_argument("-n", type=int, default=5000, help="samples")
    args = parser.parse_args()
    model, preset, data = RUNS[args.run]
    folder = args.out or Path("runs") / args.run
    values = train_if_missing(model, preset, f"{data}:{args.data}" if args.data else data, folder)
    before = cpu_seconds()
    values |= evaluate_samples(model, folder, args.n)
    values |= {"num_samples": args.n, "evaluate_cpu_s": round(cpu_seconds() - before)}
    goals = GOALS_BY_MODEL[model]
    for name, value in values.items():
        print(f"{name:<24} {value!s:>12} {f'goal {goals[name]}' if name in goals else ''}")
    met = all(values[name] >= goal for name, goal in goals.items())
    print(json.dumps({"benchmark": args.run, "values": values, "goals": goals, "met": met}))


if __name__ == "__main__":
    with exit_on_error():
        main()
