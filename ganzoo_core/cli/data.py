"""`ganzoo data`: inspect, prepare or export a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import completers, output
from ganzoo_core.cli.lookup import print_detected_data
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.errors import DataError, OutputError, UsageError, suggest

if TYPE_CHECKING:
    from ganzoo_core.data import AgeBins, PackedImages
    from ganzoo_core.interfaces import Dataset

COLUMNS = 8
_MAX_ROWS = 12


def _dataset_arguments(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments of all data commands: the data set and its options."""
    name = click.argument(
        "data", metavar="NAME[:PATH]|PATH", shell_complete=completers.complete_datasets
    )
    options = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="data.x=v",
        shell_complete=completers.complete_assignments,
        help="Override one option of the data set; may be repeated.",
    )
    return name(options(command))


def _open_dataset_with_options(
    data: str, assignments: tuple[str, ...], age_bins: AgeBins | None = None, **overrides: Any
) -> Dataset:
    """Open a data set.

    Args:
        data: ``NAME[:PATH]``.
        assignments: values of ``--set``.
        age_bins: if they have a minimum age, younger people are left out.
        overrides: options by name; None keeps the default.
    """
    from ganzoo_core.config import parse_assignments, parse_data_source
    from ganzoo_core.config.tree import data_config_class
    from ganzoo_core.training.open_data import open_dataset, parse_data_config

    print_detected_data(data)
    tree = parse_assignments(assignments)
    unknown_branches = sorted(set(tree) - {"data"})
    if unknown_branches:
        raise UsageError(
            f"--set {unknown_branches[0]}...: only options of data, such as data.image_size=64"
        )
    given = {key: value for key, value in overrides.items() if value is not None}
    options = {**tree.get("data", {}), **given}
    field_names = data_config_class(parse_data_source(data)["name"]).model_fields
    if age_bins and age_bins.min_age and "min_age" in field_names:
        options.setdefault("min_age", age_bins.min_age)
    return open_dataset(parse_data_config(data, options))


def _age_bins_option(command: Callable[..., None]) -> Callable[..., None]:
    option = click.option(
        "--age-bins",
        default="report",
        metavar="NAME|A,B,...",
        help="Age bins: report, pfa-4, pfa-5, pfa-7, or upper edges in years.",
    )
    return option(command)


@click.group(
    epilog=output.examples(
        "ganzoo data info people",
        "ganzoo data show people --out sheet.png",
        "ganzoo data prepare class-folder:photos --size 64",
        title="Next steps",
    )
)
def data() -> None:
    """Inspect, prepare or export a data set."""


@data.command(
    short_help="Count images, labels, age bins and people.",
    epilog=output.examples(
        "ganzoo data info people", "ganzoo data info class-folder:photos --json"
    ),
)
@_dataset_arguments
@_age_bins_option
@json_option
@quiet_option
def info(data: str, assignments: tuple[str, ...], age_bins: str, as_json: bool) -> None:
    """Count images, labels, age bins, people, and images that filters excluded."""
    from ganzoo_core.data import parse_age_bins
    from ganzoo_core.data.dataset_stats import dataset_stats

    bins = parse_age_bins(age_bins)
    stats = dataset_stats(_open_dataset_with_options(data, assignments, bins), bins.upper_edges)
    if as_json:
        output.print_json(stats)
        return
    rows: list[tuple[str, str]] = []
    for key, value in stats.items():
        label = key.replace("_", " ")
        if isinstance(value, dict) and key in {"age_bins", "labels", "excluded"}:
            rows += [(f"{label}: {name}", f"{count:,}") for name, count in value.items()]
        elif isinstance(value, dict):
            rows += [(f"{label}: {name}", f"{_format_value(part)}") for name, part in value.items()]
        elif value not in {"", None}:
            rows.append((label, f"{value:,}" if isinstance(value, int) else str(value)))
    output.print_table(("name", "value"), rows)


