"""Downloads from slow and lying servers end; the lock of the cache is free while a pull waits."""

import hashlib
import os
import threading
import time

import pytest
from contract_models import VAE
from filelock import FileLock
from http_servers import DRIPS, FileServerHandler, run_server
from training_helpers import build_model, make_images

from ganzoo_core import limits
from ganzoo_core.errors import OutputError, WeightsError
from ganzoo_core.weights import download as download_module
from ganzoo_core.weights import save_pretrained, transfer
from ganzoo_core.weights.download import download

DATA = bytes(range(256)) * 400


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server with one file and a pretrained folder; times of less than a second; no proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "GANZOO_OFFLINE", "GANZOO_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(limits, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(limits, "RATE_WINDOW_SECONDS", 0.3)
    fields = {"model": "object:VAE", "config": {}}
    pretrained = save_pretrained(tmp_path / "b", build_model(VAE, make_images().info), fields)
    with run_server(FileServerHandler) as server:
        server.files = {f"/w/{name}": path.read_bytes() for name, path in pretrained.files.items()}
        server.files["/f"] = DATA
        yield server


@pytest.mark.parametrize("fault", DRIPS)
def test_slow_server_is_left(fault, server, tmp_path):
    server.faults["/f"] = fault
    start = time.monotonic()
    with pytest.raises(WeightsError, match=r"cannot be downloaded: .*(too slow|timed out)"):
        download(f"{server.url}/f", tmp_path / "f", sha256=hashlib.sha256(DATA).hexdigest())
    assert time.monotonic() - start < 8 * 0.3 + 2, "at most four attempts of two windows"
    assert not (tmp_path / "f").exists()
    assert server.left.wait(5), "the connection is closed"


def test_fast_server_has_no_deadline(server, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MIN_BYTES_PER_SECOND", 10)
    monkeypatch.setattr(download_module, "_CHUNK_BYTES", 1024)

    def progress(done, total):  # slower than one window in total, faster than the minimum
        threading.Event().wait(0.005)

    download(f"{server.url}/f", tmp_path / "f", size=len(DATA), progress=progress)
    assert (tmp_path / "f").read_bytes() == DATA


def test_announced_size_is_refused_before_a_byte(server, tmp_path):
    server.faults["/f"] = "2^60"
    with pytest.raises(WeightsError, match="announces 1,152,921,504,606,949,376 bytes"):
        download(f"{server.url}/f", tmp_path / "f")
    assert list(tmp_path.glob("*f*")) == []


def test_disk_that_is_too_small_is_named(server, tmp_path):
    with pytest.raises(OutputError, match=r"1,152,921,504,606,846,976 bytes, and .* free"):
        download(f"{server.url}/f", tmp_path / "f", size=2**60)
    assert server.requests == []


def test_token_is_not_sent_to_where_a_server_redirects(server, tmp_path):
    received = {}

    class Handler(FileServerHandler):
        def do_GET(self):
            received[self.path] = self.headers.get("Authorization")
            super().do_GET()

    with run_server(Handler) as other:
        other.files["/g"] = DATA
        other.faults["/f"] = f"{other.url}/g"
        download(f"{other.url}/f", tmp_path / "f", secret_headers={"Authorization": "Bearer s"})
    assert received == {"/f": "Bearer s", "/g": None}


def test_cache_is_free_while_a_pull_waits_for_the_network(server, tmp_path):
    """While one pull waits, another of the same folder finishes."""
    waiting, go_on = threading.Event(), threading.Event()

    def wait(done, total):
        waiting.set()
        assert go_on.wait(60)

    results = []
    slow = threading.Thread(
        target=lambda: results.append(transfer.pull(f"{server.url}/w", progress=wait))
    )
    slow.start()
    assert waiting.wait(60)
    fast = transfer.pull(f"{server.url}/w")
    go_on.set()
    slow.join()
    assert results[0].path == fast.path and results[0].sha256 == fast.sha256
    left = {p.name for p in fast.path.parent.iterdir() if not p.name.endswith((".lock", "-owner"))}
    assert left == {fast.path.name}


def test_lock_of_the_cache_names_its_process(server, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "CACHE_LOCK_SECONDS", 0.05)
    home = tmp_path / "cache" / "weights"
    home.mkdir(parents=True)
    (home / ".lock-owner").write_text(str(os.getpid()))
    lock = FileLock(home / ".lock", is_singleton=False)
    with lock, pytest.raises(OutputError, match=rf"process {os.getpid()} holds the lock of"):
        transfer.pull(f"{server.url}/w")
    assert transfer.pull(f"{server.url}/w").sha256


def test_pull_resumes_in_its_staging_folder(server, tmp_path):
    server.faults["/w/model.safetensors"] = "drops always"
    with pytest.raises(WeightsError):
        transfer.pull(f"{server.url}/w")
    card_requests = server.requests.count(("/w/README.md", None))
    server.faults.clear()
    transfer.pull(f"{server.url}/w")
    assert server.requests.count(("/w/README.md", None)) == card_requests == 1
