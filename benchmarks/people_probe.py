"""How hard are the synthetic people to read?

A linear probe on 8 x 8 thumbnails must fail (age error of 8 years or more, verification below
80 %), a small CNN must succeed (age error below 3 years, verification of 97 % or more across ages).

    python benchmarks/people_probe.py

Trains on identities of split judge-a, sets thresholds on calibration, reports on test. Prints a
table; the last line is one JSON object. Takes about ten minutes on two cores.
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

from ganzoo_core.cli.failures import reported

SIZE = 64
MIN_GAP = 15.0  # years between the two photos of any pair
AGE_BINS = [3.0 * k for k in range(31)]  # years
GOALS = {
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
    return people.render(people.appearance(who, ages), how, SIZE)


class Album:
    """Photos of some identities: pictures [P, K, S, S, 3] and ages [P, K]."""

    def __init__(self, seed: int, split: str, count: int, photos: int, pool) -> None:
        numbers = people.SPLITS[split][:count]
        keys = [(n, k) for n in numbers for k in range(photos)]
        parts = [(seed, keys[i : i + 512]) for i in range(0, len(keys), 512)]
        pictures = np.concatenate(list(pool.map(_render_part, parts)))
        self.pictures = pictures.reshape(count, photos, SIZE, SIZE, 3)
        self.ages = np.array([people.age(seed, n, k) for n, k in keys]).reshape(count, photos)
        records = [people.identity(seed, n) for n in numbers]
        looks = ("skin_tone", "skin_undertone", "hair_melanin", "hair_redness")
        self.looks = np.array([[getattr(r, f) for f in looks] for r in records])
        self.looks[:, 1] *= 0.5
        self.styles = np.array([r.hair_style for r in records])


def draw_pairs(album: Album, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Flat photo indices of genuine pairs, random impostors and look-alike impostors, all at
    least MIN_GAP years apart."""
    count, photos = album.ages.shape
    ages = album.ages.reshape(-1)
    who = np.repeat(np.arange(count), photos)
    a, b = np.triu_indices(photos, 1)
    genuine = (np.arange(count)[:, None, None] * photos + np.stack([a, b], -1)).reshape(-1, 2)
    genuine = genuine[np.abs(ages[genuine[:, 0]] - ages[genuine[:, 1]]) >= MIN_GAP]
    total = len(genuine)
    draw = rng.integers(0, count * photos, (total * 4, 2))
    apart = np.abs(ages[draw[:, 0]] - ages[draw[:, 1]]) >= MIN_GAP
    draw = draw[(who[draw[:, 0]] != who[draw[:, 1]]) & apart][:total]
    # look-alikes: for each person the nearest other in skin and hair colour, of the same style
    distance = np.abs(album.looks[:, None] - album.looks[None]).max(-1)
    distance += np.where(album.styles[:, None] == album.styles[None], 0.0, 9.0)
    np.fill_diagonal(distance, 99.0)
    order = np.argsort(distance, 1)
    rows = rng.integers(0, count, total * 6)
    twins = order[rows, rng.integers(0, 2, total * 6)]
    close = distance[rows, twins] < 0.2
    alike = np.stack([rows * photos, twins * photos], -1) + rng.integers(0, photos, (total * 6, 2))
    apart = np.abs(ages[alike[:, 0]] - ages[alike[:, 1]]) >= MIN_GAP
    return {"genuine": genuine, "impostor": draw, "alike": alike[close & apart][:total]}


def verification(score, calibration: Album, test: Album, seed: int) -> dict[str, float]:
    """Best threshold on calibration pairs, accuracy on test pairs. score(album) -> vectors [M, D];
    a pair's score is the negative distance of its vectors."""

    def gaps(album: Album, salt: int) -> dict[str, np.ndarray]:
        vectors = score(album)
        pairs = draw_pairs(album, np.random.default_rng([seed, salt]))
        return {
            k: -np.linalg.norm(vectors[v[:, 0]] - vectors[v[:, 1]], axis=1)
            for k, v in pairs.items()
        }

    known = gaps(calibration, 1)
    tries = np.quantile(
        np.concatenate([known["genuine"], known["impostor"]]), np.linspace(0, 1, 801)
    )
    accuracy = [(known["genuine"] >= t).mean() + (known["impostor"] < t).mean() for t in tries]
    threshold = tries[int(np.argmax(accuracy))]
    new = gaps(test, 2)
    accepted = float((new["genuine"] >= threshold).mean())
    random_rejected = float((new["impostor"] < threshold).mean())
    alike_rejected = float((new["alike"] < threshold).mean())
    return {
        "genuine_accepted": accepted,
        "impostors_rejected": random_rejected,
        "alike_rejected": alike_rejected,
        "accuracy": 0.5 * (accepted + random_rejected),
        "accuracy_alike": 0.5 * (accepted + alike_rejected),
        "pairs": len(new["genuine"]),
        "pairs_alike": len(new["alike"]),
    }


