"""A folder of Hugging Face `datasets`: parquet files, or the Arrow files of `save_to_disk`.

The files are read by pyarrow, not by the library `datasets`, which copies them into a cache of its
own before the first row and imports pandas. Only data are read: no script, no pickle, and no file
that a row names.
"""

from __future__ import annotations

import json
import math
import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ganzoo_core import limits
from ganzoo_core.data.archive import FileSource, short_error_message
from ganzoo_core.errors import DataError
from ganzoo_faces.config import ArrowConfig
from ganzoo_faces.detect import ARROW_SUFFIXES, arrow_files
from ganzoo_faces.image_files import ImageFilesDataset, ImageRecord, normalize_nfc

if TYPE_CHECKING:
    import pyarrow as pa

_NAMES = {
    "image": ("image", "img", "picture", "photo", "pixel_values"),
    "label": ("label", "labels", "class", "category", "fine_label"),
    "age": ("age",),
    "identity": ("identity", "person", "person_id", "identity_id", "celeb_id", "subject_id"),
}
"""Names of columns, by what they hold; the first that fits is read."""
_SPLIT = re.compile(r"(?:^|[/_.-])(train|test|validation|valid|val|dev)(?=[/_.-]|$)")
_CHUNKS_IN_MEMORY = 2


class ArrowDataset(ImageFilesDataset):
    """The rows of parquet or Arrow files with an image each."""

    example_path = "my-dataset"
    empty_hint = "give a folder of parquet files with an image column"

    def __init__(self, config: ArrowConfig) -> None:
        self.license = config.license
        super().__init__(config)

    def open_source(self) -> FileSource:
        """Open the files; read what they say about their columns."""
        self.source = _ArrowSource(Path(self.config.path).expanduser(), self.config.columns)
        return self.source

    def iter_records(self) -> Iterator[ImageRecord]:
        """Yield the rows; count those that lack a value."""
        roles = self.source.columns
        self.record_fields = tuple(role for role in ("age", "identity", "label") if role in roles)
        for number, file in enumerate(self.source.files):
            values = self.source.read_values(number)
            for row in range(self.source.num_rows(number)):
                found = {role: values[role][row] for role in self.record_fields}
                if missing := [role for role, value in found.items() if value is None]:
                    self.count_removed(f"no {missing[0]} in the row")
                    continue
                name = f"{file}:{row}"
                yield ImageRecord(path=name, stable_key=name, **found)

    def order_class_names(self, names: set[str]) -> tuple[str, ...]:
        """Return the names in the order of the feature, or else sorted."""
        if not self.source.class_names:
            return super().order_class_names(names)
        return tuple(name for name in dict.fromkeys(self.source.class_names) if name in names)

    def filter_split(self, rows: list[ImageRecord]) -> list[ImageRecord]:
        """Return the rows of the split: by the files `train` and `test`, where they exist, as
        `datasets` names them; `validation` where there is no `test`."""
        splits = {file: _split_name(file) for file in self.source.files}
        held_out = next((s for s in ("test", "validation") if s in splits.values()), "")
        if self.config.split == "all" or not held_out or "train" not in splits.values():
            return super().filter_split(rows)
        wanted = "train" if self.config.split == "train" else held_out
        kept = [row for row in rows if splits[row.path.rpartition(":")[0]] == wanted]
        self.count_removed(
            f"not in the {self.config.split} split of the files", len(rows) - len(kept)
        )
        return kept


def _split_name(file: str) -> str:
    """Return train, test or validation; empty for a file that names none."""
    found = _SPLIT.findall(str(PurePosixPath(file).with_suffix("")).lower())
    if not found:
        return ""
    return found[-1] if found[-1] in {"train", "test"} else "validation"


