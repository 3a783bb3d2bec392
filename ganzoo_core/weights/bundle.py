"""A bundle: one folder that rebuilds a model without its data, and cannot run code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core import __version__
from ganzoo_core.errors import OutputError, WeightsError
from ganzoo_core.files import atomic, save_tensors, write_json, write_text
from ganzoo_core.files import sha256 as hash_of
from ganzoo_core.files.atomic import reason
from ganzoo_core.interfaces import DataInfo, Model
from ganzoo_core.weights.card import active_html, card
from ganzoo_core.weights.index import (
    CARD,
    FORMAT,
    GRID,
    INDEX,
    LARGEST,
    WEIGHTS,
    Precision,
    check_name,
    read_index,
)
from ganzoo_core.zoo import ModelSpec, zoo

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk, its index read and its files verified."""

    path: Path
    index: dict[str, Any]

    @property
    def model(self) -> str:
        """The model's name in the zoo."""
        return str(self.index["model"])

    @property
    def info(self) -> DataInfo:
        """The facts of the data it was trained on."""
        return DataInfo.from_json(self.index["data"])

    @property
    def sha256(self) -> str:
        """The bundle's one hash: of its index, which holds those of all its files."""
        return hash_of(self.path / INDEX)

    @property
    def files(self) -> dict[str, Path]:
        """Its files by name, the index last."""
        return {name: self.path / name for name in (*sorted(self.index["files"]), INDEX)}

    @property
    def tensor_files(self) -> dict[str, Path]:
        """Those of its files that hold tensors, by name."""
        return {name: path for name, path in self.files.items() if name.endswith(".safetensors")}


def served(model: Model) -> dict[str, Tensor]:
    """Return the tensors of the networks a bundle carries, by full name."""
    return {k: v for k, v in model.state_dict().items() if k.split(".")[0] in model.serves}


def origin(spec: ModelSpec) -> dict[str, Any]:
    """Return what an index says of the code behind a model of the zoo."""
    name, _, version = zoo().origin(spec).rpartition(" ")
    return {
        "plugin": {"distribution": name, "version": version},
        "api": spec.api,
        "license": spec.license,
        "can": list(spec.can),
    }


