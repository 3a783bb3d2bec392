"""Search for loss weights of pfa-gan that age a face and preserve its identity, on `people`.

    python benchmarks/pfa_loss_weights.py                      # every set, 32 px, 1,500 images each
    python benchmarks/pfa_loss_weights.py --only presets --steps 650 --size 64 \\
        --set model.d_warmup_steps=100

Trains pfa-gan briefly with each set of weights, ages the faces of unseen people and measures them
with the held-out evaluators:

- age: distance of the mean age in each target group to that of real portraits, by the same
  evaluator.
- identity: share of faces accepted as the same person at a false accept rate of 1 %, and distance
  of the embeddings to the same person rendered at that age (the paired target).

The table also has the unchanged source faces and the paired targets themselves. The last line is
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import ganzoo_people as people
import numpy as np
import torch
from ganzoo_people.nuisance_scale import scale_nuisance

from ganzoo_core import train
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.config import parse_assignments
from ganzoo_core.data import assign_age_bins, to_float
from ganzoo_core.weights import find_auxiliary

_AGE_BINS = (18, 29, 39, 49, 59)
_NUM_GROUPS = len(_AGE_BINS) + 1
_GROUP_MEAN_AGES = [9.5, 24.5, 35.0, 45.0, 55.0, 75.0]
"""Of ages that are uniform between 0 and 90 years."""
_GOALS = {"age_off_max": 5.0, "tar_share_min": 0.8}
_NUISANCE_SCALE = 0.35
_WEIGHT_SETS: dict[str, dict[str, float]] = {
    "presets": {},
    "public code": {"adversarial": 100, "age": 0.4, "identity": 0.02, "feature": 1.25},
    "no adversary": {"adversarial": 0},
    "no age": {"age": 0},
    "age / 4": {"age": 3e-6},
    "age x 4": {"age": 4.8e-5},
    "identity / 4": {"identity": 0.075},
    "identity x 4": {"identity": 1.2},
    "feature x 10": {"feature": 2.0},
    "pixels / 4, feature x 10": {"identity": 0.075, "feature": 8.0},
}
"""Weights that replace those of the presets."""


class _TestFaces:
    """Unseen people at several ages: pixels [N, 1 + T, 3, S, S] uint8; column 0 is the photo."""

    def __init__(self, size: int, count: int, target_ages: list[float]) -> None:
        numbers = people.SPLITS["test"][:count]
        identities = [people.identity(0, n) for n in numbers]
        nuisances = [scale_nuisance(people.nuisance(0, n, 0), _NUISANCE_SCALE) for n in numbers]
        self.age = np.array([people.age(0, n, 0) for n in numbers])
        self.age_group = assign_age_bins(self.age, _AGE_BINS)
        appearances = [
            people.appearance(person, float(age))
            for person, source_age in zip(identities, self.age, strict=True)
            for age in (source_age, *target_ages)
        ]
        num_columns = 1 + len(target_ages)
        repeated = [nuisance for nuisance in nuisances for _ in range(num_columns)]
        rendered = people.render(appearances, repeated, size)
        pixels = torch.from_numpy(np.stack(list(rendered))).permute(0, 3, 1, 2)
        self.pixels = pixels.unflatten(0, (count, num_columns))

    def __getitem__(self, column: int) -> torch.Tensor:
        """Return the photos (0) or the paired targets of group column - 1, [N, 3, S, S]."""
        return to_float(self.pixels[:, column])


class _HeldOutEvaluators:
    """The held-out evaluators, and the threshold of the identity evaluator."""

    def __init__(self, faces: _TestFaces, calibration_faces: _TestFaces) -> None:
        self.age_evaluator, self.identity_evaluator = (
            find_auxiliary(role, data="people", is_held_out=True).build().eval()
            for role in ("age", "identity")
        )
        self.faces = faces
        embeddings = self.embed(calibration_faces[0])
        is_other = ~torch.eye(len(embeddings), dtype=torch.bool)
        self.threshold = torch.quantile(torch.cdist(embeddings, embeddings)[is_other], 0.01).item()
        self.real_mean_ages = [
            self.estimate_ages(faces[k + 1]).mean().item() for k in range(_NUM_GROUPS)
        ]
        self.source_embeddings = self.embed(faces[0])
        self.true_embeddings = [self.embed(faces[k + 1]) for k in range(_NUM_GROUPS)]

    @torch.inference_mode()
    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """Return unit vectors [N, D]."""
        return self.identity_evaluator.embed(images)

    @torch.inference_mode()
    def estimate_ages(self, images: torch.Tensor) -> torch.Tensor:
        """Return estimated ages [N] in years."""
        return self.age_evaluator.estimate_age(images)

    def measure(self, aged: torch.Tensor) -> dict[str, Any]:
        """Return the metrics of faces [N, K, 3, S, S]; only transitions to later groups count."""
        age_errors, is_accepted, distances, mean_ages = [], [], [], []
        for k in range(1, _NUM_GROUPS):
            rows = torch.from_numpy(self.faces.age_group < k)
            embeddings = self.embed(aged[rows, k])
            mean_ages.append(self.estimate_ages(aged[rows, k]).mean().item())
            age_errors.append(abs(mean_ages[-1] - self.real_mean_ages[k]))
            source_distance = (embeddings - self.source_embeddings[rows]).norm(dim=1)
            is_accepted.append(source_distance <= self.threshold)
            distances.append((embeddings - self.true_embeddings[k][rows]).norm(dim=1))
        return {
            "ages": [round(x, 1) for x in mean_ages],
            "age_off": round(float(np.mean(age_errors)), 2),
            "worst": round(max(age_errors), 2),
            "tar": round(torch.cat(is_accepted).float().mean().item(), 3),
            "to_truth": round(torch.cat(distances).mean().item(), 3),
        }


def _train_and_age(
    name: str, options: argparse.Namespace, faces: _TestFaces
) -> tuple[torch.Tensor, float]:
    """Train with one set of weights; return aged faces [N, K, 3, S, S] and CPU seconds."""
    start = time.process_time()
    assignments = [f"model.loss_weights.{key}={value}" for key, value in _WEIGHT_SETS[name].items()]
    assignments += [f"data.image_size={options.size}", f"model.g_channels={options.g_channels}"]
    assignments += ["model.d_warmup_steps=20", "train.warmup_steps=40", *options.set]
    every = ("sample_every", "checkpoint_every")
    assignments += [f"train.{key}={options.steps}" for key in every]
    with tempfile.TemporaryDirectory() as folder:
        run = train(
            "pfa-gan",
            options=parse_assignments(assignments),
            steps=options.steps,
            out=Path(options.keep or folder) / name.replace(" ", "-").replace("/", "over"),
            quiet=True,
        )
    cpu_seconds = time.process_time() - start
    with torch.inference_mode():
        image, age = faces[0], torch.from_numpy(faces.age).float()
        source_group = torch.from_numpy(faces.age_group)[:, None]
        target_labels = torch.maximum(torch.arange(_NUM_GROUPS), source_group)
        return run.model.edit_age(image, age, target_labels), cpu_seconds


def _table_row(name: str, metrics: dict[str, Any], cpu_seconds: float) -> str:
    """Return a row of the table."""
    ages = " ".join(f"{x:5.1f}" for x in metrics["ages"])
    return (
        f"{name:26}{ages}{metrics['age_off']:9.2f}{metrics['tar']:7.1%}"
        f"{metrics['to_truth']:10.3f}{cpu_seconds:8.0f}"
    )


def main() -> None:
    """Run the search."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="*", default=list(_WEIGHT_SETS), choices=list(_WEIGHT_SETS))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--g-channels", type=int, default=16)
    parser.add_argument("--faces", type=int, default=60)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    parser.add_argument("--keep", default="", metavar="DIR", help="keep the run folders in DIR")
    options = parser.parse_args()
    faces = _TestFaces(options.size, options.faces, _GROUP_MEAN_AGES)
    evaluators = _HeldOutEvaluators(faces, _TestFaces(options.size, 150, []))
    source_faces = faces[0][:, None].expand(-1, _NUM_GROUPS, -1, -1, -1)
    paired_targets = torch.stack([faces[k + 1] for k in range(_NUM_GROUPS)], 1)
    rows: dict[str, Any] = {
        "nothing": evaluators.measure(source_faces),
        "truth": evaluators.measure(paired_targets),
    }
    print("real", " ".join(f"{x:5.1f}" for x in evaluators.real_mean_ages))
    header = f"{'mean age by group':29}{'age off':>9}{'TAR':>7}{'to truth':>10}"
    print(f"{'weights':26}{header}{'CPU s':>8}")
    for name, metrics in rows.items():
        print(_table_row(name, metrics, 0), flush=True)
    for name in options.only:
        aged, cpu_seconds = _train_and_age(name, options, faces)
        rows[name] = evaluators.measure(aged) | {"cpu_s": round(cpu_seconds, 1)}
        print(_table_row(name, rows[name], cpu_seconds), flush=True)
    presets = rows.get("presets", {})
    met = bool(presets) and presets["age_off"] <= _GOALS["age_off_max"]
    met = met and presets["tar"] >= _GOALS["tar_share_min"] * rows["truth"]["tar"]
    report = {"benchmark": "pfa_loss_weights", "steps": options.steps, "size": options.size}
    print(json.dumps({**report, "sets": rows, "goals": _GOALS, "met": met}))


if __name__ == "__main__":
    with exit_on_error():
        main()
