"""`ganzoo registry`: validate and download registries."""

from __future__ import annotations

import click

from ganzoo_core.cli import output
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import registry as zoo_registry


@click.group(
    epilog=output.examples(
        "ganzoo registry check",
        "ganzoo registry check my-registry.toml",
        "ganzoo registry update",
        title="Next steps",
    )
)
def registry() -> None:
    """Validate registries of models, data and weights, and download those with a URL."""


@registry.command(
    epilog=output.examples("ganzoo registry check", "ganzoo registry check my-registry.toml")
)
@click.argument("locations", nargs=-1, metavar="[FILE]...")
@json_option
@quiet_option
def check(locations: tuple[str, ...], as_json: bool) -> None:
    """Validate registries: FILEs, or registry.toml and those in GANZOO_REGISTRY."""
    registries = (
        [zoo_registry.read_registry(p) for p in locations]
        if locations
        else zoo_registry.registries()
    )
    rows = [
        {
            "registry": r.location,
            "entries": len(r.entries),
            "weights": len(r.weights),
            "published": sum(w.is_published for w in r.weights),
            "problems": list(r.problems),
        }
        for r in registries
    ]
    if as_json:
        output.print_json(rows)
    else:
        columns = ("registry", "entries", "weights", "published")
        output.print_table(columns, [[row[column] for column in columns] for row in rows])
    problems = [problem for r in registries for problem in r.problems]
    for problem in problems[:-1]:
        output.print_stderr(problem)
    if problems:
        raise UsageError(problems[-1])


@registry.command(epilog=output.examples("ganzoo registry update"))
@json_option
@quiet_option
def update(as_json: bool) -> None:
    """Download the registries of GANZOO_REGISTRY that are URLs."""
    from ganzoo_core.weights.download import download

    rows = []
    for url in filter(zoo_registry.is_url, zoo_registry.extra_registry_locations()):
        path = zoo_registry.cached_copy_path(url)
        download(url, path, max_bytes=zoo_registry.MAX_REGISTRY_BYTES)
        found = zoo_registry.read_registry(url)
        for problem in found.problems:
            output.print_stderr(f"warning: {problem}")
        output.print_note(f"{url}: {len(found.entries)} entries, {len(found.weights)} weights")
        facts = {"entries": len(found.entries), "weights": len(found.weights)}
        rows.append({"registry": url, "path": str(path), **facts})
    if as_json:
        output.print_json(rows)
        return
    for row in rows:
        output.print_line(str(row["path"]))
