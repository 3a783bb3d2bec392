"""`ganzoo data`: look at data, prepare them, or write drawn ones to disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import complete, output
from ganzoo_core.cli.sample import check_out
from ganzoo_core.errors import OutputError, UsageError, suggest

if TYPE_CHECKING:
    from ganzoo_core.data import AgeGroups, Images
    from ganzoo_core.interfaces import Dataset

COLUMNS = 8
ROWS = 12


def source(command: Callable[..., None]) -> Callable[..., None]:
    """Add what all verbs take: the data set, and options of its `[data]` branch."""
    name = click.argument("data", metavar="NAME[:PATH]", shell_complete=complete.datasets)
    options = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="data.x=v",
        help="An option of the data set; may be repeated.",
    )
    return name(options(command))


def opened(
    data: str, assignments: tuple[str, ...], groups: AgeGroups | None = None, **fixed: Any
) -> Dataset:
    """Open a data set; `fixed` options that are None are left to it.

    Args:
        groups: where they have a youngest age, the data set leaves out who is younger.
    """
    from ganzoo_core.config import assign
    from ganzoo_core.config.tree import data_config_class
    from ganzoo_core.runs.data import open_dataset
    from ganzoo_core.runs.survey import data_config

    tree = assign(assignments)
    strange = sorted(set(tree) - {"data"})
    if strange:
        raise UsageError(f"--set {strange[0]}...: here only options of data, such as data.size=64")
    given = {key: value for key, value in fixed.items() if value is not None}
    options = {**tree.get("data", {}), **given}
    known = data_config_class(data.partition(":")[0]).model_fields
    if groups and groups.youngest and "min_age" in known:
        options.setdefault("min_age", groups.youngest)
    return open_dataset(data_config(data, options))


def age_groups(text: str) -> AgeGroups:
    """Read ``18,29,39`` as age edges, or the name of published ones."""
    from ganzoo_core.data import PUBLISHED, AgeGroups

    if text in PUBLISHED:
        return PUBLISHED[text]
    try:
        found = [int(word) for word in text.split(",") if word.strip()]
    except ValueError:
        names = ", ".join(PUBLISHED)
        raise UsageError(
            f"--groups {text!r}: give whole years, such as 18,29,39,49,59, or one of {names}"
        ) from None
    if found != sorted(set(found)) or any(edge < 0 for edge in found):
        raise UsageError(f"--groups {text!r}: give rising years, such as 18,29,39,49,59")
    return AgeGroups(tuple(found))


def groups_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --groups."""
    option = click.option(
        "--groups",
        default="report",
        metavar="NAME|A,B,...",
        help="Age groups: report, pfa-4, pfa-5, pfa-7, or upper edges in years.",
    )
    return option(command)


@click.group()
def data() -> None:
    """Look at data, prepare them, or write drawn ones to disk."""


@data.command()
@source
@groups_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(data: str, assignments: tuple[str, ...], groups: str, as_json: bool) -> None:
    """Count images, age groups and people, and what the filters left out."""
    from ganzoo_core.runs.survey import survey

    cut = age_groups(groups)
    found = survey(opened(data, assignments, cut), cut.edges)
    if as_json:
        output.out_json(found)
        return
    rows: list[tuple[str, str]] = []
    for key, value in found.items():
        label = key.replace("_", " ")
        if isinstance(value, dict) and key in {"groups", "labels", "left_out"}:
            rows += [(f"{label}: {name}", f"{count:,}") for name, count in value.items()]
        elif isinstance(value, dict):
            rows += [(f"{label}: {name}", f"{spread(part)}") for name, part in value.items()]
        elif value not in {"", None}:
            rows.append((label, f"{value:,}" if isinstance(value, int) else str(value)))
    output.table(("what", "value"), rows)


def spread(value: Any) -> str:
    """Write a number, or a table of counts on one line."""
    if isinstance(value, dict):
        return "  ".join(f"{name} {count:,}" for name, count in value.items())
    return f"{value:,g}"


@data.command()
@source
@groups_option
@click.option("--size", type=int, metavar="S", help="Edge of the images, in pixels.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Another seed shows others.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE.png")
def show(
    *, data: str, assignments: tuple[str, ...], groups: str, size: int | None, seed: int, out: Path
) -> None:
    """Draw a contact sheet, a row a group, and the histogram of ages."""
    check_out(out)
    from ganzoo_core.report import save_image
    from ganzoo_core.report.sheets import contact_sheet

    cut = age_groups(groups)
    images = prepared(opened(data, assignments, cut, size=size), cut.edges)
    rows, chosen = choose(images, seed)
    title = f"{images.info.name}: {len(images):,} images"
    save_image(contact_sheet(chosen, COLUMNS, rows, images.age, title), out)
    output.out(str(out))


def choose(images: Images, seed: int) -> tuple[tuple[str, ...], Any]:
    """Return row names and the images [rows x COLUMNS, C, S, S] in [-1, 1] of a contact sheet."""
    import torch

    from ganzoo_core.data import to_float

    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    if images.label is None:
        return (), to_float(images.gather(order[: 6 * COLUMNS]))
    names, parts = [], []
    for index in images.info.present[:ROWS]:
        mine = order[images.label[order] == index][:COLUMNS]
        names.append(images.info.classes[index])
        part = to_float(images.gather(mine))
        blank = part.new_ones(COLUMNS - len(mine), *part.shape[1:])
        parts.append(torch.cat([part, blank]))
    return tuple(names), torch.cat(parts)


def prepared(dataset: Dataset, groups: tuple[int, ...] = ()) -> Images:
    """Decode a data set into its store, with progress."""
    from ganzoo_core.report import Progress
    from ganzoo_core.runs.data import images_of

    return images_of(dataset, groups, Progress())


@data.command()
@source
@click.option("--size", type=int, metavar="S", help="Edge of the images, in pixels; default 64.")
def prepare(data: str, assignments: tuple[str, ...], size: int | None) -> None:
    """Decode, crop and resize once, so that every later run starts at once."""
    from ganzoo_core.data.store import cache_folder, store_key

    dataset = opened(data, assignments, size=size)
    images = prepared(dataset)
    config = dataset.config
    folder = cache_folder() / store_key(dataset, config.size, config.channels)
    for line in images.unreadable:
        output.note(f"left out {line}")
    output.note(f"{len(images):,} images of {config.size} x {config.size} px are ready")
    output.out(str(folder))


@data.command()
@source
@click.option("--count", type=click.IntRange(1), metavar="N", help="Images.")
@click.option("--size", type=int, metavar="S", help="Edge of the images, in pixels.")
@click.option("--layout", default="folder", metavar="L", help="folder, or one the data set adds.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def make(
    *,
    data: str,
    assignments: tuple[str, ...],
    count: int | None,
    size: int | None,
    layout: str,
    out: Path,
    quiet: bool,
) -> None:
    """Write a data set to disk as JPEGs, with what is known of each."""
    from ganzoo_core.files.atomic import reason
    from ganzoo_core.report import Progress
    from ganzoo_core.runs.folder import claim
    from ganzoo_core.zoo import resolve

    dataset = opened(data, assignments, size=size, count=count)
    if layout not in dataset.layouts:
        raise UsageError(
            f"{dataset.config.name} has no layout {layout!r}.{suggest(layout, dataset.layouts)}"
        )
    progress = Progress(quiet)
    progress.start(f"writing {dataset.config.name}")
    try:
        resolve(dataset.layouts[layout])(dataset, claim(out, ""), progress.advance)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {reason(error)}") from error
    finally:
        progress.stop()
    output.out(str(out))
