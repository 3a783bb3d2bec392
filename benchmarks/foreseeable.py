"""How near can anyone come to a person's point of the future? Embeddings, foreseen from one photo.

    python benchmarks/foreseeable.py [--run runs/pfa]

The recogniser's points of the same drawn person, now and at later ages: how far apart are they (so
far off is an identity copy), and how far from the truth is the best prediction of the later point,
learned from other people who are known at all ages: the mean shift between two age groups, and
ridge regression on the point, the groups and the point by the number of groups between them. No
model of ageing has such pairs to learn from. With a run of a model, how far its aged faces are, by
the held-out recogniser and by its own. Prints a table; the last line is one JSON object.
"""

import argparse
import json
from pathlib import Path

import torch
from torch.nn.functional import one_hot

import ganzoo_core as gz
from ganzoo_core.cli.failures import reported
from ganzoo_core.data import to_float
from ganzoo_core.report import Progress
from ganzoo_core.runs.data import open_dataset
from ganzoo_core.runs.protocol import faces_of
from ganzoo_core.runs.unseen import choose, unseen_config
from ganzoo_core.weights import find_judge

GROUPS = (18, 29, 39, 49, 59)
K = len(GROUPS) + 1
DATA = {"name": "people", "size": 64, "variety": 0.35}
RIDGES = (1, 5, 20, 100, 500)
"""Tried on a fifth of the people that are learned from."""
GOALS = {"foreseen_over_copy": 1.0}
"""At most: something is foreseen."""


@torch.inference_mode()
def points(judge, images):
    """Return the unit embeddings [N, D] of images [N, C, S, S]."""
    return torch.cat([judge.embed(part) for part in images.split(100)])


def known(own, source, target):
    """Return what a prediction may know [M, F]: both groups, and the point by their distance."""
    pair = one_hot(source * K + target, K * K).float()
    hops = one_hot(target - source - 1, K - 1).float()  # [M, K - 1]
    return torch.cat([pair, own, (own[:, None] * hops[..., None]).flatten(1)], 1)


def ridge(x, y, weight):
    """Return the coefficients [F, D] of y [M, D] on x [M, F]."""
    return torch.linalg.solve(x.T @ x + weight * torch.eye(x.shape[1]), x.T @ y)


def off(moved, shift):
    """Return the mean distance of predicted shifts to the true ones, [M, D] both."""
    return (moved - shift).norm(dim=1).mean().item()


def foreseen(x, shift, person, n):
    """Return distances to the truth on the people from n / 2 on, learned from those before."""
    fits, tries, tests = person < 0.4 * n, (person >= 0.4 * n) & (person < n / 2), person >= n / 2
    best = min(RIDGES, key=lambda r: off(x[tries] @ ridge(x[fits], shift[fits], r), shift[tries]))
    learns = person < n / 2
    pair = x[:, : K * K]
    return {
        "copy": shift[tests].norm(dim=1).mean().item(),
        "mean_shift": off(pair[tests] @ ridge(pair[learns], shift[learns], 1e-2), shift[tests]),
        "foreseen": off(x[tests] @ ridge(x[learns], shift[learns], best), shift[tests]),
    }


@torch.inference_mode()
def aged(model, faces):
    """Return the faces [N, K, C, S, S] at every group; those behind show the face's own."""
    later = torch.arange(K).clamp(min=faces.group[:, None])  # [N, K], no way back
    parts = zip(*(x.split(50) for x in (faces.source.age, later)), strict=True)
    images = to_float(faces.source.pixels).split(50)
    made = [model.age(image, *part) for image, part in zip(images, parts, strict=True)]
    return torch.cat(made)


def beside(name, judge, sides):
    """Return what a recogniser says of photographs, the model's faces and the truth."""
    before, here, there = (points(judge, side) for side in sides)
    return {
        f"model_{name}": off(here, there),
        f"model_{name}_moved": off(here, before),
        f"copy_{name}": off(before, there),
    }


def main():
    """Look at the faces, predict, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=3000, help="people, half of whom are learned from")
    parser.add_argument("--run", type=Path, help="a run that ages faces, trained with a recogniser")
    args = parser.parse_args()
    model = gz.load(args.run) if args.run else None
    data = open_dataset(unseen_config(faces_of(DATA)))
    faces = choose(data, GROUPS, args.n, 0, Progress(False))
    n, held_out = len(faces), find_judge("identity", data="people", held_out=True).build()
    person, target = (torch.arange(K) > faces.group[:, None]).nonzero(as_tuple=True)
    images, truth = to_float(faces.source.pixels), to_float(faces.truth.pixels)
    own = points(held_out, images)
    later = points(held_out, truth).unflatten(0, (n, K))[person, target]
    x = known(own[person], faces.group[person], target)
    figures = foreseen(x, later - own[person], person, n)
    figures["foreseen_over_copy"] = figures["foreseen"] / figures["copy"]
    if model:
        tests, later = person >= n / 2, truth.unflatten(0, (n, K))[person, target]
        sides = [
            side[tests] for side in (images[person], aged(model, faces)[person, target], later)
        ]
        figures |= beside("held_out", held_out, sides)
        figures |= beside("own", model.judges["identity"], sides)
    figures = {name: round(value, 4) for name, value in figures.items()}
    for name, value in figures.items():
        print(f"{name:<24} {value:>8}")
    met = figures["foreseen_over_copy"] <= GOALS["foreseen_over_copy"]
    print(json.dumps({"benchmark": "foreseeable", "figures": figures, "goals": GOALS, "met": met}))


if __name__ == "__main__":
    with reported():
        main()
