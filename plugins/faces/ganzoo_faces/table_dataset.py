"""A CSV or JSONL that lists images: `path`, and optional `age`, `identity`, `label`."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from ganzoo_core import limits
from ganzoo_core.data.archive import FileSource, open_files, short_error_message
from ganzoo_core.errors import DataError
from ganzoo_faces.config import TableConfig
from ganzoo_faces.image_files import ImageFilesDataset, ImageRecord, normalize_nfc
from ganzoo_faces.table_reader import COLUMNS, TableRow, read_csv, read_jsonl, read_stylegan_json

_TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl")
_STYLEGAN_TABLE = "dataset.json"
_ANNOTATIONS = ("age", "identity", "label")


class TableDataset(ImageFilesDataset):
    """The images of a table; paths are relative to the folder of the table."""

    example_path = "labels.csv"
    empty_hint = "paths in a table are relative to the folder of the table"

    def __init__(self, config: TableConfig) -> None:
        self.license = config.license
        super().__init__(config)

    def open_source(self) -> FileSource:
        """Open the folder or archive of the table; for a table file, the folder is not listed."""
        path = Path(self.config.path).expanduser()
        is_table = path.suffix.lower() in _TABLE_SUFFIXES or path.name == _STYLEGAN_TABLE
        is_table_file = is_table and not path.is_dir()
        self.given_table = path if is_table_file else None
        if not is_table_file:
            if self.config.root:
                raise DataError(
                    f"data.root needs the path of a table file, not of {path}: give "
                    "--data table:FILE.csv"
                )
            return open_files(path)
        root = Path(self.config.root).expanduser() if self.config.root else path.parent
        if not root.is_dir():
            raise DataError(f"data.root: there is no folder {root}")
        return _UnlistedFolderSource(root)

    def _find_table(self) -> str:
        """Return the path of the table in the folder or archive."""
        if self.config.table:
            return str(self.config.table)
        found = [
            name
            for name in self.files.names
            if name.lower().endswith(_TABLE_SUFFIXES) or PurePosixPath(name).name == _STYLEGAN_TABLE
            if not PurePosixPath(name).name.startswith(".")
        ]
        if len(found) == 1:
            return found[0]
        count = f"{len(found)} tables ({', '.join(found[:3])})" if found else "no .csv or .jsonl"
        raise DataError(f"{self.config.path} contains {count}; give one with --set data.table=NAME")

    def iter_records(self) -> Iterator[ImageRecord]:
        """Yield the images of the table; count missing files; raise for an invalid line."""
        if self.given_table:
            self.table_path, self.table_folder = str(self.given_table), PurePosixPath()
            data = _UnlistedFolderSource(self.given_table.parent).read(self.given_table.name)
        else:
            name = self._find_table()
            self.table_path = str(self.files.path / name)
            self.table_folder = PurePosixPath(name).parent
            data = self.files.read(name)
        if PurePosixPath(self.table_path).name == _STYLEGAN_TABLE:
            columns, records = read_stylegan_json(data, self.table_path)
        else:
            read = read_jsonl if self.table_path.lower().endswith(".jsonl") else read_csv
            columns, records = read(data, self.table_path, self.config.columns)
        self._check_columns(columns)
        from_folder = self.config.label_from == "folder"
        self.record_fields = tuple(
            column
            for column in _ANNOTATIONS
            if (from_folder if column == "label" and from_folder else column in columns)
        )
        lines: dict[str, int] = {}
        for record in records:
            row = self._to_image_record(record)
            if row is None:
                continue
            if row.stable_key in lines:
                raise self._row_error(
                    record, f"{row.stable_key!r} is already listed in line {lines[row.stable_key]}"
                )
            lines[row.stable_key] = record.line
            yield row

    def _check_columns(self, columns: tuple[str, ...]) -> None:
        for missing in (name for name in COLUMNS if name not in columns):
            close = difflib.get_close_matches(missing, columns, n=1, cutoff=0.75)
            if close:
                raise DataError(f"{self.table_path}: column {close[0]!r} must be named {missing!r}")
        if "path" not in columns:
            has = ", ".join(columns)[:200] or "none"
            raise DataError(
                f"{self.table_path}: no column 'path', only {has}; the first line needs the column "
                "names: path, and optional age, identity, label"
            )

    def _to_image_record(self, record: TableRow) -> ImageRecord | None:
        """Return the record of a row; None if its file or a value is missing."""
        values = dict(record.values)
        path = self._parse_path(record, values.get("path", ""))
        age = self._parse_age(record, values.get("age", ""))
        if self.config.label_from == "folder":
            values["label"] = path.parts[0] if len(path.parts) > 1 else ""
        for column in self.record_fields:
            if not values.get(column):
                self.count_removed(f"no {column} in the table")
                return None
        name = self._find_file(path)
        if name is None:
            self.count_removed("file missing")
            return None
        identity, label = values.get("identity"), values.get("label")
        return ImageRecord(
            path=name,
            stable_key=normalize_nfc(str(path)),
            age=age,
            identity=normalize_nfc(identity) if identity else None,
            label=normalize_nfc(label) if label else None,
        )

    def _parse_path(self, record: TableRow, text: str) -> PurePosixPath:
        """Return the path of a row; raise a DataError if it leaves the folder of the table."""
        if not text:
            raise self._row_error(record, "no path")
        # Windows paths are accepted, and checked, on every system
        windows = PureWindowsPath(text)
        if text.startswith("/") or windows.drive or windows.root or ".." in windows.parts:
            raise self._row_error(
                record, f"the path {text[:80]!r} leads out of the folder of the table"
            )
        path = PurePosixPath(text)
        return (
            path if self._find_file(path) or "\\" not in text else PurePosixPath(windows.as_posix())
        )

    def _parse_age(self, record: TableRow, text: str) -> float | None:
        if "age" not in self.record_fields or not text:
            return None
        if not re.fullmatch(r"[+-]?[0-9]{1,9}(\.[0-9]*)?", text) or not math.isfinite(float(text)):
            raise self._row_error(
                record, f"the age {text[:40]!r} is not a number of years such as 31.5"
            )
        return float(text)

    def _find_file(self, path: PurePosixPath) -> str | None:
        """Return the name of a file, in the Unicode form that exists."""
        name = str(self.table_folder / path)
        forms = (name, normalize_nfc(name), unicodedata.normalize("NFD", name))
        return next((form for form in forms if form in self.files), None)

    def _row_error(self, record: TableRow, what: str) -> DataError:
        return DataError(
            f"{self.table_path}, line {record.line}: {what}; correct or remove this line"
        )

    def fingerprint(self) -> str:
        """Return a fingerprint of the table and its images."""
        if not isinstance(self.files, _UnlistedFolderSource):
            return super().fingerprint()
        digest = hashlib.sha256()
        root = self.files.root
        paths = [(row.path, root / row.path) for row in self.records]
        assert self.given_table
        for name, path in ((self.given_table.name, self.given_table), *paths):
            stat = path.stat()
            digest.update(f"{name!r} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()


class _UnlistedFolderSource(FileSource):
    """The folder of a table, which is never listed; files are opened by name."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.root = self.path.resolve()
        self.names = ()
        self.rejected = {}

    def __contains__(self, name: object) -> bool:
        try:
            target = (self.root / str(name)).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            return False
        return target.is_relative_to(self.root) and target.is_file()

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            DataError: the file does not exist, or cannot be read.
        """
        try:
            return limits.read_bytes(self.root / name, limits.IMAGE_BYTES)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path / name}: {short_error_message(error)}") from None
