"""`ganzoo info`: what an entry of the zoo is, and what the presets of a model set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.about import about, common, of_plugin
from ganzoo_core.cli.lookup import find
from ganzoo_core.cli.output import clean, note, out, out_json
from ganzoo_core.errors import GanzooError
from ganzoo_core.zoo import ModelSpec, resolve, zoo

if TYPE_CHECKING:
    from ganzoo_core.config import RunConfig
    from ganzoo_core.interfaces import DataInfo, Model


@click.command()
@click.argument("name", shell_complete=complete.anything)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def info(name: str, as_json: bool) -> None:
    """Tell what NAME is: a model, data set, judge, loss, metric or plugin.

    Summary, paper, what it needs and takes; of a model also presets and the size of each network.
    """
    facts = facts_of(name)
    if as_json:
        out_json(facts)
        return
    for key, value in facts.items():
        if key == "presets":
            for preset, settings in value.items():
                show_preset(preset, settings)
        elif key == "says":
            show_words(value)
        elif key == "options" and "presets" in facts:
            out("\noptions of [model], and their defaults")
            for option in value:
                out(f"  {clean(option)}")
        elif value:
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            out(f"{clean(key):<10}{clean(text)}")


def facts_of(name: str) -> dict[str, Any]:
    """Return what there is to know of a name; a plugin's where no entry has it.

    Raises:
        PluginError: its plugin is broken or not installed. UsageError: nobody knows the name.
    """
    plugins = {p.name: p for p in zoo().plugins if not (p.error or p.off)}
    try:
        spec = find(name, also=plugins)
    except GanzooError:
        if name not in plugins:
            raise
        return of_plugin(plugins[name])
    return model_facts(spec) if isinstance(spec, ModelSpec) else about(spec)


def model_facts(spec: ModelSpec) -> dict[str, Any]:
    """Return what there is to know of a model; its networks are built for each preset."""
    from ganzoo_core.config.tree import flat, model_config_class

    config = model_config_class(spec)
    patches = config.presets or {"quick": {}}
    presets = {name: preset_facts(spec, name, patch) for name, patch in patches.items()}
    needs = sorted({need for facts in presets.values() for need in facts.pop("needs")})
    values = flat(config.model_construct().model_dump(mode="json"), "model")
    return {
        **common(spec),
        "family": spec.family,
        "can": list(spec.can),
        "needs": needs,
        "uses": list(spec.uses),
        "options": [f"{at}={'(none)' if v is None else json.dumps(v)}" for at, v in values],
        "presets": presets,
    }


def preset_facts(spec: ModelSpec, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a preset's settings, and the networks it builds."""
    from ganzoo_core.config import build
    from ganzoo_core.config.tree import flat

    facts: dict[str, Any] = {"settings": dict(flat(patch)), "parameters": {}, "built_for": ""}
    needs: set[str] = set()
    try:
        tree = build(spec.name, preset=name)
        data = assumed_data(tree)
        model = skeleton(spec, tree, data)
        facts["built_for"] = f"{data.channels} x {data.size} x {data.size} px"
        facts["built_for"] += f", {len(data.classes)} labels" if data.classes else ""
        facts["parameters"] = {
            part: count
            for part, net in model.named_children()
            if (count := sum(p.numel() for p in net.parameters()))
        }
        draws = [stage.draw for stage in model.stages() if stage.draw.how != "none"]
        needs = {field for draw in draws for field in draw.fields}
    except Exception as error:  # one preset that does not build must not hide the others
        note(
            f"warning: {spec.name}: preset {name!r} does not build: {type(error).__name__}: {error}"
        )
    return {**facts, "needs": needs}


def assumed_data(tree: RunConfig) -> DataInfo:
    """Return the facts of the data that a preset speaks of, without decoding any."""
    from ganzoo_core.data import group_names
    from ganzoo_core.interfaces import DataInfo
    from ganzoo_core.runs.data import open_dataset

    groups = tuple(getattr(tree.model, "groups", ()))
    classes: tuple[str, ...] = group_names(groups) if groups else ()
    identities = 0
    try:
        table = open_dataset(tree.data).table() if tree.data.name else None
    except GanzooError:
        table = None  # its files are elsewhere: the labels are then assumed
    if table is not None:
        classes = classes if groups and table.ages is not None else table.classes
        identities = 0 if table.identities is None else len(set(table.identities.tolist()))
    elif not classes:
        classes = tuple(map(str, range(10)))
    return DataInfo(
        size=tree.data.size,
        channels=tree.data.channels,
        classes=classes,
        groups=groups,
        counts=(1,) * len(classes),
        mean_ages=(40.0,) * len(classes),
        identities=identities,
        images=1,
        name=tree.data.name,
    )


def skeleton(spec: ModelSpec, tree: RunConfig, data: DataInfo) -> Model:
    """Build a model's networks without memory for their weights, where it lets us."""
    import torch

    cls: type[Model] = resolve(spec.target)
    try:
        with torch.device("meta"):
            return cls(tree.model, data)
    except (RuntimeError, NotImplementedError):  # its constructor computes with its weights
        return cls(tree.model, data)


def show_words(text: str) -> None:
    """Print the documentation of the code behind an entry, its lines kept."""
    out()
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        out(" " * indent + clean(line))


def show_preset(name: str, facts: Mapping[str, Any]) -> None:
    """Print a preset: a setting a line, then the networks."""
    out(f"\npreset {clean(name)}")
    for path, value in facts["settings"].items():
        out(f"  {clean(path)} = {clean(json.dumps(value, ensure_ascii=False))}")
    if not facts["settings"]:
        out("  (all defaults: see `ganzoo schema`)")
    if facts["parameters"]:
        out(f"  parameters, at {facts['built_for']}:")
    for part, count in facts["parameters"].items():
        out(f"    {clean(part):<16}{count:>12,}")
