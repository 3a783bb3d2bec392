"""Do the classics learn? One is trained to the end of its preset, and measured.

    python benchmarks/classics.py cgan-people
    python benchmarks/classics.py cgan-fashion --data shared/FashionMNIST
    python benchmarks/classics.py dcgan-fashion --data shared/FashionMNIST [--out runs/mixed]

A judge cannot read samples better than real images, and agreement alone rewards collapse: so the
judge on real test images, the judge on samples, GAN-train, and the same classifier trained on as
many real images stand together. The judge never meets the GAN. A run that is there already is
measured as it is. Prints a table; the last line is one JSON object. Tens of minutes.
"""

import argparse
import json
import resource
import statistics
from itertools import pairwise
from pathlib import Path

import ganzoo_core as gz
from ganzoo_core.cli.failures import reported
from ganzoo_core.report import read_metrics
from ganzoo_core.runs.evaluation import evaluate

RUNS = {
    "cgan-people": ("cgan", "good", "people"),
    "cgan-fashion": ("cgan", "fashion", "fashion-mnist"),
    "dcgan-fashion": ("dcgan", "good", "fashion-mnist"),
}
"""Model, preset, data set."""
SHARED = ("class-shares", "diversity", "memorisation")
LABELLED = ("gan-test", "gan-train", *SHARED)
GOALS = {
    "cgan": {"gan_test_ratio": 0.95, "lowest_class_ratio": 0.85, "gan_train_ratio": 0.85},
    "dcgan": {"classes_seen": 1.0, "rarest_class": 0.03},
}
"""Least values."""


def cpu_seconds():
    """Return the CPU time of this process and those it started, user and system."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, whose))


def trained(model, preset, data, folder):
    """Train unless the run is there; return its images, median images/s, and CPU seconds."""
    there = (folder / "metrics.jsonl").exists()
    if not there:
        gz.train(model, data, preset=preset, out=folder)
    lines = read_metrics(folder / "metrics.jsonl")
    pace = [
        (b["images"] - a["images"]) / (b["seconds"] - a["seconds"])
        for a, b in pairwise(lines)
        if b["seconds"] > a["seconds"]
    ]
    return {
        "images_seen": lines[-1]["images"],
        "images_per_s": round(statistics.median(pace), 1),
        "train_cpu_s": None if there else round(cpu_seconds()),
    }


def measured(model, folder, n):
    """Return the figures of n samples."""
    found = evaluate(folder, metrics=LABELLED if model == "cgan" else SHARED, n=n)
    figures = {k: f for metric in found.results.values() for k, f in metric.items()}
    values = {name: round(figure.value, 4) for name, figure in figures.items()}
    if "gan_test_ratio" in figures:
        parts = figures["gan_test_ratio"].parts
        values["lowest_class_ratio"] = round(min(parts.values()), 4)
        values["lowest_class"] = min(parts, key=parts.get)
    return values


def main():
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", choices=RUNS)
    parser.add_argument("--data", default="", help="where Fashion-MNIST lies")
    parser.add_argument("--out", type=Path, help="the run folder; one that is there is measured")
    parser.add_argument("-n", type=int, default=5000, help="samples")
    args = parser.parse_args()
    model, preset, data = RUNS[args.run]
    folder = args.out or Path("runs") / args.run
    figures = trained(model, preset, f"{data}:{args.data}" if args.data else data, folder)
    before = cpu_seconds()
    figures |= measured(model, folder, args.n)
    figures |= {"samples": args.n, "evaluate_cpu_s": round(cpu_seconds() - before)}
    goals = GOALS[model]
    for name, value in figures.items():
        print(f"{name:<24} {value!s:>12} {f'goal {goals[name]}' if name in goals else ''}")
    met = all(figures[name] >= goal for name, goal in goals.items())
    print(json.dumps({"benchmark": args.run, "figures": figures, "goals": goals, "met": met}))


if __name__ == "__main__":
    with reported():
        main()
