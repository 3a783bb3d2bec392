"""Facts that `ganzoo info` prints: data sets, evaluators, losses, metrics and plugins."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from ganzoo_core.zoo import (
    CapabilitySpec,
    DatasetSpec,
    EvaluatorSpec,
    LossSpec,
    MetricSpec,
    Plugin,
    Spec,
    TermSpec,
    TransformSpec,
    WeightsSpec,
    import_target,
    zoo,
)
from ganzoo_core.zoo.shipped_weights import effective_license
from ganzoo_core.zoo.specs import spec_kind

_REQUIREMENT_TEXTS = {
    "features": "features of real images and samples: `--feature-extractor` names the network",
    "classifier": "a classifier trained on the real training images",
}
"""Description by word of `MetricSpec.requires`; the other words are capabilities of the model."""


def common_facts(spec: Spec) -> dict[str, Any]:
    """Return the facts that every kind of entry has."""
    return {
        "kind": spec_kind(spec),
        "name": spec.name,
        "summary": spec.summary,
        "paper": spec.paper,
        "license": spec.license,
        "origin": zoo().origin(spec),
    }


def entry_facts(spec: Spec) -> dict[str, Any]:
    """Return the facts of an entry that is not a model; the keys depend on its kind.

    Raises:
        PluginError: the code of the entry is broken.
        WeightsError: the weights of an evaluator are damaged.
    """
    facts = common_facts(spec)
    if isinstance(spec, DatasetSpec):
        facts |= _dataset_facts(spec)
    elif isinstance(spec, EvaluatorSpec):
        facts |= _evaluator_facts(spec)
    elif isinstance(spec, WeightsSpec):
        facts |= {"terms": spec.terms, **weights_facts(spec.name)}
    elif isinstance(spec, LossSpec):
        facts |= _loss_facts(spec)
    elif isinstance(spec, TermSpec):
        facts |= _term_facts(spec)
    elif isinstance(spec, MetricSpec):
        facts |= _metric_facts(spec)
    elif isinstance(spec, CapabilitySpec):
        models = [zoo().model(name) for name in zoo().names("model")]
        facts |= {
            "role": spec.role,
            "models": [model.name for model in models if spec.name in model.capabilities],
            "use": f"ganzoo {spec.command} RUN" if spec.command else "",
            "docstring": _docstring(spec),
        }
    elif isinstance(spec, TransformSpec):
        facts |= {"use": f"--set data.transform={spec.name}", "docstring": _docstring(spec)}
    return facts


def _dataset_facts(spec: DatasetSpec) -> dict[str, Any]:
    from ganzoo_core.cli.option_docs import option_records
    from ganzoo_core.config.tree import data_config_class

    example = getattr(import_target(spec.target), "example", "")
    options = option_records(data_config_class(spec.name), "data")
    return {
        "fields": list(spec.fields),
        "use": f"--data {spec.name}{f':{example}' if example else ''}",
        "options": [option for option in options if option["name"] != "data.name"],
    }


def _evaluator_facts(spec: EvaluatorSpec) -> dict[str, Any]:
    from ganzoo_core.weights.auxiliaries import from_spec

    pretrained = from_spec(spec).pretrained
    info = pretrained.info
    usage = "held out for evaluation" if spec.held_out else "also an auxiliary network of losses"
    commands = [f"--set model.auxiliaries.{spec.role}.weights={spec.name}"]
    if spec.role == "identity":
        commands.append(f"ganzoo evaluate RUN --feature-extractor {spec.name}")
    return {
        "role": f"{spec.role}, {usage}",
        "model": pretrained.model_name,
        "data": info.name,
        "size": f"{info.num_channels} x {info.image_size} x {info.image_size} px",
        "sha256": pretrained.sha256,
        "use": commands,
        "metrics": [f"{m['name']}={m['value']:.4g}" for m in pretrained.index.get("metrics", [])],
    }


def weights_facts(name: str) -> dict[str, Any]:
    """Return the facts of a run or of weights, by any of their names.

    Raises:
        GanzooError: there are none, they are damaged, or their terms are not accepted.
    """
    from ganzoo_core.cli.stored_model import find_weights
    from ganzoo_core.weights import find_pretrained

    pretrained = find_pretrained(find_weights(name))
    index, info = pretrained.index, pretrained.info
    num_bytes = sum(file["size"] for file in index["files"].values())
    capabilities = index.get("capabilities") or []
    known = [zoo().capability(name) for name in capabilities if name in zoo().names("capability")]
    return {
        "model": pretrained.model_name,
        "capabilities": capabilities,
        "data": info.name,
        "images": f"{info.num_channels} x {info.image_size} x {info.image_size} px",
        "labels": list(info.class_names),
        "license": effective_license(index),
        "size": f"{num_bytes / 1e6:.1f} MB in {index.get('precision', 'fp32')}",
        "sha256": pretrained.sha256,
        "seed": str(index.get("train", {}).get("seed", "")),
        "trained with": (index.get("published") or {}).get("command", ""),
        "use": [f"ganzoo {spec.command} {name}" for spec in known if spec.command],
        "metrics": [f"{m['name']}={m['value']:.4g}" for m in index.get("metrics", [])],
    }


def _loss_facts(spec: LossSpec) -> dict[str, Any]:
    from ganzoo_core.cli.option_docs import option_records
    from ganzoo_core.config.losses import LossOptions

    config = import_target(spec.config) if spec.config else LossOptions
    return {
        "use": f"--set model.loss.kind={spec.name}",
        "docstring": _docstring(spec),
        "options": [
            option
            for option in option_records(config, "model.loss")
            if option["name"] != "model.loss.kind"
        ],
    }


def _term_facts(spec: TermSpec) -> dict[str, Any]:
    from ganzoo_core.cli.option_docs import option_records
    from ganzoo_core.config.terms import term_options_class

    branch = f"model.terms.{spec.name}"
    options = option_records(term_options_class(spec.name), branch)
    first = options[0]["name"].rpartition(".")[2] if options else "weight"
    return {
        "use": f"--set {branch}.{first}=VALUE",
        "docstring": _docstring(spec),
        "options": options,
    }


def _metric_facts(spec: MetricSpec) -> dict[str, Any]:
    requirements = [
        _REQUIREMENT_TEXTS.get(word, f"a model with the capability `{word}`")
        for word in spec.requires
    ]
    return {
        "use": f"ganzoo evaluate RUN --metrics {spec.name}",
        "requires": requirements or ["images only"],
        "docstring": _docstring(spec),
        "options": [
            {
                "name": option.flag,
                "type": " | ".join(option.choices) or option.metavar,
                "range": "",
                "default": option.default,
                "description": option.help,
            }
            for option in spec.options
        ],
    }


def _docstring(spec: Spec) -> str:
    """Return the docstring of the target, from its source where possible: importing it may import
    torch."""
    module, _, name = spec.target.partition(":")
    return _read_docstring(module, name) or inspect.getdoc(import_target(spec.target)) or ""


def _read_docstring(module: str, name: str) -> str:
    """Return the docstring of a class or function, without running its module; empty if it is not
    found. Names that a package imports from its modules are followed."""
    package, *parts = module.split(".")
    root = importlib.util.find_spec(package)
    for folder in (root.submodule_search_locations if root else None) or []:
        path = Path(folder, *parts)
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if not source.is_file():
            continue
        for node in ast.parse(source.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
                return inspect.cleandoc(ast.get_docstring(node) or "")
            names = [alias.name for alias in getattr(node, "names", ())]
            if isinstance(node, ast.ImportFrom) and node.module and name in names:
                return _read_docstring(node.module, name)
    return ""


def plugin_facts(plugin: Plugin) -> dict[str, Any]:
    """Return what a plugin registers, and its hooks."""
    try:
        summary = metadata(plugin.distribution)["Summary"] or ""
    except PackageNotFoundError:
        summary = ""
    return {
        "kind": "plugin",
        "name": plugin.name,
        "summary": summary,
        "origin": plugin.origin,
        "registers": [f"{spec_kind(spec)} {spec.name}" for spec in plugin.specs],
        "commands": [command.name for command in plugin.commands],
        "hooks": sorted(plugin.hooks),
    }
