"""A bundle: one folder that rebuilds a model without its data, and cannot run code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo_core.errors import WeightsError
from ganzoo_core.files import (
    copy_strictly,
    load_tensors,
    save_tensors,
    sha256,
    write_json,
    write_text,
)
from ganzoo_core.interfaces import DataInfo, Model
from ganzoo_core.weights.card import card

FORMAT = 1
INDEX, WEIGHTS, CARD = "ganzoo.json", "model.safetensors", "README.md"


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


def served(model: Model) -> dict[str, Tensor]:
    """Return the tensors of the networks a bundle carries, by full name."""
    return {k: v for k, v in model.state_dict().items() if k.split(".")[0] in model.serves}


def write_bundle(folder: Path, model: Model, about: dict[str, Any]) -> None:
    """Write the served networks, the card, and last the index with every file's sha256.

    Args:
        model: with averaged weights, where the run keeps an average.
        about: model, plugin, config, license, trained: what the index says beside the data.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = {"format": FORMAT, "serves": list(model.serves), "data": model.info.to_json(), **about}
    save_tensors(folder / WEIGHTS, served(model), {"model": about["model"]})
    write_text(folder / CARD, card(index))
    files = {name: sha256(folder / name) for name in (WEIGHTS, CARD)}
    write_json(folder / INDEX, {**index, "files": files})


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle's index and verify its files.

    Raises:
        WeightsError: no bundle, another format, a file that is missing, changed or strangely named.
    """
    path = folder / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if (version := index["format"]) != FORMAT:
            raise WeightsError(
                f"{path} has format {version}, this ganzoo reads {FORMAT}: upgrade ganzoo-core"
            )
        files, _ = dict(index["files"]), dict(index["config"])
        str(index["model"]), DataInfo.from_json(index["data"])
    except FileNotFoundError:
        raise WeightsError(f"{folder} is no bundle: it has no {INDEX}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path} is damaged ({type(error).__name__}: {error})") from None
    for name, digest in files.items():
        verify(folder, str(name), str(digest))
    if WEIGHTS not in files:
        raise WeightsError(f"{path} names no {WEIGHTS}")
    return Bundle(folder, index)


def verify(folder: Path, name: str, digest: str) -> None:
    """Check one file of the index: a plain name inside the folder, and the recorded hash."""
    if Path(name).name != name or Path(name).suffix not in {".safetensors", ".md", ".json", ".png"}:
        raise WeightsError(f"{folder / INDEX} names {name!r}: only plain file names are allowed")
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise WeightsError(f"{path} is missing, or no plain file")
    try:
        found = sha256(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None
    if found != digest:
        raise WeightsError(f"{path} is not the file the bundle was made with (sha256 differs)")


def fill(model: Model, bundle: Bundle) -> Model:
    """Load a bundle's weights strictly into a fresh model; networks it lacks are dropped."""
    tensors, _ = load_tensors(bundle.path / WEIGHTS)
    copy_strictly(served(model), tensors, bundle.path / WEIGHTS)
    for name, _ in list(model.named_children()):
        if name not in model.serves:
            delattr(model, name)
    return model.eval().requires_grad_(False)
