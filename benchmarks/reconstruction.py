"""Identity preservation of Age-cGAN reconstructions: the table of the paper, for one run.

    python benchmarks/reconstruction.py RUN [--faces 500] [--picture FILE.png]
    python benchmarks/reconstruction.py RUN --embedder RUN2 --age-estimator RUN3 \
        --calibration lfw:lfw_part.tar

Inverts faces of unseen people (split `test`). A held-out embedder then verifies each pair (input,
reconstruction), at a threshold that accepts 1 % of the impostor pairs of split `calibration`. The
rows are the encoder's prediction z0, each objective of the search, and real pairs of the same
people. Then each face is generated at every age group, and a held-out estimator predicts the ages.
For data without identities (second command) the threshold and the real pairs are from a fifth of
the people of the calibration data, on which RUN2 must not be trained. Prints a table; the last
line is a JSON object.
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
from ganzoo_face_aging.age_estimation import evaluate_age_estimates
from ganzoo_face_aging.batched import predict_in_batches
from ganzoo_face_aging.bootstrap import bootstrap_means, mean_ci95, percentile_interval
from ganzoo_face_aging.calibration import open_calibration_data
from ganzoo_face_aging.strip_picture import draw_face_strips
from ganzoo_face_aging.verification import make_pair_distances
from torch import Tensor

import ganzoo_core as gz
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.data import assign_age_bins, to_float
from ganzoo_core.interfaces import Auxiliaries
from ganzoo_core.report import Progress, save_image
from ganzoo_core.training.open_data import decode_dataset, open_dataset, parse_data_config
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import find_auxiliary

FAR = 0.01
PHOTOS_PER_PERSON = 4
"""Of each test person: the first photo is inverted, all make the real pairs."""
PAPER_RATES = {"z0": 0.532, "pixels": 0.598, "identity": 0.829}
"""Antipov et al. 2017, on IMDB-WIKI with OpenFace."""
GOALS = {"gain": 0.20, "ratio_to_real_pairs": 0.9, "ratio_to_real_group_accuracy": 0.9}


@dataclass
class SearchInputs:
    """N faces to invert."""

    pixels: Tensor
    """[N, C, S, S] uint8."""
    label: Tensor
    """[N], age groups."""
    embedder: Any
    embeddings: Any
    """[N, D] of the faces."""


@dataclass
class Reconstructions:
    """Reconstructions of N faces."""

    pixels: Tensor
    """[N, C, S, S] uint8."""
    z: Tensor
    distance: Any
    """[N], embedding distance to the input."""
    impostor_distance: Any
    """[N], embedding distance to the input of another person."""
    mean_steps: float
    cpu_seconds: float


def render_portraits(data: dict[str, Any], age_bins: tuple[int, ...], **options: Any) -> Any:
    """Render the portraits of a split with the options of the run."""
    config = parse_data_config(f"{data['name']}:{data.get('path', '')}", {**data, **options})
    return decode_dataset(open_dataset(config), age_bins, Progress())


def threshold_at_far(embeddings: Any, calibration_images: Any) -> float:
    """Return the distance below which 1 % of the impostor pairs are."""
    pairs = make_pair_distances(embeddings, calibration_images.identity.numpy())
    return pairs.threshold_at_far(FAR)


def generate_uint8(model: Any, z: Tensor, label: Tensor) -> Tensor:
    """Return generated images [N, C, S, S] uint8."""
    with torch.no_grad():
        parts = [model.generator(z[rows], label[rows]) for rows in torch.arange(len(z)).split(128)]
    return torch.cat(parts).add(1).mul(127.5).round().byte()


def search_latents(
    model: Any, faces: SearchInputs, objective: str, num_steps: int | None
) -> Reconstructions:
    """Invert all faces with one objective; "z0" is the prediction of the encoder."""
    objective_or_none, steps = (None, 0) if objective == "z0" else (objective, num_steps)
    progress, start = Progress(), time.process_time()
    progress.start(f"searching latents: {objective}", item_name="steps")
    result = model.invert(
        to_float(faces.pixels),
        faces.label,
        objective=objective_or_none,
        max_steps=steps,
        progress=progress.advance,
    )
    progress.stop()
    cpu, pixels = time.process_time() - start, generate_uint8(model, result.z, faces.label)
    embeddings = predict_in_batches(faces.embedder.embed, pixels)
    return Reconstructions(
        pixels,
        result.z,
        np.linalg.norm(embeddings - faces.embeddings, axis=1),
        np.linalg.norm(embeddings - np.roll(faces.embeddings, 1, 0), axis=1),
        float(result.num_steps.float().mean()),
        cpu,
    )


def verification_rates(
    rows: dict[str, Reconstructions], threshold: float
) -> dict[str, dict[str, Any]]:
    """Return and print the accept rate of each row."""
    out: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        is_accepted = row.distance <= threshold
        out[name] = {
            "rate": float(is_accepted.mean()),
            "ci95": mean_ci95(is_accepted),
            "impostor_rate": float((row.impostor_distance <= threshold).mean()),
            "distance": float(row.distance.mean()),
            "steps": row.mean_steps,
            "faces_per_minute": round(60 * len(row.distance) / max(row.cpu_seconds, 1e-9)),
            "paper": PAPER_RATES.get(name),
        }
        x, (low, high) = out[name], out[name]["ci95"]
        print(
            f"{name:<24}{x['rate']:>7.1%}  {low:>6.1%} to {high:<7.1%}{x['impostor_rate']:>9.1%}"
            f"{x['distance']:>9.2f}{x['steps']:>8.1f}{x['faces_per_minute']:>10}"
            f"{f'{PAPER_RATES[name]:.1%}' if name in PAPER_RATES else '':>8}"
        )
    return out


def real_pair_rates(embeddings: Any, images: Any, threshold: float) -> dict[str, dict[str, Any]]:
    """Return and print the accept rate of two photographs of one person: of any age group, and of
    the same one."""
    identity, out = images.identity.numpy(), {}
    keys = {"real pairs": identity}
    if images.label is not None:
        keys["real pairs, same group"] = identity * 100 + images.label.numpy()
    for name, key in keys.items():
        pairs = make_pair_distances(embeddings, key)
        is_accepted = pairs.genuine_distances <= threshold
        low, high = mean_ci95(is_accepted, pairs.genuine_person_ids)
        rate = float(is_accepted.mean())
        out[name] = {"rate": rate, "ci95": (low, high), "num_pairs": len(is_accepted)}
        print(f"{name:<24}{rate:>7.1%}  {low:>6.1%} to {high:<7.1%}")
    return out


def predicted_group_accuracy(model: Any, z: Tensor, estimator: Any) -> tuple[Any, dict[str, float]]:
    """Return the share of groups [N] at which the estimated age of a latent's image is in the
    target group, and the mean estimated age by group."""
    age_bins, names = model.info.age_bins, model.info.class_names
    ages = [
        predict_in_batches(
            estimator.estimate_age, generate_uint8(model, z, torch.full((len(z),), g))
        )
        for g in range(len(names))
    ]
    is_correct = np.stack([assign_age_bins(x, age_bins) == g for g, x in enumerate(ages)], 1)
    mean_ages = {name: round(float(x.mean()), 1) for name, x in zip(names, ages, strict=True)}
    return is_correct.mean(1), mean_ages


def evaluate_ages(
    model: Any, reconstructions: Reconstructions, real_images: Any, estimator: Any
) -> dict[str, Any]:
    """Return the group accuracy of inverted faces at all age groups, of random latents, and of
    real faces."""
    person_ids = None if real_images.identity is None else real_images.identity.numpy()
    real = evaluate_age_estimates(
        predict_in_batches(estimator.estimate_age, real_images),
        real_images.age.numpy(),
        model.info.age_bins,
        person_ids,
    )
    accuracy, mean_ages = predicted_group_accuracy(model, reconstructions.z, estimator)
    torch.manual_seed(0)
    random_latents = torch.randn_like(reconstructions.z)
    random_accuracy, _ = predicted_group_accuracy(model, random_latents, estimator)
    low, high = mean_ci95(accuracy)
    print(
        f"\ngroup accuracy {accuracy.mean():.1%} ({low:.1%} to {high:.1%}); random latents "
        f"{random_accuracy.mean():.1%}; real faces {real.group_accuracy:.1%}; "
        f"mean estimated age by target group: {mean_ages}"
    )
    return {
        "group_accuracy": float(accuracy.mean()),
        "ci95": (low, high),
        "random_latents": float(random_accuracy.mean()),
        "real_group_accuracy": real.group_accuracy,
        "mean_age": mean_ages,
        "is_increasing": bool((np.diff(list(mean_ages.values())) > 0).all()),
    }


def save_strips(
    path: Path, faces: Tensor, rows: dict[str, Reconstructions], count: int = 8
) -> None:
    """Save a picture of some faces with their reconstructions."""
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
    save_image(draw_face_strips(lines), path)


def check_goals(
    rows: dict[str, Reconstructions],
    table: dict[str, Any],
    age_results: dict[str, Any],
    threshold: float,
) -> dict[str, Any]:
    """Compare the values with the goals; a goal without a value is not met."""
    is_accepted = {name: row.distance <= threshold for name, row in rows.items()}
    gain = is_accepted["identity"].astype(float) - is_accepted["z0"]
    values = {"gain": float(gain.mean())}
    if "real pairs" in table:
        values["ratio_to_real_pairs"] = table["identity"]["rate"] / table["real pairs"]["rate"]
    if age_results:
        ratio = age_results["group_accuracy"] / age_results["real_group_accuracy"]
        values["ratio_to_real_group_accuracy"] = ratio
    met = all(values.get(name, 0) >= goal for name, goal in GOALS.items())
    return {
        "rows": table,
        "ages": age_results,
        **values,
        "gain_ci95": percentile_interval(bootstrap_means(gain)),
        "goals": GOALS,
        "met": bool(met and age_results.get("is_increasing")),
    }


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("--steps", type=int, help="steps of the search; default: those of the run")
    parser.add_argument("--search-network", default="", help="identity network for the search")
    parser.add_argument("--embedder", default="", help="held-out identity evaluator")
    parser.add_argument("--age-estimator", default="", help="held-out age evaluator")
    parser.add_argument(
        "--calibration",
        default="",
        metavar="NAME:PATH",
        help="data for the threshold and the real pairs",
    )
    parser.add_argument("--picture", type=Path)
    return parser.parse_args()


def main() -> None:
    """Evaluate one run."""
    args, start = parse_args(), time.process_time()
    model: Any = gz.load(args.run, device="cpu")
    data, age_bins = RunFolder(args.run).read_config()["data"], model.info.age_bins
    if args.search_network:
        network = find_auxiliary("identity", args.search_network).build()
        model.auxiliaries = Auxiliaries({"identity": network})
    embedder_weights, estimator_weights = (
        find_auxiliary(role, weights, data=data["name"], is_held_out=True)
        for role, weights in (("identity", args.embedder), ("age", args.age_estimator))
    )
    embedder = embedder_weights.build()
    if args.calibration:
        options = {**data, "image_size": model.info.image_size}
        config = parse_data_config(data["name"], options)
        dataset = open_calibration_data(args.calibration, config, embedder_weights)
        calibration_images = decode_dataset(dataset, (), Progress())
        test_images, photos = render_portraits(data, age_bins, split="test"), 1
    else:
        calibration_images = render_portraits(
            data, age_bins, split="calibration", count=2400, photos_per_person=8
        )
        photos = PHOTOS_PER_PERSON
        test_images = render_portraits(
            data, age_bins, split="test", count=args.faces * photos, photos_per_person=photos
        )
    calibration_embeddings = predict_in_batches(embedder.embed, calibration_images)
    embeddings = predict_in_batches(embedder.embed, test_images)
    threshold = threshold_at_far(calibration_embeddings, calibration_images)
    search_rows = torch.arange(0, len(test_images), photos)[: args.faces]
    faces = SearchInputs(
        test_images.gather(search_rows),
        test_images.label[search_rows],
        embedder,
        embeddings[search_rows],
    )
    rows = {
        name: search_latents(model, faces, name, args.steps)
        for name in ("z0", "pixels", "identity", "both")
    }
    print(
        f"{'':<24}{'rate':>7}  {'95 % interval':<17}{'impostor':>9}{'distance':>9}{'steps':>8}"
        f"{'faces/min':>10}{'paper':>8}"
    )
    table = verification_rates(rows, threshold)
    if args.calibration:
        table |= real_pair_rates(calibration_embeddings, calibration_images, threshold)
    else:
        table |= real_pair_rates(embeddings, test_images, threshold)
    age_results: dict[str, Any] = {}
    if args.age_estimator or estimator_weights.pretrained.info.name == data["name"]:
        reconstructions = rows[model.config.inversion_objective]
        age_results = evaluate_ages(model, reconstructions, test_images, estimator_weights.build())
    if args.picture:
        save_strips(args.picture, faces.pixels, rows)
    result = {
        "benchmark": "reconstruction",
        "num_faces": len(search_rows),
        "threshold": threshold,
        "far": FAR,
        "cpu_s": round(time.process_time() - start, 1),
        **check_goals(rows, table, age_results, threshold),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    with exit_on_error():
        main()
