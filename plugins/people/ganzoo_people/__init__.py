"""ganzoo_people: procedural portraits with exactly known identity, age and nuisance factors.

Every `ganzoo` command imports this package, so numpy and scipy are imported only at first use.
"""

import importlib
from typing import Any

_EXPORTS = {
    "ganzoo_people.aging": ["Appearance", "appearance"],
    "ganzoo_people.factors": [
        "HAIR_STYLES",
        "MAX_AGE",
        "MIN_AGE",
        "RENDER_VERSION",
        "SPLITS",
        "Identity",
        "Nuisance",
        "age",
        "identity",
        "nuisance",
        "stack",
    ],
    "ganzoo_people.portrait": ["MAX_SIZE", "MIN_SIZE", "render"],
}
_MODULE_BY_NAME = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = list(_MODULE_BY_NAME)


def __getattr__(name: str) -> Any:
    """Import a public name from its module at first use (PEP 562)."""
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module 'ganzoo_people' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_BY_NAME[name]), name)