def write_bundle(
    folder: Path,
    model: Model,
    about: Mapping[str, Any],
    *,
    precision: Precision = "fp32",
    grid: bytes = b"",
    nets: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> Bundle:
    """Write the served networks, the card, and last the index with every file's sha256.

    Equal models and words give equal bytes, in any process.

    Args:
        model: with averaged weights, where the run keeps an average.
        about: fields of `Index`: model, plugin, config, license, parents, metrics ...
        precision: of the floats on disk; `fill` widens them again.
        grid: a PNG of samples.
        nets: further networks by name, each into ``<net>.safetensors``.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
        WeightsError: a weight is not finite, or too large for the precision.
    """
    index = {
        "format": FORMAT,
        "ganzoo": __version__,
        "serves": list(model.serves),
        "data": model.info.to_json(),
        "preprocessing": preprocessing(model.info),
        **about,
    }
    if model.remark:
        index["remark"] = model.remark
    parts = {WEIGHTS: served(model)}
    for name, tensors in (nets or {}).items():
        parts[f"{name}.safetensors"] = dict(tensors)
    return write_parts(folder, index, parts, precision, grid)


def write_parts(
    folder: Path,
    index: Mapping[str, Any],
    parts: Mapping[str, Mapping[str, Tensor]],
    precision: Precision,
    grid: bytes = b"",
) -> Bundle:
    """Write files of tensors, a grid, the card and the index; raises as `write_bundle`."""
    narrow = {name: narrowed(tensors, precision) for name, tensors in parts.items()}
    make_folder(folder)
    for name, tensors in narrow.items():
        check_name(name, folder / INDEX)
        save_tensors(folder / name, tensors, {"model": index["model"]})
    if grid:
        with atomic(folder / GRID) as part:
            part.write_bytes(grid)
    names = [*parts, *([GRID] if grid else [])]
    return seal(folder, {**index, "precision": precision}, names)


def preprocessing(info: DataInfo) -> dict[str, Any]:
    """Return what a photograph goes through on its way to the model, in words a program reads."""
    return {
        "size": info.size,
        "channels": info.channels,
        "range": [-1, 1],
        "layout": "NCHW",
        "resize": "centre square, bicubic, antialiased",
        "crop": None if info.crop is None else dict(info.crop),
    }


def narrowed(tensors: Mapping[str, Tensor], precision: Precision) -> dict[str, Tensor]:
    """Return tensors with their floats in a precision; whole numbers stay.

    Raises:
        WeightsError: one is not finite, or leaves the range of the precision.
    """
    out = {}
    for name, tensor in tensors.items():
        floats = tensor.is_floating_point()
        if floats and not tensor.isfinite().all():
            raise WeightsError(f"{name!r} holds values that are not finite: nothing is written")
        out[name] = tensor.to(DTYPES[precision]) if floats else tensor
        if floats and not out[name].isfinite().all():
            raise WeightsError(f"{name!r} holds values too large for {precision}: use bf16")
    return out


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {reason(error)}") from error


def seal(folder: Path, index: Mapping[str, Any], names: list[str]) -> Bundle:
    """Write the card, and last the index with the hashes of all files."""
    shown = {**index, "files": dict.fromkeys(names)}
    write_text(folder / CARD, card(shown))
    files = {
        name: {"sha256": hash_of(folder / name), "size": (folder / name).stat().st_size}
        for name in (*names, CARD)
    }
    write_json(folder / INDEX, {**index, "files": files})
    return Bundle(folder, read_index(folder / INDEX))


def annotate(folder: Path, metrics: Sequence[Mapping[str, Any]]) -> Bundle:
    """Record figures in a bundle's index and card, in place of older ones of the same names.

    Raises:
        WeightsError: the bundle is damaged.
    """
    index = dict(read_bundle(folder).index)
    names = [name for name in index.pop("files") if name != CARD]
    new = {metric["name"] for metric in metrics}
    kept = [metric for metric in index.get("metrics", []) if metric["name"] not in new]
    return seal(folder, {**index, "metrics": [*kept, *metrics]}, names)


def recard(folder: Path) -> Bundle:
    """Write a bundle's card and index anew, whatever became of the card.

    Raises:
        WeightsError: another file is missing or changed.
    """
    index = read_index(folder / INDEX)
    names = [name for name in index["files"] if name != CARD]
    for name in names:
        verify(folder / name, **index["files"][name])
    return seal(folder, {k: v for k, v in index.items() if k != "files"}, names)


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle's index and verify its files.

    Raises:
        WeightsError: no bundle, another format, a file that is missing, changed or strangely named.
    """
    index = read_index(folder / INDEX)
    for name, file in index["files"].items():
        verify(folder / name, file["sha256"], file["size"])
    if CARD in index["files"]:
        if index["files"][CARD]["size"] > LARGEST:
            raise WeightsError(f"{folder / CARD} is no card: it has more than {LARGEST:,} bytes")
        text = (folder / CARD).read_text(encoding="utf-8", errors="replace")
        if found := active_html(text):
            raise WeightsError(f"{folder / CARD} holds active HTML ({found}): refused")
    return Bundle(folder, index)


def verify(path: Path, sha256: str, size: int) -> None:
    """Check one file of the index: a plain file inside the folder, its length and hash."""
    if path.is_symlink() or not path.is_file():
        raise WeightsError(f"{path} is missing, or no plain file")
    try:
        same = path.stat().st_size == size and hash_of(path) == sha256
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None
    if not same:
        raise WeightsError(f"{path} is not the file the bundle was made with (sha256 differs)")
