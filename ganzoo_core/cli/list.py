"""`ganzoo list`: everything there is, installed or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ganzoo_core.cli.output import note, out, out_json, table
from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.zoo import FAMILIES, KINDS, Row, catalogue, zoo
from ganzoo_core.zoo.registry import registries

WORDS = {
    "model": "model",
    "models": "model",
    "dataset": "dataset",
    "datasets": "dataset",
    "data": "dataset",
    "judge": "judge",
    "judges": "judge",
    "loss": "loss",
    "losses": "loss",
    "metric": "metric",
    "metrics": "metric",
}


@click.command("list")
@click.argument("kind", required=False, metavar="[KIND]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(kind: str | None, as_json: bool) -> None:
    """List models, data sets, judges, losses and metrics, installed or not.

    KIND is `model`, `dataset`, `judge`, `loss` or `metric` (their plurals, and `data`, will do).
    """
    if kind is not None and kind not in WORDS:
        raise UsageError(f"there is no kind {kind!r}.{suggest(kind, WORDS)}")
    wanted = WORDS.get(kind or "")
    records = [r for r in entries() if wanted in {None, r["kind"]} or r["kind"] == "plugin"]
    if as_json:
        out_json(records)
        return
    for title, group in by_family(records) if wanted == "model" else [("", records)]:
        if title:
            out(title)
        table(("kind", "name", "summary"), [(r["kind"], r["name"], describe(r)) for r in group])
    for problem in (problem for registry in registries() for problem in registry.problems):
        note(f"warning: {problem}")
    if any(r["state"] == "broken" for r in records):
        note("`ganzoo plugins --debug` shows where a plugin breaks")


def by_family(records: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each family of models that has any, in words, and its records; the rest at the end."""
    for family, words in [*FAMILIES.items(), ("", "other")]:
        mine = [r for r in records if (r["family"] if r["family"] in FAMILIES else "") == family]
        if mine:
            yield f"# {words}", mine


def entries() -> list[dict[str, Any]]:
    """Return one record an entry: those of plugins, then what else the catalogue knows."""
    rows = [record(row) for row in zoo().rows]
    seen = {(r["kind"], r["name"]) for r in rows}
    # A broken plugin has its row already: "not installed" beside it would be wrong.
    there = {p.distribution: p for p in zoo().plugins}
    missing: list[dict[str, Any]] = []
    for entry in catalogue():
        plugin = there.get(entry.distribution)
        if (entry.kind, entry.name) in seen or (plugin and plugin.error):
            continue
        missing.append(
            {
                "kind": entry.kind,
                "name": entry.name,
                "state": "off" if plugin else "missing",
                "summary": entry.summary,
                "paper": entry.paper,
                "license": entry.license,
                "origin": plugin.origin if plugin else entry.distribution,
                "error": "",
                "install": entry.install,
                "can": [],
                "uses": [],
                "gives": [],
                "family": entry.family,
            }
        )
    order = [*KINDS, "plugin"]
    return sorted([*rows, *missing], key=lambda r: order.index(r["kind"]))


def record(row: Row) -> dict[str, Any]:
    """Return the record of a row of the zoo; keys are the same for every row."""
    spec = row.spec
    return {
        "kind": row.kind,
        "name": row.name,
        "state": "installed" if spec else "broken",
        "summary": spec.summary if spec else "",
        "paper": spec.paper if spec else "",
        "license": spec.license if spec else "",
        "origin": row.origin,
        "error": row.error,
        "install": "",
        "can": list(getattr(spec, "can", ())),
        "uses": list(getattr(spec, "uses", ())),
        "gives": list(getattr(spec, "gives", ())),
        "family": str(getattr(spec, "family", "")),
    }


def describe(entry: dict[str, Any]) -> str:
    """Return what the last column says."""
    if entry["state"] == "broken":
        return f"broken - {entry['error']} ({entry['origin']})"
    if entry["state"] == "missing":
        return f"not installed - {entry['install']}"
    if entry["state"] == "off":
        return "switched off - GANZOO_PLUGINS does not name its plugin"
    return str(entry["summary"])
