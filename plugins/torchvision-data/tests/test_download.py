"""Downloads from a local server, and without network."""

from __future__ import annotations

import hashlib
import socket
import tarfile
import urllib.error
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from ganzoo_torchvision_data.download import TIMEOUT_SECONDS, RemoteFile, download_files

from ganzoo_core.errors import DataError, OutputError


@pytest.fixture
def blocked(monkeypatch: Any) -> list[float | None]:
    """Block all requests; return the list of their timeouts."""
    waits: list[float | None] = []

    def urlopen(*_: Any, **__: Any) -> Any:
        waits.append(socket.getdefaulttimeout())
        raise urllib.error.URLError("Network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return waits


@pytest.mark.parametrize(
    ("name", "file", "below"),
    [
        ("mnist", "train-images-idx3-ubyte.gz", "MNIST/raw"),
        ("svhn", "train_32x32.mat", ""),
        ("fashion-mnist", "train-images-idx3-ubyte.gz", "FashionMNIST/raw"),
        ("cifar10", "cifar-10-binary.tar.gz", ""),
    ],
)
def test_blocked_network(
    tmp_path: Path, kit: Any, blocked: list[float | None], *, name: str, file: str, below: str
) -> None:
    text = kit.error_message(name, tmp_path, download=True)
    assert text.startswith(f"{name}: {file}") and "network is unreachable" in text
    assert str(tmp_path / below) in text and "http" in text
    assert set(blocked) == {TIMEOUT_SECONDS} and socket.getdefaulttimeout() is None
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: Any) -> Any:
    """Return a function that serves bytes as a.bin; its first mirror has no such file."""
    home = tmp_path / "server"
    home.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(home)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("no_proxy", "*")

    def remote(data: bytes, md5: str = "") -> RemoteFile:
        (home / "a.bin").write_bytes(data)
        base = f"http://127.0.0.1:{server.server_port}"
        digest = md5 or hashlib.md5(data, usedforsecurity=False).hexdigest()
        return RemoteFile("a.bin", (f"{base}/nowhere/a.bin", f"{base}/a.bin"), digest)

    yield remote
    server.shutdown()
    server.server_close()
    thread.join()


def test_mirrors_and_md5(tmp_path: Path, serve: Any) -> None:
    home = tmp_path / "home"
    download_files([serve(b"hello")], home, "x")
    assert (home / "a.bin").read_bytes() == b"hello" and len(list(home.iterdir())) == 1
    download_files([RemoteFile("a.bin", (), "")], home, "x")  # exists already
    with pytest.raises(DataError, match=r"a\.bin"):
        download_files([serve(b"other", md5="0" * 32)], tmp_path / "second", "x")
    assert list((tmp_path / "second").iterdir()) == []


def test_folder_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/raw"):
        download_files([RemoteFile("a.bin", (), "")], tmp_path / "file" / "raw", "x")


def test_open_downloads_missing_files(
    tmp_path: Path, kit: Any, serve: Any, monkeypatch: Any
) -> None:
    record = bytes([7]) + bytes(3072)
    (tmp_path / "test_batch.bin").write_bytes(record * 2)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as out:
        out.add(tmp_path / "test_batch.bin", arcname="cifar-10-batches-bin/test_batch.bin")
    file = serve((tmp_path / "a.tar.gz").read_bytes())
    monkeypatch.setattr("ganzoo_torchvision_data.cifar.CIFAR10.remote_files", lambda self: [file])
    monkeypatch.setattr("ganzoo_torchvision_data.cifar.ARCHIVE", "a.bin")
    data = kit.open_dataset("cifar10", tmp_path / "root", split="test", download=True)
    assert data.labels.tolist() == [7, 7] and data.source_files == [tmp_path / "root" / "a.bin"]
