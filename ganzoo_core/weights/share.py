"""`Model.save_pretrained` and `Model.push_to_hub`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ganzoo_core.errors import WeightsError
from ganzoo_core.interfaces import Model
from ganzoo_core.weights.auxiliaries import auxiliary_records
from ganzoo_core.weights.index import Precision
from ganzoo_core.weights.pretrained import PretrainedFolder, code_provenance, save_pretrained
from ganzoo_core.zoo import ModelSpec, zoo


def save_model(model: Model, folder: Path, precision: Precision) -> PretrainedFolder:
    """Write the pretrained folder of a model, with the facts that it was loaded with."""
    fields = model.index_fields or _new_index_fields(model)
    return save_pretrained(folder, model, fields, precision=precision)


def push_model(model: Model, repo: str, precision: Precision, *, private: bool) -> str:
    """Upload the pretrained folder of a model; return its address."""
    from ganzoo_core.weights.hub import push_to_hub

    if repo.count("/") != 1 or "://" in repo:
        raise WeightsError(f"push_to_hub({repo!r}): give owner/name")
    with tempfile.TemporaryDirectory() as folder:
        pretrained = save_model(model, Path(folder) / "weights", precision)
        return push_to_hub(pretrained, repo, None, private=private)


def _new_index_fields(model: Model) -> dict[str, Any]:
    """Return the facts of a model that was built from Python."""
    target = f"{type(model).__module__}:{type(model).__qualname__}"
    specs = [row.spec for row in zoo().entries if isinstance(row.spec, ModelSpec)]
    spec = next((spec for spec in specs if spec.target == target), None)
    config = model.config
    return {
        "model": spec.name if spec else f"object:{type(model).__name__}",
        "config": config.model_dump(mode="json") if isinstance(config, BaseModel) else {},
        "auxiliaries": auxiliary_records(model.auxiliaries),
        **(code_provenance(spec) if spec else {}),
    }
