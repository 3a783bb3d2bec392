"""A name that may be a model or a data set."""

from __future__ import annotations

from ganzoo_core.errors import PluginError, UsageError, suggest
from ganzoo_core.zoo import Spec, catalogue, zoo


def find(name: str) -> Spec:
    """Return the spec of a model or data set; a model wins where both have the name.

    Raises:
        PluginError: its plugin is broken or not installed. UsageError: nobody knows the name.
    """
    try:
        return zoo().model(name)
    except UsageError:
        pass
    except PluginError:
        if name not in zoo().names("dataset"):
            raise
    try:
        return zoo().dataset(name)
    except UsageError:
        known = {*zoo().names("model"), *zoo().names("dataset"), *(e.name for e in catalogue())}
        raise UsageError(f"there is no model or data set {name!r}.{suggest(name, known)}") from None
