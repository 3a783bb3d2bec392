"""What the verbs print: data on stdout, the rest on stderr; rich only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO


def clean(text: object) -> str:
    """Return text of a plugin's or user's making as one printable line."""
    return "".join(c if c.isprintable() else " " for c in str(text)).strip()


def fancy(stream: TextIO | None = None) -> bool:
    """Tell whether to draw for a person: on a terminal, or where FORCE_COLOR asks for it."""
    stream = stream or sys.stdout
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def out(text: str = "") -> None:
    """Print a line of data."""
    sys.stdout.write(text + "\n")


def out_json(value: Any) -> None:
    """Print JSON with the keys in the order given."""
    out(json.dumps(value, indent=2, ensure_ascii=False))


def note(text: object) -> None:
    """Print a line for the person at the keyboard, on stderr."""
    print(clean(text), file=sys.stderr, flush=True)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], given: Sequence[str] = ()
) -> None:
    """Print aligned columns: a rich table on a terminal, plain lines elsewhere.

    Nothing in a cell is read as markup, and a plain line is never wrapped.

    Args:
        given: further columns, whose names are the user's and stay as they are.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    head = [*map(str.upper, columns), *map(clean, given)]
    if fancy():
        rich_table(head, cells)
        return
    lines = [head, *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        out("  ".join(map(str.ljust, line, widths)).rstrip())


def rich_table(head: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    """Print a table that folds long cells to the width of the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        # Words people copy stay whole; sentences fold.
        grid.add_column(Text(name), no_wrap=name in {"KIND", "NAME"}, overflow="fold")
    for row in cells:
        style = "red" if any(cell.startswith(("broken", "FAIL", "problem")) for cell in row) else ""
        style = "dim" if any(cell.startswith("not installed") for cell in row) else style
        grid.add_row(*map(Text, row), style=style)
    Console().print(grid)
