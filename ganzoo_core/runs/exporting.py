"""Export a run: its bundle at another precision, with its figures, and further networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo_core.engine.checkpoints import latest
from ganzoo_core.engine.players import part
from ganzoo_core.errors import UsageError, WeightsError, suggest
from ganzoo_core.files import load_tensors
from ganzoo_core.runs.folder import RunFolder, claim
from ganzoo_core.weights import Bundle, find_bundle
from ganzoo_core.weights.bundle import write_parts
from ganzoo_core.weights.index import GRID, WEIGHTS, Precision


def export(
    run: str | Path,
    out: str | Path,
    *,
    precision: Precision | None = None,
    nets: Sequence[str] = (),
) -> Bundle:
    """Write the bundle of a run (or another bundle) into a new folder. Needs no plugin.

    Args:
        precision: of the floats on disk; as they are for None.
        nets: networks that only train, each into ``<net>.safetensors``, from the newest checkpoint.

    Raises:
        WeightsError: no weights yet, damaged, or too large for the precision.
        UsageError: there is no such network. OutputError: `out` is taken.
    """
    run, bundle = Path(run), find_bundle(run)
    parts = {name: load_tensors(path)[0] for name, path in bundle.tensor_files.items()}
    parts = {WEIGHTS: parts.pop(WEIGHTS), **parts}
    for net, tensors in networks(run, nets).items():
        parts[f"{net}.safetensors"] = tensors
    index = {k: v for k, v in bundle.index.items() if k != "files"}
    if metrics := measured(run):
        index["metrics"] = metrics
    grid = (bundle.path / GRID).read_bytes() if GRID in bundle.index["files"] else b""
    wanted: Precision = precision or index.get("precision", "fp32")
    return write_parts(claim(Path(out), ""), index, parts, wanted, grid)


def networks(run: Path, nets: Sequence[str]) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of networks in the newest checkpoint of a run, by full name.

    Raises:
        UsageError: it is no run, or has no such network. WeightsError: no sound checkpoint.
    """
    if not nets:
        return {}
    folder = RunFolder(run)
    if not folder.config.exists():
        raise UsageError(f"{run} is no run: only a run still has the networks that train")
    own = part(latest(folder.checkpoints)[0].state, "model.")
    known = {name.split(".")[0] for name in own}
    for net in nets:
        if net not in known:
            raise UsageError(f"{run} has no network {net!r}.{suggest(net, known)}")
    return {net: {k: v for k, v in own.items() if k.startswith(f"{net}.")} for net in nets}


def measured(run: Path) -> list[dict[str, Any]]:
    """Return the figures of a run's report/evaluation.json, each with its stamp.

    Raises:
        WeightsError: the file is damaged.
    """
    path = RunFolder(run).report / "evaluation.json"
    if not path.exists():
        return []
    try:
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
        return [
            {"name": f"{metric}: {name}", "value": float(figure["value"]), "stamp": found["stamp"]}
            for metric, found in sorted(results.items())
            for name, figure in sorted(found["figures"].items())
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} is damaged ({type(error).__name__}): run `ganzoo evaluate` again"
        ) from None
