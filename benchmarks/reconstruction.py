"""Is the reconstruction still the person? The table of the Age-cGAN paper, for one trained run.

    python benchmarks/reconstruction.py RUN [--faces 500] [--picture FILE.png]
    python benchmarks/reconstruction.py RUN --recogniser RUN2 --estimator RUN3 \
        --calibration lfw:lfw_part.tar

Faces of unseen people (split `test`) are searched in the latent space, and a recogniser that had no
part in the search says whether (input, reconstruction) show one person, at a threshold that accepts
1 % of the impostors of split `calibration`. Rows: the encoder's guess z0, and what each objective
finds; beside them real pairs of the same people. Then every face is drawn at every age group, and a
held-out estimator says how old it looks. Of data that name nobody (the second line) the threshold
and the real pairs come from other people: a fifth of those of the calibration set, whom RUN2 must
not know. A table; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ganzoo_core as gz
from ganzoo_core.cli.failures import reported
from ganzoo_core.data import group_of, to_float
from ganzoo_core.interfaces import Judges
from ganzoo_core.metrics.ages import age_report
from ganzoo_core.metrics.bootstrap import interval, mean_interval, resampled
from ganzoo_core.metrics.reading import read_images
from ganzoo_core.metrics.verification import all_pairs
from ganzoo_core.report import Progress, save_image
from ganzoo_core.report.strips import strips
from ganzoo_core.runs.data import images_of, open_dataset
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.runs.strangers import strangers
from ganzoo_core.runs.survey import data_config
from ganzoo_core.weights import find_judge

FAR = 0.01
PHOTOS = 4
"""Of each person of the test set: the first is searched, all make the real pairs."""
PAPER = {"z0": 0.532, "pixels": 0.598, "identity": 0.829}
"""Antipov et al. 2017, on IMDB-WIKI with OpenFace."""
GOALS = {"gain": 0.20, "share_of_ceiling": 0.9, "share_of_real_group_accuracy": 0.9}


@dataclass
class Faces:
    """What is searched, and who compares."""

    pixels: Tensor
    """[N, C, S, S] uint8."""
    label: Tensor
    """[N], age groups."""
    recogniser: Any
    points: Any
    """[N, D], the faces as the recogniser sees them."""


@dataclass
class Row:
    """Reconstructions of all faces."""

    pixels: Tensor
    """[N, C, S, S] uint8."""
    z: Tensor
    distance: Any
    """[N], to the input, by the held-out recogniser."""
    stranger: Any
    """[N], to the input of somebody else."""
    rounds: float
    cpu: float
    """Seconds."""


def portraits(data: dict[str, Any], groups: tuple[int, ...], **options: Any) -> Any:
    """Draw the portraits of a split, with the variety and size of the run's own data."""
    config = data_config(f"{data['name']}:{data.get('path', '')}", {**data, **options})
    return images_of(open_dataset(config), groups, Progress())


def threshold_of(points: Any, known: Any) -> float:
    """Return the distance that 1 % of the impostors among known people are below."""
    return all_pairs(points, known.identity.numpy()).threshold_at(FAR)


def draw(model: Any, z: Tensor, label: Tensor) -> Tensor:
    """Return pictures [N, C, S, S] uint8, as they would be saved."""
    with torch.no_grad():
        parts = [model.generator(z[at], label[at]) for at in torch.arange(len(z)).split(128)]
    return torch.cat(parts).add(1).mul(127.5).round().byte()


def search(model: Any, faces: Faces, objective: str, rounds: int | None) -> Row:
    """Find all faces by one objective; z0 is the encoder's guess alone."""
    goal, steps = (None, 0) if objective == "z0" else (objective, rounds)
    progress, begun = Progress(), time.process_time()
    progress.start(f"searching latents: {objective}", of="steps")
    found = model.invert(
        to_float(faces.pixels),
        faces.label,
        objective=goal,
        rounds=steps,
        advance=progress.advance,
    )
    progress.stop()
    cpu, pixels = time.process_time() - begun, draw(model, found.z, faces.label)
    mine, theirs = read_images(faces.recogniser.embed, pixels), faces.points
    return Row(
        pixels,
        found.z,
        np.linalg.norm(mine - theirs, axis=1),
        np.linalg.norm(mine - np.roll(theirs, 1, 0), axis=1),
        float(found.rounds.float().mean()),
        cpu,
    )


