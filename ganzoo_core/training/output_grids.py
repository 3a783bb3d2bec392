"""Grids of a model's outputs: samples by class, translations by target class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from ganzoo_core.data import PackedImages, to_float
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import HasSampleGrid, HasSupportedTransitions, SeededRng
from ganzoo_core.interfaces.sampling import eval_mode, sample
from ganzoo_core.report import make_grid

_NUM_COLUMNS = 8
_MAX_ROWS = 16
_TILE_SIZE = 96
"""Smaller images are enlarged to about this edge in pixels."""
MODEL_CARD_TILE_SIZE = 64
"""The same in the model card."""
_LATENT_SEED = 0
"""The latents of the grids are the same at every step of every run."""


def draw_sample_grid(
    model: Any, num_rows: int = 6, seed: int = _LATENT_SEED, tile_size: int = _TILE_SIZE
) -> Image:
    """Return the model's own grid, else a grid with one row a class (untrained classes marked), or
    `num_rows` without classes.

    With classes, all images of a column have the same latent, so a column shows the effect of the
    label.
    """
    if isinstance(model, HasSampleGrid):
        return draw_own_grid(model, seed, tile_size)
    classes = model.info.class_names if getattr(model, "conditional", True) else ()
    num_rows = min(len(classes), _MAX_ROWS) or num_rows
    labels = [i for i in range(num_rows) for _ in range(_NUM_COLUMNS)] if classes else None
    untrained_rows = tuple(i for i in range(len(classes)) if i not in model.info.nonempty_classes)
    num_latents = _NUM_COLUMNS if classes else None
    images = sample(model, num_rows * _NUM_COLUMNS, labels, seed, num_latents)
    return make_grid(images, _NUM_COLUMNS, classes[:num_rows], untrained_rows, tile_size)


@torch.no_grad()
def draw_own_grid(model: Any, seed: int, tile_size: int = _TILE_SIZE) -> Image:
    """Return the grid of `HasSampleGrid.sample_grid`.

    Raises:
        UsageError: its images or names have another shape than it says.
    """
    rng = SeededRng(next(model.parameters()).device, seed, "sample", 0)
    with eval_mode(model):
        grid = model.sample_grid(rng)
    expected = (model.info.num_channels, model.info.image_size, model.info.image_size)
    name = type(model).__name__
    if grid.images.dim() != 5 or tuple(grid.images.shape[2:]) != expected:
        raise UsageError(
            f"{name}.sample_grid returns images of shape {list(grid.images.shape)}, not "
            f"[rows, columns, {', '.join(map(str, expected))}]"
        )
    num_rows, num_columns = grid.images.shape[:2]
    for what, names, count in (
        ("row_names", grid.row_names, num_rows),
        ("column_names", grid.column_names, num_columns),
    ):
        if names and len(names) != count:
            raise UsageError(f"{name}.sample_grid returns {len(names)} {what} for {count}")
    return make_grid(
        grid.images.flatten(0, 1).float(),
        num_columns,
        tuple(grid.row_names),
        tile_size=tile_size,
        column_names=tuple(grid.column_names),
    )


@torch.no_grad()
def draw_translation_grid(model: Any, images: PackedImages) -> Image:
    """Return a grid. A row is one training image and its translations to all classes."""
    assert images.label is not None
    order = images.label.argsort(stable=True)  # from the first class to the last
    rows = order[torch.linspace(0, len(order) - 1, _NUM_COLUMNS).long()]
    device = next(model.parameters()).device
    source_images = to_float(images.gather(rows).to(device))
    sources = images.label[rows]
    targets = list(range(len(images.info.class_names)))
    with eval_mode(model):
        translated = translate_to_all(model, source_images, targets)
    names = tuple(images.info.class_names[i] for i in sources.tolist())
    return draw_translations(
        source_images,
        translated,
        names,
        images.info.class_names,
        supported(model, sources, targets),
    )


def translate_to_all(
    model: Any, images: Tensor, targets: Sequence[int], options: Mapping[str, Any] | None = None
) -> Tensor:
    """Return images [N, C, H, W] translated to each of T labels, [N, T, C, H, W].

    Args:
        options: keyword arguments of `translate`.
    """
    labels = [torch.full((len(images),), target, device=images.device) for target in targets]
    out = [model.translate(images, label, **(options or {})).float() for label in labels]
    return torch.stack(out, 1)


def supported(model: Any, sources: Tensor | None, targets: Sequence[int]) -> Tensor:
    """Return whether the model translates each image to each label, bool [N, T].

    Without source labels [N] the result is [1, T]: whether it translates any class to the label.
    """
    target, num_classes = torch.tensor(targets), len(model.info.class_names)
    if not isinstance(model, HasSupportedTransitions):
        return torch.ones(1 if sources is None else len(sources), len(target), dtype=torch.bool)
    if sources is not None:
        return model.supported_transitions(sources[:, None], target[None])
    every_class = torch.arange(num_classes)
    answers: Tensor = model.supported_transitions(every_class[:, None], target[None])
    return answers.any(0, keepdim=True)


def draw_translations(
    images: Tensor,
    translated: Tensor,
    row_names: tuple[str, ...],
    target_names: tuple[str, ...],
    is_supported: Tensor,
) -> Image:
    """Return a grid with a row for each image: the image itself, then its translations.

    Args:
        images: [N, C, H, W] in [-1, 1].
        translated: [N, T, C, H, W].
        row_names: N names.
        target_names: T names of the columns.
        is_supported: bool [N, T]; other cells are left empty.
    """
    cells = torch.cat([images[:, None].to(translated), translated], 1)
    columns = cells.shape[1]
    empty = {row * columns + 1 + column for row, column in (~is_supported).nonzero().tolist()}
    return make_grid(
        cells.flatten(0, 1),
        columns,
        row_names,
        column_names=("input", *target_names),
        empty_cells=empty,
    )
