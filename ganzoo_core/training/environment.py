"""What made a run: versions of packages, and the commit of the code."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ganzoo_core
from ganzoo_core.config import RunConfig
from ganzoo_core.zoo import zoo

_PACKAGES = ("ganzoo-core", "torch", "torchvision", "numpy", "pillow", "safetensors", "scipy")
_GIT_TIMEOUT_S = 10.0


def environment_record(run_config: RunConfig) -> dict[str, Any]:
    """Return `packages`, versions by distribution with those of the plugins of a run, and `commit`
    of the code where it is a git checkout."""
    plugins = {p.distribution for p in zoo().plugins if _is_used(p, run_config)}
    record: dict[str, Any] = {
        "packages": {
            name: found
            for name in [*_PACKAGES, *sorted(plugins)]
            if (found := _installed_version(name))
        }
    }
    if commit := code_commit():
        record["commit"] = commit
    return record


def _is_used(plugin: Any, run_config: RunConfig) -> bool:
    names = {run_config.name, run_config.model_name, run_config.data.name, *run_config.train.track}
    return plugin.name in names or any(spec.name in names for spec in plugin.specs)


def _installed_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def code_commit() -> str:
    """Return the commit of the git checkout that the core is imported from, with `-dirty` if files
    differ from it; empty without a checkout."""
    folder = Path(ganzoo_core.__file__).parent
    if not _git(folder, "ls-files", "__init__.py"):
        return ""  # installed, perhaps inside the checkout of another project
    commit = _git(folder, "rev-parse", "HEAD")
    is_dirty = bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    return f"{commit}-dirty" if commit and is_dirty else commit


def _git(folder: Path, *words: str) -> str:
    """Return the output of a git command; empty if it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=_GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
