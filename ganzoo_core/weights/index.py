"""ganzoo.json, the index of a pretrained folder: its keys, and strict reading."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ganzoo_core import limits
from ganzoo_core.errors import WeightsError
from ganzoo_core.files.typed import error_reason, parse_json, walk
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.terminal import find_control

INDEX_FORMAT = 1
INDEX_FILE = "ganzoo.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "README.md"
SAMPLE_GRID_FILE = "samples.png"
_ALLOWED_SUFFIXES = {".safetensors", ".md", ".json", ".png"}

Precision = Literal["fp32", "fp16", "bf16"]
_Sha256 = Field(pattern="^[0-9a-f]{64}$")


class IndexModel(BaseModel):
    """A part of the index: types are strict, values are not converted, unknown keys are kept."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")


class FileRecord(IndexModel):
    """One file of the folder."""

    sha256: str = _Sha256
    size: int = Field(ge=0, le=limits.FILE_BYTES)
    """Bytes."""


class PluginRecord(IndexModel):
    """The distribution with the code of the model."""

    distribution: str = ""
    version: str = ""


class AuxiliaryRecord(IndexModel):
    """An auxiliary network of the training."""

    role: str
    """Such as identity."""
    model: str
    sha256: str = _Sha256
    """Of its index."""


class InitRecord(IndexModel):
    """The weights that training started from, of the same model."""

    model: str
    sha256: str = _Sha256
    """Of their index."""
    data: str = ""
    """The data set that they were trained on."""
    license: str = ""
    """Their terms, which bind these weights too."""


class MetricRecord(IndexModel):
    """A measured value. Two values compare only if their settings are equal."""

    name: str
    value: float
    settings: dict[str, Any] = {}


class SourceRecord(IndexModel):
    """The checkpoint that the weights were converted from."""

    file: str
    sha256: str = _Sha256
    is_verified: bool
    """Whether a registry lists this sha256."""


class PublishedRecord(IndexModel):
    """How weights that a plugin ships were made: written by `ganzoo weights publish`."""

    summary: str = ""
    metric: str = ""
    """The name of the one of `metrics` that lists show."""
    command: str
    """The command that trains them; without paths of the machine."""
    data: dict[str, Any] = {}
    """`[data]` of the training, resolved, without its path."""


class CheckpointIndex(IndexModel):
    """The part of an index from which a model is built: checkpoints/index.json has no files."""

    model: str = Field(min_length=1, max_length=200)
    """A name in the zoo, or ``object:Class``."""
    plugin: PluginRecord = PluginRecord()
    api: int = 1
    """Version of the plugin contract."""
    ganzoo: str = ""
    """Version of ganzoo-core that wrote the index."""
    preset: str = ""
    composition: str = ""
    """The composition whose options it has; `model` is its base."""
    config: dict[str, Any]
    """`[model]`, resolved."""
    train: dict[str, Any] = {}
    """`[train]`, resolved."""
    data: dict[str, Any]
    """`DataInfo`."""
    inference_modules: list[str] = []
    """The networks in model.safetensors."""
    capabilities: list[str] = []
    precision: Precision = "fp32"
    """Of the floats in the .safetensors files."""
    preprocessing: dict[str, Any] = {}
    """How a photograph becomes an input of the model."""
    auxiliaries: list[AuxiliaryRecord] = []
    init_from: InitRecord | None = None
    metrics: list[MetricRecord] = []
    steps: int = 0
    """Training steps."""
    usage_note: str = Field("", max_length=1000)
    """`Model.usage_note`: the limits of the weights."""
    license: str = ""
    """Of the code; `data.license` binds the weights as well."""
    source: SourceRecord | None = None
    published: PublishedRecord | None = None


class PretrainedIndex(CheckpointIndex):
    """The whole index."""

    format_version: int
    files: dict[str, FileRecord]


def read_index(path: Path) -> dict[str, Any]:
    """Read and validate an index. The files that it lists are not opened.

    Raises:
        WeightsError: missing, not a plain file, damaged, of another format, or it lists a file
            name that is not allowed.
    """
    if path.is_symlink() or not path.is_file():
        raise WeightsError(f"{path.parent} is not a pretrained folder: it has no {INDEX_FILE}")
    try:
        return _parse_index(limits.read_bytes(path, limits.INDEX_BYTES).decode(), path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError, RecursionError, KeyError) as error:
        reason = error_reason(error) if isinstance(error, ValueError) else str(error)
        raise WeightsError(f"{path} is damaged ({type(error).__name__}: {reason})") from None


