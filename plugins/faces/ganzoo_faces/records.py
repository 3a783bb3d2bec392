"""Bytes of a CSV or JSONL to records of text, each with its line."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

from ganzoo_core.errors import DataError

COLUMNS = ("path", "age", "identity", "label")


@dataclass(frozen=True)
class Record:
    """One line of a table."""

    line: int
    """From 1."""
    values: dict[str, str]
    """By column; empty where the table says nothing."""


def read_csv(data: bytes, where: str) -> tuple[tuple[str, ...], list[Record]]:
    """Return the columns and the records of a CSV: commas, semicolons or tabs, a line of names.

    Raises:
        DataError: not UTF-8, no such lines, or a line with more or fewer fields than names.
    """
    text = decoded(data, where)
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
                columns = names(fields, where)
                continue
            if len(fields) != len(columns):
                raise DataError(
                    f"{where}, line {reader.line_num}: {len(fields)} fields, and the first line "
                    f"names {len(columns)}; correct or remove that line"
                )
            values = {c: f.strip() for c, f in zip(columns, fields, strict=True)}
            records.append(Record(reader.line_num, values))
    except csv.Error as error:
        raise DataError(f"{where}, line {reader.line_num}: {error}; correct that line") from None
    return columns, not_empty(records, where)


def names(fields: list[str], where: str) -> tuple[str, ...]:
    """Return the names of the columns in lower case."""
    columns = tuple(field.strip().lower() for field in fields)
    twice = next((c for c in COLUMNS if columns.count(c) > 1), None)
    if twice:
        raise DataError(f"{where}: column {twice!r} is there twice; remove one")
    return columns


def read_jsonl(data: bytes, where: str) -> tuple[tuple[str, ...], list[Record]]:
    """Return the columns and the records of a JSONL: an object a line; other keys are ignored.

    Raises:
        DataError: not UTF-8, empty, or a line that is no object or holds a list for a value.
    """
    records, columns = [], dict[str, None]()
    for number, line in enumerate(decoded(data, where).split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = getattr(error, "msg", type(error).__name__)
            raise DataError(f"{where}, line {number}: not JSON ({why}); correct it") from None
        if not isinstance(found, dict):
            raise DataError(f'{where}, line {number}: not an object such as {{"path": "a.jpg"}}')
        columns.update(dict.fromkeys(found))
        values = {
            name: text_of(found.get(name), name, f"{where}, line {number}") for name in COLUMNS
        }
        records.append(Record(number, values))
    return tuple(columns), not_empty(records, where)


def text_of(value: Any, name: str, where: str) -> str:
    """Return a value of JSON as text; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f"{where}: {name!r} is {json.dumps(value)[:40]}, not text or a number")
    return str(value).strip()


def decoded(data: bytes, where: str) -> str:
    """Return UTF-8 as text, with or without a mark at its beginning."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{where}, line {line}: not UTF-8; save the table as UTF-8") from None


def not_empty(records: list[Record], where: str) -> list[Record]:
    """Refuse a table without lines."""
    if not records:
        raise DataError(f"{where} lists no picture; give a line for each")
    return records