class _ArrowSource(FileSource):
    """The rows of the files, by the name ``FILE:ROW``."""

    def __init__(self, path: Path, given_columns: dict[str, str]) -> None:
        self.pyarrow = _import_pyarrow()
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")
        self.path, self.rejected = path, {}
        self.root = path if path.is_dir() else path.parent
        self.files = arrow_files(path)
        if not self.files:
            raise DataError(f"{path} contains no {' or '.join(ARROW_SUFFIXES)} file")
        self._readers = [self._open(file) for file in self.files]
        self.names = ()
        schema = self._readers[0].schema
        self.features = _read_features(schema)
        self.columns = self._find_columns(schema, given_columns)
        self.class_names: tuple[str, ...] = ()
        feature = self.features.get(self.columns.get("label", ""), {})
        if feature.get("_type") == "ClassLabel":
            self.class_names = tuple(map(str, feature.get("names") or ()))
        used = set(self.columns.values())
        for file, reader in zip(self.files, self._readers, strict=True):
            if missing := used - set(reader.schema.names):
                raise DataError(
                    f"{self.root / file} has no column {min(missing)!r}, unlike "
                    f"{self.files[0]}: give one data set, such as a folder of its files alone"
                )
        self._lock = threading.Lock()
        self._chunks: OrderedDict[tuple[int, int], Any] = OrderedDict()

    def __contains__(self, name: object) -> bool:
        return str(name).rpartition(":")[0] in self.files

    def num_rows(self, file: int) -> int:
        """Return the number of rows of a file."""
        return self._readers[file].num_rows

    def read_values(self, file: int) -> dict[str, list[Any]]:
        """Return the ages, identities and labels of a file: None where a row has none.

        Raises:
            DataError: the columns cannot be read.
        """
        names = {role: name for role, name in self.columns.items() if role != "image"}
        table = self._guard(file, lambda: self._readers[file].read([*names.values()]))
        convert = {"age": _to_age, "identity": _to_text, "label": self._to_label}
        return {
            role: [convert[role](value) for value in table.column(name).to_pylist()]
            for role, name in names.items()
        }

    def _to_label(self, value: Any) -> str | None:
        if not self.class_names or value is None:
            return _to_text(value)
        # datasets writes -1 for a hidden label
        return self.class_names[value] if 0 <= value < len(self.class_names) else None

    def read(self, name: str) -> bytes:
        """Return the image file in a row.

        Raises:
            DataError: the row has none, or cannot be read.
        """
        file_name, _, row = name.rpartition(":")
        file = self.files.index(file_name)
        chunk, row_in_chunk = self._readers[file].find_chunk(int(row))
        with self._lock:
            column = self._chunks.pop((file, chunk), None)
            if column is None:
                column = self._guard(
                    file, lambda: self._readers[file].read_chunk(chunk, self.columns["image"])
                )
            self._chunks[file, chunk] = column
            if len(self._chunks) > _CHUNKS_IN_MEMORY:
                self._chunks.popitem(last=False)
        value = column[row_in_chunk].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if data is None:
            raise DataError("the row has no image, or only the path of one")
        return bytes(data)

    def _open(self, file: str) -> _ParquetReader | _StreamReader:
        reader = _ParquetReader if file.endswith(".parquet") else _StreamReader
        return self._guard(file, lambda: reader(self.root / file))

    def _guard(self, file: int | str, action: Any) -> Any:
        """Call a function of pyarrow; its errors become one line."""
        try:
            return action()
        except (self.pyarrow.ArrowException, OSError, ValueError) as error:
            path = self.root / (file if isinstance(file, str) else self.files[file])
            why = short_error_message(error).partition(". ")[0][:160]
            raise DataError(f"{path} cannot be read: {why}") from None

    def _find_columns(self, schema: pa.Schema, given: dict[str, str]) -> dict[str, str]:
        """Return the column of each role: image, and those of label, age and identity that exist.

        Raises:
            DataError: no column of images, or a given column that does not exist or fit.
        """
        columns = {}
        for role, names in _NAMES.items():
            fitting = [name for name in schema.names if self._fits(schema, name, role)]
            if role in given:
                if given[role] not in fitting:
                    raise DataError(self._unfit_message(schema, role, given[role]))
                columns[role] = given[role]
                continue
            named = [name for name in names if name in fitting]
            if role == "label":
                fitting = [
                    n for n in fitting if self.features.get(n, {}).get("_type") == "ClassLabel"
                ]
            is_only = role in {"image", "label"} and len(fitting) == 1
            if named or is_only:
                columns[role] = (named or fitting)[0]
            elif role == "image":
                listed = ", ".join(schema.names)[:200]
                what = (
                    f"several image columns ({', '.join(fitting)})"
                    if fitting
                    else (f"no image column, only {listed}")
                )
                raise DataError(
                    f"{self.path} has {what}: name it with --set data.columns.image=NAME"
                )
        return columns

    def _fits(self, schema: pa.Schema, name: str, role: str) -> bool:
        """Return whether a column has a type of a role."""
        types, column = self.pyarrow.types, schema.field(name).type
        kind = self.features.get(name, {}).get("_type", "")
        is_text = types.is_string(column) or types.is_large_string(column)
        if role == "image":
            if types.is_struct(column):
                return column.get_field_index("bytes") >= 0 and kind in {"", "Image"}
            return types.is_binary(column) or types.is_large_binary(column)
        if role == "age":
            is_number = types.is_integer(column) or types.is_floating(column)
            return is_number and kind in {"", "Value"}
        return is_text or types.is_integer(column) or types.is_boolean(column)

    def _unfit_message(self, schema: pa.Schema, role: str, name: str) -> str:
        if name not in schema.names:
            listed = ", ".join(schema.names)[:200]
            return f"{self.path}: data.columns.{role}: no column {name!r}, only {listed}"
        wanted = {"image": "images", "age": "numbers of years"}.get(role, "integers or texts")
        kind = self.features.get(name, {}).get("_type") or str(schema.field(name).type)
        return f"{self.path}: data.columns.{role}={name}: {wanted} are needed, not {kind[:80]}"