def check_index_fields(index_fields: Mapping[str, Any]) -> None:
    """Check before training that readers will accept the index of its weights.

    Raises:
        WeightsError: a field has another type than readers expect, or is too long.
    """
    files = {WEIGHTS_FILE: {"sha256": "0" * 64, "size": 0}}
    try:
        text = json.dumps({**index_fields, "format_version": INDEX_FORMAT, "files": files})
        if len(text) > limits.INDEX_BYTES // 2:
            raise ValueError(f"{len(text):,} bytes, such as long class names")
        _parse_index(text, Path(INDEX_FILE))
    except (ValueError, TypeError, AttributeError, RecursionError, KeyError) as error:
        reason = error_reason(error) if isinstance(error, ValueError) else str(error)
        raise WeightsError(
            f"weights of this run could not be read again: their index is refused ({reason})"
        ) from None


def _parse_index(text: str, path: Path) -> dict[str, Any]:
    index = parse_json(text, dict[str, Any])
    if "format_version" not in index:
        raise ValueError("format_version is missing")
    if (version := index["format_version"]) != INDEX_FORMAT:
        raise WeightsError(
            f"{path} has format_version {str(version)[:20]}, this ganzoo reads {INDEX_FORMAT}: "
            "upgrade ganzoo-core"
        )
    _check_size(index)
    if (count := len(index.get("files") or ())) > limits.FOLDER_FILES:
        raise ValueError(f"{count:,} files")
    index = PretrainedIndex.model_validate(index).model_dump(mode="json", exclude_unset=True)
    check_data_info(index["data"])
    names = {name.lower() for name in index["files"]} | {INDEX_FILE}
    if len(names) <= len(index["files"]):
        raise ValueError("files: two have the same name")
    for name in index["files"]:
        check_file_name(name, path)
    if WEIGHTS_FILE not in index["files"]:
        raise WeightsError(f"{path} does not list {WEIGHTS_FILE}")
    return index


def _check_size(index: Mapping[str, Any]) -> None:
    """Raise ValueError for too many entries, a long text, or a control character."""
    for count, item in enumerate(walk(index)):
        if count > limits.JSON_ENTRIES:
            raise ValueError(f"more than {limits.JSON_ENTRIES:,} entries")
        if isinstance(item, str) and len(item) > limits.JSON_TEXT_LENGTH:
            raise ValueError(f"a text of {len(item):,} characters")
        if isinstance(item, str) and (control := find_control(item)):
            raise ValueError(f"the control character {control} in a text")


def check_data_info(values: dict[str, Any]) -> None:
    """Raise ValueError or TypeError if a field is unknown, has another type or an absurd size."""
    DataInfo.from_json(values)  # refuses unknown fields
    info = TypeAdapter(DataInfo).validate_json(json.dumps(values), strict=True)
    size, channels = info.image_size, info.num_channels
    if not (1 <= size <= limits.IMAGE_SIZE and 1 <= channels <= limits.IMAGE_CHANNELS):
        raise ValueError(f"data: {size} px, {channels} channels")
    if len(info.class_names) > limits.CLASSES:
        raise ValueError(f"data: {len(info.class_names):,} classes")
    if (longest := max(map(len, info.class_names), default=0)) > limits.LABEL_LENGTH:
        raise ValueError(f"data: a class name of {longest:,} characters")
    if info.class_counts and len(info.class_counts) != len(info.class_names):
        raise ValueError(
            f"data: {len(info.class_counts)} class_counts for {len(info.class_names)} class_names"
        )


def check_file_name(name: str, path: Path) -> None:
    """Check that a file name stays inside the folder and that its suffix is one of data.

    Raises:
        WeightsError: it is not allowed.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) or (
        Path(name).suffix not in _ALLOWED_SUFFIXES or name == INDEX_FILE
    ):
        raise WeightsError(f"{path} lists {name!r}: only plain names of data files are allowed")
