"""ganzoo_people: procedural portraits whose identity, age and circumstances are known exactly.

Importing this package is cheap, since every `ganzoo` command does: numpy and scipy come in with
the first name that needs them.
"""

import importlib
from typing import Any

_HOME = {
    "ganzoo_people.ageing": ["Appearance", "appearance"],
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
_WHERE = {name: module for module, names in _HOME.items() for name in names}
__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    """Import a public name from its home at first use (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module 'ganzoo_people' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
