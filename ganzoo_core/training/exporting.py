"""Export a run: its pretrained folder at another precision, with metrics and further networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo_core.engine.checkpoints import load_best, load_latest
from ganzoo_core.engine.optimizers import strip_prefix
from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.files import load_tensors
from ganzoo_core.training.evaluation_file import read_evaluation
from ganzoo_core.training.run_folder import RunFolder, create_output_folder
from ganzoo_core.weights import PretrainedFolder, find_pretrained
from ganzoo_core.weights.index import CARD_FILE, INDEX_FILE, WEIGHTS_FILE, Precision
from ganzoo_core.weights.pretrained import save_files
from ganzoo_core.weights.training_images import TRAINING_IMAGES_FILE, read_training_images


def export(
    run: str | Path,
    out: str | Path,
    *,
    precision: Precision | None = None,
    extra_modules: Sequence[str] = (),
) -> PretrainedFolder:
    """Write the pretrained folder of a run into a new folder. Needs no plugin.

    Args:
        run: the run, or a pretrained folder.
        out: the new folder.
        precision: the precision of the floats in the files; None keeps it.
        extra_modules: networks that only training uses, from the newest checkpoint of the run;
            each is written to ``<name>.safetensors``.

    Raises:
        WeightsError: no weights yet, damaged, or values that overflow the precision.
        UsageError: an unknown network.
        OutputError: `out` exists and is not empty.
    """
    run, pretrained = Path(run), find_pretrained(run)
    tensor_files = {name: load_tensors(path)[0] for name, path in pretrained.tensor_files.items()}
    tensor_files = {WEIGHTS_FILE: tensor_files.pop(WEIGHTS_FILE), **tensor_files}
    for name, tensors in load_checkpoint_modules(run, extra_modules).items():
        tensor_files[f"{name}.safetensors"] = tensors
    if training_images := read_training_images(pretrained.path):
        tensor_files[TRAINING_IMAGES_FILE] = training_images.tensors()
    index = {k: v for k, v in pretrained.index.items() if k != "files"}
    if metrics := read_metric_values(run):
        index["metrics"] = metrics
    other_files = {
        name: path.read_bytes()
        for name, path in pretrained.files.items()
        if path.suffix != ".safetensors" and name not in {CARD_FILE, INDEX_FILE}
    }
    target_precision: Precision = precision or index.get("precision", "fp32")
    return save_files(
        create_output_folder(Path(out), ""), index, tensor_files, target_precision, other_files
    )


def load_checkpoint_modules(
    run: Path, module_names: Sequence[str], *, is_best: bool = False
) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of some networks from the newest checkpoint of a run, or from the best
    one, with full names.

    Raises:
        UsageError: not a run, or an unknown network.
        WeightsError: no undamaged checkpoint.
    """
    if not module_names:
        return {}
    folder = RunFolder(run)
    if not folder.config.exists():
        raise UsageError(
            f"{run} is not a run folder: only a run has checkpoints of its training networks"
        )
    best_or_latest = load_best if is_best else lambda path: load_latest(path)[0]
    model_state = strip_prefix(best_or_latest(folder.checkpoints).state, "model.")
    available = {name.split(".")[0] for name in model_state}
    for name in module_names:
        if name not in available:
            raise UsageError(f"{run} has no network {name!r}.{suggest(name, available)}")
    return {
        name: {k: v for k, v in model_state.items() if k.startswith(f"{name}.")}
        for name in module_names
    }


def read_metric_values(run: Path) -> list[dict[str, Any]]:
    """Return the finite values of report/evaluation.json, each with the settings it was computed
    with.

    Raises:
        DataError: the file is damaged.
    """
    path = RunFolder(run).report / "evaluation.json"
    if not path.exists():
        return []
    return [
        {"name": f"{metric}: {name}", "value": value["value"], "settings": result["settings"]}
        for metric, result in sorted(read_evaluation(path)["results"].items())
        for name, value in sorted(result["values"].items())
        if math.isfinite(value["value"])
    ]
