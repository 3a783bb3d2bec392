"""ganzoo.json, the index of a bundle: what it says, read strictly."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ganzoo_core.errors import WeightsError
from ganzoo_core.interfaces import DataInfo

FORMAT = 1
INDEX, WEIGHTS, CARD, GRID = "ganzoo.json", "model.safetensors", "README.md", "samples.png"
SUFFIXES = {".safetensors", ".md", ".json", ".png"}
LARGEST = 4 * 2**20
"""Bytes of an index; a real one has a few thousand."""
LARGEST_EDGE = 2**14

Precision = Literal["fp32", "fp16", "bf16"]
Sha256 = Field(pattern="^[0-9a-f]{64}$")


class Part(BaseModel):
    """A part of the index: right types, values as they are, further keys kept."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")


class File(Part):
    """One file of the bundle."""

    sha256: str = Sha256
    size: int = Field(ge=0)
    """Bytes."""


class Plugin(Part):
    """The distribution whose code the weights belong to."""

    distribution: str = ""
    version: str = ""


class Parent(Part):
    """Weights that these were trained against or came from."""

    role: str
    """Such as identity, age, or teacher."""
    model: str
    sha256: str = Sha256
    """Of the parent's index."""


class Init(Part):
    """Weights that training began with, of the same model."""

    model: str
    sha256: str = Sha256
    """Of their index."""
    data: str = ""
    """What they had learned from."""
    license: str = ""
    """Their terms, which bind these weights too."""


class Metric(Part):
    """A figure and all that must be equal for it to compare."""

    name: str
    value: float
    stamp: dict[str, Any] = {}


class Source(Part):
    """The checkpoint from elsewhere that the weights were imported from."""

    file: str
    sha256: str = Sha256
    verified: bool
    """Whether a registry knows this sha256."""


class Index(Part):
    """The whole index."""

    format: int
    model: str = Field(min_length=1, max_length=200)
    """A name of the zoo, or ``object:Class``."""
    plugin: Plugin = Plugin()
    api: int = 1
    """Of the plugin contract."""
    ganzoo: str = ""
    """The version of ganzoo-core that wrote it."""
    preset: str = ""
    config: dict[str, Any]
    """`[model]`, resolved."""
    train: dict[str, Any] = {}
    """`[train]`, resolved."""
    data: dict[str, Any]
    """`DataInfo`."""
    serves: list[str] = []
    can: list[str] = []
    precision: Precision = "fp32"
    preprocessing: dict[str, Any] = {}
    """What a photograph goes through on its way to the model."""
    parents: list[Parent] = []
    init: Init | None = None
    metrics: list[Metric] = []
    rounds: int = 0
    remark: str = Field("", max_length=1000)
    """What the model says of the limits of its weights."""
    license: str = ""
    """Of the code; `data.license` binds the weights as well."""
    source: Source | None = None
    files: dict[str, File]


def parse_json(text: str) -> Any:
    """Read JSON as everybody does it: no key twice, no NaN.

    Raises:
        ValueError: says what is wrong. RecursionError: too deep.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            names = [name for name, _ in pairs]
            raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} is there twice")
        return table

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, object_pairs_hook=once, parse_constant=refuse)


def read_index(path: Path) -> dict[str, Any]:
    """Read and check an index; no file that it names is opened.

    Raises:
        WeightsError: missing, no plain file, damaged, of another format, or naming strange files.
    """
    if path.is_symlink() or not path.is_file():
        raise WeightsError(f"{path.parent} is no bundle: it has no {INDEX}")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"more than {LARGEST:,} bytes")
        return check_index(path.read_text(encoding="utf-8"), path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError, RecursionError, KeyError) as error:
        why = explain(error) if isinstance(error, ValidationError) else str(error)
        raise WeightsError(f"{path} is damaged ({type(error).__name__}: {why})") from None


def check_index(text: str, path: Path) -> dict[str, Any]:
    """Return the index in a text; raises whatever is found wrong."""
    index = parse_json(text)
    if not isinstance(index, dict) or "format" not in index:
        raise ValueError("it names no format")
    if (version := index["format"]) != FORMAT:
        given = str(version)[:20]
        raise WeightsError(
            f"{path} has format {given}, this ganzoo reads {FORMAT}: upgrade ganzoo-core"
        )
    index = Index.model_validate(index).model_dump(mode="json", exclude_unset=True)
    check_data(index["data"])
    names = {name.lower() for name in index["files"]} | {INDEX}
    if len(names) <= len(index["files"]):
        raise ValueError("two files have one name")
    for name in index["files"]:
        check_name(name, path)
    if WEIGHTS not in index["files"]:
        raise WeightsError(f"{path} names no {WEIGHTS}")
    return index


def check_data(values: dict[str, Any]) -> None:
    """Check the facts of the data: right types, sizes that a picture may have.

    Raises:
        ValueError, TypeError: says what is wrong.
    """
    DataInfo.from_json(values)  # refuses fields that it does not know
    info = TypeAdapter(DataInfo).validate_json(json.dumps(values), strict=True)
    if not (1 <= info.size <= LARGEST_EDGE and 1 <= info.channels <= LARGEST_EDGE):
        raise ValueError(f"data: {info.size} px, {info.channels} channels")
    if info.counts and len(info.counts) != len(info.classes):
        raise ValueError(f"data: {len(info.counts)} counts for {len(info.classes)} classes")


def check_name(name: str, path: Path) -> None:
    """Refuse a file name that could lead out of the folder, or to anything but data.

    Raises:
        WeightsError: names it.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) or (
        Path(name).suffix not in SUFFIXES or name == INDEX
    ):
        raise WeightsError(f"{path} names {name!r}: only plain file names are allowed")


def explain(error: ValidationError) -> str:
    """Say the first problem of a ValidationError in one line."""
    problem = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
