"""Difficulty of the portraits of `people` for age estimation and face verification.

A linear probe on 8 x 8 thumbnails must fail (age error of 8 years or more, verification below
80 %). A small CNN must succeed (age error below 3 years, verification of 97 % or more across ages).

    python benchmarks/people_probe.py

It trains on identities of the split `auxiliary`, sets thresholds on `calibration` and reports on
`test`. It prints a table; the last line is one JSON object. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import ganzoo_people as people
import numpy as np

from ganzoo_core.cli.error_handling import exit_on_error

_SIZE = 64
_MIN_GAP = 15.0  # years between the two photos of any pair
_AGE_BINS = [3.0 * k for k in range(31)]  # years
_GOALS = {
    "linear_age_mae_min": 8.0,
    "linear_verification_max": 0.80,
    "cnn_age_mae_max": 3.0,
    "cnn_verification_min": 0.97,
}


def _render_part(job: tuple[int, list[tuple[int, int]]]) -> np.ndarray:
    seed, photos = job
    who = people.stack([people.identity(seed, n) for n, _ in photos])
    how = people.stack([people.nuisance(seed, n, k) for n, k in photos])
    ages = [people.age(seed, n, k) for n, k in photos]
    return people.render(people.appearance(who, ages), how, _SIZE)


class _PortraitSet:
    """Photos of P identities: images [P, K, S, S, 3] and ages [P, K]."""

    def __init__(
        self, seed: int, split: str, num_identities: int, photos_per_person: int, pool
    ) -> None:
        numbers = people.SPLITS[split][:num_identities]
        keys = [(n, k) for n in numbers for k in range(photos_per_person)]
        parts = [(seed, keys[i : i + 512]) for i in range(0, len(keys), 512)]
        images = np.concatenate(list(pool.map(_render_part, parts)))
        self.images = images.reshape(num_identities, photos_per_person, _SIZE, _SIZE, 3)
        self.ages = np.array([people.age(seed, n, k) for n, k in keys]).reshape(
            num_identities, photos_per_person
        )
        records = [people.identity(seed, n) for n in numbers]
        looks = ("skin_tone", "skin_undertone", "hair_melanin", "hair_redness")
        self.appearance_features = np.array([[getattr(r, f) for f in looks] for r in records])
        self.appearance_features[:, 1] *= 0.5
        self.hair_styles = np.array([r.hair_style for r in records])


def _draw_pairs(portraits: _PortraitSet, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return flat photo indices of genuine pairs, random impostors and look-alike impostors, all at
    least _MIN_GAP years apart."""
    count, photos = portraits.ages.shape
    ages = portraits.ages.reshape(-1)
    identity = np.repeat(np.arange(count), photos)
    a, b = np.triu_indices(photos, 1)
    genuine = (np.arange(count)[:, None, None] * photos + np.stack([a, b], -1)).reshape(-1, 2)
    genuine = genuine[np.abs(ages[genuine[:, 0]] - ages[genuine[:, 1]]) >= _MIN_GAP]
    total = len(genuine)
    impostor_pairs = rng.integers(0, count * photos, (total * 4, 2))
    is_age_gap_large = np.abs(ages[impostor_pairs[:, 0]] - ages[impostor_pairs[:, 1]]) >= _MIN_GAP
    impostor_pairs = impostor_pairs[
        (identity[impostor_pairs[:, 0]] != identity[impostor_pairs[:, 1]]) & is_age_gap_large
    ][:total]
    # look-alikes: for each person the nearest other in skin and hair color, of the same style
    distance = np.abs(
        portraits.appearance_features[:, None] - portraits.appearance_features[None]
    ).max(-1)
    distance += np.where(portraits.hair_styles[:, None] == portraits.hair_styles[None], 0.0, 9.0)
    np.fill_diagonal(distance, 99.0)
    order = np.argsort(distance, 1)
    rows = rng.integers(0, count, total * 6)
    nearest_person = order[rows, rng.integers(0, 2, total * 6)]
    close = distance[rows, nearest_person] < 0.2
    lookalike_pairs = np.stack([rows * photos, nearest_person * photos], -1) + rng.integers(
        0, photos, (total * 6, 2)
    )
    is_age_gap_large = np.abs(ages[lookalike_pairs[:, 0]] - ages[lookalike_pairs[:, 1]]) >= _MIN_GAP
    return {
        "genuine": genuine,
        "impostor": impostor_pairs,
        "alike": lookalike_pairs[close & is_age_gap_large][:total],
    }


