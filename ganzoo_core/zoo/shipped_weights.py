"""The pretrained folders of a package as specs, from their indexes alone.

Imports no torch and no pydantic: `ganzoo list` reads the indexes of installed plugins, which are
code of their own. Whoever uses the weights reads the index strictly (`weights/index.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ganzoo_core.zoo.lookup import package_folder
from ganzoo_core.zoo.specs import WeightsSpec

INDEX_FILE = "ganzoo.json"


def shipped_weights(package: str, folder: str = "weights", terms: str = "") -> list[WeightsSpec]:
    """Return a spec for each pretrained folder inside a folder of a package, for `zoo.add`; none
    without the folder.

    Args:
        package: the import name of the package; its code is not run.
        folder: the folder inside it, as `ganzoo weights publish` writes it.
        terms: `WeightsSpec.terms` of all of them.

    Raises:
        PluginError: there is no such package.
        ValueError: an index is damaged.
    """
    root = package_folder(f"{package}:.") / folder
    specs = []
    for path in sorted(root.glob(f"*/{INDEX_FILE}")):
        try:
            facts = index_facts(json.loads(path.read_text(encoding="utf-8")))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        target = f"{package}:{folder}/{path.parent.name}"
        specs.append(WeightsSpec(name=path.parent.name, target=target, terms=terms, **facts))
    return specs


def index_facts(index: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `WeightsSpec` that an index determines."""
    published = index.get("published") or {}
    values = {metric["name"]: metric["value"] for metric in index.get("metrics") or []}
    metric = published.get("metric", "")
    return {
        "summary": published.get("summary") or _summary(index),
        "model": index["model"],
        "license": effective_license(index),
        "capabilities": tuple(index.get("capabilities") or ()),
        "metric": f"{metric} {values[metric]:.3g}" if metric in values else "",
        "size": sum(file["size"] for file in index["files"].values()),
    }


def _summary(index: Mapping[str, Any]) -> str:
    data = index["data"]
    return f"{index['model']} on {data.get('name') or 'own data'}, {data['image_size']} px"


def effective_license(index: Mapping[str, Any]) -> str:
    """Return the license of the weights: that of the data if they have one, else of the code.

    The license of the weights that training started from is added.
    """
    code, data = index.get("license", ""), index["data"].get("license", "")
    weights_license = str(code if data.lower() in {"", code.lower()} else data)
    init_license = str((index.get("init_from") or {}).get("license", ""))
    if init_license.lower() in {"", weights_license.lower()}:
        return weights_license
    return " and ".join(filter(None, (weights_license, init_license)))
