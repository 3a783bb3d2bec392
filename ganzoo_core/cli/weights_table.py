"""The table of all weights: installed ones, those of the registries, and those in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganzoo_core.cli import output
from ganzoo_core.cli.stored_model import cached_weights
from ganzoo_core.errors import PluginError
from ganzoo_core.zoo import WeightsSpec, package_folder, published_weights, registry_entries, zoo


def weights_records() -> list[dict[str, Any]]:
    """Return one record for each of the weights, with the same keys; imports no torch."""
    records = [
        _record(
            entry.name,
            "installed",
            license=entry.spec.license,
            summary=entry.spec.summary,
            metric=entry.spec.metric,
            capabilities=list(entry.spec.capabilities),
            size=entry.spec.size,
            **_index_file(entry.spec.target),
        )
        for entry in zoo().entries
        if isinstance(entry.spec, WeightsSpec)
    ]
    installed = {record["name"] for record in records}
    records += [
        _record(entry.name, "not installed", license=entry.license, summary=entry.install)
        for entry in registry_entries()
        if entry.kind == "weights" and entry.name not in installed
    ]
    cached = cached_weights()
    for weights in published_weights():
        path = cached.pop(weights.sha256, {}).get("path", "")
        state = "published" if weights.is_published else "unpublished"
        facts = {key: getattr(weights, key) for key in ("license", "summary", "sha256")}
        facts["train_command"] = weights.train_command
        records.append(_record(weights.name, "cached" if path else state, path=path, **facts))
    for sha256, facts in cached.items():
        name, summary = facts.pop("name"), facts["path"]
        records.append(_record(name, "cached", sha256=sha256, summary=summary, **facts))
    return records


def print_weights(as_json: bool) -> None:
    """Print the table, or the records as JSON."""
    records = weights_records()
    if as_json:
        output.print_json(records)
        return
    columns = ("name", "state", "size", "license", "metric", "can", "summary")
    output.print_table(columns, [_cells(record) for record in records])


def _record(name: str, state: str, **facts: Any) -> dict[str, Any]:
    texts = ("license", "summary", "metric", "sha256", "train_command", "path")
    empty = {**dict.fromkeys(texts, ""), "capabilities": [], "size": 0}
    return {"name": name, "state": state, **empty, **facts}


def _index_file(target: str) -> dict[str, str]:
    """Return the path of installed weights and the sha256 of their index; empty if they are
    missing."""
    from ganzoo_core.files import file_sha256

    try:
        folder = package_folder(target)
        return {"path": str(folder), "sha256": file_sha256(folder / "ganzoo.json")}
    except (PluginError, OSError):
        return {}


def _cells(record: Mapping[str, Any]) -> list[str]:
    size = f"{record['size'] / 1e6:.1f} MB" if record["size"] else ""
    can = ", ".join(record["capabilities"])
    return [
        *(record[key] for key in ("name", "state")),
        size,
        *(record[key] for key in ("license", "metric")),
        can,
        record["summary"],
    ]
