"""Pick installed weights for photographs: drawn portraits and photographs need different ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganzoo_core.errors import PluginError, WeightsError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.weights import find_pretrained
from ganzoo_core.zoo import WeightsSpec, package_folder, zoo

Domain = Literal["photograph", "drawn"]


@dataclass(frozen=True)
class InstalledWeights:
    """Pretrained weights of a plugin."""

    name: str
    info: DataInfo
    """The facts of their training data."""

    @property
    def domain(self) -> Domain:
        """What they were trained on."""
        return "drawn" if self.info.version else "photograph"


def installed_aging_weights() -> list[InstalledWeights]:
    """Return the installed weights with the capability `edit_age`, by name. Weights without
    sound files are left out."""
    found = []
    for entry in zoo().entries:
        spec = entry.spec
        if not isinstance(spec, WeightsSpec) or "edit_age" not in spec.capabilities:
            continue
        try:
            info = find_pretrained(package_folder(spec.target)).info
        except (PluginError, WeightsError):
            continue
        found.append(InstalledWeights(spec.name, info))
    return found
