"""How probable VAE and PixelCNN find the test images of Fashion-MNIST, at 256 levels and at two.

    python benchmarks/likelihood.py --data fashion-mnist:PATH [--runs DIR] [-n 10000]

Presets `good` (256 levels, bits per dimension) and `binary` (two levels, nats) of both models. A
run that is in DIR already is measured, one that is not is trained first: `DIR/vae-good`,
`DIR/pixelcnn-good`, `DIR/vae-binary`, `DIR/pixelcnn-binary`. The baseline is the histogram of each
pixel by itself. Last comes a JSON object; a difference counts if it is more than two standard
errors, and both models must be a stated margin below the baseline.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import ganzoo_core as gz
from ganzoo_core.cli.failures import reported
from ganzoo_core.runs.evaluation import Evaluation, evaluate

CASES = {"good": ("bits_per_dim", 0.5), "binary": ("nats", 50.0)}
"""Preset: (figure, how far below the baseline both models must be)."""
MODELS = ("vae", "pixelcnn")


def measured(model: str, preset: str, data: str, runs: Path, n: int) -> Evaluation:
    """Return the evaluation of a run, trained now if it is not there."""
    path = runs / f"{model}-{preset}"
    if not (path / "weights").exists():
        gz.train(model, data=data, preset=preset, out=path)
    return evaluate(path, data=data, metrics=["likelihood"], n=n, quiet=True)


def compared(preset: str, data: str, runs: Path, n: int) -> dict[str, Any]:
    """Print the table of a preset; return its figures and whether its goals are met."""
    figure, margin = CASES[preset]
    found = {model: measured(model, preset, data, runs, n) for model in MODELS}
    figures = {model: e.results["likelihood"] for model, e in found.items()}
    stamps = [e.stamps["likelihood"] for e in found.values()]
    assert stamps[0] == stamps[1], "the runs were measured on unlike images"
    base = figures["vae"][f"histogram_{figure}"]
    levels, images = stamps[0]["levels"], stamps[0]["n_real"]
    print(f"{preset}: {levels} levels, {images:,} test images, {figure}")
    rows = {"histogram": base, **{model: figures[model][figure] for model in MODELS}}
    for name, value in rows.items():
        print(f"  {name:<10}{value.value:>10.3f} +- {value.error or 0:.3f}")
    vae, pixelcnn = rows["vae"], rows["pixelcnn"]
    lead = vae.value - pixelcnn.value
    least = 2 * ((vae.error or 0) ** 2 + (pixelcnn.error or 0) ** 2) ** 0.5
    below = {model: base.value - rows[model].value for model in MODELS}
    return {
        "levels": levels,
        "images": images,
        "figure": figure,
        **{name: round(value.value, 4) for name, value in rows.items()},
        "rounds": {m: trained(runs / f"{m}-{preset}") for m in MODELS},
        "pixelcnn_leads_by": round(lead, 4),
        "goals": {"pixelcnn_leads_by": round(least, 4), "below_histogram": margin},
        "met": lead > least and min(below.values()) >= margin,
    }


def trained(run: Path) -> int:
    """Return the rounds that a run's weights were trained for."""
    return int(json.loads((run / "weights" / "ganzoo.json").read_text())["rounds"])


def main() -> None:
    """Measure both presets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="NAME:PATH")
    parser.add_argument("--runs", type=Path, default=Path("runs/likelihood"))
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--only", choices=tuple(CASES))
    args = parser.parse_args()
    presets = [args.only] if args.only else list(CASES)
    found = {preset: compared(preset, args.data, args.runs, args.n) for preset in presets}
    print(json.dumps({**found, "met": all(case["met"] for case in found.values())}))


if __name__ == "__main__":
    with reported():
        main()
