"""`ganzoo registry`: the catalogue and one's own registries, checked and fetched."""

from __future__ import annotations

import click

from ganzoo_core.cli import output
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import registry as registry_


@click.group()
def registry() -> None:
    """Check the registries of models, data and weights, and fetch those that have a URL."""


@registry.command()
@click.argument("places", nargs=-1, metavar="[FILE]...")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def check(places: tuple[str, ...], as_json: bool) -> None:
    """Check registries: those given, else the catalogue and what GANZOO_REGISTRY names."""
    found = [registry_.read_registry(p) for p in places] if places else registry_.registries()
    rows = [
        {
            "registry": r.where,
            "entries": len(r.entries),
            "weights": len(r.weights),
            "published": sum(w.published for w in r.weights),
            "problems": list(r.problems),
        }
        for r in found
    ]
    if as_json:
        output.out_json(rows)
    else:
        columns = ("registry", "entries", "weights", "published")
        output.table(columns, [[row[column] for column in columns] for row in rows])
    problems = [problem for r in found for problem in r.problems]
    for problem in problems[:-1]:
        output.note(problem)
    if problems:
        raise UsageError(problems[-1])


@registry.command()
def update() -> None:
    """Fetch the registries of GANZOO_REGISTRY that are URLs anew."""
    from ganzoo_core.weights.download import download

    for url in filter(registry_.is_url, registry_.extra_places()):
        path = registry_.copy_of(url)
        download(url, path, limit=registry_.LARGEST)
        found = registry_.read_registry(url)
        for problem in found.problems:
            output.note(f"warning: {problem}")
        output.note(f"{url}: {len(found.entries)} entries, {len(found.weights)} weights")
        output.out(str(path))
