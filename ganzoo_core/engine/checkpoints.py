"""Checkpoints: tensors, then a small JSON that commits them with their hash.

A crash between the two leaves the former checkpoint the last; a file that fails its hash is
skipped for the one before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo_core.errors import WeightsError
from ganzoo_core.files import load_tensors, save_tensors, sha256, write_json, write_text

BEST = "best"
"""A file that names the checkpoint at which `train.best` was lowest."""


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint, read and verified."""

    path: Path
    """The .safetensors file."""
    about: dict[str, Any]
    """round, seconds, model, seed."""
    state: dict[str, Tensor]


def save_checkpoint(
    folder: Path, state: dict[str, Tensor], about: dict[str, Any], keep: int, *, best: bool = False
) -> Path:
    """Write a checkpoint, then remove all but the newest `keep` and the best.

    Args:
        best: it is the best so far; `best` in the folder says which.

    Raises:
        OutputError: the disk is full; the former checkpoint is untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{about['round']:08d}.safetensors"
    save_tensors(path, state, about)
    if best:  # before the record: after a crash in between, resume comes to the best once more
        write_text(folder / BEST, path.stem)
    write_json(path.with_suffix(".json"), {**about, "sha256": sha256(path)})
    prune(folder, path, keep)
    return path


def prune(folder: Path, newest: Path, keep: int) -> None:
    """Keep the newest checkpoint and those before it, `keep` in all.

    Later ones go: resume skipped them as damaged. So do files without a record, and the
    temporary files of a process that was killed.
    """
    stems = [record.stem for record in records(folder) if record.stem <= newest.stem][:keep]
    if (folder / BEST).exists():
        stems.append((folder / BEST).read_text(encoding="utf-8"))
    for path in folder.glob("[0-9]*.json"):  # the record goes first: it commits the tensors
        if path.stem not in stems:
            path.unlink(missing_ok=True)
    for path in (*folder.glob("[0-9]*.safetensors"), *folder.glob(".[0-9]*.part")):
        if path.stem not in stems:
            path.unlink(missing_ok=True)


def records(folder: Path) -> list[Path]:
    """Return the records of a folder's checkpoints, newest first."""
    return sorted(folder.glob("[0-9]*.json"), reverse=True)


def read_checkpoint(record: Path) -> Checkpoint:
    """Read one checkpoint.

    Raises:
        WeightsError: the record or the tensors are missing, damaged or do not belong together.
    """
    path = record.with_suffix(".safetensors")
    try:
        digest = json.loads(record.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise WeightsError(f"checkpoint record {record} is damaged") from None
    if not path.exists():
        raise WeightsError(f"checkpoint {path} is missing")
    if sha256(path) != digest:
        raise WeightsError(f"checkpoint {path} is truncated or damaged (its hash differs)")
    state, about = load_tensors(path)
    if not isinstance(about, dict) or not isinstance(about.get("round"), int):
        raise WeightsError(f"{path} is no checkpoint: its header names no round")
    return Checkpoint(path, about, state)


def latest(folder: Path) -> tuple[Checkpoint, list[str]]:
    """Return the newest sound checkpoint, and what was skipped to reach it.

    Raises:
        WeightsError: there is none.
    """
    skipped: list[str] = []
    for record in records(folder):
        try:
            return read_checkpoint(record), skipped
        except WeightsError as error:
            skipped.append(str(error))
    why = f": {skipped[0]}" if skipped else "; start a new run"
    raise WeightsError(f"no sound checkpoint in {folder}{why}")
