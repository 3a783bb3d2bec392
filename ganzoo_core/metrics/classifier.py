"""The classifier of GAN-test and GAN-train: a small network trained with a fixed recipe.

Trained on real images, it is the classifier of GAN-test and the default feature extractor; trained
on samples, it is the classifier of GAN-train. The recipe is fixed, so that values compare.
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

from ganzoo_core.data import PackedImages, default_cache_dir, to_float
from ganzoo_core.data.samplers import ShuffledStream
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import copy_state_dict, file_sha256, load_tensors, save_tensors
from ganzoo_core.layers import conv_bn_relu
from ganzoo_core.metrics.feature_extractor import FeatureExtractor
from ganzoo_core.metrics.metric_value import MetricNotApplicableError

_TRAINING_RECIPE: dict[str, Any] = {
    "version": 1,
    "channels": 32,
    "batch_size": 128,
    "max_images": 120_000,
    "max_epochs": 20,
    "lr": 3e-3,
    "weight_decay": 0.01,
}
"""Part of the cache key. Training ends after `max_images` images or `max_epochs` epochs."""
FEATURE_DIM = 4 * _TRAINING_RECIPE["channels"]


class _Classifier(nn.Module):
    """Images [N, C, S, S] -> features [N, 128] and logits [N, K], S >= 8."""

    def __init__(
        self, num_channels: int, num_classes: int, width: int = _TRAINING_RECIPE["channels"]
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_bn_relu(num_channels, width, stride=2),  # [N, 32, S/2, S/2]
            *conv_bn_relu(width, width),
            *conv_bn_relu(width, 2 * width, stride=2),  # [N, 64, S/4, S/4]
            *conv_bn_relu(2 * width, 4 * width, stride=2),  # [N, 128, S/8, S/8]
        )
        self.head = nn.Linear(4 * width, num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features [N, D] and logits [N, K]."""
        features = self.body(images).mean((2, 3))
        return features, self.head(features)


def train_classifier(
    images: PackedImages,
    device: torch.device,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> _Classifier:
    """Train a classifier on labeled images with the fixed recipe.

    Raises:
        MetricNotApplicableError: no labels, or fewer than two classes with images.
    """
    _check_trainable(images)
    assert images.label is not None
    batch_size = min(_TRAINING_RECIPE["batch_size"], len(images))
    num_images = min(_TRAINING_RECIPE["max_images"], _TRAINING_RECIPE["max_epochs"] * len(images))
    steps = max(1, num_images // batch_size)
    # The tag is hashed into the order of the images: changing it changes the metric values.
    stream = ShuffledStream(torch.arange(len(images)), "judge", seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Classifier(images.info.num_channels, len(images.info.class_names)).to(device)
    net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        net.parameters(), _TRAINING_RECIPE["lr"], weight_decay=_TRAINING_RECIPE["weight_decay"]
    )
    lr_scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _TRAINING_RECIPE["lr"], total_steps=steps, pct_start=0.2
    )
    progress(0, steps * batch_size)
    for step in range(steps):
        rows = stream(step * batch_size, batch_size)
        pixels = to_float(images.gather(rows).to(device))
        loss = functional.cross_entropy(net(pixels)[1], images.label[rows].to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        lr_scheduler.step()
        progress((step + 1) * batch_size, steps * batch_size)
    return net.eval().requires_grad_(False)


def _check_trainable(images: PackedImages) -> None:
    name = images.info.name or "the data"
    if images.label is None:
        raise MetricNotApplicableError(
            f"{name} has no labels to train a classifier on: name another --feature-extractor"
        )
    if len(images.info.nonempty_classes) < 2:
        raise MetricNotApplicableError(
            f"{name} has images of one class only, a classifier needs two: name another "
            "--feature-extractor"
        )


def load_or_train_classifier(
    images: PackedImages,
    device: torch.device,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cache_dir: Path | None = None,
) -> FeatureExtractor:
    """Return the classifier of a real image set, trained once and then read from the cache.

    Args:
        images: labeled images.
        device: where it is trained and used.
        progress: called with (done, total) images.
        cache_dir: a folder; None for ganzoo's own cache.
    """
    _check_trainable(images)
    key = json.dumps([_TRAINING_RECIPE, images.info.fingerprint, torch.__version__], sort_keys=True)
    folder = default_cache_dir().parent / "classifiers" if cache_dir is None else cache_dir
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.safetensors"
    net = _Classifier(images.info.num_channels, len(images.info.class_names))
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # two concurrent evaluations train one classifier
        try:
            tensors, _ = load_tensors(path)
            copy_state_dict(net.state_dict(), tensors, path)
        except WeightsError:  # missing or damaged
            net = train_classifier(images, device, progress=progress)
            file_metadata = {"trained_on": images.info.fingerprint, **_TRAINING_RECIPE}
            save_tensors(path, net.state_dict(), file_metadata)
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return FeatureExtractor(
        f"classifier of {images.info.name or 'own data'}",
        net.eval().requires_grad_(False),
        file_sha256(path),
        net.head.in_features,
        images.info.image_size,
        images.info.num_channels,
        preprocessing="[-1, 1]",
        training_fingerprints=(images.info.fingerprint,),
        short_name="classifier",
    )


def per_class_recall(predicted: Tensor, label: Tensor, num_classes: int) -> Tensor:
    """Return the recall of each class [K]; NaN for a class without images."""
    num_correct = torch.bincount(label[predicted == label], minlength=num_classes).double()
    return num_correct / torch.bincount(label, minlength=num_classes)