def _format_value(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {count:,}" for name, count in value.items())
    return f"{value:,g}"


@data.command(
    short_help="Draw a contact sheet and a histogram.",
    epilog=output.examples("ganzoo data show people --out sheet.png"),
)
@_dataset_arguments
@_age_bins_option
@click.option("--size", type=int, metavar="S", help="Edge of the images in pixels.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, help="Seed of the random choice of images."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE.png")
@json_option
@quiet_option
def show(
    *,
    data: str,
    assignments: tuple[str, ...],
    age_bins: str,
    size: int | None,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Draw a contact sheet, one row for each label, and a histogram of ages."""
    output.check_image_path(out)
    from ganzoo_core.data import parse_age_bins
    from ganzoo_core.report import save_image
    from ganzoo_core.report.contact_sheet import draw_contact_sheet

    bins = parse_age_bins(age_bins)
    images = decode(
        _open_dataset_with_options(data, assignments, bins, image_size=size), bins.upper_edges
    )
    rows, images_in_rows = _select_sheet_images(images, seed)
    title = f"{images.info.name}: {len(images):,} images"
    sheet = draw_contact_sheet(
        images_in_rows, COLUMNS, rows, images.age, title=title, xlabel="age in years"
    )
    save_image(sheet, out)
    output.print_path(out, as_json, images=len(images))


def _select_sheet_images(images: PackedImages, seed: int) -> tuple[tuple[str, ...], Any]:
    """Return the row names and the images [rows x COLUMNS, C, S, S] in [-1, 1]."""
    import torch

    from ganzoo_core.data import to_float

    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    if images.label is None:
        return (), to_float(images.gather(order[: 6 * COLUMNS]))
    names, parts = [], []
    for index in images.info.nonempty_classes[:_MAX_ROWS]:
        class_indices = order[images.label[order] == index][:COLUMNS]
        names.append(images.info.class_names[index])
        part = to_float(images.gather(class_indices))
        padding = part.new_ones(COLUMNS - len(class_indices), *part.shape[1:])
        parts.append(torch.cat([part, padding]))
    return tuple(names), torch.cat(parts)


def decode(dataset: Dataset, age_bins: tuple[int, ...] = ()) -> PackedImages:
    """Decode a data set into the cache, with a progress bar."""
    from ganzoo_core.report import Progress
    from ganzoo_core.training.open_data import decode_dataset

    return decode_dataset(dataset, age_bins, Progress(output.is_quiet()))


@data.command(
    short_help="Decode the images into the cache.",
    epilog=output.examples(
        "ganzoo data prepare people",
        "ganzoo data prepare class-folder:photos --size 64",
        "ganzoo data prepare class-folder:photos --verify",
    ),
)
@_dataset_arguments
@click.option("--size", type=int, metavar="S", help="Edge of the images in pixels; default 64.")
@click.option("--verify", is_flag=True, help="Decode again and compare with the cache.")
@json_option
@quiet_option
def prepare(
    *, data: str, assignments: tuple[str, ...], size: int | None, verify: bool, as_json: bool
) -> None:
    """Decode, crop and resize the images into the cache, so that later runs start faster.

    --verify finds images that were replaced by others of equal size and time, and removes the cache
    that does not fit them (exit code 3).
    """
    from ganzoo_core.data.store import default_cache_dir, store_key

    dataset = _open_dataset_with_options(data, assignments, image_size=size)
    images = decode(dataset)
    config = dataset.config
    folder = default_cache_dir() / store_key(dataset, config.image_size, config.num_channels)
    for line in images.unreadable:
        output.print_stderr(f"skipped {line}")
    if verify:
        _verify_store(dataset, images, folder)
    output.print_note(
        f"{len(images):,} images of {config.image_size} x {config.image_size} px are ready"
    )
    output.print_path(
        folder,
        as_json,
        images=len(images),
        image_size=config.image_size,
        skipped=list(images.unreadable),
    )


def _verify_store(dataset: Dataset, images: PackedImages, folder: Path) -> None:
    """Compare a store with its images.

    Raises:
        DataError: an image differs; the store is removed.
    """
    from ganzoo_core.data.store import StoredPixels, find_changed_rows
    from ganzoo_core.report import Progress

    stored, rows = images.storage, images.row_indices
    assert isinstance(stored, StoredPixels)
    readable = range(stored.shape[0]) if rows is None else rows.tolist()
    progress = Progress(output.is_quiet())
    progress.start(f"verifying {dataset.config.name}")
    try:
        changed = find_changed_rows(
            dataset, stored, set(range(stored.shape[0])) - set(readable), progress.advance
        )
    finally:
        progress.stop()
    if changed:
        (folder / "store.json").unlink(missing_ok=True)
        raise DataError(
            f"{len(changed):,} of {stored.shape[0]:,} images differ from the cache {folder}, the "
            f"first: {dataset.sample_name(changed[0])}: it is removed; run the command again to "
            "prepare them, and start runs on these data again"
        )


@data.command(epilog=output.examples("ganzoo data export people --count 100 --out people-100"))
@_dataset_arguments
@click.option("--count", type=click.IntRange(1), metavar="N", help="Number of images.")
@click.option("--size", type=int, metavar="S", help="Edge of the images in pixels.")
@click.option(
    "--exporter", default="folder", metavar="NAME", help="folder, or an exporter of the data set."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR")
@json_option
@quiet_option
def export(
    *,
    data: str,
    assignments: tuple[str, ...],
    count: int | None,
    size: int | None,
    exporter: str,
    out: Path,
    as_json: bool,
) -> None:
    """Write a data set to disk as JPEG files with their metadata."""
    from ganzoo_core.files.atomic_write import os_error_message
    from ganzoo_core.report import Progress
    from ganzoo_core.training.run_folder import create_output_folder
    from ganzoo_core.zoo import import_target

    dataset = _open_dataset_with_options(data, assignments, image_size=size, count=count)
    if exporter not in dataset.exporters:
        raise UsageError(
            f"{dataset.config.name} has no exporter {exporter!r}."
            f"{suggest(exporter, dataset.exporters)}"
        )
    progress = Progress(output.is_quiet())
    progress.start(f"writing {dataset.config.name}")
    try:
        import_target(dataset.exporters[exporter])(
            dataset, create_output_folder(out, ""), progress.advance
        )
    except OSError as error:
        raise OutputError(f"cannot write {out}: {os_error_message(error)}") from error
    finally:
        progress.stop()
    output.print_path(out, as_json, images=dataset.metadata().length)
