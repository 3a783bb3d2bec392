"""Vanishing generator gradients with an overfitted discriminator, and what prevents them.

    python benchmarks/vanishing_gradients.py [--out docs/img]

1. `gan` is trained on rendered portraits. Then G is frozen and D is trained further, and G's
   gradient is measured under both objectives of the paper.
2. `dcgan` is trained with the minimax loss and a learning rate of D ten times that of G, without
   and with each control of D.

Writes two plots and prints a table; the last line is a JSON object. Minutes on one core.
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
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.data import pack_images
from ganzoo_core.engine import resolve_setup
from ganzoo_core.interfaces import SeededRng
from ganzoo_core.losses import BCE, Minimax
from ganzoo_core.report import read_metrics
from ganzoo_core.zoo import import_target, zoo

PEOPLE_OPTIONS = {
    "name": "people",
    "image_size": 32,
    "num_channels": 1,
    "count": 1000,
    "nuisance_scale": 0.35,
}
D_STEPS, BATCH_SIZE = 300, 64
NUM_STEPS, LATE_STEP = 300, 100
FAST_D_ADAM = {"lr": 2e-3, "betas": (0.5, 0.999)}
BASE_OPTIONS = {
    "base_channels": 16,
    "loss": {"kind": "minimax"},
    "optim_d": FAST_D_ADAM,
    "optim_g": {"lr": 2e-4},
}
CONTROLS = {
    "none": {},
    "lower lr of D": {"optim_d": {"lr": 5e-5}},
    "D reset every 2 epochs": {"terms": {"d-reset": {"every_epochs": 2}}},
    "D frozen, epochs 3 to 9": {"terms": {"d-freeze": {"epochs": (3, 9)}}},
    "D frozen above 0.8": {"terms": {"d-freeze": {"above_accuracy": 0.8}}},
    "real target 0.9": {"loss": {"kind": "minimax", "real_target": 0.9}},
}


def generator_grad_norm(model, loss, z):
    """Return the norm of the gradient of G under a loss."""
    model.zero_grad()
    loss.generator_loss(model.discriminator(model.generator(z))).backward()
    grads = [p.grad for p in model.generator.parameters()]
    return torch.nn.utils.get_total_norm(grads).item()


def train_d_against_frozen_g(folder):
    """Train D against a frozen G; return [(D steps, minimax gradient, bce gradient, D(G(z)))]."""
    options = {
        "data": PEOPLE_OPTIONS,
        "train": {"batch_size": BATCH_SIZE},
        "model": {"hidden_dim": 256, "maxout_units": 64},
    }
    run = gz.train("gan", preset="quick", options=options, steps=100, out=folder, quiet=True)
    model = run.model.train().requires_grad_(True)
    spec = zoo().dataset("people")
    people = import_target(spec.target)(import_target(spec.config)(**PEOPLE_OPTIONS))
    images = pack_images(
        people, image_size=PEOPLE_OPTIONS["image_size"], num_channels=PEOPLE_OPTIONS["num_channels"]
    )
    rng = SeededRng(torch.device("cpu"), 0, "experiment")
    optim = torch.optim.Adam(model.discriminator.parameters(), 1e-3, (0.5, 0.999))
    torch.manual_seed(0)
    curve = []
    for step in range(D_STEPS + 1):
        rows = (rng.rand(BATCH_SIZE) * len(images)).long()
        real = images.gather(rows).float() / 127.5 - 1
        z = model.generator.sample_latent(BATCH_SIZE, rng)
        if step % 10 == 0:
            with torch.no_grad():
                mean_d_of_fake = model.discriminator(model.generator(z)).sigmoid().mean().item()
            norms = generator_grad_norm(model, Minimax(), z), generator_grad_norm(model, BCE(), z)
            curve.append((step, *norms, mean_d_of_fake))
        optim.zero_grad()
        with torch.no_grad():
            fake = model.generator(z)
        loss = BCE().discriminator_loss(model.discriminator(real), model.discriminator(fake))
        loss.backward()
        optim.step()
    return curve


def train_with_control(control, folder):
    """Train with one control; return its lines of metrics."""
    options = {
        "data": PEOPLE_OPTIONS,
        "model": {**BASE_OPTIONS, **control},
        "train": {"batch_size": 32, "log_every": 10, "sample_every": 10**6},
    }
    gz.train("dcgan", preset="smoke", options=options, steps=NUM_STEPS, out=folder, quiet=True)
    return read_metrics(folder / "metrics.jsonl")


def plot_gradients(curve, path):
    """Plot both gradients over the steps of D."""
    steps, minimax, bce, _ = zip(*curve, strict=True)
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.semilogy(steps, minimax, label="minimax: log(1 - D(G(z)))")
    axes.semilogy(steps, bce, label="bce: -log D(G(z))")
    format_axes(axes, "steps of D, G frozen", "norm of G's gradient")
    figure.savefig(path, dpi=110)


def plot_controls(metrics_by_control, path):
    """Plot the accuracy of D and the gradient of G, one row for each control."""
    figure = Figure(figsize=(8, 1.7 * len(metrics_by_control)), layout="constrained")
    for row, (name, lines) in zip(
        figure.subplots(len(metrics_by_control), 2, sharex=True),
        metrics_by_control.items(),
        strict=True,
    ):
        steps = [line["step"] for line in lines]
        row[0].plot(steps, [line["accuracy/d"] for line in lines])
        row[0].set_ylim(0.4, 1.02)
        row[1].semilogy(steps, [line["grad_norm/g"] for line in lines])
        if "frozen/d" in lines[0]:
            frozen = [line["frozen/d"] for line in lines]
            row[0].fill_between(steps, 0.4, [0.4 + 0.6 * x for x in frozen], alpha=0.2)
        row[0].set_title(name, fontsize=9, loc="left")
        for axes, label in zip(row, ("accuracy of D", "gradient of G"), strict=True):
            format_axes(axes, "", label, legend=False)
    figure.savefig(path, dpi=80)


def format_axes(axes, x_label, y_label, legend=True):
    """Set the labels, the grid and the legend of a plot."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label, fontsize=8)
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
        curve = train_d_against_frozen_g(Path(folder) / "gan")
        metrics_by_control = {
            name: train_with_control(control, Path(folder) / str(i))
            for i, (name, control) in enumerate(CONTROLS.items())
        }
    plot_gradients(curve, out / "vanishing-gradients.png")
    plot_controls(metrics_by_control, out / "discriminator-controls.png")
    print(f"{'D steps':>8} {'minimax':>10} {'bce':>10} {'D(G(z))':>10}")
    for step, minimax, bce, mean_d_of_fake in curve[::5]:
        print(f"{step:>8} {minimax:>10.2e} {bce:>10.2e} {mean_d_of_fake:>10.2e}")
    values = {"minimax_over_bce": curve[-1][1] / curve[-1][2], "controls": {}}
    print(f"\n{f'after step {LATE_STEP}':<24} {'accuracy of D':>14} {'gradient of G':>14}")
    for name, lines in metrics_by_control.items():
        late_lines = [line for line in lines if line["step"] > LATE_STEP]
        accuracy = statistics.mean(line["accuracy/d"] for line in late_lines)
        median_grad_norm = statistics.median(line["grad_norm/g"] for line in late_lines)
        values["controls"][name] = {
            "accuracy/d": round(accuracy, 3),
            "grad_norm/g": float(f"{median_grad_norm:.3g}"),
        }
        print(f"{name:<24} {accuracy:>14.3f} {median_grad_norm:>14.2e}")
    values["cpu_s"] = round(time.process_time())
    uncontrolled, *others = values["controls"].values()
    met = (
        values["minimax_over_bce"] < 0.01
        and uncontrolled["accuracy/d"] > 0.95
        and all(other["grad_norm/g"] > uncontrolled["grad_norm/g"] for other in others)
    )
    goals = {"minimax_over_bce": 0.01, "accuracy/d": 0.95, "grad_norm/g": "above that without"}
    result = {"benchmark": "vanishing_gradients", "values": values, "goals": goals}
    print(json.dumps({**result, "met": bool(met)}))


if __name__ == "__main__":
    with exit_on_error():
        main()
