"""The image sets of an evaluation: training images, held-out images, samples.

All are `PackedImages`: uint8, in a store or memory-mapped, so that memory does not grow with
their number.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo_core.data import PackedImages, to_uint8
from ganzoo_core.data.splits import split_mask
from ganzoo_core.errors import DataError, OutputError, UsageError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.interfaces.sampling import sample_batches

TEST_FRACTION = 0.2
"""Share held out of data without an official test split: of the people, else of the images."""


def subset(images: PackedImages, rows: Tensor, tag: str) -> PackedImages:
    """Return some images of a set, in the order of `rows`, with their own counts and fingerprint.

    Args:
        images: N images.
        rows: indices [n] int64 below N.
        tag: part of the fingerprint.
    """
    subset_columns: dict[str, Any] = {
        name: getattr(images, name)[rows] for name in images.available_fields() if name != "image"
    }
    digest = hashlib.sha256(f"{images.info.fingerprint} {tag}".encode())
    digest.update(rows.numpy().tobytes())
    info = replace(
        images.info,
        num_images=len(rows),
        class_counts=class_counts(subset_columns.get("label"), images.info),
        fingerprint=digest.hexdigest(),
    )
    pixel_rows = rows if images.row_indices is None else images.row_indices[rows]
    parent_fingerprints = (*images.parent_fingerprints, images.info.fingerprint)
    return replace(
        images,
        row_indices=pixel_rows,
        info=info,
        parent_fingerprints=parent_fingerprints,
        **subset_columns,
    )


def class_counts(label: Tensor | None, info: DataInfo) -> tuple[int, ...]:
    """Return the number of images of each class."""
    if label is None:
        return ()
    return tuple(torch.bincount(label, minlength=len(info.class_names)).tolist())


def train_test_split(images: PackedImages) -> tuple[PackedImages, PackedImages]:
    """Split data without an official split into (training, test) images.

    The split is a function of the identities: all images of a person are on one side. Without
    identities it is a function of the image index.
    """
    split_keys = range(len(images)) if images.identity is None else images.identity.tolist()
    test = torch.from_numpy(split_mask(list(split_keys), "test", TEST_FRACTION))
    return tuple(  # type: ignore[return-value]
        subset(images, mask.nonzero().flatten(), tag)
        for mask, tag in ((~test, "train"), (test, "test"))
    )


def random_subset(images: PackedImages, n: int, seed: int, tag: str) -> PackedImages:
    """Return n images drawn at random without replacement; all of them if there are fewer."""
    if len(images) <= n:
        return images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return subset(images, order[:n].sort().values, tag)


def proportional_labels(counts: tuple[int, ...], n: int) -> Tensor:
    """Return n labels [n] int64 in the proportions of the counts, by largest remainders."""
    exact_counts = np.array(counts, float) / sum(counts) * n
    rounded_counts = np.floor(exact_counts).astype(int)
    order = np.argsort(rounded_counts - exact_counts, kind="stable")
    rounded_counts[order[: n - rounded_counts.sum()]] += 1
    return torch.from_numpy(np.repeat(np.arange(len(counts)), rounded_counts))


def is_conditional(model: Any) -> bool:
    """Return whether a model draws samples of several classes."""
    return bool(getattr(model, "conditional", False)) and len(model.info.class_names) > 1


def sample_labels(model: Any, real_images: PackedImages, n: int) -> Tensor | None:
    """Return n labels [n] in the proportions of the real images; None for an unconditional model.

    Raises:
        DataError, UsageError: the classes of the model and of the data differ.
    """
    if not is_conditional(model):
        return None
    if real_images.info.class_names != model.info.class_names:
        raise UsageError(
            f"the model has the classes {', '.join(model.info.class_names[:6])}, the data has "
            f"{', '.join(real_images.info.class_names[:6]) or 'no labels'}: give --data with the "
            "model's classes"
        )
    trained_counts = [
        count if i in model.info.nonempty_classes else 0
        for i, count in enumerate(real_images.info.class_counts)
    ]
    if not any(trained_counts):
        raise DataError(
            "the model was trained on none of the classes of the data: give other --data"
        )
    return proportional_labels(tuple(trained_counts), n)


def sample_to_disk(
    model: Any, n: int, labels: Tensor | None, seed: int, progress: Callable[[int, int], None]
) -> PackedImages:
    """Generate n samples into a memory-mapped file, rounded to uint8 as saved images are.

    The file has no name, so the system deletes it when the process ends, even after a crash.

    Args:
        model: with the capability `sample`.
        n: number of samples.
        labels: [n] int64, or None for an unconditional model.
        seed: of the latents.
        progress: called with (done, total).

    Raises:
        OutputError: the folder of temporary files is full.
    """
    model_info: DataInfo = model.info
    shape, num_done = (n, model_info.image_size, model_info.image_size, model_info.num_channels), 0
    progress(0, n)
    try:
        with tempfile.TemporaryFile(prefix="ganzoo-") as file:
            for images in sample_batches(
                model, n, None if labels is None else labels.tolist(), seed
            ):
                pixels = to_uint8(images)
                file.write(pixels.permute(0, 2, 3, 1).contiguous().numpy().data)
                num_done += len(images)
                progress(num_done, n)
            file.flush()
            array = np.memmap(file, np.uint8, "c", shape=shape)
    except OSError as error:
        raise OutputError(
            f"cannot write {n:,} samples to {tempfile.gettempdir()}: {error.strerror}; "
            "set TMPDIR=DIR for another folder"
        ) from error
    info = replace(
        model_info,
        num_images=n,
        class_counts=class_counts(labels, model_info),
        fingerprint="",
        name="samples",
    )
    return PackedImages(torch.from_numpy(array).permute(0, 3, 1, 2), info, label=labels)
