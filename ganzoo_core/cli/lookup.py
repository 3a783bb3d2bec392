"""A name that may stand for entries of several kinds."""

from __future__ import annotations

from collections.abc import Iterable

from ganzoo_core.errors import PluginError, UsageError, suggest
from ganzoo_core.zoo import KINDS, Spec, catalogue, zoo

WORDS = {"dataset": "data set"}
"""How a kind is said, where not by its own word."""


def find(name: str, kinds: Iterable[str] = tuple(KINDS), also: Iterable[str] = ()) -> Spec:
    """Return the spec of a name; the first of the kinds wins where several have it.

    Args:
        also: names of other things, worth suggesting.

    Raises:
        PluginError: its plugin is broken or not installed. UsageError: nobody knows the name.
    """
    broken: PluginError | None = None
    for kind in kinds:
        try:
            return zoo().find(kind, name)
        except UsageError:
            pass
        except PluginError as error:
            broken = broken or error
    if broken:
        raise broken
    known = {*also, *(known for kind in kinds for known in zoo().names(kind))}
    known |= {entry.name for entry in catalogue() if entry.kind in set(kinds)}
    *most, last = (WORDS.get(kind, kind) for kind in kinds)
    what = f"{', '.join(most)} or {last}" if most else last
    raise UsageError(f"there is no {what} {name!r}.{suggest(name, known)}")