def _measure_verification(
    embed, calibration: _PortraitSet, test: _PortraitSet, seed: int
) -> dict[str, float]:
    """Return the accuracy on test pairs at the best threshold of calibration pairs.

    `embed` maps a portrait set to vectors [M, D]; the score of a pair is the negative distance of
    its vectors.
    """

    def pair_scores(portraits: _PortraitSet, salt: int) -> dict[str, np.ndarray]:
        vectors = embed(portraits)
        pairs = _draw_pairs(portraits, np.random.default_rng([seed, salt]))
        return {
            k: -np.linalg.norm(vectors[v[:, 0]] - vectors[v[:, 1]], axis=1)
            for k, v in pairs.items()
        }

    calibration_scores = pair_scores(calibration, 1)
    thresholds = np.quantile(
        np.concatenate([calibration_scores["genuine"], calibration_scores["impostor"]]),
        np.linspace(0, 1, 801),
    )
    accuracy = [
        (calibration_scores["genuine"] >= t).mean() + (calibration_scores["impostor"] < t).mean()
        for t in thresholds
    ]
    threshold = thresholds[int(np.argmax(accuracy))]
    test_scores = pair_scores(test, 2)
    accepted = float((test_scores["genuine"] >= threshold).mean())
    random_rejected = float((test_scores["impostor"] < threshold).mean())
    alike_rejected = float((test_scores["alike"] < threshold).mean())
    return {
        "genuine_accepted": accepted,
        "impostors_rejected": random_rejected,
        "alike_rejected": alike_rejected,
        "accuracy": 0.5 * (accepted + random_rejected),
        "accuracy_alike": 0.5 * (accepted + alike_rejected),
        "pairs": len(test_scores["genuine"]),
        "pairs_alike": len(test_scores["alike"]),
    }


