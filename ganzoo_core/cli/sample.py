"""`ganzoo sample`: draw a grid of images from a model, or single images by seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import output, stored_model
from ganzoo_core.cli.options import json_option, quiet_option
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
@stored_model.weights_argument
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
@stored_model.sampling_assignments
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="The image file, .png, .jpg or .webp; overwritten if it exists.",
)
@click.option(
    "--each",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="In place of --out: a new folder with one PNG for each of --seeds, named by its seed.",
)
@click.option(
    "--seeds",
    metavar="A-B",
    help="With --each: the seeds, such as 0-9999; one image each, equal to that of -n 1 --seed S.",
)
@json_option
@quiet_option
def sample(
    *,
    folder: str,
    count: int | None,
    labels: tuple[str, ...],
    seed: int,
    assignments: tuple[str, ...],
    out: Path | None,
    each: Path | None,
    seeds: str | None,
    as_json: bool,
) -> None:
    """Draw images: a grid with one row for each label and one column for each latent z, or one
    file for each seed.

    A model may have a grid of its own, which is drawn without -n, --label and --set. A run that
    trains or was stopped is sampled at its newest checkpoint.
    """
    if (out is None) == (each is None):
        raise UsageError("give --out FILE.png for a grid, or --each DIR for single images")
    if (each is None) != (seeds is None):
        raise UsageError("--each DIR and --seeds A-B go together")
    if each is not None and count is not None:
        raise UsageError("-n is for a grid: --each draws one image for each of --seeds")
    seed_range = _parse_seeds(seeds) if seeds else range(0)
    if out is not None:
        output.check_image_path(out)
    path = stored_model.find_weights(folder)
    stored_model.check_capability(path, "sample")
    options = stored_model.parse_sampling_options(path, assignments)
    from ganzoo_core.interfaces import HasSampleGrid
    from ganzoo_core.report import save_image
    from ganzoo_core.training import load
    from ganzoo_core.training.output_grids import draw_own_grid

    model = load(path)
    output.print_unfinished(path)
    if each is not None:
        _write_each(model, each, seed_range, labels, options)
        output.print_path(each, as_json, images=len(seed_range))
        return
    assert out is not None
    is_own = isinstance(model, HasSampleGrid) and count is None and not (labels or options)
    grid = (
        draw_own_grid(model, seed) if is_own else sample_grid(model, count, labels, seed, options)
    )
    save_image(grid, out)
    output.print_path(out, as_json)


def _parse_seeds(text: str) -> range:
    """Return the seeds of ``A-B``, both included, or of one number.

    Raises:
        UsageError: something else, or none.
    """
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise UsageError(f"--seeds {text}: write A-B, such as 0-99")
    seeds = range(int(first), int(last if dash else first) + 1)
    if not seeds or seeds[-1] >= 2**63:
        raise UsageError(f"--seeds {text}: the last seed is smaller than the first, or too large")
    return seeds


def _write_each(
    model: Model,
    folder: Path,
    seeds: range,
    labels: tuple[str, ...],
    options: Mapping[str, Any],
) -> None:
    """Write one PNG for each seed; several labels repeat in order.

    Raises:
        OutputError: the folder exists and is not empty, or cannot be written.
    """
    from ganzoo_core.interfaces.sampling import label_index, sample_seeds
    from ganzoo_core.report import Progress, save_png_images
    from ganzoo_core.training.run_folder import create_output_folder

    names = [label_index(model.info, label) for label in labels]
    chosen = [names[i % len(names)] for i in range(len(seeds))] if names else None
    batches = sample_seeds(model, seeds, chosen, options)
    create_output_folder(folder, "")
    progress, done = Progress(output.is_quiet()), 0
    progress.start("sampling")
    try:
        for batch in batches:
            rows = seeds[done : done + len(batch)]
            save_png_images(batch, [folder / f"{seed:06d}.png" for seed in rows])
            done += len(batch)
            progress.advance(done, len(seeds))
    finally:
        progress.stop()


def sample_grid(
    model: Model,
    count: int | None,
    labels: tuple[str, ...],
    seed: int,
    options: Mapping[str, Any] | None = None,
) -> Any:
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
        model.sample(n, label, seed, **(options or {}))
        for n, label in zip(images_per_row, rows, strict=True)
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
        output.print_note(
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
