"""`ganzoo info`: facts of an entry, its options, and the presets of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import completers
from ganzoo_core.cli.entry_info import (
    common_facts,
    entry_facts,
    plugin_facts,
    weights_facts,
)
from ganzoo_core.cli.lookup import find_spec
from ganzoo_core.cli.options import json_option, kind_option, quiet_option
from ganzoo_core.cli.output import (
    examples,
    print_json,
    print_line,
    print_stderr,
    print_table,
    to_printable,
)
from ganzoo_core.errors import GanzooError
from ganzoo_core.zoo import (
    KINDS,
    CompositionSpec,
    ModelSpec,
    composition_patch,
    import_target,
    zoo,
)
from ganzoo_core.zoo.find_weights import is_registry_name

if TYPE_CHECKING:
    from ganzoo_core.config import RunConfig
    from ganzoo_core.interfaces import DataInfo, Model


_ASSUMED_LABELS = 10
"""Labels of a data set whose classes are unknown without its files."""


@click.command(
    epilog=examples("ganzoo info wgan-gp", "ganzoo info people", "ganzoo info fid --json")
)
@click.argument("name", shell_complete=completers.complete_entries)
@kind_option(tuple(KINDS))
@json_option
@quiet_option
def info(name: str, kind: str | None, as_json: bool) -> None:
    """Describe NAME: a model, composition, data set, evaluator, weights, loss, metric, plugin or
    run.

    Prints summary, paper, requirements and options. For a model also its presets and the number
    of parameters of each network.
    """
    facts = entry_facts_by_name(name, kind)
    if as_json:
        print_json(facts)
        return
    for key, value in facts.items():
        if key == "presets":
            for preset, settings in value.items():
                _print_preset(preset, settings, is_composition="base" in facts)
        elif key == "settings":
            print_line(f"\nOptions over those of {to_printable(facts['base'])}")
            _print_settings(value)
        elif key == "docstring":
            _print_docstring(value)
        elif key == "options":
            _print_options(value)
        elif key == "sampling":
            _print_options(value, "Sampling options: ganzoo sample RUN --set NAME=VALUE")
        elif value:
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            print_line(f"{to_printable(key):<13}{to_printable(text)}")


def entry_facts_by_name(name: str, kind: str | None = None) -> dict[str, Any]:
    """Return the facts of an entry; if no entry of any kind has this name, of a plugin, or of
    weights by another of their names.

    Raises:
        PluginError: its plugin is broken or not installed.
        UsageError: unknown name.
    """
    plugins = {p.name: p for p in zoo().plugins if not (p.error or p.is_disabled)}
    try:
        spec = find_spec(name, (kind,)) if kind else find_spec(name, extra_candidates=plugins)
    except GanzooError:
        if not kind and name in plugins:
            return plugin_facts(plugins[name])
        if not kind and (Path(name).is_dir() or "://" in name or is_registry_name(name)):
            return {"name": name, **weights_facts(name)}
        raise
    if isinstance(spec, CompositionSpec):
        return _composition_facts(spec)
    return _model_facts(spec) if isinstance(spec, ModelSpec) else entry_facts(spec)


def _composition_facts(spec: CompositionSpec) -> dict[str, Any]:
    """Return the facts of a composition: what it changes, and what the presets of its base build
    with that.

    Raises:
        PluginError: the base is not installed.
    """
    from ganzoo_core.config.overrides import flatten
    from ganzoo_core.config.tree import model_config_class

    base, changes = zoo().model(spec.base), composition_patch(spec)
    presets = {}
    for name in model_config_class(base).presets:
        facts = _preset_facts(base, name, changes, composition=spec.name)
        facts.pop("requires")
        presets[name] = {**facts, "settings": {}}
    return {
        **common_facts(spec),
        "base": spec.base,
        "family": base.family,
        "use": f"ganzoo run {spec.name}",
        "settings": dict(flatten(changes)),
        "presets": presets,
    }


def _model_facts(spec: ModelSpec) -> dict[str, Any]:
    """Return the facts of a model; builds its networks for each preset."""
    from ganzoo_core.cli.option_docs import option_records
    from ganzoo_core.config.tree import model_config_class

    config = model_config_class(spec)
    patches = config.presets or {"quick": {}}
    presets = {name: _preset_facts(spec, name, patch) for name, patch in patches.items()}
    required_fields = sorted({word for facts in presets.values() for word in facts.pop("requires")})
    return {
        **common_facts(spec),
        "family": spec.family,
        "capabilities": list(spec.capabilities),
        "requires": required_fields,
        "auxiliaries": list(spec.auxiliaries),
        "fidelity": [f"{aspect} {text}" for aspect, text in spec.fidelity.items()],
        "options": option_records(config, "model"),
        "sampling": option_records(config.Sampling, ""),
        "presets": presets,
    }


def _preset_facts(
    spec: ModelSpec, name: str, patch: Mapping[str, Any], composition: str = ""
) -> dict[str, Any]:
    """Return the settings of a preset, and the networks that it builds, those of a composition
    with its options."""
    from ganzoo_core.config import build_config
    from ganzoo_core.config.overrides import flatten

    facts: dict[str, Any] = {"settings": dict(flatten(patch)), "parameters": {}, "built_for": ""}
    facts["images"] = None
    required_fields: set[str] = set()
    try:
        config = build_config(composition or spec.name, preset=name)
        data_info = _data_info(config)
        model = _build_on_meta_device(spec, config, data_info)
        size = data_info.image_size
        facts["built_for"] = f"{data_info.num_channels} x {size} x {size} px"
        if data_info.class_names:
            facts["built_for"] += f", {len(data_info.class_names)} labels"
        facts["parameters"] = {
            part: count
            for part, net in model.named_children()
            if (count := sum(p.numel() for p in net.parameters()))
        }
        facts["images"] = _training_images(config, model, data_info.num_images)
        batch_specs = [stage.batch for stage in model.stages() if stage.batch.sampler != "none"]
        required_fields = {field for batch_spec in batch_specs for field in batch_spec.fields}
    except Exception as error:  # one preset that does not build must not hide the others
        print_stderr(
            f"warning: {composition or spec.name}: preset {name!r} does not build: "
            f"{type(error).__name__}: {error}"
        )
    return {**facts, "requires": required_fields}


def _training_images(config: RunConfig, model: Model, num_images: int) -> int | None:
    """Return the images of all stages, batch times steps; None where that depends on the number of
    images in the data, which is 0 if it is unknown."""
    from ganzoo_core.engine.plan import configured_stages, make_plan

    stages = configured_stages(model, config.train)
    plans = [
        make_plan(stages, config.train, n) for n in ([num_images] if num_images else [1, 10**6])
    ]
    totals = {plan.images_before(plan.total_steps) for plan in plans}
    return totals.pop() if len(totals) == 1 else None


def _data_info(config: RunConfig) -> DataInfo:
    """Return the facts of the data of a preset without decoding images, or facts to assume where
    the data are not on this machine."""
    from ganzoo_core.data.packed_images import assumed_info, expected_info
    from ganzoo_core.training.open_data import open_dataset

    data, age_bins = config.data, tuple(getattr(config.model, "age_bins", ()))
    fields: tuple[str, ...] | None = None
    class_names: tuple[str, ...] = ()
    try:
        if data.name:
            return expected_info(open_dataset(data), age_bins)[0]
    except GanzooError:  # the files are not on this machine
        spec = zoo().dataset(data.name)
        fields = spec.fields
        if "label" in fields:
            assumed = tuple(map(str, range(_ASSUMED_LABELS)))
            class_names = getattr(import_target(spec.target), "class_names", assumed)
    return assumed_info(
        fields,
        class_names,
        age_bins,
        name=data.name,
        image_size=data.image_size,
        num_channels=data.num_channels,
    )


def _build_on_meta_device(spec: ModelSpec, config: RunConfig, data_info: DataInfo) -> Model:
    """Build a model's networks, without memory for the weights where the constructor allows it."""
    import torch

    cls: type[Model] = import_target(spec.target)
    try:
        with torch.device("meta"):
            return cls(config.model, data_info)
    except (RuntimeError, NotImplementedError):  # its constructor computes with the weights
        return cls(config.model, data_info)


def _print_options(options: list[dict[str, str]], title: str = "Options") -> None:
    if options:
        print_line(f"\n{title}")
        rows = [
            [
                option["name"],
                f"{option['type']} {option['range']}".strip(),
                option["default"],
                option["description"],
            ]
            for option in options
        ]
        print_table(("name", "type", "default", "description"), rows)


def _print_docstring(text: str) -> None:
    print_line()
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        print_line(" " * indent + to_printable(line))


def _print_settings(settings: Mapping[str, Any]) -> None:
    for path, value in settings.items():
        text = json.dumps(value, ensure_ascii=False)
        print_line(f"  {to_printable(path)} = {to_printable(text)}")


def _print_preset(name: str, facts: Mapping[str, Any], is_composition: bool) -> None:
    print_line(f"\npreset {to_printable(name)}")
    _print_settings(facts["settings"])
    if not facts["settings"] and not is_composition:
        print_line("  (all defaults, see Options)")
    if facts["images"]:
        print_line(f"  trains on {facts['images']:,} images, batch times steps")
    if facts["parameters"]:
        print_line(f"  parameters at {facts['built_for']}:")
    for part, count in facts["parameters"].items():
        print_line(f"    {to_printable(part):<16}{count:>12,}")
