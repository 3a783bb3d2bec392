"""Bundles on the Hugging Face Hub, through its own client."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganzoo_core.errors import GanzooError, UsageError, WeightsError
from ganzoo_core.weights.bundle import Bundle
from ganzoo_core.weights.download import Progress, refuse_offline
from ganzoo_core.weights.index import INDEX, LARGEST


def client() -> Any:
    """Import the client.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise UsageError("hf:// needs huggingface_hub: pip install 'ganzoo-core[hub]'") from None
    return huggingface_hub


@contextmanager
def in_one_line(what: str) -> Iterator[None]:
    """Turn whatever the client raises, of several libraries' making, into one line."""
    try:
        yield
    except (GanzooError, MemoryError):
        raise
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", "")
        line = next(iter(str(error).splitlines()), "")[:200]
        why = f"the hub says {status}: {line}" if status else f"{type(error).__name__}: {line}"
        raise WeightsError(f"{what}: {why}") from None


class HubSource:
    """A repository of the hub at one commit."""

    def __init__(self, repo: str, revision: str | None) -> None:
        self.repo, self.revision = repo, revision

    @property
    def name(self) -> str:
        """The address."""
        return f"hf://{self.repo}@{self.revision or 'main'}"

    def index(self, path: Path) -> None:
        """Fix the commit, so that all files are of one, and fetch the index."""
        refuse_offline(self.name)
        with in_one_line(self.name):
            self.revision = client().HfApi().model_info(self.repo, revision=self.revision).sha
        self.fetch(INDEX, path, LARGEST)

    def file(self, name: str, path: Path, about: dict[str, Any], progress: Progress | None) -> None:
        """Fetch a file; the client resumes and shows its own progress."""
        self.fetch(name, path, about["size"])

    def fetch(self, name: str, path: Path, limit: int) -> None:
        """Fetch a file of at most `limit` bytes into a folder beside its place, then move it."""
        beside = path.parent / f".hub-{name}"
        with in_one_line(f"{self.name} {name}"):
            url = client().hf_hub_url(self.repo, name, revision=self.revision)
            size = client().get_hf_file_metadata(url).size
            if size is not None and size > limit:
                raise WeightsError(f"{self.name} {name} has {size:,} bytes, more than {limit:,}")
            found = client().hf_hub_download(
                self.repo, name, revision=self.revision, local_dir=beside
            )
            Path(found).replace(path)
        shutil.rmtree(beside, ignore_errors=True)


def push_hub(bundle: Bundle, repo: str, revision: str | None, *, private: bool) -> str:
    """Send a bundle in one commit; make the repository if need be. Returns the address with the
    commit.

    Raises:
        WeightsError: refused, or no network.
    """
    where = f"hf://{repo}"
    refuse_offline(where)
    hub = client()
    with in_one_line(where):
        api = hub.HfApi()
        api.create_repo(repo, private=private, exist_ok=True)
        done = api.create_commit(
            repo,
            [
                hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(path))
                for name, path in bundle.files.items()
            ],
            commit_message=f"Add weights of {bundle.model}",
            revision=revision,
        )
    return f"{where}@{done.oid}"
