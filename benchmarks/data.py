"""What the packed store saves: batches, training and preparing, each against the plain way.

    python benchmarks/data.py [--utkface UTKFace.tar]

Everything is interleaved in one run and reported as medians; the last line is one JSON object.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from ganzoo_people.config import PeopleConfig
from ganzoo_people.dataset import People
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from ganzoo_core.cli.failures import reported
from ganzoo_core.config import build
from ganzoo_core.data import Batches, prepare
from ganzoo_core.data.export import write_folder
from ganzoo_core.engine import Trainer, Watcher, resolve_setup
from ganzoo_core.interfaces import DataInfo, Draw
from ganzoo_core.runs.data import open_dataset
from ganzoo_core.runs.survey import data_config

SIZE, BATCH, COUNT, EDGE, REPEATS = 64, 64, 1500, 200, 5
ROUNDS = 200
GOALS = {"batches_ratio": 30.0, "training_ratio": 0.97}


def seconds(work):
    """Return the wall seconds of a call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def draw_jpegs(folder):
    """Write portraits of 200 px as JPEGs, the way face sets are published."""
    (folder / "faces").mkdir(parents=True)
    config = PeopleConfig(name="people", size=EDGE, count=COUNT, photos=1)
    write_folder(People(config), folder / "faces", lambda done, total: None)


def batches(folder, cache):
    """Return images/s of the store and of ImageFolder + decode + resize, medians."""
    images = prepare(
        open_dataset(data_config(f"folder:{folder}", {"size": SIZE})), size=SIZE, cache=cache
    )
    store = Batches(images, Draw(), BATCH, torch.device("cpu"), 0, "benchmark")
    steps = [
        transforms.Resize((SIZE, SIZE)),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.5] * 3),
    ]
    plain = DataLoader(
        ImageFolder(str(folder), transforms.Compose(steps)), BATCH, shuffle=True, drop_last=True
    )
    ours, theirs, number = [], [], 0
    for _ in range(REPEATS):
        ours.append(
            ROUNDS * BATCH / seconds(lambda n=number: [store(n + i) for i in range(ROUNDS)])
        )
        number += ROUNDS
        stream = iter(plain)
        theirs.append(4 * BATCH / seconds(lambda s=stream: [next(s) for _ in range(4)]))
    return statistics.median(ours), statistics.median(theirs), images


class Constant:
    """Batches that are always the same one."""

    def __init__(self, batch):
        self.batch = batch

    def __call__(self, number):
        return self.batch


def training(images):
    """Return images/s of a cgan step on the store and on a constant batch, medians."""
    data = {"name": "", "size": SIZE}
    patch = {"model": {"groups": []}, "data": data, "train": {"batch": BATCH, "steps": 10_000}}
    config = build("cgan", preset="report-notebook", patches=[patch])
    info = DataInfo(size=SIZE, classes=("all",), counts=(len(images),))
    labelled = type(images)(images.pixels, info, label=torch.zeros(len(images), dtype=torch.int64))
    from ganzoo_cgan.model import CGAN

    trainer = Trainer(
        CGAN(config.model, info), labelled, config.train, resolve_setup("cpu", "auto"), Watcher()
    )
    leg = trainer.plan.at(0)
    real = trainer.batches["gan"]
    constant = Constant(real(0))
    speeds = {"store": [], "constant": []}
    for repeat in range(2 * REPEATS + 1):
        for name, source in (("store", real), ("constant", constant)):
            trainer.batches["gan"] = source
            took = seconds(lambda: [trainer.play(leg) for _ in range(4)])
            if repeat:
                speeds[name].append(4 * BATCH / took)
    return statistics.median(speeds["store"]), statistics.median(speeds["constant"])


def preparing(source, cache):
    """Return images/s of preparing a face set, and of decoding it and nothing more."""
    from concurrent.futures import ThreadPoolExecutor

    dataset = open_dataset(data_config(source, {"size": SIZE}))
    count = dataset.table().length
    ours = count / seconds(lambda: prepare(dataset, size=SIZE, cache=cache))

    def decode(index):
        image = dataset.image(index)
        if isinstance(image, Image.Image):
            image.load()

    with ThreadPoolExecutor() as pool:
        bare = count / seconds(lambda: list(pool.map(decode, range(count))))
    return ours, bare, count


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utkface", help="UTKFace.tar or its folder; default: the drawn JPEGs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name) / "images", Path(name) / "cache"
        draw_jpegs(folder)
        store, plain, images = batches(folder, cache)
        fed, constant = training(images)
        source = f"utkface:{args.utkface}" if args.utkface else f"folder:{folder}"
        prepared, bare, count = preparing(source, Path(name) / "other")
    rows = [
        ("batches from the store", store, "ImageFolder + JPEG + resize", plain),
        ("training on the store", fed, "on a constant batch", constant),
        (f"preparing {count:,} images", prepared, "bare decode", bare),
    ]
    print(f"{'what':28} {'images/s':>10}  {'against':28} {'images/s':>10} {'ratio':>7}")
    for what, ours, against, theirs in rows:
        print(f"{what:28} {ours:>10,.0f}  {against:28} {theirs:>10,.0f} {ours / theirs:>7.2f}")
    figures = {
        "batches_ratio": round(store / plain, 1),
        "training_ratio": round(fed / constant, 3),
        "prepare_images_per_second": round(prepared),
        "prepare_ratio": round(prepared / bare, 2),
        "prepared": count,
    }
    met = all(figures[key] >= goal for key, goal in GOALS.items())
    print(json.dumps({"benchmark": "data", "figures": figures, "goals": GOALS, "met": met}))


if __name__ == "__main__":
    with reported():
        main()
