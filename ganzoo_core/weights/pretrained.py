"""Write and read pretrained folders: they rebuild a model without its data, and hold no code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core import __version__, limits
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import atomic_path, file_sha256, save_tensors, write_json, write_text
from ganzoo_core.files.replace_files import finish_replacement, link_or_copy, replace_files
from ganzoo_core.interfaces import DataInfo, Model
from ganzoo_core.weights.card_html import find_active_html
from ganzoo_core.weights.index import (
    CARD_FILE,
    INDEX_FILE,
    INDEX_FORMAT,
    SAMPLE_GRID_FILE,
    WEIGHTS_FILE,
    Precision,
    check_file_name,
    read_index,
)
from ganzoo_core.weights.model_card import render_model_card
from ganzoo_core.weights.training_images import TRAINING_IMAGES_FILE
from ganzoo_core.zoo import ModelSpec, zoo

_TORCH_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class PretrainedFolder:
    """A pretrained folder on disk: its index is read and its files are verified."""

    path: Path
    index: dict[str, Any]
    hashed_file: str = INDEX_FILE
    """The file whose sha256 identifies the weights: the index, or a checkpoint of a run."""

    @property
    def model_name(self) -> str:
        """The model's name in the zoo."""
        return str(self.index["model"])

    @property
    def info(self) -> DataInfo:
        """The facts of the training data."""
        return DataInfo.from_json(self.index["data"])

    @property
    def sha256(self) -> str:
        """The sha256 of the index, which holds the sha256 of every other file; of a checkpoint that
        of its file."""
        return file_sha256(self.path / self.hashed_file)

    @property
    def files(self) -> dict[str, Path]:
        """The files by name, the index last."""
        return {name: self.path / name for name in (*sorted(self.index["files"]), INDEX_FILE)}

    @property
    def tensor_files(self) -> dict[str, Path]:
        """The .safetensors files of networks by name."""
        return {
            name: path
            for name, path in self.files.items()
            if name.endswith(".safetensors") and name != TRAINING_IMAGES_FILE
        }


def inference_state_dict(model: Model) -> dict[str, Tensor]:
    """Return the tensors of `Model.inference_modules` by full name."""
    return {
        k: v for k, v in model.state_dict().items() if k.split(".")[0] in model.inference_modules
    }


def code_provenance(spec: ModelSpec) -> dict[str, Any]:
    """Return the fields of an index about the code of a model in the zoo."""
    name, _, version = zoo().origin(spec).rpartition(" ")
    return {
        "plugin": {"distribution": name, "version": version},
        "api": spec.api_version,
        "license": spec.license,
        "capabilities": list(spec.capabilities),
    }


def save_pretrained(
    folder: Path,
    model: Model,
    index_fields: Mapping[str, Any],
    *,
    precision: Precision = "fp32",
    sample_grid_png: bytes = b"",
    extra_modules: Mapping[str, Mapping[str, Tensor]] | None = None,
    other_files: Mapping[str, bytes] | None = None,
) -> PretrainedFolder:
    """Write the inference modules, the card, and the index with the sha256 of every file. A folder
    that exists changes as a whole; if a crash interrupts the change, the next reader finishes it.

    Equal models and fields give equal bytes.

    Args:
        model: with averaged weights, if the run has an EMA.
        index_fields: fields of `PretrainedIndex`, such as model, plugin, config and metrics.
        precision: of the floats on disk; loading casts them back to fp32.
        sample_grid_png: a PNG of samples.
        extra_modules: tensors of further networks, and the hashes of the training images, by name:
            each into ``NAME.safetensors``.
        other_files: content by name, such as evaluation.json.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
        WeightsError: a weight is not finite, or too large for the precision; or a reader would
            refuse the folder.
    """
    index = {
        "format_version": INDEX_FORMAT,
        "ganzoo": __version__,
        "inference_modules": list(model.inference_modules),
        "data": model.info.to_json(),
        "preprocessing": _preprocessing_json(model.info),
        **index_fields,
    }
    if model.usage_note:
        index["usage_note"] = model.usage_note
    tensor_files = {WEIGHTS_FILE: inference_state_dict(model)}
    for name, tensors in (extra_modules or {}).items():
        tensor_files[f"{name}.safetensors"] = dict(tensors)
    other_files = {SAMPLE_GRID_FILE: sample_grid_png, **(other_files or {})}
    return save_files(folder, index, tensor_files, precision, other_files)


def save_files(
    folder: Path,
    index: Mapping[str, Any],
    tensor_files: Mapping[str, Mapping[str, Tensor]],
    precision: Precision,
    other_files: Mapping[str, bytes],
) -> PretrainedFolder:
    """Write .safetensors files, other files that are not empty, the card and the index; raises as
    `save_pretrained`."""
    other_files = {name: content for name, content in other_files.items() if content}
    cast_files = {name: _cast_tensors(tensors, precision) for name, tensors in tensor_files.items()}
    names = [*tensor_files, *other_files]
    for name in names:
        check_file_name(name, folder / INDEX_FILE)
    with replace_files(folder) as new_folder:
        for name, tensors in cast_files.items():
            save_tensors(new_folder / name, tensors, {"model": index["model"]})
        for name, content in other_files.items():
            with atomic_path(new_folder / name) as part:
                part.write_bytes(content)
        _write_index(new_folder, {**index, "precision": precision}, names, folder)
    return PretrainedFolder(folder, read_index(folder / INDEX_FILE))


