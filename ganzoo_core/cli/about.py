"""What there is to know of an entry of the zoo that is no model, and of a plugin."""

from __future__ import annotations

import inspect
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from ganzoo_core.zoo import DatasetSpec, JudgeSpec, LossSpec, MetricSpec, Plugin, Spec, resolve, zoo
from ganzoo_core.zoo.specs import kind_of

NEEDS = {
    "features": "features of real images and samples: `--features` names the network",
    "judge": "the judge: a classifier trained on the data's real training images",
    "likelihood": "the likelihood that the model itself gives real images",
}
"""What a metric is measured by, in words."""


def common(spec: Spec) -> dict[str, Any]:
    """Return what every kind of entry has."""
    return {
        "kind": kind_of(spec),
        "name": spec.name,
        "summary": spec.summary,
        "paper": spec.paper,
        "license": spec.license,
        "origin": zoo().origin(spec),
    }


def about(spec: Spec) -> dict[str, Any]:
    """Return what there is to know of an entry; keys by kind.

    Raises:
        PluginError: the code behind it is broken. WeightsError: a judge's weights are damaged.
    """
    if isinstance(spec, DatasetSpec):
        return {**common(spec), **of_dataset(spec)}
    if isinstance(spec, JudgeSpec):
        return {**common(spec), **of_judge(spec)}
    if isinstance(spec, LossSpec):
        return {**common(spec), **of_loss(spec)}
    if isinstance(spec, MetricSpec):
        return {**common(spec), **of_metric(spec)}
    return common(spec)


def of_dataset(spec: DatasetSpec) -> dict[str, Any]:
    """Return what a data set gives, and its options."""
    from ganzoo_core.config.tree import data_config_class

    values = data_config_class(spec.name).model_construct().model_dump(mode="json")
    example = getattr(resolve(spec.target), "example", "")
    return {
        "gives": list(spec.gives),
        "use": f"--data {spec.name}{f':{example}' if example else ''}",
        "options": [f"data.{key}={value}" for key, value in values.items() if key != "name"],
    }


def of_judge(spec: JudgeSpec) -> dict[str, Any]:
    """Return what a judge's bundle says of it."""
    from ganzoo_core.weights.judges import of_spec

    bundle = of_spec(spec).bundle
    serves = "kept for evaluation" if spec.held_out else "models train against it"
    uses = [f"--set model.{spec.role}.weights={spec.name}"]
    uses += [f"ganzoo evaluate RUN --features {spec.name}"] if spec.role == "identity" else []
    return {
        "role": f"{spec.role}, {serves}",
        "model": bundle.model,
        "data": bundle.info.name,
        "size": f"{bundle.info.channels} x {bundle.info.size} x {bundle.info.size} px",
        "sha256": bundle.sha256,
        "use": uses,
        "measured": [f"{m['name']}={m['value']:.4g}" for m in bundle.index.get("metrics", [])],
    }


def of_loss(spec: LossSpec) -> dict[str, Any]:
    """Return a loss's formula and the options that are its own."""
    from ganzoo_core.config.losses import LossOptions

    config = resolve(spec.config) if spec.config else LossOptions
    own = {k: f for k, f in config.model_fields.items() if k not in LossOptions.model_fields}
    return {
        "use": f"--set model.loss.kind={spec.name}",
        "options": [f"model.loss.{name}={field.default}" for name, field in own.items()],
        "says": words(spec),
    }


def of_metric(spec: MetricSpec) -> dict[str, Any]:
    """Return what a metric is measured by, and when it refuses."""
    needs = [NEEDS.get(need, need) for need in spec.needs]
    return {
        "use": f"ganzoo evaluate RUN --metrics {spec.name}",
        "needs": needs or ["images alone"],
        "says": words(spec),
    }


def words(spec: Spec) -> str:
    """Return the docstring of the code behind an entry."""
    return inspect.getdoc(resolve(spec.target)) or ""


def of_plugin(plugin: Plugin) -> dict[str, Any]:
    """Return what a sound plugin says of itself, and what it adds."""
    try:
        summary = metadata(plugin.distribution)["Summary"] or ""
    except PackageNotFoundError:
        summary = ""
    manager = plugin.manager
    modules = [module for _, module in manager.list_name_plugin()] if manager else []
    hooks = [caller.name for m in modules if manager for caller in manager.get_hookcallers(m) or ()]
    return {
        "kind": "plugin",
        "name": plugin.name,
        "summary": summary,
        "origin": plugin.origin,
        "registers": [f"{kind_of(spec)} {spec.name}" for spec in plugin.specs],
        "verbs": [command.name for command in plugin.commands],
        "hooks": sorted(hooks),
    }
