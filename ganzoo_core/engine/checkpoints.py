"""Checkpoints: a file of tensors, then a small JSON record that commits it with its hash.

After a crash between the two, the previous checkpoint is the newest. A file whose hash differs is
skipped in favor of the previous one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from ganzoo_core.errors import WeightsError
from ganzoo_core.files import (
    file_sha256,
    load_tensors,
    read_json,
    save_tensors,
    write_json,
    write_text,
)

BEST = "best"
"""Name of the file that holds the name of the checkpoint with the lowest `train.monitor`."""


class CheckpointRecord(BaseModel):
    """STEP.json: commits the tensors of STEP.safetensors."""

    model_config = ConfigDict(extra="allow")

    sha256: str
    step: int
    total_steps: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint, read and verified."""

    path: Path
    """The .safetensors file."""
    info: dict[str, Any]
    """step, seconds, retries, model, seed, best_value."""
    state: dict[str, Tensor]
    """The tensors by name."""


def save_checkpoint(
    folder: Path,
    state: dict[str, Tensor],
    info: dict[str, Any],
    total_limit: int,
    *,
    is_best: bool = False,
) -> Path:
    """Write a checkpoint, then remove all but the newest ones and the best one.

    Args:
        folder: the folder of the checkpoints; it is created.
        state: the tensors by name.
        info: plain JSON values with the key `step`.
        total_limit: the number of checkpoints to keep.
        is_best: whether its monitored value is the lowest of the run.

    Returns:
        The path of the .safetensors file.

    Raises:
        OutputError: the disk is full; the previous checkpoint is untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{info['step']:08d}.safetensors"
    save_tensors(path, state, info)
    if is_best:  # before the record: after a crash in between, the run reaches this step again
        write_text(folder / BEST, path.stem)
    write_json(path.with_suffix(".json"), {**info, "sha256": file_sha256(path)})
    _prune(folder, path, total_limit)
    return path


def _prune(folder: Path, newest: Path, total_limit: int) -> None:
    """Keep the newest checkpoint, those before it, and the best one.

    Remove checkpoints of later steps, which resume skipped as damaged, files without a record, and
    temporary files of a killed process. A file that cannot be removed stays: the checkpoint is
    saved already.
    """
    stems = [record.stem for record in checkpoint_records(folder) if record.stem <= newest.stem]
    kept = stems[:total_limit]
    with suppress(OSError):
        kept.append((folder / BEST).read_text(encoding="utf-8", errors="replace"))
    # The record goes first: it commits the tensors.
    for pattern in ("[0-9]*.json", "[0-9]*.safetensors", ".[0-9]*.part"):
        for path in folder.glob(pattern):
            if path.stem not in kept:
                with suppress(OSError):
                    path.unlink(missing_ok=True)


def checkpoint_records(folder: Path) -> list[Path]:
    """Return the paths of the records in a folder, newest first."""
    return sorted(folder.glob("[0-9]*.json"), reverse=True)


def has_checkpoints(folder: Path) -> bool:
    """Return whether training has saved a checkpoint in a folder, damaged ones included.

    The tensors of step 0 without a record are of a run that stopped while it wrote them.
    """
    tensor_files = [path for path in folder.glob("[0-9]*.safetensors") if path.stem.strip("0")]
    return bool(checkpoint_records(folder) or tensor_files)


def read_checkpoint(record: Path) -> Checkpoint:
    """Read one checkpoint by the path of its record.

    Raises:
        WeightsError: the record or the tensors are missing or damaged, or do not belong together.
    """
    path = record.with_suffix(".safetensors")
    expected = read_json(record, CheckpointRecord).sha256
    if not path.exists():
        raise WeightsError(f"checkpoint {path} is missing")
    if file_sha256(path) != expected:
        raise WeightsError(f"checkpoint {path} is truncated or damaged (its hash differs)")
    state, info = load_tensors(path)
    if not isinstance(info, dict) or not isinstance(info.get("step"), int):
        raise WeightsError(f"{path} is not a checkpoint: its header names no step")
    return Checkpoint(path, info, state)


def load_latest(folder: Path) -> tuple[Checkpoint, list[str]]:
    """Return the newest valid checkpoint, and one line for each damaged one that was skipped.

    Raises:
        WeightsError: there is no valid checkpoint.
    """
    skipped: list[str] = []
    for record in checkpoint_records(folder):
        try:
            return read_checkpoint(record), skipped
        except WeightsError as error:
            skipped.append(str(error))
    why = f": {skipped[0]}" if skipped else "; start a new run"
    raise WeightsError(f"no valid checkpoint in {folder}{why}")


def load_best(folder: Path) -> Checkpoint:
    """Return the checkpoint with the lowest `train.monitor`.

    Raises:
        WeightsError: the run monitored nothing, or the checkpoint is damaged.
    """
    try:
        name = (folder / BEST).read_text(encoding="utf-8").strip()
    except OSError:
        raise WeightsError(
            f"{folder} has no best checkpoint: the run needs train.monitor"
        ) from None
    return read_checkpoint(folder / f"{Path(name).name}.json")
