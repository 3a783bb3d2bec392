"""Look up a name among entries of several kinds."""

from __future__ import annotations

from collections.abc import Iterable

from ganzoo_core.cli.output import print_note
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.zoo import KINDS, Spec, registry_entries, zoo
from ganzoo_core.zoo.detect import detect_dataset, is_path
from ganzoo_core.zoo.meanings import suggest_name
from ganzoo_core.zoo.specs import spec_kind

_KIND_LABELS = {"dataset": "data set"}
"""Kinds that messages write differently."""


def print_detected_data(data: str | None) -> None:
    """Say what a ``--data PATH`` without a name was taken for."""
    if data and is_path(data):
        name, reason = detect_dataset(data)
        print_note(f"data {data}: {reason}, read as --data {name}:{data}")


def find_spec(
    name: str, kinds: Iterable[str] = tuple(KINDS), extra_candidates: Iterable[str] = ()
) -> Spec:
    """Return the spec of a name; if several kinds have it, that of the first kind, and a line on
    stderr names the others. A name in its exact spelling comes before one in another case.

    Args:
        name: the name of an entry.
        kinds: keys of `KINDS`, in order.
        extra_candidates: further names to suggest.

    Raises:
        PluginError: its plugin is broken or not installed.
        UsageError: unknown name.
    """
    broken: PluginError | None = None
    kinds = sorted(kinds, key=lambda kind: name not in zoo().names(kind))
    for kind in kinds:
        try:
            spec = zoo().find_spec(kind, name)
            _print_other_kinds(spec, kinds)
            return spec
        except UsageError:
            pass
        except PluginError as error:
            broken = broken or error
    if broken:
        raise broken
    candidates = {*extra_candidates, *(n for kind in kinds for n in zoo().names(kind))}
    candidates |= {entry.name for entry in registry_entries() if entry.kind in set(kinds)}
    *most, last = (_KIND_LABELS.get(kind, kind) for kind in kinds)
    kinds_text = f"{', '.join(most)} or {last}" if most else last
    raise UsageError(f"there is no {kinds_text} {name!r}.{suggest_name(kinds, name, candidates)}")


def _print_other_kinds(spec: Spec, kinds: Iterable[str]) -> None:
    found = spec_kind(spec)
    others = [kind for kind in kinds if kind != found and spec.name in zoo().names(kind)]
    for kind in others:
        print_note(
            f"{spec.name} is a {_KIND_LABELS.get(found, found)}, and also a "
            f"{_KIND_LABELS.get(kind, kind)}: --kind {kind}"
        )
