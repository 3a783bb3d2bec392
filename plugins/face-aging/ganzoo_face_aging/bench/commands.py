"""`ganzoo bench aging`: aging models of any origin on the same faces, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import completers, output
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.errors import UsageError
from ganzoo_face_aging.options import parse_evaluators, parse_upper_edges

if TYPE_CHECKING:
    from ganzoo_core.report import Progress
    from ganzoo_face_aging.bench.entries import Entry
    from ganzoo_face_aging.bench.protocol import AgingProtocol
    from ganzoo_face_aging.evaluators import AgingOutputs


@click.command(
    "aging",
    epilog=output.examples(
        "ganzoo bench aging --data people pfa-gan idcgan --seeds 3 --out aging",
        "ganzoo bench aging --data people mine=runs/mine-0 mine=runs/mine-1",
        "ganzoo bench aging --data people --export faces",
        "ganzoo bench aging --data people --images faces --out aging",
    ),
)
@click.argument(
    "words",
    nargs=-1,
    metavar="[MODEL|[LABEL=]WEIGHTS...]",
    shell_complete=completers.complete_models,
)
@click.option(
    "--data",
    required=True,
    metavar="NAME[:PATH]",
    shell_complete=completers.complete_datasets,
    help="Faces with ages; their test split is aged.",
)
@click.option(
    "--size", type=int, default=64, show_default=True, metavar="S", help="Edge of the images."
)
@click.option(
    "--set", "assignments", multiple=True, metavar="a.b=v", help="Options of the data and MODELs."
)
@click.option(
    "--age-bins",
    default="report",
    show_default=True,
    metavar="NAME|A,B,...",
    help="As of ganzoo evaluate --baselines.",
)
@click.option(
    "-n",
    "num_faces",
    type=click.IntRange(2),
    default=500,
    show_default=True,
    metavar="N",
    help="Faces to age.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    metavar="N",
    help="Runs of each MODEL, which are trained first.",
)
@click.option("--preset", default="", metavar="P", help="Of each MODEL; default: quick.")
@click.option(
    "--direction",
    type=click.Choice(["all", "older", "younger"]),
    default="all",
    show_default=True,
    help="Target groups relative to the source group.",
)
@click.option(
    "--evaluator",
    "evaluator_args",
    multiple=True,
    metavar="ROLE=DIR",
    help="As of ganzoo evaluate.",
)
@click.option("--calibration", default="", metavar="NAME[:PATH]", help="As of ganzoo evaluate.")
@click.option("--feature-extractor", default="", metavar="FILE|DIR", help="For KID.")
@click.option("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--images",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Grade a folder of aged images with a faces.csv, as --export writes; may be repeated.",
)
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the faces to age and the CSV of the images to make; grade nothing.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the results; default: aging-DATA-SIZE. The same options add to it.",
)
@json_option
@quiet_option
def aging(
    *,
    words: tuple[str, ...],
    images: tuple[Path, ...],
    export: Path | None,
    as_json: bool,
    out: Path | None,
    **options: Any,
) -> None:
    """Grade models that render faces at other ages, beside baselines, on people that no network was
    trained on.

    A MODEL is trained first. Results that are there are kept, so a killed benchmark continues, and
    later methods are added to the table.
    """
    from ganzoo_core.config import merge, parse_assignments, parse_data_source
    from ganzoo_core.engine import resolve_device
    from ganzoo_core.report import Progress
    from ganzoo_face_aging.bench.entries import export_faces, parse_entries
    from ganzoo_face_aging.bench.protocol import prepare_protocol, write_protocol
    from ganzoo_face_aging.benchmark import BenchmarkConfig

    evaluators = parse_evaluators(options["evaluator_args"])
    entries = parse_entries(words, images, options["seeds"])
    tree = parse_assignments(options["assignments"])
    source = parse_data_source(options["data"])
    section = merge({**source, "image_size": options["size"]}, tree.pop("data", {}))
    _check_inputs(entries)
    folder = out or Path(f"aging-{source['name']}-{options['size']}")
    progress = Progress(output.is_quiet())
    protocol = prepare_protocol(
        section,
        parse_upper_edges(options["age_bins"]),
        BenchmarkConfig(
            num_faces=options["num_faces"],
            feature_extractor=options["feature_extractor"],
            evaluators=evaluators,
            direction=options["direction"],
            device=resolve_device(options["device"]),
            calibration=options["calibration"],
        ),
        progress,
    )
    if export is not None:
        count = export_faces(protocol, export)
        if as_json:
            output.print_json({"path": str(export), "images": count})
        else:
            output.print_line(f"{export}: make the {count:,} images of {export / 'faces.csv'}")
        return
    write_protocol(protocol, folder)
    options |= {"evaluators": evaluators, "tree": tree, "section": section}
    for entry in entries:
        _grade_entry(entry, protocol, folder, options, progress)
    _write_baselines(protocol, folder)
    _print_table(protocol, folder, as_json)


def _check_inputs(entries: list[Entry]) -> None:
    """Refuse weights and folders that are not there, before an image is decoded."""
    from ganzoo_core.zoo import locate_weights
    from ganzoo_face_aging.bench.entries import CSV_FILE

    for entry in entries:
        if entry.kind == "weights":
            locate_weights(entry.source)
        elif entry.kind == "images" and not (Path(entry.source) / CSV_FILE).is_file():
            raise UsageError(
                f"--images {entry.source}: there is no {CSV_FILE}: --export DIR writes one"
            )


def _grade_entry(
    entry: Entry,
    protocol: AgingProtocol,
    folder: Path,
    options: Mapping[str, Any],
    progress: Progress,
) -> None:
    """Train a model if it is one, grade the entry and write its result, if that is not there."""
    from ganzoo_core.config import data_config_class, merge, parse
    from ganzoo_core.files import read_json, write_json
    from ganzoo_face_aging.bench.entries import load_method, read_aged_images, train_model
    from ganzoo_face_aging.bench.grading import grade
    from ganzoo_face_aging.bench.protocol import run_method_on
    from ganzoo_face_aging.benchmark import BenchmarkConfig, interpretation_notes

    file = folder / "results" / f"{entry.name}.json"
    notes: list[str] = []
    if entry.kind == "images":
        method, sha256 = read_aged_images(Path(entry.source), protocol)
        notes.append("the training data of these images are unknown")
    else:
        path: Path | str = entry.source
        if entry.kind == "model":
            data = parse(
                data_config_class(options["section"]["name"]), options["section"], "data"
            ).model_dump(mode="json", exclude_none=True)
            tree = merge(options["tree"], {"data": data, "train": {"device": options["device"]}})
            path = train_model(entry, folder, options["preset"], tree, quiet=output.is_quiet())
        method, pretrained = load_method(path, entry.label, protocol, options["evaluators"])
        sha256 = pretrained.sha256
        prepared, config = protocol.prepared, BenchmarkConfig(num_faces=0)
        notes += interpretation_notes(prepared.data, config, prepared.evaluator_weights, pretrained)
        notes = [note for note in notes if note not in protocol.notes]
    if file.is_file() and read_json(file, dict[str, Any]).get("sha256") == sha256:
        return
    aged = run_method_on(
        method, protocol.prepared, protocol.transitions, protocol.example_faces, progress
    )
    if aged is None:
        raise UsageError(f"{entry.label} has no image for these targets: give another --direction")
    record = {"label": entry.label, "kind": entry.kind, "seed": entry.seed, "sha256": sha256}
    record |= {"protocol_sha256": protocol.sha256, "notes": notes, **grade(aged, protocol)}
    if not entry.seed:
        _save_strips(aged, protocol, folder / "strips" / f"{entry.label}.png")
    file.parent.mkdir(exist_ok=True)
    write_json(file, record)


def _save_strips(aged: AgingOutputs, protocol: AgingProtocol, path: Path) -> None:
    """Draw the same twelve people at all target groups, the input first."""
    import torch

    from ganzoo_core.data import to_float
    from ganzoo_core.report import make_grid, save_image

    data = protocol.prepared.data
    cells, empty = [], []
    for face in protocol.example_faces:
        cells.append(data.source.gather(torch.tensor([face]))[0])
        for group in range(data.num_groups):
            image = aged.example_images.get((face, group))
            if image is None:
                empty.append(len(cells))
            cells.append(cells[0] if image is None else image)
    path.parent.mkdir(exist_ok=True)
    grid = make_grid(
        to_float(torch.stack(cells)),
        data.num_groups + 1,
        column_names=("input", *data.group_names),
        empty_cells=tuple(empty),
    )
    save_image(grid, path)


def _write_baselines(protocol: AgingProtocol, folder: Path) -> None:
    """Grade the baselines and draw their strips, if they are not there."""
    from ganzoo_core.files import write_json
    from ganzoo_face_aging.bench.grading import grade, grade_real_faces

    file = folder / "baselines.json"
    if file.is_file():
        return
    results = {name: grade(aged, protocol) for name, aged in protocol.baselines.items()}
    results["real faces"] = grade_real_faces(protocol)
    for name, aged in protocol.baselines.items():
        _save_strips(aged, protocol, folder / "strips" / f"{name.replace(' ', '-')}.png")
    records = [
        {"label": name, "kind": "baseline", "seed": 0, "notes": [], **result}
        for name, result in results.items()
    ]
    write_json(file, records)


def _print_table(protocol: AgingProtocol, folder: Path, as_json: bool) -> None:
    from ganzoo_core.errors import DataError
    from ganzoo_core.files import read_json, write_json, write_text
    from ganzoo_face_aging.bench.table import (
        collect_rows,
        draw_tradeoff,
        fairness_table,
        format_table,
    )

    results = read_json(folder / "baselines.json", list[dict[str, Any]], error=DataError)
    for path in sorted((folder / "results").glob("*.json")):
        result = read_json(path, dict[str, Any], error=DataError)
        if result.get("protocol_sha256") != protocol.sha256:
            raise UsageError(
                f"{path} is a result of other faces or another crop: it does not belong in this "
                "table; remove it, or give another --out"
            )
        results.append(result)
    rows = collect_rows(results)
    notes = [f"{one['label']}: {note}" for one in results for note in one["notes"]]
    notes += protocol.notes
    paths = []
    for kind, suffix in (("markdown", "md"), ("csv", "csv"), ("latex", "tex")):
        paths.append(folder / f"table.{suffix}")
        write_text(paths[-1], format_table(rows, kind))
    for suffix in ("pdf", "svg"):
        paths.append(folder / f"tradeoff.{suffix}")
        draw_tradeoff(rows, paths[-1])
    write_text(folder / "groups.md", fairness_table(results))
    whole = {"format": 1, "protocol": protocol.settings, "rows": rows, "notes": notes}
    write_json(folder / "benchmark.json", whole)
    paths += [folder / "groups.md", folder / "benchmark.json", folder / "strips"]
    if as_json:
        output.print_json({"path": str(folder), **whole, "files": [str(path) for path in paths]})
        return
    output.print_line(format_table(rows, "markdown").rstrip("\n"))
    for note in dict.fromkeys(notes):
        output.print_line(note)
    for path in paths:
        output.print_line(str(path))
