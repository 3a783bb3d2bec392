"""Read a CSV or JSONL as rows of text with line numbers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganzoo_core.errors import DataError

COLUMNS = ("path", "age", "identity", "label")


@dataclass(frozen=True)
class TableRow:
    """One line of a table."""

    line: int
    """From 1."""
    values: dict[str, str]
    """Text by column; empty for a missing value."""


def read_csv(
    data: bytes, path: str, names: Mapping[str, str]
) -> tuple[tuple[str, ...], list[TableRow]]:
    """Return the columns and rows of a CSV with commas, semicolons or tabs and a header line.

    Args:
        data: the file.
        path: its path, for messages.
        names: the header of a column of `COLUMNS`, where it has another name.

    Raises:
        DataError: not UTF-8, no rows, or a line with more or fewer fields than the header.
    """
    text = _decode_utf8(data, path)
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: tuple[str, ...] = ()
    records = []
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if not columns:
                columns = _parse_header(fields, path, names)
                continue
            if len(fields) != len(columns):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields instead of "
                    f"{len(columns)}; correct or remove this line"
                )
            values = {c: f.strip() for c, f in zip(columns, fields, strict=True)}
            records.append(TableRow(reader.line_num, values))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}; correct this line") from None
    return columns, _require_rows(records, path)


def _parse_header(fields: list[str], path: str, names: Mapping[str, str]) -> tuple[str, ...]:
    columns = [field.strip().lower() for field in fields]
    for name, header in names.items():
        if header.lower() not in columns:
            raise DataError(
                f"{path}: data.columns.{name}: no column {header!r}, only "
                f"{', '.join(columns)[:200]}"
            )
        if name in columns and header.lower() != name:
            columns[columns.index(name)] = ""  # replaced by the column that the option names
        columns[columns.index(header.lower())] = name
    twice = next((c for c in COLUMNS if columns.count(c) > 1), None)
    if twice:
        raise DataError(f"{path}: column {twice!r} occurs twice; remove one")
    return tuple(columns)


def read_jsonl(
    data: bytes, path: str, names: Mapping[str, str]
) -> tuple[tuple[str, ...], list[TableRow]]:
    """Return the columns and rows of a JSONL with one object on each line.

    Keys that are not in `COLUMNS` are ignored.

    Raises:
        DataError: not UTF-8, no rows, or a line that is not an object of text and numbers.
    """
    records, columns = [], dict[str, None]()
    for number, line in enumerate(_decode_utf8(data, path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = getattr(error, "msg", type(error).__name__)
            raise DataError(f"{path}, line {number}: not JSON ({why}); correct it") from None
        if not isinstance(found, dict):
            raise DataError(f'{path}, line {number}: not an object such as {{"path": "a.jpg"}}')
        columns.update(dict.fromkeys(found))
        values = {
            name: _json_value_to_str(
                found.get(names.get(name, name)), name, f"{path}, line {number}"
            )
            for name in COLUMNS
        }
        records.append(TableRow(number, values))
    present = {name: name for name in columns} | {header: name for name, header in names.items()}
    return tuple(present[name] for name in columns), _require_rows(records, path)


def read_stylegan_json(data: bytes, path: str) -> tuple[tuple[str, ...], list[TableRow]]:
    """Return the columns and rows of the dataset.json of StyleGAN: ``{"labels": [[path, class],
    ...]}``; a row's line is its place in the list.

    Raises:
        DataError: not such a file.
    """
    try:
        pairs = json.loads(_decode_utf8(data, path))["labels"]
        rows = [(str(name), label) for name, label in pairs]
    except (ValueError, RecursionError, TypeError, LookupError):
        raise DataError(f'{path}: not {{"labels": [["a.png", 0], ...]}}') from None
    records = [
        TableRow(number, {"path": name, "label": _json_value_to_str(label, "label", path)})
        for number, (name, label) in enumerate(rows, 1)
    ]
    return ("path", "label"), _require_rows(records, path)


def _json_value_to_str(value: Any, name: str, path: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f"{path}: {name!r} is {json.dumps(value)[:40]}, not text or a number")
    return str(value).strip()


def _decode_utf8(data: bytes, path: str) -> str:
    """Decode UTF-8 with or without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not UTF-8; save the table as UTF-8") from None


def _require_rows(records: list[TableRow], path: str) -> list[TableRow]:
    if not records:
        raise DataError(f"{path} lists no images; give one line for each")
    return records
