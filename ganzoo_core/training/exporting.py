"""Export a run: its pretrained folder at another precision, with metrics and further networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo_core.engine.checkpoints import load_latest
from ganzoo_core.engine.optimizers import strip_prefix
from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.files import load_tensors
from ganzoo_core.training.evaluation_file import read_evaluation
from ganzoo_core.training.run_folder import RunFolder, create_output_folder
from ganzoo_core.weights import PretrainedFolder, find_pretrained
from ganzoo_core.weights.index import SAMPLE_GRID_FILE, WEIGHTS_FILE, Precision
from ganzoo_core.weights.pretrained import save_tensor_files


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
    index = {k: v for k, v in pretrained.index.items() if k != "files"}
    if metrics := _read_metric_values(run):
        index["metrics"] = metrics
    grid_png = b""
    if SAMPLE_GRID_FILE in pretrained.index["files"]:
        grid_png = (pretrained.path / SAMPLE_GRID_FILE).read_bytes()
    target_precision: Precision = precision or index.get("precision", "fp32")
    return save_tensor_files(
        create_output_folder(Path(out), ""), index, tensor_files, target_precision, grid_png
    )


def load_checkpoint_modules(run: Path, module_names: Sequence[str]) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of some networks from the newest checkpoint of a run, with full names.

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
    model_state = strip_prefix(load_latest(folder.checkpoints)[0].state, "model.")
    available = {name.split(".")[0] for name in model_state}
    for name in module_names:
        if name not in available:
            raise UsageError(f"{run} has no network {name!r}.{suggest(name, available)}")
    return {
        name: {k: v for k, v in model_state.items() if k.startswith(f"{name}.")}
        for name in module_names
    }


def _read_metric_values(run: Path) -> list[dict[str, Any]]:
    """Return the values of report/evaluation.json, each with the settings it was computed with.

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
    ]
