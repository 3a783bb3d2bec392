"""Pull and push pretrained folders: local folders, https, the Hugging Face Hub, registry names.

A pulled folder goes through the cache. Its name there is the sha256 of its index, and it appears
only after every file has the sha256 that the index lists.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from ganzoo_core import limits
from ganzoo_core.errors import OutputError, UsageError, WeightsError
from ganzoo_core.files import atomic_path, file_sha256, write_text
from ganzoo_core.files.atomic_write import os_error_message
from ganzoo_core.files.replace_files import finish_replacement, replace_files
from ganzoo_core.weights.download import ProgressCallback, check_url, download, upload
from ganzoo_core.weights.index import INDEX_FILE, read_index
from ganzoo_core.weights.pretrained import PretrainedFolder, read_pretrained
from ganzoo_core.zoo import locate_weights
from ganzoo_core.zoo.cache import cache_folder
from ganzoo_core.zoo.find_weights import check_published, find_published, is_registry_name

_COMMIT_ADDRESS = re.compile(r"hf://[\w.-]+/[\w.-]+@[0-9a-f]{40}")
"""Of a commit of the hub, whose files never change."""
_HUB_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(@(?P<rev>[\w./-]+))?")


class _Source(Protocol):
    """A place that holds one pretrained folder."""

    def fetch_index(self, path: Path) -> None:
        """Fetch ganzoo.json into a file."""

    def fetch_file(
        self, name: str, path: Path, file_record: dict[str, Any], progress: ProgressCallback | None
    ) -> None:
        """Fetch a file of the index; `file_record` holds its sha256 and size."""


@dataclass(frozen=True)
class _FolderSource:
    folder: Path

    def fetch_index(self, path: Path) -> None:
        finish_replacement(self.folder)
        read_index(self.folder / INDEX_FILE)
        _copy_file(self.folder / INDEX_FILE, path)

    def fetch_file(
        self, name: str, path: Path, file_record: dict[str, Any], progress: ProgressCallback | None
    ) -> None:
        source = self.folder / name
        if source.is_symlink() or not source.is_file():
            raise WeightsError(f"{source} is missing, or not a plain file")
        _copy_file(source, path)


@dataclass(frozen=True)
class _HttpSource:
    url: str

    def file_url(self, name: str) -> str:
        return f"{self.url.rstrip('/')}/{name}"

    def fetch_index(self, path: Path) -> None:
        download(self.file_url(INDEX_FILE), path, max_bytes=limits.INDEX_BYTES)

    def fetch_file(
        self, name: str, path: Path, file_record: dict[str, Any], progress: ProgressCallback | None
    ) -> None:
        expected = {"sha256": file_record["sha256"], "size": file_record["size"]}
        download(self.file_url(name), path, progress=progress, **expected)


def _copy_file(source: Path, path: Path) -> None:
    with atomic_path(path) as part:
        shutil.copyfile(source, part)


def _resolve_source(address: str) -> _Source:
    if found := _HUB_ADDRESS.fullmatch(address):
        from ganzoo_core.weights.hub import HubSource

        return HubSource(found["repo"], found["rev"])
    if "://" in address:
        return _HttpSource(check_url(address))
    folder = locate_weights(address)
    assert isinstance(folder, Path)  # a registry name has become its address
    return _FolderSource(folder)


def find_weights(name: str | Path, progress: ProgressCallback | None = None) -> Path:
    """Return the folder of a run or of weights by any of their names; pull what is not here.

    Args:
        name: see `locate_weights`, which raises the errors that `pull` does not.
        progress: called with the bytes that are here and those in all.
    """
    found = locate_weights(name)
    if isinstance(found, Path):
        return found
    return pull(found.address, expected_sha256=found.sha256, progress=progress).path


def pull(
    address: str, *, expected_sha256: str = "", progress: ProgressCallback | None = None
) -> PretrainedFolder:
    """Fetch a pretrained folder into the cache and verify it, unless the cache has it.

    Args:
        address: a path, https://, hf://owner/name[@revision], or a name of a registry.
        expected_sha256: of the index.

    Raises:
        WeightsError: no network, not a pretrained folder, or another hash.
        PluginError: it is unpublished. UsageError: an unknown name, or a checkpoint.
        OutputError: the cache cannot be written.
    """
    if is_registry_name(address) and (entry := find_published(address)):
        check_published(entry)
        if entry.weights_format != "pretrained":
            raise UsageError(f"{address} is a checkpoint: use `ganzoo weights pull`")
        address, expected_sha256 = entry.url, entry.sha256
    home = cache_folder() / "weights"
    known_sha256 = expected_sha256 or _recorded_sha256(home, address)
    if known_sha256 and (cached := _find_cached(known_sha256)):
        return cached
    source = _resolve_source(address)
    try:
        home.mkdir(parents=True, exist_ok=True)
        pulled = _pull_into_cache(source, address, home, expected_sha256, progress)
        if _COMMIT_ADDRESS.fullmatch(address):
            write_text(_commit_record(home, address), pulled.sha256)
        return pulled
    except OSError as error:
        raise OutputError(
            f"cannot write the cache {home}: {os_error_message(error)}; GANZOO_CACHE=DIR moves it"
        ) from error


def _pull_into_cache(
    source: _Source,
    address: str,
    home: Path,
    expected_sha256: str,
    progress: ProgressCallback | None,
) -> PretrainedFolder:
    """Fetch into a staging folder, verify it, and rename it.

    The staging folder stays after a failure, so that the next pull resumes. No lock that another
    process waits for is held while the network is waited for.
    """
    incoming = home / f".incoming-{os.getpid()}.json"
    try:
        source.fetch_index(incoming)
        actual_sha256 = file_sha256(incoming)
        if expected_sha256 and actual_sha256 != expected_sha256:
            raise WeightsError(
                f"{address} has an index of sha256 {actual_sha256[:16]}..., "
                f"expected {expected_sha256[:16]}...: refused"
            )
        if cached := _find_cached(actual_sha256):
            return cached
        with _own_staging(home, actual_sha256[:32]) as staging:
            incoming.replace(staging / INDEX_FILE)
            for name, record in read_index(staging / INDEX_FILE)["files"].items():
                path = staging / name
                if not (path.is_file() and file_sha256(path) == record["sha256"]):
                    source.fetch_file(name, path, record, progress)
            try:
                read_pretrained(staging)
            except WeightsError:
                shutil.rmtree(staging, ignore_errors=True)
                raise
            return _move_into_cache(staging, home, actual_sha256)
    finally:
        incoming.unlink(missing_ok=True)


def _commit_record(home: Path, address: str) -> Path:
    """Return the file that holds the sha256 of the index of a commit."""
    return home / f".commit-{hashlib.sha256(address.encode()).hexdigest()[:32]}"


def _recorded_sha256(home: Path, address: str) -> str:
    """Return the sha256 of the index of a commit that was pulled before; else an empty text."""
    recorded = ""
    if _COMMIT_ADDRESS.fullmatch(address):
        with suppress(OSError, ValueError):
            recorded = limits.read_bytes(_commit_record(home, address), 64).decode("ascii")
    return recorded if re.fullmatch("[0-9a-f]{64}", recorded) else ""


@contextmanager
def _own_staging(home: Path, name: str) -> Iterator[Path]:
    """Yield a staging folder of this process: the first that no other process fills now."""
    for number in itertools.count():
        staging = home / f".{name}-{number}"
        lock = FileLock(home / f"{staging.name}.lock", blocking=False)
        try:
            held = lock.acquire()
        except Timeout:
            continue
        with held:
            staging.mkdir(exist_ok=True)
            yield staging
        return


def _move_into_cache(staging: Path, home: Path, sha256: str) -> PretrainedFolder:
    """Rename a verified folder, unless another process was faster."""
    with _cache_lock(home):
        if cached := _find_cached(sha256):
            shutil.rmtree(staging, ignore_errors=True)
            return cached
        final = home / sha256[:32]
        shutil.rmtree(final, ignore_errors=True)  # a damaged one
        staging.replace(final)
    return PretrainedFolder(final, read_index(final / INDEX_FILE))


@contextmanager
def _cache_lock(home: Path) -> Iterator[None]:
    """Hold the lock of the cache, which is held for a rename only.

    Raises:
        OutputError: another process holds it for `limits.CACHE_LOCK_SECONDS`; names the process.
    """
    lock, owner = FileLock(home / ".lock"), home / ".lock-owner"
    try:
        held = lock.acquire(timeout=limits.CACHE_LOCK_SECONDS)
    except Timeout:
        with suppress(OSError, ValueError):
            who = f"process {int(limits.read_bytes(owner, 20))}"
            raise OutputError(f"{who} holds the lock of the cache {home}: end it") from None
        raise OutputError(f"another process holds the lock of the cache {home}") from None
    with held:
        owner.write_text(str(os.getpid()), encoding="ascii")
        yield


def _find_cached(index_sha256: str) -> PretrainedFolder | None:
    """Return the cached folder whose index has a sha256, or None if it is missing or damaged."""
    folder = cache_folder() / "weights" / index_sha256[:32]
    with suppress(WeightsError, OSError):
        cached = read_pretrained(folder)
        return cached if cached.sha256 == index_sha256 else None
    return None


def copy_pretrained(pretrained: PretrainedFolder, folder: Path) -> PretrainedFolder:
    """Copy the files into a folder as a whole, and verify the copy first."""
    with replace_files(folder) as new_folder:
        for name, path in pretrained.files.items():
            _copy_file(path, new_folder / name)
        read_pretrained(new_folder)
    return PretrainedFolder(folder, read_index(folder / INDEX_FILE))


def push(pretrained: PretrainedFolder, address: str, *, private: bool = False) -> str:
    """Upload a verified folder, the index last; return its address.

    Args:
        address: https:// (each file is PUT), or hf://owner/name.
        private: make a new repository of the hub private.

    Raises:
        WeightsError: no network, or refused.
    """
    if found := _HUB_ADDRESS.fullmatch(address):
        from ganzoo_core.weights.hub import push_to_hub

        return push_to_hub(pretrained, found["repo"], found["rev"], private=private)
    http_source = _HttpSource(check_url(address))
    for name, path in pretrained.files.items():
        upload(http_source.file_url(name), path)
    return address
