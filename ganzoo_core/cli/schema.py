"""`ganzoo schema`: the JSON schema of a configuration."""

from __future__ import annotations

from typing import Any

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.lookup import find
from ganzoo_core.cli.output import out_json


@click.command()
@click.argument("name", shell_complete=complete.entries)
def schema(name: str) -> None:
    """Print the JSON schema of the options of NAME.

    For a model that is the whole tree of a --config file; for a data set, its [data] branch.
    """
    out_json(in_toml(schema_of(name)))


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON schema of a model's tree, or of a data set's branch."""
    from pydantic import create_model

    from ganzoo_core.config import Config, DataConfig, TrainConfig
    from ganzoo_core.config.tree import data_config_class, model_config_class
    from ganzoo_core.zoo import ModelSpec

    spec = find(name, ("model", "dataset"))
    if not isinstance(spec, ModelSpec):
        return data_config_class(name).model_json_schema()
    branches: dict[str, Any] = {
        "model": (model_config_class(spec), {}),
        "data": (DataConfig, {}),
        "train": (TrainConfig, {}),
    }
    # validate_default would turn the empty tables into objects, which JSON cannot show.
    tree = create_model(
        name, __config__={**Config.model_config, "validate_default": False}, **branches
    )
    return tree.model_json_schema()


def in_toml(part: Any) -> Any:
    """Return a schema in which no value is the word that stands for it: TOML has no null."""
    from ganzoo_core.config.base import NONE

    if isinstance(part, list):
        return [in_toml(one) for one in part]
    if not isinstance(part, dict):
        return part
    if part.get("type") == "null":
        return {"const": NONE}
    return {key: in_toml(value) for key, value in part.items()}
