"""Output of commands: data on stdout, messages on stderr; rich tables only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from ganzoo_core import terminal
from ganzoo_core.errors import OutputError, UsageError

_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

to_printable = terminal.to_printable


def _use_rich(stream: TextIO | None = None) -> bool:
    """Return whether to print rich tables: on a terminal, or if FORCE_COLOR is set."""
    stream = stream or sys.stdout
    return bool(os.environ.get("FORCE_COLOR")) or terminal.raw_stream(stream).isatty()


def examples(*lines: str, title: str = "Examples") -> str:
    """Return the epilog of a help text: lines that click does not wrap."""
    return "\b\n" + "\n".join([f"{title}:", *(f"  {line}" for line in lines)])


def print_line(text: str = "") -> None:
    """Print a line on stdout."""
    sys.stdout.write(terminal.without_controls(text) + "\n")


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout, keys in their order; control characters are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    print_line("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def print_path(path: str | Path, as_json: bool, **facts: Any) -> None:
    """Print the path of what a command wrote; with `--json` an object: the path and facts."""
    if as_json:
        print_json({"path": str(path), **facts})
    else:
        print_line(str(path))


def print_stderr(text: object) -> None:
    """Print a warning or an error on stderr."""
    print(to_printable(text), file=sys.stderr, flush=True)


def print_note(text: object) -> None:
    """Print a message on stderr that `--quiet` leaves out."""
    if not is_quiet():
        print_stderr(text)


def remember_quiet(context: click.Context, _param: click.Parameter, value: bool) -> None:
    """Record `--quiet` for the command that is running."""
    context.meta["ganzoo.quiet"] = value


def is_quiet() -> bool:
    """Return whether the command that is running has `--quiet`."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get("ganzoo.quiet"))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], extra_columns: Sequence[str] = ()
) -> None:
    """Print aligned columns: a rich table on a terminal, else plain lines.

    Cells are not parsed as markup, and plain lines are never wrapped.

    Args:
        columns: names of the columns; printed in upper case.
        rows: cells of each row, those of the extra columns last.
        extra_columns: names of further columns, printed as they are.
    """
    cells = [[to_printable(cell) for cell in row] for row in rows]
    header = [*map(str.upper, columns), *map(to_printable, extra_columns)]
    if _use_rich():
        _print_rich_table(header, cells)
        return
    lines = [header, *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        print_line("  ".join(map(str.ljust, line, widths)).rstrip())


def _print_rich_table(header: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        # Names stay whole, so that they can be copied; other cells wrap.
        grid.add_column(Text(name), no_wrap=name in {"KIND", "NAME"}, overflow="fold")
    for row in cells:
        style = "red" if any(cell.startswith(("broken", "FAIL", "problem")) for cell in row) else ""
        style = "dim" if any(cell.startswith("not installed") for cell in row) else style
        grid.add_row(*map(Text, row), style=style)
    Console(file=terminal.raw_stream(sys.stdout)).print(grid)


def check_image_path(path: Path) -> None:
    """Check an output path before anything is computed.

    Raises:
        UsageError: an unsupported suffix.
        OutputError: the folder does not exist, or the path is a folder.
    """
    if path.suffix.lower() not in _IMAGE_SUFFIXES:
        raise UsageError(f"--out {path}: the name must end in {', '.join(_IMAGE_SUFFIXES)}")
    if not path.parent.is_dir():
        raise OutputError(f"--out {path}: there is no folder {path.parent}; create it first")
    if path.is_dir():
        raise OutputError(f"--out {path} is a folder: give the path of an image file")


def print_unfinished(folder: Path) -> None:
    """Print one line on stderr if the weights are those of a checkpoint, not of a finished run."""
    from ganzoo_core.training.loading import unfinished_steps

    if steps := unfinished_steps(folder):
        print_note(
            f"{folder} is at step {steps[0]:,} of {steps[1]:,}: using its newest checkpoint (EMA "
            "weights, where the model has them)"
        )
