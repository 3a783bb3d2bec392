"""Where bundles come from and go to: folders, https, a hub, and names of the registries.

Everything passes through the cache: a bundle lies there under the hash of its index, put there
whole once every file has the hash that the index says.
"""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from ganzoo_core.errors import OutputError, PluginError, UsageError, WeightsError, suggest
from ganzoo_core.files import atomic, sha256
from ganzoo_core.files.atomic import reason
from ganzoo_core.weights.bundle import Bundle, read_bundle
from ganzoo_core.weights.download import Progress, check_url, download, upload
from ganzoo_core.weights.index import INDEX, LARGEST, read_index
from ganzoo_core.zoo import Published, published, zoo
from ganzoo_core.zoo.registry import cache_folder

HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(@(?P<rev>[\w./-]+))?")
NAME = re.compile(r"[a-z0-9-]+:[A-Za-z0-9][A-Za-z0-9._-]*")


class Source(Protocol):
    """A place that holds one bundle."""

    def index(self, path: Path) -> None:
        """Fetch ganzoo.json into a file."""

    def file(self, name: str, path: Path, about: dict[str, Any], progress: Progress | None) -> None:
        """Fetch a file that the index names; `about` is its sha256 and size."""


@dataclass(frozen=True)
class FolderSource:
    """A folder of this machine."""

    folder: Path

    def index(self, path: Path) -> None:
        """Copy the index."""
        read_index(self.folder / INDEX)
        copy(self.folder / INDEX, path)

    def file(self, name: str, path: Path, about: dict[str, Any], progress: Progress | None) -> None:
        """Copy a file."""
        source = self.folder / name
        if source.is_symlink() or not source.is_file():
            raise WeightsError(f"{source} is missing, or no plain file")
        copy(source, path)


@dataclass(frozen=True)
class WebSource:
    """A folder of a web server."""

    url: str

    def at(self, name: str) -> str:
        """Return the address of a file."""
        return f"{self.url.rstrip('/')}/{name}"

    def index(self, path: Path) -> None:
        """Download the index."""
        download(self.at(INDEX), path, limit=LARGEST)

    def file(self, name: str, path: Path, about: dict[str, Any], progress: Progress | None) -> None:
        """Download a file, or the rest of it."""
        wanted = {"sha256": about["sha256"], "size": about["size"]}
        download(self.at(name), path, progress=progress, **wanted)


def copy(source: Path, path: Path) -> None:
    """Copy a file, whole or not at all."""
    with atomic(path) as part:
        shutil.copyfile(source, part)


def source_of(text: str) -> Source:
    """Return the source that a path or an address names.

    Raises:
        WeightsError: it is neither.
    """
    if found := HUB.fullmatch(text):
        from ganzoo_core.weights.hub import HubSource

        return HubSource(found["repo"], found["rev"])
    if "://" in text:
        return WebSource(check_url(text))
    if not Path(text).is_dir():
        raise WeightsError(
            f"{text} is no folder, no address (https://, hf://owner/name) and no name of a registry"
        )
    return FolderSource(Path(text))


def find_published(name: str) -> Published | None:
    """Return what the registries know under a name; None for what is no name.

    Raises:
        UsageError: it looks like a name and nobody knows it.
    """
    if not NAME.fullmatch(name) or Path(name).exists():
        return None
    for weights in published():
        if weights.name == name:
            return weights
    raise UsageError(
        f"no registry knows the weights {name!r}.{suggest(name, [w.name for w in published()])}"
    )


def refuse_unpublished(weights: Published) -> None:
    """Say how to make weights that nobody published.

    Raises:
        PluginError: names the install line of the model's plugin, and the command that trains it.
    """
    if weights.published:
        return
    how = f"train them with: {weights.make}" if weights.make else "train them yourself"
    try:
        zoo().model(weights.model)
    except (PluginError, UsageError) as error:
        how = f"{error}; then {how}"
    raise PluginError(f"{weights.name} is unpublished, so it cannot be pulled: {how}")


def pull(text: str, *, digest: str = "", progress: Progress | None = None) -> Bundle:
    """Fetch a bundle into the cache and verify it; one that is there already is not fetched again.

    Args:
        text: a path, https://, hf://owner/name[@rev], or a name of the registries.
        digest: the sha256 that its index must have.

    Raises:
        WeightsError: no network, not a bundle, another hash. PluginError: it is unpublished.
        UsageError: an unknown name. OutputError: the cache cannot be written.
    """
    if weights := find_published(text):
        refuse_unpublished(weights)
        if weights.form != "bundle":
            raise UsageError(f"{text} is a checkpoint from elsewhere: weights pull imports it")
        text, digest = weights.url, weights.sha256
    if digest and (cached := in_cache(digest)):
        return cached
    source = source_of(text)
    home = cache_folder() / "weights"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".lock"):
            return take(source, text, home, digest, progress)
    except OSError as error:
        raise OutputError(
            f"cannot write the cache {home}: {reason(error)}; GANZOO_CACHE=DIR moves it"
        ) from error


def take(source: Source, text: str, home: Path, digest: str, progress: Progress | None) -> Bundle:
    """Fetch into a folder beside, verify, rename."""
    incoming = home / ".incoming.json"
    source.index(incoming)
    found = sha256(incoming)
    if digest and found != digest:
        incoming.unlink()
        raise WeightsError(
            f"{text} is not the bundle it should be: sha256 {found[:16]}..., not {digest[:16]}..."
        )
    if cached := in_cache(found):
        incoming.unlink()
        return cached
    staging = home / f".{found[:32]}"
    staging.mkdir(exist_ok=True)
    incoming.replace(staging / INDEX)
    for name, about in read_index(staging / INDEX)["files"].items():
        if not ((staging / name).is_file() and sha256(staging / name) == about["sha256"]):
            source.file(name, staging / name, about, progress)
    try:
        read_bundle(staging)
    except WeightsError:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    final = home / found[:32]
    shutil.rmtree(final, ignore_errors=True)  # a damaged one
    staging.replace(final)
    return Bundle(final, read_index(final / INDEX))


def in_cache(digest: str) -> Bundle | None:
    """Return the cached bundle whose index has a hash, if it is sound."""
    folder = cache_folder() / "weights" / digest[:32]
    with suppress(WeightsError, OSError):
        bundle = read_bundle(folder)
        return bundle if bundle.sha256 == digest else None
    return None


def cached() -> list[Bundle]:
    """Return the bundles of the cache whose index reads well."""
    found = []
    for path in sorted((cache_folder() / "weights").glob("[0-9a-f]*/" + INDEX)):
        with suppress(WeightsError):
            found.append(Bundle(path.parent, read_index(path)))
    return found


def write_copy(bundle: Bundle, folder: Path) -> Bundle:
    """Copy a bundle's files into an empty folder, the index last."""
    for name, path in bundle.files.items():
        copy(path, folder / name)
    return read_bundle(folder)


def push(bundle: Bundle, target: str, *, private: bool = False) -> str:
    """Send a verified bundle to an address; the index goes last. Returns where it lies.

    Args:
        target: https:// (each file is PUT), or hf://owner/name.

    Raises:
        WeightsError: no network, or refused.
    """
    if found := HUB.fullmatch(target):
        from ganzoo_core.weights.hub import push_hub

        return push_hub(bundle, found["repo"], found["rev"], private=private)
    address = WebSource(check_url(target))
    for name, path in bundle.files.items():
        upload(address.at(name), path)
    return target
