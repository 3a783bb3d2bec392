"""Pick installed weights for photographs: drawn portraits and photographs need different ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.weights import find_pretrained
from ganzoo_core.zoo import package_folder, zoo

Domain = Literal["photograph", "drawn"]


@dataclass(frozen=True)
class InstalledWeights:
    """Pretrained weights of a plugin."""

    name: str
    folder: Path
    info: DataInfo
    """The facts of their training data."""

    @property
    def domain(self) -> Domain:
        """What they were trained on."""
        return data_domain(self.info)


def data_domain(info: DataInfo) -> Domain:
    """Return what a data set shows: rendered data has a version of its renderer."""
    return "drawn" if info.version else "photograph"


def installed_aging_weights() -> list[InstalledWeights]:
    """Return the installed weights with the capability `edit_age`, by name. Weights without their
    files are left out."""
    found = []
    for entry in zoo().entries:
        if entry.kind != "weights" or "edit_age" not in getattr(entry.spec, "capabilities", ()):
            continue
        try:
            folder = package_folder(getattr(entry.spec, "target", ""))
        except PluginError:
            continue
        found.append(InstalledWeights(entry.name, folder, find_pretrained(folder).info))
    return found


def no_weights_error(domain: Domain | None = None) -> UsageError:
    """Return the error where no installed weights fit."""
    of_domain = {"photograph": " for photographs", "drawn": " for drawn portraits", None: ""}
    return UsageError(
        f"no installed weights change ages{of_domain[domain]} (ganzoo list weights): name a run, "
        "ganzoo age RUN PHOTO, or install some"
    )


def pick_by_domain(
    candidates: Sequence[InstalledWeights], domain: Domain, *, anyway: bool
) -> list[InstalledWeights]:
    """Return the candidates that were trained on a domain.

    Args:
        candidates: installed weights.
        domain: of the photographs to age.
        anyway: take all where none fits.

    Raises:
        UsageError: none fits.
    """
    if not candidates:
        raise no_weights_error()
    fitting = [candidate for candidate in candidates if candidate.domain == domain]
    if not fitting and not anyway:
        raise no_weights_error(domain)
    return fitting or list(candidates)
