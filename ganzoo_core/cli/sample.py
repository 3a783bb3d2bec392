"""`ganzoo sample`: draw an image grid from a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import output
from ganzoo_core.errors import UsageError

if TYPE_CHECKING:
    from ganzoo_core.interfaces import DataInfo, Model

COLUMNS = 8
MAX_ROWS = 16
"""Number of labels drawn without --label; a model may have thousands."""


@click.command(
    epilog=output.examples(
        "ganzoo sample runs/cgan-1 --out grid.png",
        "ganzoo sample my-weights -n 64 --seed 1 --out grid.png",
    )
)
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN_OR_WEIGHTS")
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Total number of images; default: 8 for each label.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="L",
    help="A label, by name or index; may be repeated. Default: all.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    metavar="S",
    help="The same seed gives the same images.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.png",
    help="The image file, .png, .jpg or .webp; overwritten if it exists.",
)
def sample(folder: Path, count: int | None, labels: tuple[str, ...], seed: int, out: Path) -> None:
    """Draw a grid of images: one row for each label, one column for each latent z."""
    output.check_image_path(out)
    output.check_weights_folder(folder)
    from ganzoo_core.report import save_image
    from ganzoo_core.training import load

    model = load(folder)
    save_image(sample_grid(model, count, labels, seed), out)
    output.print_line(str(out))


def sample_grid(model: Model, count: int | None, labels: tuple[str, ...], seed: int) -> Any:
    """Return the grid. All rows use the same latents, so that a column shows one z per label."""
    import torch

    from ganzoo_core.report import make_grid

    info = model.info
    if not getattr(model, "conditional", True):  # unconditional: labels have no effect
        info = replace(info, class_names=(), class_counts=())
    rows: list[int | None] = [*_select_labels(info, labels, count)] or [None]
    total = count or COLUMNS * len(rows)
    images_per_row = [total // len(rows) + (i < total % len(rows)) for i in range(len(rows))]
    row_images = [
        model.sample(n, label, seed) for n, label in zip(images_per_row, rows, strict=True)
    ]
    columns = max(images_per_row) if len(rows) > 1 else min(total, COLUMNS)
    if len(rows) == 1:  # one label: wrap its images into several rows
        rows = rows * -(-total // columns)
    else:  # pad shorter rows with white images
        row_images = [
            torch.cat([x, x.new_ones(columns - len(x), *x.shape[1:])]) for x in row_images
        ]
    names = tuple(info.class_names[i] for i in rows if i is not None)
    untrained_rows = tuple(
        r for r, i in enumerate(rows) if i is not None and i not in info.nonempty_classes
    )
    for name in sorted({names[r] for r in untrained_rows}):
        output.print_stderr(
            f"warning: label {name!r} had no training images: its samples are untrained"
        )
    return make_grid(torch.cat(row_images), columns, names, untrained_rows)


def _select_labels(info: DataInfo, labels: tuple[str, ...], count: int | None) -> list[int]:
    """Return the class index of each row; empty for a model without labels.

    Raises:
        UsageError: an unknown label, or more labels than images.
    """
    from ganzoo_core.interfaces.sampling import label_index

    if labels:
        indices = [label_index(info, label) for label in labels]
        if count is not None and count < len(indices):
            raise UsageError(
                f"-n {count} is fewer images than labels: give -n {len(indices)} or more"
            )
        return indices
    label_indices = range(len(info.class_names))
    if len(label_indices) > MAX_ROWS:
        output.print_stderr(
            f"drawing the first {MAX_ROWS} of {len(label_indices)} labels; --label selects others"
        )
    num_rows = MAX_ROWS if count is None else min(count, MAX_ROWS)
    # With fewer images than labels, labels with training images come first.
    order = (
        sorted(label_indices, key=lambda i: i not in info.nonempty_classes)
        if num_rows < len(label_indices)
        else label_indices
    )
    return sorted(list(order)[:num_rows])
