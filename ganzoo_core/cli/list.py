"""`ganzoo list`: all known entries, installed or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.cli.output import (
    examples,
    print_json,
    print_line,
    print_note,
    print_stderr,
    print_table,
)
from ganzoo_core.cli.weights_table import print_weights
from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.zoo import FAMILIES, KINDS, ZooEntry, registry_entries, zoo
from ganzoo_core.zoo.registry import registries

_KIND_ALIASES = {
    "model": "model",
    "models": "model",
    "composition": "composition",
    "compositions": "composition",
    "dataset": "dataset",
    "datasets": "dataset",
    "data": "dataset",
    "evaluator": "evaluator",
    "evaluators": "evaluator",
    "weights": "weights",
    "loss": "loss",
    "losses": "loss",
    "term": "term",
    "terms": "term",
    "metric": "metric",
    "metrics": "metric",
    "transform": "transform",
    "transforms": "transform",
    "capability": "capability",
    "capabilities": "capability",
}


@click.command("list", epilog=examples("ganzoo list models", "ganzoo list data --json"))
@click.argument("kind", required=False, metavar="[KIND]")
@json_option
@quiet_option
def list_(kind: str | None, as_json: bool) -> None:
    """List models, data sets, evaluators, weights, losses, terms, metrics, transforms and
    capabilities, installed or not.

    KIND: `model`, `dataset`, `evaluator`, `weights`, `loss`, `term`, `metric` or `transform`;
    plurals and `data` work too. `model` also lists the compositions, named GANs that are options of
    a model.
    """
    kind = kind and kind.casefold()
    if kind is not None and kind not in _KIND_ALIASES:
        raise UsageError(f"there is no kind {kind!r}.{suggest(kind, _KIND_ALIASES)}")
    selected_kind = _KIND_ALIASES.get(kind or "")
    kinds = {selected_kind, "plugin"} | ({"composition"} if selected_kind == "model" else set())
    if selected_kind == "weights":
        print_weights(as_json)
        return
    records = [r for r in _list_records() if selected_kind is None or r["kind"] in kinds]
    if as_json:
        print_json(records)
        return
    if selected_kind == "model":
        for title, group in _group_by_family(records):
            print_line(title)
            group.sort(key=lambda r: (r["kind"] == "plugin", _year(r["paper"])))
            print_table(
                ("kind", "name", "year", "summary", "paper"),
                [
                    (r["kind"], r["name"], _year(r["paper"]), _status_text(r), r["paper"])
                    for r in group
                ],
            )
    else:
        print_table(
            ("kind", "name", "summary"), [(r["kind"], r["name"], _status_text(r)) for r in records]
        )
    for problem in (problem for registry in registries() for problem in registry.problems):
        print_stderr(f"warning: {problem}")
    if any(r["state"] == "broken" for r in records):
        print_note("`ganzoo plugins --debug` prints the tracebacks")


def _year(paper: str) -> str:
    """Return the year of a paper, from its arXiv id; empty without one."""
    arxiv_id = paper.rpartition("arXiv ")[2] if "arXiv " in paper else ""
    return f"20{arxiv_id[:2]}" if arxiv_id[:4].isdigit() else ""


def _group_by_family(records: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield (title, records) for each family that is not empty; other models come last. A
    composition is of the family of its base."""
    families = {r["name"]: r["family"] for r in records if r["kind"] == "model"}
    records = [{**r, "family": families.get(r["base"], r["family"])} for r in records]
    for family, family_title in [*FAMILIES.items(), ("", "other")]:
        family_records = [
            r for r in records if (r["family"] if r["family"] in FAMILIES else "") == family
        ]
        if family_records:
            yield f"# {family_title}", family_records


def _list_records() -> list[dict[str, Any]]:
    """Return one record for each entry: installed ones, then others that registries list."""
    rows = [_entry_record(row) for row in zoo().entries]
    installed_names = {(r["kind"], r["name"]) for r in rows}
    # A broken plugin already has a row, so its entries are not "not installed".
    plugins_by_distribution = {p.distribution: p for p in zoo().plugins}
    missing: list[dict[str, Any]] = []
    for entry in registry_entries():
        plugin = plugins_by_distribution.get(entry.distribution)
        if (entry.kind, entry.name) in installed_names or (plugin and plugin.error):
            continue
        missing.append(
            {
                "kind": entry.kind,
                "name": entry.name,
                "state": "disabled" if plugin else "missing",
                "summary": entry.summary,
                "paper": entry.paper,
                "license": entry.license,
                "origin": plugin.origin if plugin else entry.distribution,
                "error": "",
                "install": entry.install,
                "capabilities": [],
                "auxiliaries": [],
                "fields": [],
                "family": entry.family,
                "base": "",
            }
        )
    order = [*KINDS, "plugin"]
    return sorted([*rows, *missing], key=lambda r: order.index(r["kind"]))


def _entry_record(zoo_entry: ZooEntry) -> dict[str, Any]:
    """Return the record of an entry; the keys are the same for every entry."""
    spec = zoo_entry.spec
    return {
        "kind": zoo_entry.kind,
        "name": zoo_entry.name,
        "state": "installed" if spec else "broken",
        "summary": spec.summary if spec else "",
        "paper": spec.paper if spec else "",
        "license": spec.license if spec else "",
        "origin": zoo_entry.origin,
        "error": zoo_entry.error,
        "install": "",
        "capabilities": list(getattr(spec, "capabilities", ())),
        "auxiliaries": list(getattr(spec, "auxiliaries", ())),
        "fields": list(getattr(spec, "fields", ())),
        "family": str(getattr(spec, "family", "")),
        "base": str(getattr(spec, "base", "")),
    }


def _status_text(entry: dict[str, Any]) -> str:
    if entry["state"] == "broken":
        return f"broken - {entry['error']} ({entry['origin']})"
    if entry["state"] == "missing":
        return f"not installed - {entry['install']}"
    if entry["state"] == "disabled":
        return "disabled - GANZOO_PLUGINS does not name its plugin"
    return str(entry["summary"])