def _downscale(portraits: _PortraitSet) -> np.ndarray:
    images = portraits.images.reshape(-1, 8, _SIZE // 8, 8, _SIZE // 8, 3)
    return images.mean((2, 4), dtype=np.float64).reshape(len(images), -1) / 127.5 - 1.0


def _run_linear_probe(
    train: _PortraitSet, calibration: _PortraitSet, test: _PortraitSet, seed: int
) -> dict[str, float]:
    """Fit ridge regression for age and linear discriminants for identity on 8 x 8 thumbnails."""
    x, y = _downscale(train), train.ages.reshape(-1)
    mean = x.mean(0)

    def design(portraits: _PortraitSet) -> np.ndarray:
        t = _downscale(portraits) - mean
        return np.concatenate([t, np.ones((len(t), 1))], 1)

    gram, moment = design(train).T @ design(train), design(train).T @ y
    best = (np.inf, None)
    for ridge in (0.1, 1.0, 10.0, 100.0):
        weights = np.linalg.solve(gram + ridge * np.eye(len(gram)), moment)
        error = np.abs(design(calibration) @ weights - calibration.ages.reshape(-1)).mean()
        best = min(best, (error, weights), key=lambda pair: pair[0])
    mae = float(np.abs(np.clip(design(test) @ best[1], 0, 90) - test.ages.reshape(-1)).mean())
    groups = (x - mean).reshape(*train.ages.shape, -1)
    centers = groups.mean(1)
    spread = (groups - centers[:, None]).reshape(len(x), -1)
    within = spread.T @ spread / (len(x) - len(groups))
    between = centers.T @ centers / len(groups) - within / groups.shape[1]
    chol = np.linalg.cholesky(np.linalg.inv(within + 1e-4 * np.eye(len(within))))
    values, vectors = np.linalg.eigh(chol.T @ between @ chol)
    results = []
    for dims in (4, 8, 16, 32, 64):
        # weight each discriminant by its share of between-person variance
        gain = np.sqrt(np.maximum(values[-dims:], 0) / (1.0 + np.maximum(values[-dims:], 0)))
        axes = chol @ vectors[:, -dims:] * gain
        results.append(
            _measure_verification(
                lambda a, w=axes: (_downscale(a) - mean) @ w, calibration, test, seed
            )
        )
    return {"age_mae": mae, **max(results, key=lambda r: r["accuracy"])}


def _crop_head(images: np.ndarray, offset_y: int = 0, offset_x: int = 0) -> np.ndarray:
    """Return the part of images [N, 64, 64, 3] with the head, [N, 56, 48, 3]."""
    return images[:, 4 + offset_y : 60 + offset_y, 8 + offset_x : 56 + offset_x]


def _make_small_cnn():
    """Return a CNN with heads for age (a distribution over _AGE_BINS) and for identity."""
    import torch
    from torch import nn

    def conv_block(in_channels: int, out_channels: int, stride: int, kernel_size: int = 3) -> list:
        return [
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(True),
        ]

    class SmallCNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Sequential(
                *conv_block(3, 32, 2, 5),
                *conv_block(32, 48, 2),
                *conv_block(48, 64, 1),
                *conv_block(64, 96, 2),
                *conv_block(96, 96, 1),
                *conv_block(96, 128, 2),
                nn.Flatten(),
                nn.Linear(1536, 256, bias=False),
                nn.BatchNorm1d(256),
                nn.ReLU(True),
            )
            self.age = nn.Linear(256, len(_AGE_BINS))
            self.face = nn.Linear(256, 96)
            self.register_buffer("bins", torch.tensor(_AGE_BINS))

        def forward(self, x):
            """Map bytes [N, 56, 48, 3] to years [N], logits of the bins, unit vectors [N, 96]."""
            x = x.permute(0, 3, 1, 2).float() / 127.5 - 1.0
            # normalize exposure and contrast of the photo
            spread, mean = x.std((1, 2, 3), keepdim=True), x.mean((1, 2, 3), keepdim=True)
            h = self.trunk((x - mean) / (spread + 0.05))
            logits = self.age(h).float()
            face = nn.functional.normalize(self.face(h).float())
            return logits.softmax(1) @ self.bins, logits, face

    return SmallCNN()


def _train_cnn(train: _PortraitSet, images: int, seed: int, threads: int):
    """Train age with soft labels over the bins and L1, identity with the SupCon loss."""
    import torch
    from torch.nn import functional as F

    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    net = _make_small_cnn().to(memory_format=torch.channels_last)
    rng = np.random.default_rng(seed)
    ages = torch.from_numpy(train.ages.astype(np.float32))
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-2)
    faces_per_batch, photos_per_face, start = 40, 4, time.perf_counter()
    batch_size = faces_per_batch * photos_per_face
    identity = torch.arange(faces_per_batch).repeat_interleave(photos_per_face)
    same = (identity[:, None] == identity[None]).float().fill_diagonal_(0)
    order, averages, steps = np.array([], int), np.zeros(2), images // batch_size
    for step in range(steps):
        progress = step / steps
        optimizer.param_groups[0]["lr"] = (
            2e-3 * min(1, progress / 0.04) * 0.5 * (1 + np.cos(np.pi * progress))
        )
        if len(order) < faces_per_batch:
            order = rng.permutation(len(train.ages))
        rows, order = order[:faces_per_batch], order[faces_per_batch:]
        columns = np.argsort(rng.random((faces_per_batch, train.ages.shape[1])), 1)[
            :, :photos_per_face
        ]
        batch = train.images[rows[:, None], columns].reshape(-1, _SIZE, _SIZE, 3)
        batch = _crop_head(batch, *rng.integers(-3, 4, 2))
        truth = ages[rows[:, None], columns].reshape(-1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            age, logits, face = net(torch.from_numpy(batch))
        soft = (-0.5 * ((net.bins[None] - truth[:, None]) / 3.0) ** 2).softmax(1)
        age_loss = F.cross_entropy(logits, soft) + 0.1 * F.smooth_l1_loss(age, truth)
        similarity = (face @ face.T / 0.08).fill_diagonal_(-1e4)
        supcon = -(F.log_softmax(similarity, 1) * same).sum(1).mean() / (photos_per_face - 1)
        optimizer.zero_grad(set_to_none=True)
        (age_loss + supcon).backward()
        optimizer.step()
        step_errors = np.array([(age - truth).abs().mean().item(), supcon.item()])
        averages = step_errors if step == 0 else 0.98 * averages + 0.02 * step_errors
        if step % 100 == 99:
            print(
                f"  {time.perf_counter() - start:5.0f} s  {(step + 1) * batch_size} images  "
                f"age {averages[0]:.2f}  supcon {averages[1]:.3f}",
                flush=True,
            )
    return net.eval(), steps * batch_size


def _predict_with_cnn(net, portraits: _PortraitSet) -> tuple[np.ndarray, np.ndarray]:
    """Return ages in years [M] and identity vectors [M, 96] of all photos."""
    import torch

    images = portraits.images.reshape(-1, _SIZE, _SIZE, 3)
    with torch.no_grad():
        parts = [
            net(torch.from_numpy(_crop_head(images[i : i + 256])))
            for i in range(0, len(images), 256)
        ]
    return torch.cat([p[0] for p in parts]).numpy(), torch.cat([p[2] for p in parts]).numpy()


def _evaluate_cnn(net, calibration: _PortraitSet, test: _PortraitSet, seed: int) -> dict:
    """Return the age error, in total and by age bin, and the verification accuracy on test."""
    truth = test.ages.reshape(-1)
    error = np.abs(np.clip(_predict_with_cnn(net, test)[0], 0, 90) - truth)
    mae_by_bin = {
        f"{low}-{high}": round(float(error[(truth >= low) & (truth < high)].mean()), 2)
        for low, high in ((0, 19), (19, 30), (30, 40), (40, 50), (50, 60), (60, 90))
    }
    verified = _measure_verification(
        lambda portraits: _predict_with_cnn(net, portraits)[1], calibration, test, seed
    )
    return {"age_mae": float(error.mean()), "age_bins": mae_by_bin, **verified}


def _meets_goals(linear: dict, cnn: dict) -> bool:
    """Return whether thumbnails are hard enough and portraits easy enough."""
    return (
        linear["age_mae"] >= _GOALS["linear_age_mae_min"]
        and linear["accuracy"] < _GOALS["linear_verification_max"]
        and cnn["age_mae"] < _GOALS["cnn_age_mae_max"]
        and cnn["accuracy"] >= _GOALS["cnn_verification_min"]
    )


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--identities", type=int, default=9000, help="number of training identities"
    )
    parser.add_argument("--photos", type=int, default=9, help="photos of each identity")
    parser.add_argument("--images", type=int, default=480_000, help="training images of the CNN")
    parser.add_argument("--threads", type=int, default=2, help="training threads")
    return parser.parse_args()


