"""`ganzoo translate`: images of one class as images of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import output, stored_model
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.errors import DataError, OutputError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo_core.interfaces import Model

_BATCH_SIZE = 16
"""Images per call of the model."""
_MAX_ROWS = 100
"""Of a grid; more images go into a folder."""


@click.command(
    epilog=output.examples(
        "ganzoo translate runs/cyclegan photo.png --to zebra --out zebra.png",
        "ganzoo translate runs/cyclegan photos/ --out translated",
    )
)
@stored_model.weights_argument
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE..."
)
@click.option(
    "--to",
    "target_names",
    multiple=True,
    metavar="LABEL",
    help="A target label, by name or index; may be repeated. Default: all.",
)
@click.option(
    "--from",
    "source_name",
    metavar="LABEL",
    help="The label of the images, for models that translate only from some labels to others.",
)
@stored_model.sampling_assignments
@click.option("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.png|DIR",
    help="A grid with a row for each image and a column for each label; or a new folder with one "
    "PNG for each image and label, NAME-LABEL.png.",
)
@json_option
@quiet_option
def translate(
    *,
    folder: str,
    images: tuple[Path, ...],
    target_names: tuple[str, ...],
    source_name: str | None,
    assignments: tuple[str, ...],
    device: str,
    out: Path,
    as_json: bool,
) -> None:
    """Translate images to other labels: IMAGE is a file, or a folder with images.

    Each image is cropped to its center square and resized. Labels that the model cannot reach are
    left out.
    """
    is_grid = bool(out.suffix) and not out.is_dir()
    if is_grid:
        output.check_image_path(out)
    path = stored_model.find_weights(folder)
    stored_model.check_capability(path, "translate")
    options = stored_model.parse_sampling_options(path, assignments)
    from ganzoo_core.data.input_images import find_images
    from ganzoo_core.interfaces import label_index
    from ganzoo_core.training import load
    from ganzoo_core.training.run_folder import create_output_folder

    paths = find_images(images)
    if is_grid and len(paths) > _MAX_ROWS:
        raise UsageError(
            f"--out {out}: a grid has at most {_MAX_ROWS} images, not {len(paths):,}: give a "
            "folder, --out DIR"
        )
    model = load(path, device=device)
    output.print_unfinished(path)
    targets = [label_index(model.info, name) for name in target_names]
    source = None if source_name is None else label_index(model.info, source_name)
    targets = _reachable_targets(model, targets, source)
    if not is_grid:
        create_output_folder(out, "")
    results = _translate_files(model, paths, targets, options)
    names = [model.info.class_names[target] for target in targets]
    if is_grid:
        _save_grid(results, names, out)
    else:
        _save_files(results, names, out)
    output.print_path(out, as_json)


def _reachable_targets(model: Model, targets: list[int], source: int | None) -> list[int]:
    """Return the target labels that the model can reach, by default of all.

    Raises:
        UsageError: none of them.
    """
    import torch

    from ganzoo_core.training.output_grids import supported

    names = model.info.class_names
    wanted = targets or list(range(len(names)))
    sources = None if source is None else torch.tensor([source])
    reachable = supported(model, sources, wanted)[0].tolist()
    unreachable = [
        names[t] for t, is_reachable in zip(wanted, reachable, strict=True) if not is_reachable
    ]
    kept = [t for t, is_reachable in zip(wanted, reachable, strict=True) if is_reachable]
    origin = "" if source is None else f" from {names[source]}"
    if not kept:
        raise UsageError(f"the model does not translate{origin} to {', '.join(unreachable)}")
    if unreachable and targets:
        output.print_stderr(
            f"left out: the model does not translate{origin} to {', '.join(unreachable)}"
        )
    return kept


def _translate_files(
    model: Model,
    paths: Sequence[Path],
    targets: Sequence[int],
    options: Mapping[str, Any],
) -> Iterator[tuple[Path, Tensor, Tensor]]:
    """Yield each path with its image [C, S, S] and its translations [T, C, S, S], in [-1, 1].

    A file of several that is not an image is left out with a line on stderr.

    Raises:
        DataError: no file is an image.
    """
    import torch

    from ganzoo_core.data import to_float
    from ganzoo_core.data.input_images import load_image
    from ganzoo_core.interfaces.sampling import eval_mode, parse_sampling_options
    from ganzoo_core.report import Progress
    from ganzoo_core.training.output_grids import translate_to_all

    keywords = parse_sampling_options(model, options)
    device = next(model.parameters()).device
    progress, num_read = Progress(output.is_quiet()), 0
    progress.start("translating")
    try:
        for start in range(0, len(paths), _BATCH_SIZE):
            batch: list[tuple[Path, Tensor]] = []
            for path in paths[start : start + _BATCH_SIZE]:
                try:
                    pixels = load_image(path, model.info.image_size, model.info.num_channels)
                except DataError as error:
                    if len(paths) == 1:
                        raise
                    progress.warning(f"left out {output.to_printable(error)}")
                    continue
                batch.append((path, pixels))
            num_read += len(batch)
            if batch:
                images = to_float(torch.stack([pixels for _, pixels in batch])).to(device)
                with eval_mode(model), torch.no_grad():
                    translated = translate_to_all(model, images, targets, keywords).cpu()
                for i, (path, _) in enumerate(batch):
                    yield path, images[i].cpu(), translated[i]
            progress.advance(min(start + _BATCH_SIZE, len(paths)), len(paths))
    finally:
        progress.stop()
    if not num_read:
        raise DataError(f"none of {len(paths)} files is an image that can be read")


def _save_grid(
    results: Iterator[tuple[Path, Tensor, Tensor]], names: Sequence[str], out: Path
) -> None:
    import torch

    from ganzoo_core.report import save_image
    from ganzoo_core.training.output_grids import draw_translations

    paths, images, translated = zip(*results, strict=True)
    rows = tuple(path.stem if len(path.stem) <= 24 else f"{path.stem[:23]}\u2026" for path in paths)
    is_supported = torch.ones(len(rows), len(names), dtype=torch.bool)
    grid = draw_translations(
        torch.stack(images), torch.stack(translated), rows, tuple(names), is_supported
    )
    save_image(grid, out)


def _save_files(
    results: Iterator[tuple[Path, Tensor, Tensor]], names: Sequence[str], out: Path
) -> None:
    """Write NAME-LABEL.png files; images of one name in several folders are numbered.

    Raises:
        OutputError: a file cannot be written.
    """
    from ganzoo_core.report import save_png_images

    used: dict[str, int] = {}
    for path, _, translated in results:
        used[path.stem] = number = used.get(path.stem, 0) + 1
        stem = path.stem if number == 1 else f"{path.stem}-{number}"
        files = [out / f"{stem}-{_file_name(name)}.png" for name in names]
        if clash := [file for file in files if file.exists()]:
            raise OutputError(f"{clash[0]} exists already: two images have names that clash")
        save_png_images(translated, files)


def _file_name(label: str) -> str:
    """Return a label without characters that file systems refuse."""
    return "".join(c if c.isalnum() or c in "+-._" else "_" for c in label)
