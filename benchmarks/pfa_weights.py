"""Which loss weights age a face AND keep the person? A search on `people`, where both are known.

    python benchmarks/pfa_weights.py                      # every set, 32 px, 1,500 images each
    python benchmarks/pfa_weights.py --only presets --steps 650 --size 64 --set model.head=100

Trains pfa-gan briefly with each set of weights and measures the aged faces of unseen people
with the held-out judges. Ages: how far the mean in each target group lies from that of real
portraits, through the same judge. Person: the share accepted as the same person at a threshold that
1 % of strangers pass, and the distance of embeddings to the same person drawn at that age (the
paired truth). Beside it: doing nothing, and the truth itself. Prints a table; the last line is one
JSON object.
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
from ganzoo_people.studio import calm

from ganzoo_core import train
from ganzoo_core.cli.failures import reported
from ganzoo_core.config import assign
from ganzoo_core.data import group_of, to_float
from ganzoo_core.weights import find_judge

GROUPS = (18, 29, 39, 49, 59)
GOALS = {"age_off_max": 5.0, "tar_share_min": 0.8}
VARIETY = 0.35
SETS: dict[str, dict[str, float]] = {
    "presets": {},
    "reported": {"adversarial": 100, "age": 0.4, "identity": 0.02, "feature": 1.25},
    "no adversary": {"adversarial": 0},
    "no age": {"age": 0},
    "age / 4": {"age": 3e-6},
    "age x 4": {"age": 4.8e-5},
    "identity / 4": {"identity": 0.075},
    "identity x 4": {"identity": 1.2},
    "feature x 10": {"feature": 2.0},
    "pixels / 4, feature x 10": {"identity": 0.075, "feature": 8.0},
}
"""Weights laid over those of the presets."""


class Faces:
    """Unseen people at every age: pictures [N, K, 3, S, S] uint8, column 0 is the photograph."""

    def __init__(self, size: int, count: int, ages: list[float]) -> None:
        numbers = people.SPLITS["test"][:count]
        who = [people.identity(0, n) for n in numbers]
        how = [calm(people.nuisance(0, n, 0), VARIETY) for n in numbers]
        self.age = np.array([people.age(0, n, 0) for n in numbers])
        self.group = group_of(self.age, GROUPS)
        looks = [
            people.appearance(person, float(year))
            for person, own in zip(who, self.age, strict=True)
            for year in (own, *ages)
        ]
        drawn = people.render(looks, [photo for photo in how for _ in range(len(ages) + 1)], size)
        pixels = torch.from_numpy(np.stack(list(drawn))).permute(0, 3, 1, 2)
        self.pixels = pixels.unflatten(0, (count, len(ages) + 1))

    def __getitem__(self, column: int) -> torch.Tensor:
        """Return the photographs (0), or the truth at group column - 1, [N, 3, S, S]."""
        return to_float(self.pixels[:, column])


class Scale:
    """The held-out judges and their threshold."""

    def __init__(self, faces: Faces, strangers: Faces) -> None:
        self.age = find_judge("age", data="people", held_out=True).build().eval()
        self.identity = find_judge("identity", data="people", held_out=True).build().eval()
        self.faces = faces
        points = self.points(strangers[0])
        far = torch.cdist(points, points)[~torch.eye(len(points), dtype=torch.bool)]
        self.threshold = torch.quantile(far, 0.01).item()
        self.real = [self.years(faces[k + 1]).mean().item() for k in range(len(GROUPS) + 1)]
        self.own = self.points(faces[0])
        self.truth = [self.points(faces[k + 1]) for k in range(len(GROUPS) + 1)]

    @torch.inference_mode()
    def points(self, images: torch.Tensor) -> torch.Tensor:
        """Return unit embeddings [N, D]."""
        return self.identity.embed(images)

    @torch.inference_mode()
    def years(self, images: torch.Tensor) -> torch.Tensor:
        """Return estimated ages [N]."""
        return self.age.estimate_age(images)

    def measure(self, aged: torch.Tensor) -> dict[str, Any]:
        """Return the figures of faces [N, K, 3, S, S]; only moves to later groups count."""
        off, kept, truth, ages = [], [], [], []
        for k in range(1, len(GROUPS) + 1):
            rows = torch.from_numpy(self.faces.group < k)
            points = self.points(aged[rows, k])
            years = self.years(aged[rows, k])
            ages.append(years.mean().item())
            off.append(abs(ages[-1] - self.real[k]))
            kept.append((points - self.own[rows]).norm(dim=1) <= self.threshold)
            truth.append((points - self.truth[k][rows]).norm(dim=1))
        return {
            "ages": [round(x, 1) for x in ages],
            "age_off": round(float(np.mean(off)), 2),
            "worst": round(max(off), 2),
            "tar": round(torch.cat(kept).float().mean().item(), 3),
            "to_truth": round(torch.cat(truth).mean().item(), 3),
        }


def trained(name: str, options: argparse.Namespace, faces: Faces) -> tuple[torch.Tensor, float]:
    """Train one set of weights; return aged faces [N, K, 3, S, S] and the process CPU seconds."""
    begun = time.process_time()
    chosen = [f"model.weights.{key}={value}" for key, value in SETS[name].items()]
    chosen += [f"data.size={options.size}", f"model.width={options.width}"]
    chosen += ["model.head=20", "train.warmup=40", *options.set]
    chosen += [f"train.sample_every={options.steps}", f"train.checkpoint_every={options.steps}"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(options.keep or folder) / name.replace(" ", "-").replace("/", "over")
        run = train("pfa-gan", options=assign(chosen), steps=options.steps, out=out, quiet=True)
    spent = time.process_time() - begun
    targets = torch.arange(len(GROUPS) + 1)
    with torch.inference_mode():
        image, age = faces[0], torch.from_numpy(faces.age).float()
        wanted = torch.maximum(targets, torch.from_numpy(faces.group)[:, None])
        return run.model.age(image, age, wanted), spent


def line(name: str, figures: dict[str, Any], spent: float) -> str:
    """Return a row of the table."""
    ages = " ".join(f"{x:5.1f}" for x in figures["ages"])
    return (
        f"{name:26}{ages}{figures['age_off']:9.2f}{figures['tar']:7.1%}"
        f"{figures['to_truth']:10.3f}{spent:8.0f}"
    )


def main() -> None:
    """Search."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--faces", type=int, default=60)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    parser.add_argument("--keep", default="", metavar="DIR", help="keep the runs there")
    options = parser.parse_args()
    means = [9.5, 24.5, 35.0, 45.0, 55.0, 75.0]  # of the groups, ages being even in 0 to 90
    faces = Faces(options.size, options.faces, means)
    scale = Scale(faces, Faces(options.size, 150, []))
    rows: dict[str, Any] = {
        "nothing": scale.measure(faces[0][:, None].expand(-1, len(means), -1, -1, -1)),
        "truth": scale.measure(torch.stack([faces[k + 1] for k in range(len(means))], 1)),
    }
    print("real", " ".join(f"{x:5.1f}" for x in scale.real))
    head = f"{'mean age by group':29}{'age off':>9}{'TAR':>7}{'to truth':>10}"
    print(f"{'weights':26}{head}{'CPU s':>8}")
    for name, figures in rows.items():
        print(line(name, figures, 0), flush=True)
    for name in options.only:
        aged, spent = trained(name, options, faces)
        rows[name] = scale.measure(aged) | {"cpu_s": round(spent, 1)}
        print(line(name, rows[name], spent), flush=True)
    best = rows.get("presets", {})
    met = bool(best) and best["age_off"] <= GOALS["age_off_max"]
    met = met and best["tar"] >= GOALS["tar_share_min"] * rows["truth"]["tar"]
    print(
        json.dumps(
            {
                "benchmark": "pfa_weights",
                "steps": options.steps,
                "size": options.size,
                "sets": rows,
                "goals": GOALS,
                "met": met,
            }
        )
    )


if __name__ == "__main__":
    with reported():
        main()
