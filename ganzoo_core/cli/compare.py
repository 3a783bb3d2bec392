"""`ganzoo compare`: evaluations side by side; unlike ones are shown and not ranked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo_core.cli import output
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    from ganzoo_core.runs.comparison import Comparison

SHA256 = 64
"""Characters."""


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="A B ...")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def compare(folders: tuple[Path, ...], as_json: bool) -> None:
    """Put the evaluations of runs side by side; the best of each figure is marked with *.

    Figures whose stamps differ are shown and not ranked; the exit code is 3 then.
    """
    from ganzoo_core.runs.comparison import compare as compared

    found = compared(folders)
    if as_json:
        output.out_json(found.to_json())
    else:
        show(found)
    if found.differs:
        fields = sorted({field for differing in found.differs.values() for field in differing})
        raise DataError(
            f"not ranked: {', '.join(found.differs)} were measured in different ways "
            f"({', '.join(fields)}); evaluate them alike"
        )


def show(found: Comparison) -> None:
    """Print a row a figure, a column an evaluation."""
    rows = []
    for line in found.lines:
        cells = []
        for i, (value, error) in enumerate(zip(line.values, line.errors, strict=True)):
            text = "-" if value is None else f"{value:.4g}"
            text += "" if error is None else f" +- {error:.1g}"
            cells.append(f"{text} *" if line.best == i else text)
        cells += ["-" if value is None else f"{value:.4g}" for value in line.beside]
        rows.append((line.metric, line.figure.replace("_", " "), line.better, *cells))
    output.table(("metric", "figure", "better"), rows, given=(*found.names, *found.baselines))
    alike: dict[str, list[str]] = {}
    for metric, fields in found.differs.items():
        for field, values in fields.items():
            said = ", ".join(map(short, values))
            alike.setdefault(f"{field} differs: {said}", []).append(metric)
    for text, metrics in alike.items():
        output.note(f"{', '.join(metrics)}: {text}")


def short(value: object) -> str:
    """Return a value of a stamp in one line; of a sha256 its beginning."""
    text = str(value)
    return f"{text[:12]}..." if len(text) == SHA256 else text[:40]
