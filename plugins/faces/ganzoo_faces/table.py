"""A CSV or JSONL that lists pictures: `path`, and `age`, `identity`, `label` where known."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from ganzoo_core.data.archive import Files, open_files, plain
from ganzoo_core.errors import DataError
from ganzoo_faces.config import TableConfig
from ganzoo_faces.pictures import Pictures, Row, nfc
from ganzoo_faces.records import COLUMNS, Record, read_csv, read_jsonl

SUFFIXES = (".csv", ".tsv", ".jsonl")
FIELDS = {"age": "age", "identity": "person", "label": "label"}
"""Columns and what `Pictures` calls them."""


class ListedPictures(Pictures):
    """The pictures of a table; paths are relative to the folder in which the table lies."""

    example = "labels.csv"
    advice = "paths in a table are relative to the folder in which the table lies"

    def __init__(self, config: TableConfig) -> None:
        self.license = config.license
        super().__init__(config)

    def opened(self) -> Files:
        """Open what holds the table; beside a table given by itself nothing is listed."""
        path = Path(self.config.path).expanduser()
        alone = path.suffix.lower() in SUFFIXES and not path.is_dir()
        self.inside = path.name if alone else ""
        return Beside(path) if alone else open_files(path)

    def table_name(self) -> str:
        """Return the path of the table in what was opened."""
        if self.inside or self.config.table:
            return self.inside or str(self.config.table)
        found = [
            name
            for name in self.files.names
            if name.lower().endswith(SUFFIXES) and not PurePosixPath(name).name.startswith(".")
        ]
        if len(found) == 1:
            return found[0]
        count = f"{len(found)} tables ({', '.join(found[:3])})" if found else "no .csv or .jsonl"
        raise DataError(f"{self.config.path} holds {count}; say which with --set data.table=NAME")

    def rows(self) -> Iterator[Row]:
        """Yield what the table lists and what is there; a wrong line is an error."""
        name = self.table_name()
        self.where = str(self.files.path / name)
        self.folder = PurePosixPath(name).parent
        read = read_jsonl if name.lower().endswith(".jsonl") else read_csv
        columns, records = read(self.files.read(name), self.where)
        self.check_columns(columns)
        self.gives = tuple(FIELDS[column] for column in FIELDS if column in columns)
        lines: dict[str, int] = {}
        for record in records:
            row = self.row(record)
            if row is None:
                continue
            if row.key in lines:
                raise self.wrong(record, f"{row.key!r} is listed in line {lines[row.key]} already")
            lines[row.key] = record.line
            yield row

    def check_columns(self, columns: tuple[str, ...]) -> None:
        """Refuse a table without paths, or with a misspelt column."""
        for missing in (name for name in COLUMNS if name not in columns):
            close = difflib.get_close_matches(missing, columns, n=1, cutoff=0.75)
            if close:
                raise DataError(f"{self.where}: column {close[0]!r} must be named {missing!r}")
        if "path" not in columns:
            has = ", ".join(columns)[:200] or "none"
            raise DataError(
                f"{self.where}: column 'path' is missing, there is {has}; the first line "
                "names the columns: path, and age, identity, label where known"
            )

    def row(self, record: Record) -> Row | None:
        """Return one picture, None if a file or a value is missing.

        Raises:
            DataError: a path that leads elsewhere, or an age that is no number.
        """
        values = record.values
        path = self.inner(record, values.get("path", ""))
        age = self.age(record, values.get("age", ""))
        for column, field in FIELDS.items():
            if field in self.gives and not values.get(column):
                self.drop(f"no {column} in the table")
                return None
        name = self.found(path)
        if name is None:
            self.drop("file missing")
            return None
        identity, label = values.get("identity"), values.get("label")
        return Row(
            name=name,
            key=nfc(str(path)),
            age=age,
            person=nfc(identity) if identity else None,
            label=nfc(label) if label else None,
        )

    def inner(self, record: Record, text: str) -> PurePosixPath:
        """Return a path that stays below the table's folder."""
        if not text:
            raise self.wrong(record, "no path")
        # Windows names are understood everywhere, and its ways out are refused everywhere.
        windows = PureWindowsPath(text)
        if text.startswith("/") or windows.drive or windows.root or ".." in windows.parts:
            raise self.wrong(record, f"the path {text[:80]!r} leads out of the table's folder")
        path = PurePosixPath(text)
        return path if self.found(path) or "\\" not in text else PurePosixPath(windows.as_posix())

    def age(self, record: Record, text: str) -> float | None:
        """Return an age in years."""
        if "age" not in self.gives or not text:
            return None
        if not re.fullmatch(r"[+-]?[0-9]{1,9}(\.[0-9]*)?", text) or not math.isfinite(float(text)):
            raise self.wrong(record, f"the age {text[:40]!r} is not a number of years such as 31.5")
        return float(text)

    def found(self, path: PurePosixPath) -> str | None:
        """Return the name of a file, however its accents are written."""
        name = str(self.folder / path)
        forms = (name, nfc(name), unicodedata.normalize("NFD", name))
        return next((form for form in forms if form in self.files), None)

    def wrong(self, record: Record, what: str) -> DataError:
        """Return the error about a line."""
        return DataError(f"{self.where}, line {record.line}: {what}; correct or remove that line")

    def source(self) -> str:
        """Return a fingerprint of the table and of the pictures that it lists."""
        if not isinstance(self.files, Beside):
            return super().source()
        digest = hashlib.sha256()
        for name in (self.inside, *(row.name for row in self.listed)):
            seen = (self.files.root / name).stat()
            digest.update(f"{name!r} {seen.st_size} {seen.st_mtime_ns}\n".encode())
        return digest.hexdigest()


class Beside(Files):
    """The folder of a table: files are looked up by name, and the folder is never listed."""

    def __init__(self, table: Path) -> None:
        self.path = table.parent
        self.root = self.path.resolve()
        self.names = ()
        self.refused = {}

    def __contains__(self, name: object) -> bool:
        try:
            target = (self.root / str(name)).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            return False
        return target.is_relative_to(self.root) and target.is_file()

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            DataError: there is no such file, or it may not be read.
        """
        try:
            return (self.root / name).read_bytes()
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path / name}: {plain(error)}") from None
