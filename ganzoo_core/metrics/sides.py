"""The three sets of images of an evaluation: real ones to learn from, real ones held out, samples.

All are `Images`: uint8, mapped from disk, so that memory does not grow with their number.
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

from ganzoo_core.data import Images, to_pixels
from ganzoo_core.data.splits import in_test
from ganzoo_core.errors import OutputError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.interfaces.sampling import chunks

TEST_SHARE = 0.2
"""Held out of data that have no official test split: of the people, else of the images."""


def subset(images: Images, rows: Tensor, what: str) -> Images:
    """Return some images of a set, in that order, with counts and fingerprint of their own.

    Args:
        rows: indices [n] int64 below N.
        what: goes into the fingerprint.
    """
    facts = {name: getattr(images, name) for name in ("label", "age", "identity")}
    cut: dict[str, Any] = {
        name: None if value is None else value[rows] for name, value in facts.items()
    }
    digest = hashlib.sha256(f"{images.info.fingerprint} {what}".encode())
    digest.update(rows.numpy().tobytes())
    info = replace(
        images.info,
        images=len(rows),
        counts=counted(cut["label"], images.info),
        fingerprint=digest.hexdigest(),
    )
    at = rows if images.rows is None else images.rows[rows]
    whole = (*images.cut_from, images.info.fingerprint)
    return replace(images, rows=at, info=info, cut_from=whole, **cut)


def counted(label: Tensor | None, info: DataInfo) -> tuple[int, ...]:
    """Return the images of each class."""
    if label is None:
        return ()
    return tuple(torch.bincount(label, minlength=len(info.classes)).tolist())


def divided(images: Images) -> tuple[Images, Images]:
    """Divide data without an official split: (to learn from, held out), the same for good.

    People fall on one side with all their images; without known people each image goes by itself.
    """
    who = range(len(images)) if images.identity is None else images.identity.tolist()
    test = torch.from_numpy(in_test(list(who), TEST_SHARE))
    return tuple(  # type: ignore[return-value]
        subset(images, side.nonzero().flatten(), what)
        for side, what in ((~test, "train"), (test, "test"))
    )


def first(images: Images, n: int, seed: int, what: str) -> Images:
    """Return n images drawn at random without replacement; all of them where there are no more."""
    if len(images) <= n:
        return images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return subset(images, order[:n].sort().values, what)


def apportioned(counts: tuple[int, ...], n: int) -> Tensor:
    """Return n labels [n] int64 in the proportions of the counts, by largest remainders."""
    share = np.array(counts, float) / sum(counts) * n
    whole = np.floor(share).astype(int)
    order = np.argsort(whole - share, kind="stable")
    whole[order[: n - whole.sum()]] += 1
    return torch.from_numpy(np.repeat(np.arange(len(counts)), whole))


def spooled(
    model: Any, n: int, labels: Tensor | None, seed: int, progress: Callable[[int, int], None]
) -> Images:
    """Draw n samples into a file and map it: rounded to uint8, as they would be saved.

    The file has no name, so that it goes with the process, however that ends.

    Args:
        labels: [n] int64, or None for a model that takes none.

    Raises:
        OutputError: they find no room in the folder of temporary files.
    """
    known: DataInfo = model.info
    shape, done = (n, known.size, known.size, known.channels), 0
    progress(0, n)
    try:
        with tempfile.TemporaryFile(prefix="ganzoo-") as file:
            for images in chunks(model, n, None if labels is None else labels.tolist(), seed):
                pixels = to_pixels(images)
                file.write(pixels.permute(0, 2, 3, 1).contiguous().numpy().data)
                done += len(images)
                progress(done, n)
            file.flush()
            array = np.memmap(file, np.uint8, "c", shape=shape)
    except OSError as error:
        raise OutputError(
            f"cannot keep {n:,} samples in {tempfile.gettempdir()}: {error.strerror}; "
            "TMPDIR=DIR moves them"
        ) from error
    info = replace(known, images=n, counts=counted(labels, known), fingerprint="", name="samples")
    return Images(torch.from_numpy(array).permute(0, 3, 1, 2), info, label=labels)