def rates(rows: dict[str, Row], threshold: float) -> dict[str, dict[str, Any]]:
    """Return the verification rate of every row with its interval; print them."""
    out: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        accepted = row.distance <= threshold
        out[name] = {
            "rate": float(accepted.mean()),
            "interval": mean_interval(accepted),
            "stranger": float((row.stranger <= threshold).mean()),
            "distance": float(row.distance.mean()),
            "rounds": row.rounds,
            "faces_per_minute": round(60 * len(row.distance) / max(row.cpu, 1e-9)),
            "paper": PAPER.get(name),
        }
        x, (low, high) = out[name], out[name]["interval"]
        print(
            f"{name:<24}{x['rate']:>7.1%}  {low:>6.1%} to {high:<7.1%}{x['stranger']:>9.1%}"
            f"{x['distance']:>9.2f}{x['rounds']:>8.1f}{x['faces_per_minute']:>10}"
            f"{f'{PAPER[name]:.1%}' if name in PAPER else '':>8}"
        )
    return out


def real_pairs(points: Any, images: Any, threshold: float) -> dict[str, dict[str, Any]]:
    """Return how often two photographs of one person are accepted: any, and of one age group."""
    who, out = images.identity.numpy(), {}
    keys = {"real pairs": who}
    if images.label is not None:
        keys["real pairs, same group"] = who * 100 + images.label.numpy()
    for name, key in keys.items():
        pairs = all_pairs(points, key)
        accepted = pairs.genuine <= threshold
        low, high = mean_interval(accepted, pairs.who)
        out[name] = {
            "rate": float(accepted.mean()),
            "interval": (low, high),
            "pairs": len(accepted),
        }
        print(f"{name:<24}{accepted.mean():>7.1%}  {low:>6.1%} to {high:<7.1%}")
    return out


def read_back(model: Any, z: Tensor, estimator: Any) -> tuple[Any, dict[str, float]]:
    """Return how often each latent's pictures look of the group asked [N], and the mean ages."""
    groups, names = model.info.groups, model.info.classes
    seen = [
        read_images(estimator.estimate_age, draw(model, z, torch.full((len(z),), g)))
        for g in range(len(names))
    ]
    hit = np.stack([group_of(x, groups) == g for g, x in enumerate(seen)], 1).mean(1)
    return hit, {name: round(float(x.mean()), 1) for name, x in zip(names, seen, strict=True)}


def ages(model: Any, row: Row, real: Any, estimator: Any) -> dict[str, Any]:
    """Return how old faces drawn at every group look, beside those of random latents, in which no
    search had a part; and how well real ones are read."""
    who = None if real.identity is None else real.identity.numpy()
    truth = age_report(
        read_images(estimator.estimate_age, real), real.age.numpy(), model.info.groups, who
    )
    hit, means = read_back(model, row.z, estimator)
    torch.manual_seed(0)
    chance, _ = read_back(model, torch.randn_like(row.z), estimator)
    low, high = mean_interval(hit)
    print(
        f"\nasked group read back {hit.mean():.1%} ({low:.1%} to {high:.1%}); of random latents "
        f"{chance.mean():.1%}; real faces {truth.group_accuracy:.1%}; "
        f"mean age by group asked: {means}"
    )
    return {
        "group_accuracy": float(hit.mean()),
        "interval": (low, high),
        "random_latents": float(chance.mean()),
        "real_group_accuracy": truth.group_accuracy,
        "mean_age": means,
        "rises": bool((np.diff(list(means.values())) > 0).all()),
    }