def _preprocessing_json(info: DataInfo) -> dict[str, Any]:
    return {
        "image_size": info.image_size,
        "num_channels": info.num_channels,
        "range": [-1, 1],
        "layout": "NCHW",
        "resize": "center crop, bicubic, antialiased",
        "crop": None if info.crop is None else dict(info.crop),
    }


def _cast_tensors(tensors: Mapping[str, Tensor], precision: Precision) -> dict[str, Tensor]:
    """Return tensors with floats in a precision and integers unchanged."""
    out = {}
    for name, tensor in tensors.items():
        is_float = tensor.is_floating_point()
        if is_float and not tensor.isfinite().all():
            raise WeightsError(f"{name!r} holds values that are not finite: nothing is written")
        out[name] = tensor.to(_TORCH_DTYPES[precision]) if is_float else tensor
        if is_float and not out[name].isfinite().all():
            raise WeightsError(f"{name!r} holds values too large for {precision}: use bf16")
    return out


def _write_index(
    new_folder: Path, index: Mapping[str, Any], file_names: list[str], folder: Path
) -> None:
    """Write the card, and last the index with the hashes of all files, then read the folder as any
    reader does.

    Args:
        new_folder: where the files are.
        index: without `files`.
        file_names: without the card.
        folder: where they will be, for messages.

    Raises:
        WeightsError: a reader would refuse the folder.
    """
    try:
        card_index = {**index, "files": dict.fromkeys(file_names)}
        write_text(new_folder / CARD_FILE, render_model_card(card_index))
        files = {
            name: {
                "sha256": file_sha256(new_folder / name),
                "size": (new_folder / name).stat().st_size,
            }
            for name in (*file_names, CARD_FILE)
        }
        write_json(new_folder / INDEX_FILE, {**index, "files": files})
        read_pretrained(new_folder)
    except (WeightsError, ValueError, TypeError) as error:
        reason = str(error).replace(str(new_folder), str(folder))
        raise WeightsError(f"nothing is written, since it could not be read again: {reason}") from (
            error
        )


def _rewrite_index(folder: Path, index: Mapping[str, Any]) -> PretrainedFolder:
    """Replace the card and the index of a folder; `index` lists the files that stay."""
    names = [name for name in index["files"] if name != CARD_FILE]
    with replace_files(folder) as new_folder:
        for name in names:
            link_or_copy(folder / name, new_folder / name)
        _write_index(new_folder, {k: v for k, v in index.items() if k != "files"}, names, folder)
    return PretrainedFolder(folder, read_index(folder / INDEX_FILE))


def add_metrics(folder: Path, metrics: Sequence[Mapping[str, Any]]) -> PretrainedFolder:
    """Add metrics to an index and its card; they replace older ones of the same names.

    Raises:
        WeightsError: the folder is damaged, or a value is not finite.
    """
    index = read_pretrained(folder).index
    new_names = {metric["name"] for metric in metrics}
    kept = [metric for metric in index.get("metrics", []) if metric["name"] not in new_names]
    return _rewrite_index(folder, {**index, "metrics": [*kept, *metrics]})


def rewrite_card(folder: Path) -> PretrainedFolder:
    """Write the card and the index again, even if the card is missing or changed.

    Raises:
        WeightsError: another file is missing or changed.
    """
    finish_replacement(folder)
    index = read_index(folder / INDEX_FILE)
    for name, file in index["files"].items():
        if name != CARD_FILE:
            _verify_file(folder / name, file["sha256"], file["size"])
    return _rewrite_index(folder, index)


def read_pretrained(folder: Path) -> PretrainedFolder:
    """Read an index and verify every file that it lists.

    Raises:
        WeightsError: no index, another format, or a file is missing, changed or not allowed.
    """
    finish_replacement(folder)
    index = read_index(folder / INDEX_FILE)
    for name, file in index["files"].items():
        _verify_file(folder / name, file["sha256"], file["size"])
    if CARD_FILE in index["files"]:
        path = folder / CARD_FILE
        if index["files"][CARD_FILE]["size"] > limits.CARD_BYTES:
            raise WeightsError(
                f"{path} is too large for a card: more than {limits.CARD_BYTES:,} bytes"
            )
        if found := find_active_html(path.read_text(encoding="utf-8", errors="replace")):
            raise WeightsError(f"{path} holds active HTML ({found}): refused")
    return PretrainedFolder(folder, index)


def _verify_file(path: Path, sha256: str, size: int) -> None:
    if path.is_symlink() or not path.is_file():
        raise WeightsError(f"{path} is missing, or not a plain file")
    try:
        is_same = path.stat().st_size == size and file_sha256(path) == sha256
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None
    if not is_same:
        raise WeightsError(f"{path} was changed: its sha256 differs from the index")