class _ParquetReader:
    """A parquet file; a chunk is a row group."""

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self.file = parquet.ParquetFile(path)
        self.schema = self.file.schema_arrow
        groups = [self.file.metadata.row_group(i) for i in range(self.file.num_row_groups)]
        if any(group.total_byte_size > limits.DATA_FILE_BYTES for group in groups):
            raise ValueError(
                f"a row group has more than {limits.DATA_FILE_BYTES >> 30} GiB: write it with a "
                "smaller row_group_size"
            )
        self.ends = list(accumulate(group.num_rows for group in groups))
        self.num_rows = self.ends[-1] if groups else 0

    def read(self, columns: list[str]) -> pa.Table:
        return self.file.read(columns=columns)

    def find_chunk(self, row: int) -> tuple[int, int]:
        """Return the chunk of a row, and the row in it."""
        chunk = bisect_right(self.ends, row)
        return chunk, row - (self.ends[chunk - 1] if chunk else 0)

    def read_chunk(self, chunk: int, column: str) -> pa.ChunkedArray:
        return self.file.read_row_group(chunk, columns=[column]).column(column)


class _StreamReader:
    """An Arrow file of `save_to_disk`, in the stream format; one chunk. It is read, not mapped, so
    that a file that becomes shorter is an error and not a SIGBUS."""

    def __init__(self, path: Path) -> None:
        if path.stat().st_size > limits.DATA_FILE_BYTES:
            raise ValueError(
                f"larger than {limits.DATA_FILE_BYTES >> 30} GiB: save it with a smaller "
                "max_shard_size, or as parquet"
            )
        self.path = path
        with self._open() as reader:
            self.schema = reader.schema
        self.num_rows = self.read([]).num_rows

    def _open(self, columns: list[str] | None = None) -> pa.RecordBatchStreamReader:
        import pyarrow as pa

        indices = None if columns is None else [self.schema.names.index(c) for c in columns]
        options = pa.ipc.IpcReadOptions(included_fields=indices)
        return pa.ipc.open_stream(pa.OSFile(str(self.path)), options=options)

    def read(self, columns: list[str]) -> pa.Table:
        with self._open(columns) as reader:
            table = reader.read_all()
        table.validate(full=True)  # offsets in a damaged file may lead anywhere
        return table

    def find_chunk(self, row: int) -> tuple[int, int]:
        return 0, row

    def read_chunk(self, chunk: int, column: str) -> pa.ChunkedArray:
        return self.read([column]).column(column)


def _import_pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise DataError(
            "parquet and Arrow files need pyarrow: in the checkout, pip install -e '.[parquet]'"
        ) from None
    return pyarrow


def _read_features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Return the features that `datasets` records in a file, by column; empty without them."""
    text = (schema.metadata or {}).get(b"huggingface", b"")
    try:
        features = json.loads(text)["info"]["features"] if len(text) < limits.INDEX_BYTES else {}
        return {name: f for name, f in features.items() if isinstance(f, dict)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _to_age(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _to_text(value: Any) -> str | None:
    return None if value is None or value == "" else normalize_nfc(str(value))
