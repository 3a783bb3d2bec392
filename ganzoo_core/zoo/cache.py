"""The folder of caches."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache folder: ``GANZOO_CACHE``, else ``ganzoo`` in ``XDG_CACHE_HOME`` or ~/.cache,
    as torch and huggingface_hub do."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("GANZOO_CACHE") or Path(home, "ganzoo")).expanduser()
