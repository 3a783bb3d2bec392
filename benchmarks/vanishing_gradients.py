"""Why a discriminator that wins stops the game, and what each cure does about it.

    python benchmarks/vanishing_gradients.py [--out docs/img]

1. `gan` learns for a while on drawn portraits; then its generator is frozen while D goes on
   learning, and G's gradient is measured under both objectives of the paper.
2. `dcgan` plays the minimax game with a D of ten times its rate, which wins; then with each cure.

Two plots, a table, and one JSON object as the last line. Minutes on one core.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure

import ganzoo_core as gz
from ganzoo_core.cli.failures import reported
from ganzoo_core.data import prepare
from ganzoo_core.engine import resolve_setup
from ganzoo_core.interfaces import SeededNoise
from ganzoo_core.losses import BCE, Minimax
from ganzoo_core.report import read_metrics
from ganzoo_core.zoo import resolve, zoo

PEOPLE = {"name": "people", "size": 32, "channels": 1, "count": 1000, "variety": 0.35}
D_STEPS, BATCH = 300, 64
ROUNDS, LATE = 300, 100
STRONG = {"lr": 2e-3, "betas": (0.5, 0.999)}
BASE = {"width": 16, "loss": {"kind": "minimax"}, "optim_d": STRONG, "optim_g": {"lr": 2e-4}}
CURES = {
    "D wins": {},
    "lower D rate": {"optim_d": {"lr": 5e-5}},
    "D anew every 2 epochs": {"cures": {"reset_d": 2}},
    "D halted, epochs 3 to 9": {"cures": {"halt_d": (3, 9)}},
    "D halted above 0.8": {"cures": {"halt_d_above": 0.8}},
    "real target 0.9": {"loss": {"kind": "minimax", "real_target": 0.9}},
}


def gradient(model, loss, z):
    """Return the norm of G's gradient under a loss."""
    model.zero_grad()
    loss.g(model.discriminator(model.generator(z))).backward()
    grads = [p.grad for p in model.generator.parameters()]
    return torch.nn.utils.get_total_norm(grads).item()


def flat_gradients(folder):
    """Train D against a frozen G; return [(D steps, minimax gradient, bce gradient, D(G(z)))]."""
    options = {"data": PEOPLE, "train": {"batch": BATCH}, "model": {"hidden": 256, "units": 64}}
    run = gz.train("gan", preset="quick", options=options, steps=100, out=folder, quiet=True)
    model = run.model.train().requires_grad_(True)
    spec = zoo().dataset("people")
    people = resolve(spec.target)(resolve(spec.config)(**PEOPLE))
    images = prepare(people, size=PEOPLE["size"], channels=PEOPLE["channels"])
    noise = SeededNoise(torch.device("cpu"), 0, "experiment")
    optim = torch.optim.Adam(model.discriminator.parameters(), 1e-3, (0.5, 0.999))
    torch.manual_seed(0)
    found = []
    for step in range(D_STEPS + 1):
        rows = (noise(BATCH, kind="unit") * len(images)).long()
        real = images.gather(rows).float() / 127.5 - 1
        z = model.generator.latent(noise, BATCH)
        if step % 10 == 0:
            with torch.no_grad():
                believed = model.discriminator(model.generator(z)).sigmoid().mean().item()
            norms = gradient(model, Minimax(), z), gradient(model, BCE(), z)
            found.append((step, *norms, believed))
        optim.zero_grad()
        with torch.no_grad():
            fake = model.generator(z)
        BCE().d(model.discriminator(real), model.discriminator(fake)).backward()
        optim.step()
    return found


def cured(name, cure, folder):
    """Train with one cure; return its lines of metrics."""
    options = {
        "data": PEOPLE,
        "model": {**BASE, **cure},
        "train": {"batch": 32, "log_every": 10, "sample_every": 10**6},
    }
    gz.train("dcgan", preset="tiny", options=options, steps=ROUNDS, out=folder, quiet=True)
    return read_metrics(folder / "metrics.jsonl")


def plot_gradients(found, path):
    """Plot both gradients against D's steps."""
    steps, minimax, bce, _ = zip(*found, strict=True)
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.semilogy(steps, minimax, label="minimax: log(1 - D(G(z)))")
    axes.semilogy(steps, bce, label="bce: -log D(G(z))")
    finish(axes, "steps of D, G frozen", "norm of G's gradient")
    figure.savefig(path, dpi=110)


def plot_cures(courses, path):
    """Plot D's accuracy and G's gradient, a row a cure."""
    figure = Figure(figsize=(8, 1.7 * len(courses)), layout="constrained")
    for row, (name, lines) in zip(
        figure.subplots(len(courses), 2, sharex=True), courses.items(), strict=True
    ):
        rounds = [line["round"] for line in lines]
        row[0].plot(rounds, [line["d_accuracy"] for line in lines])
        row[0].set_ylim(0.4, 1.02)
        row[1].semilogy(rounds, [line["g_grad"] for line in lines])
        if "d_halted" in lines[0]:
            halted = [line["d_halted"] for line in lines]
            row[0].fill_between(rounds, 0.4, [0.4 + 0.6 * h for h in halted], alpha=0.2)
        row[0].set_title(name, fontsize=9, loc="left")
        for axes, what in zip(row, ("accuracy of D", "gradient of G"), strict=True):
            finish(axes, "", what, legend=False)
    figure.savefig(path, dpi=80)


def finish(axes, x, y, legend=True):
    """Label a plot and take its frame away."""
    axes.set_xlabel(x)
    axes.set_ylabel(y, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    if legend:
        axes.legend(frameon=False)


def main():
    """Measure, plot and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/img"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    resolve_setup("cpu", "fp32")
    with tempfile.TemporaryDirectory() as folder:
        found = flat_gradients(Path(folder) / "gan")
        courses = {
            name: cured(name, cure, Path(folder) / str(i))
            for i, (name, cure) in enumerate(CURES.items())
        }
    plot_gradients(found, out / "vanishing-gradients.png")
    plot_cures(courses, out / "cures.png")
    print(f"{'D steps':>8} {'minimax':>10} {'bce':>10} {'D(G(z))':>10}")
    for step, minimax, bce, believed in found[::5]:
        print(f"{step:>8} {minimax:>10.2e} {bce:>10.2e} {believed:>10.2e}")
    figures = {"minimax_over_bce": found[-1][1] / found[-1][2], "cures": {}}
    print(f"\n{'rounds ' + str(LATE) + ' on':<24} {'accuracy of D':>14} {'gradient of G':>14}")
    for name, lines in courses.items():
        late = [line for line in lines if line["round"] > LATE]
        accuracy = statistics.mean(line["d_accuracy"] for line in late)
        slope = statistics.median(line["g_grad"] for line in late)
        figures["cures"][name] = {"d_accuracy": round(accuracy, 3), "g_grad": float(f"{slope:.3g}")}
        print(f"{name:<24} {accuracy:>14.3f} {slope:>14.2e}")
    figures["cpu_seconds"] = round(time.process_time())
    won, *others = figures["cures"].values()
    met = (
        figures["minimax_over_bce"] < 0.01
        and won["d_accuracy"] > 0.95
        and all(other["g_grad"] > won["g_grad"] for other in others)
    )
    goals = {"minimax_over_bce": 0.01, "d_wins": 0.95, "g_grad": "above that of no cure"}
    print(
        json.dumps(
            {
                "benchmark": "vanishing gradients",
                "figures": figures,
                "goals": goals,
                "met": bool(met),
            }
        )
    )


if __name__ == "__main__":
    with reported():
        main()
