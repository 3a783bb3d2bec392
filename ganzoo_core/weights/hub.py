"""Pretrained folders on the Hugging Face Hub, through `huggingface_hub`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub as hub

from ganzoo_core import limits
from ganzoo_core.errors import GanzooError, WeightsError
from ganzoo_core.weights.download import ProgressCallback, check_online, download
from ganzoo_core.weights.index import INDEX_FILE
from ganzoo_core.weights.pretrained import PretrainedFolder


@contextmanager
def _as_weights_error(action: str) -> Iterator[None]:
    """Convert any error of the client, which comes from several libraries, to one line."""
    try:
        yield
    except (GanzooError, MemoryError):
        raise
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", "")
        line = next(iter(str(error).splitlines()), "")[:200]
        reason = f"HTTP status {status}: {line}" if status else f"{type(error).__name__}: {line}"
        raise WeightsError(f"{action}: {reason}") from None


class HubSource:
    """A repository of the hub at one commit."""

    def __init__(self, repo: str, revision: str | None) -> None:
        self.repo, self.revision = repo, revision

    @property
    def address(self) -> str:
        """The repository and its revision as hf://owner/name@revision."""
        return f"hf://{self.repo}@{self.revision or 'main'}"

    def fetch_index(self, path: Path) -> None:
        """Resolve the revision to a commit, so that all files have the same one; fetch the index.

        Raises:
            WeightsError: no network, refused, or the index is too large.
        """
        check_online(self.address)
        with _as_weights_error(self.address):
            api = hub.HfApi()
            self.revision = api.model_info(self.repo, revision=self.revision).sha
        self._download(INDEX_FILE, path, max_bytes=limits.INDEX_BYTES)

    def fetch_file(
        self, name: str, path: Path, file_record: dict[str, Any], progress: ProgressCallback | None
    ) -> None:
        """Fetch a file."""
        self._download(
            name, path, progress=progress, sha256=file_record["sha256"], size=file_record["size"]
        )

    def _download(self, name: str, path: Path, **expected: Any) -> None:
        """Fetch a file without the client, which has no deadline and no limit of size."""
        with _as_weights_error(f"{self.address} {name}"):
            url = hub.hf_hub_url(self.repo, name, revision=self.revision)
            token = hub.get_token()
        secret = {"Authorization": f"Bearer {token}"} if token else {}
        download(url, path, secret_headers=secret, **expected)


def push_to_hub(
    pretrained: PretrainedFolder, repo: str, revision: str | None, *, private: bool
) -> str:
    """Upload a folder in one commit; create the repository if it does not exist.

    Returns:
        hf://owner/name@commit.

    Raises:
        WeightsError: no network, or refused.
    """
    address = f"hf://{repo}"
    check_online(address)
    with _as_weights_error(address):
        api = hub.HfApi()
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.create_commit(
            repo,
            [
                hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(path))
                for name, path in pretrained.files.items()
            ],
            commit_message=f"Add weights of {pretrained.model_name}",
            revision=revision,
        )
    return f"{address}@{commit.oid}"
