"""Checkpoints: tensors, then a small JSON that commits them with their hash.

A crash between the two leaves the former checkpoint the last; a file that fails its hash is
skipped for the one before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo_core.errors import WeightsError
from ganzoo_core.files import load_tensors, save_tensors, sha256, write_json


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint on disk."""

    path: Path
    """The .safetensors file."""
    about: dict[str, Any]
    """round, seconds, model, sha256."""

    def load(self) -> dict[str, Tensor]:
        """Read the tensors.

        Raises:
            WeightsError: the file is missing, or its hash is not the recorded one.
        """
        if not self.path.exists():
            raise WeightsError(f"checkpoint {self.path} is missing")
        if sha256(self.path) != self.about.get("sha256"):
            raise WeightsError(f"checkpoint {self.path} is truncated or damaged (its hash differs)")
        return load_tensors(self.path)[0]


def save_checkpoint(folder: Path, state: dict[str, Tensor], about: dict[str, Any], keep: int) -> Path:
    """Write a checkpoint, then remove all but the newest `keep`.

    Raises:
        OutputError: the disk is full; the former checkpoint is untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{about['round']:08d}.safetensors"
    save_tensors(path, state)
    write_json(path.with_suffix(".json"), {**about, "sha256": sha256(path)})
    for old in list(checkpoints(folder))[keep:]:
        old.path.with_suffix(".json").unlink(missing_ok=True)
        old.path.unlink(missing_ok=True)
    return path


def checkpoints(folder: Path) -> Iterator[Checkpoint]:
    """Yield the committed checkpoints of a folder, newest first; unreadable records are passed."""
    for record in sorted(folder.glob("[0-9]*.json"), reverse=True):
        try:
            about = json.loads(record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(about, dict) and isinstance(about.get("round"), int):
            yield Checkpoint(record.with_suffix(".safetensors"), about)


def latest(folder: Path) -> tuple[Checkpoint, dict[str, Tensor], list[str]]:
    """Return the newest sound checkpoint, its tensors, and what was skipped to reach it.

    Raises:
        WeightsError: there is none.
    """
    skipped: list[str] = []
    for checkpoint in checkpoints(folder):
        try:
            return checkpoint, checkpoint.load(), skipped
        except WeightsError as error:
            skipped.append(str(error))
    why = f": {skipped[0]}" if skipped else ""
    raise WeightsError(f"no sound checkpoint in {folder}{why}")
