"""What the gallery refuses: other sites, wrong tokens, paths, and names that are no text."""

import re
from pathlib import Path

import ganzoo_gallery
import pytest
from click.testing import CliRunner
from ganzoo_gallery.app import make_app
from ganzoo_gallery.commands import gallery as gallery_command
from starlette.testclient import TestClient

from ganzoo_core.errors import UsageError

STATIC = Path(ganzoo_gallery.__file__).parent / "static"
TOKEN = "a-token-of-24-characters"
HOSTILE_TAG = "<img src=x"


def pages(client, gallery):
    """Yield every page."""
    ids = [run.id for run in gallery.index.runs()]
    yield client.get("")
    yield client.get("compare", params={"run": ids})
    for run_id in ids:
        yield client.get(f"runs/{run_id}")
        yield client.get(f"runs/{run_id}/log")


def test_hostile_names_are_text(client, gallery):
    for page in pages(client, gallery):
        assert page.status_code == 200
        assert HOSTILE_TAG not in page.text
    assert any("&lt;img src=x" in page.text for page in pages(client, gallery))


def test_no_page_needs_another_address(client, gallery):
    texts = [page.text for page in pages(client, gallery)]
    texts += [path.read_text() for path in STATIC.iterdir()]
    for text in texts:
        assert not re.search(r"https?://|//\w+\.\w+/", text.replace("http://www.w3.org", ""))
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=\"|style=\"", text)


def test_every_answer_has_the_policy(client, gallery):
    answers = [*pages(client, gallery), client.get("static/gallery.css"), client.get("nothing")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/a-token-of-24-characterz/", {}),
        (f"/{TOKEN[:-1]}/", {}),
        ("/static/gallery.css", {}),
        (f"/{TOKEN}/", {"Host": "evil.example"}),
        (f"/{TOKEN}/", {"Host": "127.0.0.1.evil.example"}),
        (f"/{TOKEN}/", {"Host": "[::1"}),
        (f"/{TOKEN}/", {"Origin": "http://evil.example"}),
        (f"/{TOKEN}/", {"Origin": "null"}),
        (f"/{TOKEN}/", {"Origin": "http://127.0.0.1:1234"}),
        (f"/{TOKEN}/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
    ],
)
def test_refused(gallery, path, headers):
    client = TestClient(make_app(gallery), "http://127.0.0.1")
    answer = client.get(path, headers=headers)
    assert answer.status_code == 403
    assert "card" not in answer.text
    assert "content-security-policy" in answer.headers


def test_cross_site_posts_are_refused(gallery):
    client = TestClient(make_app(gallery), "http://127.0.0.1")
    run = gallery.index.runs()[0]
    address = f"/{TOKEN}/runs/{run.id}/resume"
    assert client.post(address).status_code == 403  # a form of an old browser
    assert client.post(address, headers={"Origin": "http://evil.example"}).status_code == 403
    same = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"}
    assert client.post(address, headers=same).status_code == 403
    assert client.get(address, headers={"Origin": "http://127.0.0.1"}).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "runs/..%2f..%2fetc%2fpasswd",
        "runs/%2e%2e/%2e%2e/config.toml",
        "static/..%2fapp.py",
        "static/%2e%2e/app.py",
        "runs/{run}/grids/..%2f..%2fconfig.toml",
        "runs/{run}/grids/99.png",
        "docs",
        "openapi.json",
    ],
)
def test_path_tricks_find_nothing(client, gallery, path):
    run = gallery.index.runs()[0].id
    assert client.get(path.format(run=run)).status_code in {404, 422}


def test_grid_that_is_no_picture(client, gallery, runs_dir):
    """A link to another file, as a run folder from elsewhere may contain."""
    folder = runs_dir / "stopped" / "samples"
    folder.mkdir(exist_ok=True)
    (folder / "7.png").unlink(missing_ok=True)
    (folder / "7.png").symlink_to(runs_dir / "stopped" / "config.toml")
    gallery.index.refresh()
    run = next(run for run in gallery.index.runs() if run.name == "stopped")
    assert run.grids == (7,)
    assert client.get(f"runs/{run.id}/grids/7.png").status_code == 404
    assert client.get(f"runs/{run.id}/picture").status_code == 404
    (folder / "7.png").unlink()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere"], "no such folder"),
        (["--share-token", "short"], "16 to 128 letters"),
        (["--share-token", "../../etc/passwd-and-more"], "16 to 128 letters"),
    ],
)
def test_wrong_arguments(args, message):
    with pytest.raises(UsageError, match=message):
        CliRunner().invoke(gallery_command, args, catch_exceptions=False)


def test_port_in_use(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port {port}: .*in use"):
            CliRunner().invoke(
                gallery_command, [str(tmp_path), "--port", str(port)], catch_exceptions=False
            )
