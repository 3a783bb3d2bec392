"""Speed of the packed store: batches, training and preparing, each against a baseline.

    python benchmarks/data_loading.py [--utkface UTKFace.tar]

The measurements are interleaved in one run and reported as medians; the last line is one JSON
object.
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

from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.config import build_config
from ganzoo_core.data import BatchLoader, pack_images
from ganzoo_core.data.export import write_image_folder
from ganzoo_core.engine import Callback, Trainer, resolve_setup
from ganzoo_core.interfaces import BatchSpec, DataInfo
from ganzoo_core.training.open_data import open_dataset, parse_data_config

IMAGE_SIZE, BATCH_SIZE, NUM_IMAGES, JPEG_SIZE, REPEATS = 64, 64, 1500, 200, 5
_NUM_BATCHES = 200
_GOALS = {"batches_ratio": 30.0, "training_ratio": 0.97}


def _timed(function):
    """Return the wall time of a call in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _write_jpegs(folder):
    """Write portraits of 200 px as JPEGs, like a published face data set."""
    (folder / "faces").mkdir(parents=True)
    config = PeopleConfig(
        name="people", image_size=JPEG_SIZE, count=NUM_IMAGES, photos_per_person=1
    )
    write_image_folder(People(config), folder / "faces", lambda done, total: None)


def _measure_batches(folder, cache):
    """Return the median images/s of the store and of ImageFolder + decode + resize."""
    images = pack_images(
        open_dataset(parse_data_config(f"folder:{folder}", {"image_size": IMAGE_SIZE})),
        image_size=IMAGE_SIZE,
        cache_dir=cache,
    )
    packed_batches = BatchLoader(
        images, BatchSpec(), BATCH_SIZE, torch.device("cpu"), 0, "benchmark"
    )
    steps = [
        transforms.Resize((IMAGE_SIZE, IMAGE_SIZE)),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.5] * 3),
    ]
    image_folder_loader = DataLoader(
        ImageFolder(str(folder), transforms.Compose(steps)),
        BATCH_SIZE,
        shuffle=True,
        drop_last=True,
    )
    ours, theirs, next_batch = [], [], 0
    for _ in range(REPEATS):
        ours.append(
            _NUM_BATCHES
            * BATCH_SIZE
            / _timed(lambda n=next_batch: [packed_batches(n + i) for i in range(_NUM_BATCHES)])
        )
        next_batch += _NUM_BATCHES
        stream = iter(image_folder_loader)
        theirs.append(4 * BATCH_SIZE / _timed(lambda s=stream: [next(s) for _ in range(4)]))
    return statistics.median(ours), statistics.median(theirs), images


class _ConstantBatches:
    """Returns the same batch at every index."""

    def __init__(self, batch):
        self.batch = batch

    def __call__(self, index):
        return self.batch


def _measure_training(images):
    """Return the median images/s of cgan steps with the store and with a constant batch."""
    data = {"name": "", "image_size": IMAGE_SIZE}
    patch = {
        "model": {"age_bins": []},
        "data": data,
        "train": {"batch_size": BATCH_SIZE, "steps": 10_000},
    }
    config = build_config("cgan", preset="report-notebook", patches=[patch])
    info = DataInfo(image_size=IMAGE_SIZE, class_names=("all",), class_counts=(len(images),))
    labeled = type(images)(images.storage, info, label=torch.zeros(len(images), dtype=torch.int64))
    from ganzoo_cgan.model import CGAN

    trainer = Trainer(
        CGAN(config.model, info), labeled, config.train, resolve_setup("cpu", "auto"), Callback()
    )
    scheduled_stage = trainer.plan.stage_at(0)
    real = trainer.batches["gan"]
    constant = _ConstantBatches(real(0))
    speeds = {"store": [], "constant": []}
    for repeat in range(2 * REPEATS + 1):
        for name, source in (("store", real), ("constant", constant)):
            trainer.batches["gan"] = source
            elapsed = _timed(lambda: [trainer.train_step(scheduled_stage) for _ in range(4)])
            if repeat:
                speeds[name].append(4 * BATCH_SIZE / elapsed)
    return statistics.median(speeds["store"]), statistics.median(speeds["constant"])


def _measure_prepare(source, cache):
    """Return images/s of preparing a data set and of decoding only, and the number of images."""
    from concurrent.futures import ThreadPoolExecutor

    dataset = open_dataset(parse_data_config(source, {"image_size": IMAGE_SIZE}))
    count = dataset.metadata().length
    prepare_speed = count / _timed(
        lambda: pack_images(dataset, image_size=IMAGE_SIZE, cache_dir=cache)
    )

    def decode(index):
        image = dataset.load_image(index)
        if isinstance(image, Image.Image):
            image.load()

    with ThreadPoolExecutor() as pool:
        decode_speed = count / _timed(lambda: list(pool.map(decode, range(count))))
    return prepare_speed, decode_speed, count


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utkface", help="UTKFace.tar or its folder; default: rendered JPEGs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name) / "images", Path(name) / "cache"
        _write_jpegs(folder)
        store, plain, images = _measure_batches(folder, cache)
        fed, constant = _measure_training(images)
        source = f"utkface:{args.utkface}" if args.utkface else f"folder:{folder}"
        prepared, bare, count = _measure_prepare(source, Path(name) / "other")
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
    met = all(figures[key] >= goal for key, goal in _GOALS.items())
    print(
        json.dumps({"benchmark": "data_loading", "figures": figures, "goals": _GOALS, "met": met})
    )


if __name__ == "__main__":
    with exit_on_error():
        main()