def picture(path: Path, faces: Tensor, rows: dict[str, Row], count: int = 8) -> None:
    """Draw some faces with their reconstructions."""
    inputs = to_float(faces[:count])
    lines = [
        [
            (inputs[i], "input", ""),
            *(
                (to_float(row.pixels[i : i + 1])[0], name, f"d {row.distance[i]:.2f}")
                for name, row in rows.items()
            ),
        ]
        for i in range(len(inputs))
    ]
    save_image(strips(lines), path)


def verdict(
    rows: dict[str, Row], table: dict[str, Any], old: dict[str, Any], threshold: float
) -> dict[str, Any]:
    """Hold the figures against the goals; what could not be measured is not met."""
    taken = {name: row.distance <= threshold for name, row in rows.items()}
    gain = taken["identity"].astype(float) - taken["z0"]
    figures = {"gain": float(gain.mean())}
    if "real pairs" in table:
        figures["share_of_ceiling"] = table["identity"]["rate"] / table["real pairs"]["rate"]
    if old:
        share = old["group_accuracy"] / old["real_group_accuracy"]
        figures["share_of_real_group_accuracy"] = share
    met = all(figures.get(name, 0) >= goal for name, goal in GOALS.items())
    return {
        "rows": table,
        "ages": old,
        **figures,
        "gain_interval": interval(resampled(gain)),
        "goals": GOALS,
        "met": bool(met and old.get("rises")),
    }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("--rounds", type=int, help="steps of a search; default: the run's")
    parser.add_argument("--search", default="", help="a judge in place of the run's own")
    parser.add_argument("--recogniser", default="", help="weights to measure with")
    parser.add_argument("--estimator", default="", help="weights that tell ages")
    parser.add_argument(
        "--calibration",
        default="",
        metavar="NAME:PATH",
        help="people who give the threshold and the real pairs",
    )
    parser.add_argument("--picture", type=Path)
    return parser.parse_args()


def main() -> None:
    """Measure one run."""
    args, begun = arguments(), time.process_time()
    model: Any = gz.load(args.run, device="cpu")
    data, groups = RunFolder(args.run).read_config()["data"], model.info.groups
    if args.search:
        model.judges = Judges({"identity": find_judge("identity", args.search).build()})
    recogniser, estimator = (
        find_judge(role, weights, data=data["name"], held_out=True)
        for role, weights in (("identity", args.recogniser), ("age", args.estimator))
    )
    who = recogniser.build()
    if args.calibration:
        like = data_config(data["name"], {**data, "size": model.info.size})
        known = images_of(strangers(args.calibration, like, recogniser), (), Progress())
        real, photos = portraits(data, groups, split="test"), 1
    else:
        known = portraits(data, groups, split="calibration", count=2400, photos=8)
        photos = PHOTOS
        real = portraits(data, groups, split="test", count=args.faces * photos, photos=photos)
    acquainted, points = read_images(who.embed, known), read_images(who.embed, real)
    threshold = threshold_of(acquainted, known)
    first = torch.arange(0, len(real), photos)[: args.faces]
    faces = Faces(real.gather(first), real.label[first], who, points[first])
    rows = {
        name: search(model, faces, name, args.rounds)
        for name in ("z0", "pixels", "identity", "both")
    }
    print(
        f"{'':<24}{'rate':>7}  {'95 % interval':<17}{'stranger':>9}{'distance':>9}{'steps':>8}"
        f"{'faces/min':>10}{'paper':>8}"
    )
    table = rates(rows, threshold)
    pairs = (acquainted, known) if args.calibration else (points, real)
    table |= real_pairs(*pairs, threshold)
    fits = bool(args.estimator) or estimator.bundle.info.name == data["name"]
    old = ages(model, rows[model.config.objective], real, estimator.build()) if fits else {}
    if args.picture:
        picture(args.picture, faces.pixels, rows)
    print(
        json.dumps(
            {
                "benchmark": "reconstruction",
                "faces": len(first),
                "threshold": threshold,
                "far": FAR,
                "cpu_s": round(time.process_time() - begun, 1),
                **verdict(rows, table, old, threshold),
            }
        )
    )


if __name__ == "__main__":
    with reported():
        main()
