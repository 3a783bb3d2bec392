"""The judge: a small classifier trained on real images, and trained the same way on samples.

It serves three ends: the feature network where no other is named, the judge of samples
(GAN-test), and the learner of GAN-train. The recipe is fixed, so that figures compare.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor, nn
from torch.nn import functional

from ganzoo_core.data import Images, cache_folder, to_float
from ganzoo_core.data.draws import Stream
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import copy_strictly, load_tensors, save_tensors, sha256
from ganzoo_core.metrics.figures import Unfit
from ganzoo_core.metrics.networks import Network

RECIPE: dict[str, Any] = {
    "version": 1,
    "width": 32,
    "batch": 128,
    "shown": 120_000,
    "passes": 20,
    "rate": 3e-3,
    "decay": 0.01,
}
"""`shown` images in all, but no more than so many `passes` over a small set."""
LEAST = 2
"""Classes with images."""


class Classifier(nn.Module):
    """Images [N, C, S, S] -> features [N, 128] and logits [N, K]; S is any edge from 8 px."""

    def __init__(self, channels: int, classes: int, width: int = RECIPE["width"]) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            *block(channels, width, 2),  # [N, 32, S/2, S/2]
            *block(width, width, 1),
            *block(width, 2 * width, 2),  # [N, 64, S/4, S/4]
            *block(2 * width, 4 * width, 2),  # [N, 128, S/8, S/8]
        )
        self.head = nn.Linear(4 * width, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features [N, D] and logits [N, K]."""
        features = self.maps(images).mean((2, 3))
        return features, self.head(features)


def block(narrow: int, wide: int, stride: int) -> tuple[nn.Module, ...]:
    """Return conv, BatchNorm, ReLU."""
    conv = nn.Conv2d(narrow, wide, 3, stride, 1, bias=False)
    return conv, nn.BatchNorm2d(wide), nn.ReLU()


def trained(
    images: Images,
    device: torch.device,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Classifier:
    """Train a classifier on labelled images by the recipe.

    Raises:
        Unfit: no labels, or fewer than two classes that have images.
    """
    check(images)
    assert images.label is not None
    batch = min(RECIPE["batch"], len(images))
    steps = max(1, min(RECIPE["shown"], RECIPE["passes"] * len(images)) // batch)
    stream = Stream(torch.arange(len(images)), "judge", seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Classifier(images.info.channels, len(images.info.classes)).to(device)
    net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), RECIPE["rate"], weight_decay=RECIPE["decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, RECIPE["rate"], total_steps=steps, pct_start=0.2
    )
    progress(0, steps * batch)
    for step in range(steps):
        rows = stream(step * batch, batch)
        pixels = to_float(images.gather(rows).to(device))
        loss = functional.cross_entropy(net(pixels)[1], images.label[rows].to(device))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        progress((step + 1) * batch, steps * batch)
    return net.eval().requires_grad_(False)


def check(images: Images) -> None:
    """Refuse images that no classifier can learn from."""
    name = images.info.name or "the data"
    if images.label is None:
        raise Unfit(f"{name} has no labels to train a judge on: name another feature network")
    if len(images.info.present) < LEAST:
        raise Unfit(f"{name} has images of one class only: a judge needs two")


def judge(
    images: Images,
    device: torch.device,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cache: Path | None = None,
) -> Network:
    """Return the classifier of a real set as a feature network: trained once, then from the cache.

    Args:
        cache: a folder; the cache of ganzoo where none is given.
    """
    check(images)
    key = json.dumps([RECIPE, images.info.fingerprint, torch.__version__], sort_keys=True)
    folder = cache_folder().parent / "judges" if cache is None else cache
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.safetensors"
    net = Classifier(images.info.channels, len(images.info.classes))
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # two evaluations at once train one judge
        try:
            tensors, _ = load_tensors(path)
            copy_strictly(net.state_dict(), tensors, path)
        except WeightsError:  # not there yet, or damaged
            net = trained(images, device, progress=progress)
            about = {"trained_on": images.info.fingerprint, **RECIPE}
            save_tensors(path, net.state_dict(), about)
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Network(
        f"classifier of {images.info.name or 'own data'}",
        net.eval().requires_grad_(False),
        sha256(path),
        net.head.in_features,
        images.info.size,
        images.info.channels,
        preprocessing="[-1, 1]",
        trained_on=(images.info.fingerprint,),
    )


def recalls(predicted: Tensor, label: Tensor, classes: int) -> Tensor:
    """Return the share of each class [K] that is told right; NaN for a class without images."""
    right = torch.bincount(label[predicted == label], minlength=classes).double()
    return right / torch.bincount(label, minlength=classes)