def thumbnails(album: Album) -> np.ndarray:
    pictures = album.pictures.reshape(-1, 8, SIZE // 8, 8, SIZE // 8, 3)
    return pictures.mean((2, 4), dtype=np.float64).reshape(len(pictures), -1) / 127.5 - 1.0


def linear_probe(train: Album, calibration: Album, test: Album, seed: int) -> dict[str, float]:
    """Ridge regression for age, linear discriminants for identity, both on 8 x 8 thumbnails."""
    x, y = thumbnails(train), train.ages.reshape(-1)
    mean = x.mean(0)

    def design(album: Album) -> np.ndarray:
        t = thumbnails(album) - mean
        return np.concatenate([t, np.ones((len(t), 1))], 1)

    gram, moment = design(train).T @ design(train), design(train).T @ y
    best = (np.inf, None)
    for ridge in (0.1, 1.0, 10.0, 100.0):
        weights = np.linalg.solve(gram + ridge * np.eye(len(gram)), moment)
        error = np.abs(design(calibration) @ weights - calibration.ages.reshape(-1)).mean()
        best = min(best, (error, weights), key=lambda pair: pair[0])
    mae = float(np.abs(np.clip(design(test) @ best[1], 0, 90) - test.ages.reshape(-1)).mean())
    groups = (x - mean).reshape(*train.ages.shape, -1)
    centres = groups.mean(1)
    spread = (groups - centres[:, None]).reshape(len(x), -1)
    within = spread.T @ spread / (len(x) - len(groups))
    between = centres.T @ centres / len(groups) - within / groups.shape[1]
    chol = np.linalg.cholesky(np.linalg.inv(within + 1e-4 * np.eye(len(within))))
    values, vectors = np.linalg.eigh(chol.T @ between @ chol)
    results = []
    for dims in (4, 8, 16, 32, 64):
        # weigh each discriminant by how much of it belongs to the person
        gain = np.sqrt(np.maximum(values[-dims:], 0) / (1.0 + np.maximum(values[-dims:], 0)))
        axes = chol @ vectors[:, -dims:] * gain
        results.append(
            verification(lambda a, w=axes: (thumbnails(a) - mean) @ w, calibration, test, seed)
        )
    return {"age_mae": mae, **max(results, key=lambda r: r["accuracy"])}


def crop(pictures: np.ndarray, down: int = 0, right: int = 0) -> np.ndarray:
    """The part of the pictures [N, 64, 64, 3] that holds the head, [N, 56, 48, 3]."""
    return pictures[:, 4 + down : 60 + down, 8 + right : 56 + right]


def small_cnn():
    """Shared trunk; heads for age (a distribution over AGE_BINS) and for identity."""
    import torch
    from torch import nn

    def block(i: int, o: int, stride: int, k: int = 3) -> list:
        return [nn.Conv2d(i, o, k, stride, k // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU(True)]

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Sequential(
                *block(3, 32, 2, 5),
                *block(32, 48, 2),
                *block(48, 64, 1),
                *block(64, 96, 2),
                *block(96, 96, 1),
                *block(96, 128, 2),
                nn.Flatten(),
                nn.Linear(1536, 256, bias=False),
                nn.BatchNorm1d(256),
                nn.ReLU(True),
            )
            self.age = nn.Linear(256, len(AGE_BINS))
            self.face = nn.Linear(256, 96)
            self.register_buffer("bins", torch.tensor(AGE_BINS))

        def forward(self, x):
            """Bytes [N, 56, 48, 3] to years [N], logits of the bins, unit vectors [N, 96]."""
            x = x.permute(0, 3, 1, 2).float() / 127.5 - 1.0
            # exposure and contrast of the photo say nothing: take them out at once
            spread, mean = x.std((1, 2, 3), keepdim=True), x.mean((1, 2, 3), keepdim=True)
            h = self.trunk((x - mean) / (spread + 0.05))
            logits = self.age(h).float()
            face = nn.functional.normalize(self.face(h).float())
            return logits.softmax(1) @ self.bins, logits, face

    return Net()


def train_cnn(train: Album, images: int, seed: int, threads: int):
    """Age by soft labels over the bins and L1; identity by supervised contrast across ages."""
    import torch
    from torch.nn import functional as F

    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    net = small_cnn().to(memory_format=torch.channels_last)
    rng = np.random.default_rng(seed)
    ages = torch.from_numpy(train.ages.astype(np.float32))
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-2)
    faces_at_once, shots, start = 40, 4, time.perf_counter()
    batch_size = faces_at_once * shots
    who = torch.arange(faces_at_once).repeat_interleave(shots)
    same = (who[:, None] == who[None]).float().fill_diagonal_(0)
    order, averages, steps = np.array([], int), np.zeros(2), images // batch_size
    for step in range(steps):
        t = step / steps
        optimiser.param_groups[0]["lr"] = 2e-3 * min(1, t / 0.04) * 0.5 * (1 + np.cos(np.pi * t))
        if len(order) < faces_at_once:
            order = rng.permutation(len(train.ages))
        rows, order = order[:faces_at_once], order[faces_at_once:]
        columns = np.argsort(rng.random((faces_at_once, train.ages.shape[1])), 1)[:, :shots]
        batch = train.pictures[rows[:, None], columns].reshape(-1, SIZE, SIZE, 3)
        batch = crop(batch, *rng.integers(-3, 4, 2))
        truth = ages[rows[:, None], columns].reshape(-1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            age, logits, face = net(torch.from_numpy(batch))
        soft = (-0.5 * ((net.bins[None] - truth[:, None]) / 3.0) ** 2).softmax(1)
        age_loss = F.cross_entropy(logits, soft) + 0.1 * F.smooth_l1_loss(age, truth)
        likeness = (face @ face.T / 0.08).fill_diagonal_(-1e4)
        contrast = -(F.log_softmax(likeness, 1) * same).sum(1).mean() / (shots - 1)
        optimiser.zero_grad(set_to_none=True)
        (age_loss + contrast).backward()
        optimiser.step()
        news = np.array([(age - truth).abs().mean().item(), contrast.item()])
        averages = news if step == 0 else 0.98 * averages + 0.02 * news
        if step % 100 == 99:
            print(
                f"  {time.perf_counter() - start:5.0f} s  {(step + 1) * batch_size} images  "
                f"age {averages[0]:.2f}  contrast {averages[1]:.3f}",
                flush=True,
            )
    return net.eval(), steps * batch_size


def run_cnn(net, album: Album) -> tuple[np.ndarray, np.ndarray]:
    """Ages in years [M] and identity vectors [M, 96] of all photos."""
    import torch

    pictures = album.pictures.reshape(-1, SIZE, SIZE, 3)
    with torch.no_grad():
        parts = [
            net(torch.from_numpy(crop(pictures[i : i + 256]))) for i in range(0, len(pictures), 256)
        ]
    return torch.cat([p[0] for p in parts]).numpy(), torch.cat([p[2] for p in parts]).numpy()


def read_by_cnn(net, calibration: Album, test: Album, seed: int) -> dict:
    """Age error over all and by age group, and verification, on the test identities."""
    truth = test.ages.reshape(-1)
    error = np.abs(np.clip(run_cnn(net, test)[0], 0, 90) - truth)
    groups = {
        f"{low}-{high}": round(float(error[(truth >= low) & (truth < high)].mean()), 2)
        for low, high in ((0, 19), (19, 30), (30, 40), (40, 50), (50, 60), (60, 90))
    }
    verified = verification(lambda album: run_cnn(net, album)[1], calibration, test, seed)
    return {"age_mae": float(error.mean()), "age_groups": groups, **verified}


def meets_goals(linear: dict, cnn: dict) -> bool:
    """Whether thumbnails are hard and portraits easy enough."""
    return (
        linear["age_mae"] >= GOALS["linear_age_mae_min"]
        and linear["accuracy"] < GOALS["linear_verification_max"]
        and cnn["age_mae"] < GOALS["cnn_age_mae_max"]
        and cnn["accuracy"] >= GOALS["cnn_verification_min"]
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--identities", type=int, default=9000, help="people to train on")
    parser.add_argument("--photos", type=int, default=9, help="photos of each")
    parser.add_argument("--images", type=int, default=480_000, help="images to train the CNN on")
    parser.add_argument("--threads", type=int, default=2, help="threads of the training")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    start, cpu = time.perf_counter(), time.process_time()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the two workers
    with ProcessPoolExecutor(2) as pool:
        train = Album(args.seed, "judge-a", args.identities, args.photos, pool)
        calibration = Album(args.seed, "calibration", 300, 6, pool)
        test = Album(args.seed, "test", 500, 6, pool)
    count = train.ages.size + calibration.ages.size + test.ages.size
    print(f"rendered {count} photos in {time.perf_counter() - start:.0f} s", flush=True)
    linear = linear_probe(train, calibration, test, args.seed)
    net, seen = train_cnn(train, args.images, args.seed, args.threads)
    cnn = read_by_cnn(net, calibration, test, args.seed)
    parameters = sum(w.numel() for w in net.parameters())
    print(f"\n{'reader':24}{'age MAE':>9}{'verified':>10}{'look-alikes':>13}")
    for name, r in (("linear, 8 x 8", linear), (f"CNN, {parameters / 1e6:.2f} M", cnn)):
        print(f"{name:24}{r['age_mae']:9.2f}{r['accuracy']:10.2%}{r['accuracy_alike']:13.2%}")
    print("CNN age MAE by age group:", cnn["age_groups"])
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() - cpu + children.ru_utime + children.ru_stime
    wall = time.perf_counter() - start
    print(f"wall {wall:.0f} s, CPU {cpu:.0f} s, images seen in training {seen}")
    report = {
        "benchmark": "people_probe",
        "render_version": people.RENDER_VERSION,
        "seed": args.seed,
        "linear": linear,
        "cnn": cnn,
        "cnn_parameters": parameters,
        "images_seen": seen,
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "goals": GOALS,
        "met": meets_goals(linear, cnn),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    with reported():
        main()
