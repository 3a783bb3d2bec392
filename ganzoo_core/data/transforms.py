"""Find the image transform that the options of a data set name."""

from __future__ import annotations

from typing import Any

from ganzoo_core.interfaces import ImageTransform
from ganzoo_core.zoo import import_target, zoo


def find_transform(config: Any) -> ImageTransform | None:
    """Return the transform that `data.transform` names, or None if it is empty.

    Raises:
        UsageError: there is no transform of this name.
        PluginError: its plugin is broken or not installed; the message says how to install it.
    """
    if not config.transform:
        return None
    transform: ImageTransform = import_target(zoo().transform(config.transform).target)()
    return transform


def transform_record(config: Any, transform: ImageTransform | None) -> dict[str, Any] | None:
    """Return the name and the settings of a transform, for `DataInfo.crop`; None without one."""
    return None if transform is None else {"transform": config.transform, **transform.settings()}
