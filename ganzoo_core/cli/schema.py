"""`ganzoo schema`: print the JSON schema of a configuration."""

from __future__ import annotations

from typing import Any

import click

from ganzoo_core.cli import completers
from ganzoo_core.cli.lookup import find_spec
from ganzoo_core.cli.options import json_option, kind_option, quiet_option
from ganzoo_core.cli.output import examples, print_json

_KINDS = ("model", "dataset", "loss", "term")
"""Kinds of entries that have options."""


@click.command(epilog=examples("ganzoo schema cgan", "ganzoo schema people"))
@click.argument("name", shell_complete=completers.complete_configurable)
@kind_option(_KINDS)
@json_option
@quiet_option
def schema(name: str, kind: str | None, as_json: bool) -> None:
    """Print the JSON schema of the options of NAME, with their descriptions; --json changes
    nothing.

    For a model: the whole --config file, and the options of `ganzoo sample --set` as
    $defs.Sampling. For a data set: its [data]. For a loss: its [model.loss].
    For a term: its [model.terms.NAME].
    """
    print_json(_replace_null(_options_schema(name, kind)))


def _options_schema(name: str, kind: str | None = None) -> dict[str, Any]:
    from pydantic import Field, create_model

    from ganzoo_core.config import Config, DataConfig, LossOptions, TrainConfig
    from ganzoo_core.config.terms import term_options_class
    from ganzoo_core.config.tree import data_config_class, model_config_class
    from ganzoo_core.zoo import LossSpec, ModelSpec, TermSpec, import_target

    spec = find_spec(name, (kind,) if kind else _KINDS)
    if isinstance(spec, LossSpec):
        config: type[LossOptions] = import_target(spec.config) if spec.config else LossOptions
        return config.model_json_schema()
    if isinstance(spec, TermSpec):
        return term_options_class(name).model_json_schema()
    if not isinstance(spec, ModelSpec):
        return data_config_class(name).model_json_schema()
    branches: dict[str, Any] = {
        "model": (model_config_class(spec), Field({}, description="The options of the model.")),
        "data": (DataConfig, Field({}, description="The data set and the size of its images.")),
        "train": (TrainConfig, Field({}, description="The options of the engine.")),
    }
    # validate_default would turn the empty tables into objects, which are not JSON.
    tree = create_model(
        name, __config__={**Config.model_config, "validate_default": False}, **branches
    )
    out = tree.model_json_schema()
    sampling = model_config_class(spec).Sampling
    if sampling.model_fields:
        out["$defs"]["Sampling"] = sampling.model_json_schema()
    return out


def _replace_null(schema_node: Any) -> Any:
    """Return a schema with "none" in place of null, which TOML does not have."""
    from ganzoo_core.config.base import NONE

    if isinstance(schema_node, list):
        return [_replace_null(item) for item in schema_node]
    if not isinstance(schema_node, dict):
        return schema_node
    if schema_node.get("type") == "null":
        return {"const": NONE}
    return {key: _replace_null(value) for key, value in schema_node.items()}
