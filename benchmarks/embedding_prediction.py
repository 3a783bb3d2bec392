"""How well the embedding of an older face can be predicted from one photograph.

    python benchmarks/embedding_prediction.py [--run runs/pfa]

For rendered people the embedding at a later age is known. This benchmark measures its distance to
the embedding of the source face (the error of an identity copy), and the error of two predictors
that are trained on other people at all ages: the mean shift between two age groups, and ridge
regression. Aging models have no such pairs in training. With --run, it measures the aged faces of
a model too, with the held-out embedder and with the model's own. Prints a table; the last line is
a JSON object.
"""

import argparse
import json
from pathlib import Path

import torch
from ganzoo_face_aging.benchmark import parse_face_data_config
from ganzoo_face_aging.face_selection import select_faces, test_split_config
from torch.nn.functional import one_hot

import ganzoo_core as gz
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.data import to_float
from ganzoo_core.report import Progress
from ganzoo_core.training.open_data import open_dataset
from ganzoo_core.weights import find_auxiliary

AGE_BINS = (18, 29, 39, 49, 59)
NUM_GROUPS = len(AGE_BINS) + 1
DATA = {"name": "people", "image_size": 64, "nuisance_scale": 0.35}
RIDGE_WEIGHTS = (1, 5, 20, 100, 500)
"""Selected on a fifth of the training people."""
GOALS = {"ridge_over_copy": 1.0}
"""Maximum: the prediction is better than a copy."""


@torch.inference_mode()
def embed(embedder, images):
    """Return the unit embeddings [N, D] of images [N, C, S, S]."""
    return torch.cat([embedder.embed(part) for part in images.split(100)])


def prediction_inputs(embedding, source, target):
    """Return the inputs [M, F] of the regression: the transition, the embedding, and the embedding
    times the gap between the groups."""
    transition = one_hot(source * NUM_GROUPS + target, NUM_GROUPS * NUM_GROUPS).float()
    gap = one_hot(target - source - 1, NUM_GROUPS - 1).float()  # [M, K - 1]
    return torch.cat([transition, embedding, (embedding[:, None] * gap[..., None]).flatten(1)], 1)


def ridge(x, y, weight):
    """Return the coefficients [F, D] of ridge regression of y [M, D] on x [M, F]."""
    return torch.linalg.solve(x.T @ x + weight * torch.eye(x.shape[1]), x.T @ y)


def mean_error(predicted, true_shift):
    """Return the mean distance of predicted to true shifts, both [M, D]."""
    return (predicted - true_shift).norm(dim=1).mean().item()


def prediction_errors(x, shift, person, n):
    """Return the errors on the people from n / 2 on, after training on the others.

    Args:
        x: [M, F], see `prediction_inputs`.
        shift: [M, D], true differences of the embeddings.
        person: [M], indices of the people, 0 to n - 1.
        n: number of people.
    """
    fit, val, test = person < 0.4 * n, (person >= 0.4 * n) & (person < n / 2), person >= n / 2
    best = min(
        RIDGE_WEIGHTS,
        key=lambda r: mean_error(x[val] @ ridge(x[fit], shift[fit], r), shift[val]),
    )
    train = person < n / 2
    transition = x[:, : NUM_GROUPS * NUM_GROUPS]
    mean_shift = transition[test] @ ridge(transition[train], shift[train], 1e-2)
    return {
        "copy": shift[test].norm(dim=1).mean().item(),
        "mean_shift": mean_error(mean_shift, shift[test]),
        "ridge": mean_error(x[test] @ ridge(x[train], shift[train], best), shift[test]),
    }


@torch.inference_mode()
def age_faces(model, data):
    """Return the source faces [N, K, C, S, S] at every group; for younger groups at their own."""
    target_labels = torch.arange(NUM_GROUPS).clamp(min=data.source_groups[:, None])  # [N, K]
    parts = zip(*(x.split(50) for x in (data.source.age, target_labels)), strict=True)
    images = to_float(data.source.pixels).split(50)
    aged = [model.edit_age(image, *part) for image, part in zip(images, parts, strict=True)]
    return torch.cat(aged)


def model_errors(name, embedder, source_images, aged_images, true_images):
    """Return embedding distances between source, aged and true faces."""
    source, aged, true = (embed(embedder, x) for x in (source_images, aged_images, true_images))
    return {
        f"model_{name}": mean_error(aged, true),
        f"model_{name}_shift": mean_error(aged, source),
        f"copy_{name}": mean_error(source, true),
    }


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=3000, help="people, half of them for training")
    parser.add_argument("--run", type=Path, help="a run with edit_age and an identity network")
    args = parser.parse_args()
    model = gz.load(args.run) if args.run else None
    dataset = open_dataset(test_split_config(parse_face_data_config(DATA)))
    data = select_faces(dataset, AGE_BINS, args.n, 0, Progress(False))
    n, held_out = len(data), find_auxiliary("identity", data="people", is_held_out=True).build()
    groups = data.source_groups
    person, target = (torch.arange(NUM_GROUPS) > groups[:, None]).nonzero(as_tuple=True)
    images = to_float(data.source.pixels)
    true_images = to_float(data.paired_images.pixels)
    source = embed(held_out, images)[person]
    true = embed(held_out, true_images).unflatten(0, (n, NUM_GROUPS))[person, target]
    x = prediction_inputs(source, groups[person], target)
    values = prediction_errors(x, true - source, person, n)
    values["ridge_over_copy"] = values["ridge"] / values["copy"]
    if model:
        true_images = true_images.unflatten(0, (n, NUM_GROUPS))[person, target]
        aged_images = age_faces(model, data)[person, target]
        sets = [x[person >= n / 2] for x in (images[person], aged_images, true_images)]
        values |= model_errors("held_out", held_out, *sets)
        values |= model_errors("own", model.auxiliaries["identity"], *sets)
    values = {name: round(value, 4) for name, value in values.items()}
    for name, value in values.items():
        print(f"{name:<24} {value:>8}")
    met = values["ridge_over_copy"] <= GOALS["ridge_over_copy"]
    result = {"benchmark": "embedding_prediction", "values": values, "goals": GOALS, "met": met}
    print(json.dumps(result))


if __name__ == "__main__":
    with exit_on_error():
        main()
