"""The likelihood of the test images of Fashion-MNIST under VAE and PixelCNN.

    python benchmarks/likelihood.py --data fashion-mnist:PATH [--runs DIR] [-n 10000]

Presets `fashion-28` (256 levels, bits per dimension) and `fashion-28-binary` (two levels, nats) of
both models. The runs are DIR/MODEL-PRESET; missing ones are trained first. The baseline is a
histogram of each pixel. The goals: PixelCNN is better by more than two standard errors, and both
models are below the baseline by a margin. The last line is a JSON object.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import ganzoo_core as gz
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.evaluation.api import Evaluation, evaluate

GOALS_BY_PRESET = {"fashion-28": ("bits_per_dim", 0.5), "fashion-28-binary": ("nats", 50.0)}
"""Preset -> (name of the value, margin below the baseline)."""
MODELS = ("vae", "pixelcnn")


def train_and_evaluate(model: str, preset: str, data: str, runs_dir: Path, n: int) -> Evaluation:
    """Return the evaluation of a run, which is trained if it is missing."""
    path = runs_dir / f"{model}-{preset}"
    if not (path / "weights").exists():
        gz.train(model, data=data, preset=preset, out=path)
    return evaluate(path, data=data, metrics=["likelihood"], num_samples=n, quiet=True)


def compare_models(preset: str, data: str, runs_dir: Path, n: int) -> dict[str, Any]:
    """Print the table of a preset; return its values and whether its goals are met."""
    name_of_value, margin = GOALS_BY_PRESET[preset]
    found = {model: train_and_evaluate(model, preset, data, runs_dir, n) for model in MODELS}
    results = {model: e.results["likelihood"] for model, e in found.items()}
    settings = [e.settings["likelihood"] for e in found.values()]
    assert settings[0] == settings[1], "the runs were evaluated with different settings"
    base = results["vae"][f"histogram_{name_of_value}"]
    num_levels, num_images = settings[0]["num_levels"], settings[0]["num_real"]
    print(f"{preset}: {num_levels} levels, {num_images:,} test images, {name_of_value}")
    rows = {"histogram": base, **{model: results[model][name_of_value] for model in MODELS}}
    for name, value in rows.items():
        print(f"  {name:<10}{value.value:>10.3f} +- {value.std_error or 0:.3f}")
    vae, pixelcnn = rows["vae"], rows["pixelcnn"]
    difference = vae.value - pixelcnn.value
    min_difference = 2 * ((vae.std_error or 0) ** 2 + (pixelcnn.std_error or 0) ** 2) ** 0.5
    below = {model: base.value - rows[model].value for model in MODELS}
    return {
        "num_levels": num_levels,
        "num_images": num_images,
        "name": name_of_value,
        **{name: round(value.value, 4) for name, value in rows.items()},
        "steps": {m: trained_steps(runs_dir / f"{m}-{preset}") for m in MODELS},
        "vae_minus_pixelcnn": round(difference, 4),
        "goals": {"vae_minus_pixelcnn": round(min_difference, 4), "below_histogram": margin},
        "met": difference > min_difference and min(below.values()) >= margin,
    }


def trained_steps(run: Path) -> int:
    """Return the number of training steps of a run's weights."""
    return int(json.loads((run / "weights" / "ganzoo.json").read_text())["steps"])


def main() -> None:
    """Evaluate both presets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="NAME:PATH")
    parser.add_argument("--runs", type=Path, default=Path("runs/likelihood"))
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--only", choices=tuple(GOALS_BY_PRESET))
    args = parser.parse_args()
    presets = [args.only] if args.only else list(GOALS_BY_PRESET)
    found = {preset: compare_models(preset, args.data, args.runs, args.n) for preset in presets}
    print(json.dumps({**found, "met": all(result["met"] for result in found.values())}))


if __name__ == "__main__":
    with exit_on_error():
        main()
