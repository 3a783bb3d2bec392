"""`ganzoo sample`: a picture of what a model draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import output
from ganzoo_core.errors import OutputError, UsageError

if TYPE_CHECKING:
    from ganzoo_core.interfaces import DataInfo, Model

COLUMNS = 8
ROWS = 16
"""Labels drawn when none is asked for; a model may know thousands."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN_OR_BUNDLE")
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Images in all; default 8 of each label.",
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
    help="The same seed draws the same images.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.png",
    help="The picture: .png, .jpg or .webp; an old one is replaced.",
)
def sample(folder: Path, count: int | None, labels: tuple[str, ...], seed: int, out: Path) -> None:
    """Draw images from a run or a bundle into one picture: a row a label, a column a latent."""
    check_out(out)
    from ganzoo_core.report import save_image
    from ganzoo_core.runs import load

    model = load(folder)
    save_image(sheet(model, count, labels, seed), out)
    output.out(str(out))


def check_out(out: Path) -> None:
    """Refuse a picture that could not be written, before anything is computed.

    Raises:
        UsageError: another suffix. OutputError: no such folder.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--out {out}: the name must end in {', '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise OutputError(f"--out {out}: there is no folder {out.parent}; make it first")
    if out.is_dir():
        raise OutputError(f"--out {out} is a folder: give the name of a picture")


def sheet(model: Model, count: int | None, labels: tuple[str, ...], seed: int) -> Any:
    """Return the grid: every row draws from the same latents, so that columns compare labels."""
    import torch

    from ganzoo_core.report import grid

    info = model.info
    if not getattr(model, "conditional", True):  # labels of the data change nothing
        info = replace(info, classes=(), counts=())
    rows: list[int | None] = [*chosen(info, labels, count)] or [None]
    total = count or COLUMNS * len(rows)
    shares = [total // len(rows) + (i < total % len(rows)) for i in range(len(rows))]
    drawn = [model.sample(n, label, seed) for n, label in zip(shares, rows, strict=True)]
    columns = max(shares) if len(rows) > 1 else min(total, COLUMNS)
    if len(rows) == 1:  # one label: as many lines as it takes
        rows = rows * -(-total // columns)
    else:  # shorter rows end in blank paper
        drawn = [torch.cat([x, x.new_ones(columns - len(x), *x.shape[1:])]) for x in drawn]
    names = tuple(info.classes[i] for i in rows if i is not None)
    faint = tuple(r for r, i in enumerate(rows) if i is not None and i not in info.present)
    for name in sorted({names[r] for r in faint}):
        output.note(f"warning: label {name!r} had no training images: its pictures mean nothing")
    return grid(torch.cat(drawn), columns, names, faint)


def chosen(info: DataInfo, labels: tuple[str, ...], count: int | None) -> list[int]:
    """Return the label of each row; none for a model without labels.

    Raises:
        UsageError: there is no such label.
    """
    from ganzoo_core.interfaces.sampling import label_index

    if labels:
        found = [label_index(info, label) for label in labels]
        if count is not None and count < len(found):
            raise UsageError(
                f"-n {count} is fewer images than labels: give -n {len(found)} or more"
            )
        return found
    known = range(len(info.classes))
    if len(known) > ROWS:
        output.note(f"the first {ROWS} of {len(known)} labels are drawn; --label picks others")
    most = ROWS if count is None else min(count, ROWS)
    # With fewer images than labels, those that were trained come first.
    order = sorted(known, key=lambda i: i not in info.present) if most < len(known) else known
    return sorted(list(order)[:most])