def main() -> None:
    args = _parse_args()
    start, cpu = time.perf_counter(), time.process_time()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the two workers
    with ProcessPoolExecutor(2) as pool:
        train = _PortraitSet(args.seed, "auxiliary", args.identities, args.photos, pool)
        calibration = _PortraitSet(args.seed, "calibration", 300, 6, pool)
        test = _PortraitSet(args.seed, "test", 500, 6, pool)
    count = train.ages.size + calibration.ages.size + test.ages.size
    print(f"rendered {count} photos in {time.perf_counter() - start:.0f} s", flush=True)
    linear = _run_linear_probe(train, calibration, test, args.seed)
    net, images_seen = _train_cnn(train, args.images, args.seed, args.threads)
    cnn = _evaluate_cnn(net, calibration, test, args.seed)
    parameters = sum(w.numel() for w in net.parameters())
    print(f"\n{'model':24}{'age MAE':>9}{'verified':>10}{'look-alikes':>13}")
    for name, r in (("linear, 8 x 8", linear), (f"CNN, {parameters / 1e6:.2f} M", cnn)):
        print(f"{name:24}{r['age_mae']:9.2f}{r['accuracy']:10.2%}{r['accuracy_alike']:13.2%}")
    print("CNN age MAE by age bin:", cnn["age_bins"])
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() - cpu + children.ru_utime + children.ru_stime
    wall = time.perf_counter() - start
    print(f"wall {wall:.0f} s, CPU {cpu:.0f} s, {images_seen} training images")
    report = {
        "benchmark": "people_probe",
        "render_version": people.RENDER_VERSION,
        "seed": args.seed,
        "linear": linear,
        "cnn": cnn,
        "cnn_parameters": parameters,
        "images_seen": images_seen,
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "goals": _GOALS,
        "met": _meets_goals(linear, cnn),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    with exit_on_error():
        main()
