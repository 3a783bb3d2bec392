"""Push and pull: folders, a web server well and badly behaved, a hub, names of registries."""

import os

import pytest
import torch
from webserver import COMMIT, Files, Hub, serving
from workbench import drawn, make
from zoo_of_proofs import VAE

from ganzoo_core.config import build
from ganzoo_core.errors import PluginError, UsageError, WeightsError
from ganzoo_core.files import sha256
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.weights import read_bundle, sources, write_bundle
from ganzoo_core.weights.download import check_url, download
from ganzoo_core.zoo import registry, resolve, zoo

ABOUT = {"model": "object:VAE", "config": {}, "license": "Apache-2.0"}


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "mine", make(VAE, drawn().info), ABOUT)


@pytest.fixture
def server(bundle):
    """A web server that has the bundle at /w/."""
    with serving(Files) as server:
        server.files = {f"/w/{name}": path.read_bytes() for name, path in bundle.files.items()}
        yield server


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty cache; no proxy stands before this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "GANZOO_OFFLINE", "GANZOO_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def same(a, b):
    return {n: p.read_bytes() for n, p in a.files.items()} == {
        n: p.read_bytes() for n, p in b.files.items()
    }


def test_a_pulled_bundle_is_the_same_and_is_fetched_once(server, bundle):
    pulled = sources.pull(f"{server.url}/w")
    assert same(bundle, pulled) and pulled.sha256 == bundle.sha256
    asked = len(server.asked)
    again = sources.pull(f"{server.url}/w/", digest=bundle.sha256)
    assert again.path == pulled.path and len(server.asked) == asked
    sources.pull(f"{server.url}/w/")
    assert len(server.asked) == asked + 1, "without a hash only the index is asked for again"
    assert [b.sha256 for b in sources.cached()] == [bundle.sha256]


def test_a_damaged_cache_is_mended(server, bundle):
    pulled = sources.pull(f"{server.url}/w")
    (pulled.path / "model.safetensors").write_bytes(b"damaged")
    assert same(bundle, sources.pull(f"{server.url}/w", digest=bundle.sha256))


def test_pushed_over_http_and_pulled_again(bundle, monkeypatch):
    monkeypatch.setenv("GANZOO_TOKEN", "secret")
    with serving(Files) as server:
        assert sources.push(bundle, f"{server.url}/lab/w") == f"{server.url}/lab/w"
        assert list(server.files)[-1] == "/lab/w/ganzoo.json", "the index goes last"
        assert set(server.tokens) == {"Bearer secret"}
        assert same(bundle, sources.pull(f"{server.url}/lab/w"))
        server.faults["/no/README.md"] = "forbidden"
        with pytest.raises(WeightsError, match=r"cannot be uploaded: the server says 403"):
            sources.push(bundle, f"{server.url}/no")


def test_a_connection_that_drops_is_taken_up_where_it_ended(server, bundle):
    server.faults["/w/model.safetensors"] = "drops"
    assert same(bundle, sources.pull(f"{server.url}/w"))
    half = len(server.files["/w/model.safetensors"]) // 2
    ranges = [r for path, r in server.asked if path == "/w/model.safetensors"]
    assert ranges == [None, f"bytes={half}-"]


def test_the_rest_is_fetched_by_the_next_call(server, bundle, home):
    data = server.files["/w/model.safetensors"]
    target = home / "x.safetensors"
    home.mkdir()
    (home / ".x.safetensors.part").write_bytes(data[:1000])
    download(
        f"{server.url}/w/model.safetensors",
        target,
        sha256=sha256(bundle.path / "model.safetensors"),
    )
    assert target.read_bytes() == data and server.asked == [("/w/model.safetensors", "bytes=1000-")]
    (home / ".y.part").write_bytes(data[:1000])
    server.faults["/w/model.safetensors"] = "no ranges"
    download(f"{server.url}/w/model.safetensors", home / "y", sha256=sha256(target))
    assert (home / "y").read_bytes() == data


FAULTS = {
    "drops always": "bytes",
    "endless": "more than|bytes, not",
    "huge": "announces",
    "garbage": "cannot be downloaded",
    "file:///etc/passwd": "not allowed|only https",
    "ftp://127.0.0.1/x": "not allowed|only https",
    "http://example.invalid/x": "only https",
}


@pytest.mark.parametrize("name", ["ganzoo.json", "model.safetensors"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_server_is_one_line_and_leaves_nothing(fault, name, server, home):
    server.faults[f"/w/{name}"] = fault
    with pytest.raises(WeightsError, match=FAULTS[fault]) as error:
        sources.pull(f"{server.url}/w")
    assert "\n" not in str(error.value) and name in str(error.value)
    assert sources.cached() == [] and not list(home.glob("weights/[0-9a-f]*"))


@pytest.mark.parametrize("change", ["fewer", "more", "other", "card"])
def test_other_bytes_than_the_index_says_are_refused(change, server):
    name = "/w/README.md" if change == "card" else "/w/model.safetensors"
    data = server.files[name]
    server.files[name] = {
        "fewer": data[:-1],
        "more": data + b"x",
        "other": data[:-1] + b"!",
        "card": data[::-1],
    }[change]
    with pytest.raises(WeightsError, match=r"not the file it should be|bytes"):
        sources.pull(f"{server.url}/w")
    assert sources.cached() == []


def test_another_index_than_asked_for_is_refused(server):
    with pytest.raises(WeightsError, match="not the bundle it should be"):
        sources.pull(f"{server.url}/w", digest="0" * 64)
    server.files["/w/ganzoo.json"] = b'{"format": 1, "files": {"../x.json": 1}}'
    with pytest.raises(WeightsError, match="damaged"):
        sources.pull(f"{server.url}/w")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/w",
        "file:///etc",
        "ftp://example.org/w",
        "https://",
        "https://u:p@h/w",
        "https://ho st/w",
        "https://[::1",
        "javascript://x",
    ],
)
def test_only_https_is_opened(url):
    with pytest.raises(WeightsError, match="only https"):
        check_url(url)
    assert check_url("https://example.org/a/b") and check_url("http://127.0.0.1:8/x")


def test_no_network_a_proxy_and_404_are_one_line(server, monkeypatch):
    with pytest.raises(WeightsError, match=r"nothing/ganzoo.json .* the server says 404"):
        sources.pull(f"{server.url}/nothing")
    monkeypatch.setenv("https_proxy", server.url)
    with pytest.raises(WeightsError, match="cannot be downloaded"):
        sources.pull("https://example.invalid/w")
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    with pytest.raises(WeightsError, match="GANZOO_OFFLINE is set"):
        sources.pull(f"{server.url}/w")


def test_offline_takes_what_is_in_the_cache(server, bundle, monkeypatch):
    sources.pull(f"{server.url}/w")
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    assert same(bundle, sources.pull(f"{server.url}/w", digest=bundle.sha256))


def row(**values):
    lines = [
        f"{key} = {str(value).lower() if value is True else repr(value)}"
        for key, value in values.items()
    ]
    return "[[weights]]\n" + "\n".join(lines) + "\n"


@pytest.fixture
def lab(tmp_path, server, bundle, monkeypatch):
    """A lab's own registry: weights on its server, weights of nobody, a checkpoint."""
    torch.save({"w": torch.ones(2)}, tmp_path / "their.pt")
    server.files["/their.pt"] = (tmp_path / "their.pt").read_bytes()
    same_words = {"summary": "s", "license": "MIT"}
    text = (
        row(name="vae:lab", url=f"{server.url}/w/", sha256=bundle.sha256, **same_words)
        + row(name="vae:later", make="ganzoo run cgan", **same_words)
        + row(name="nobodys:x", **same_words)
        + row(name="cgan:wrong", url=f"{server.url}/w/", sha256="1" * 64, **same_words)
    )
    (tmp_path / "lab.toml").write_text(text)
    monkeypatch.setenv("GANZOO_REGISTRY", str(tmp_path / "lab.toml"))
    return server


def test_names_of_a_registry_are_pulled_and_their_hash_enforced(lab, bundle):
    assert same(bundle, sources.pull("vae:lab"))
    with pytest.raises(WeightsError, match="not the bundle it should be"):
        sources.pull("cgan:wrong")
    with pytest.raises(UsageError, match='Did you mean "vae:lab"'):
        sources.pull("vae:lap")


def test_unpublished_weights_say_how_to_make_them(lab):
    with pytest.raises(PluginError, match=r"unpublished.*train them with: ganzoo run cgan"):
        sources.pull("vae:later")
    with pytest.raises(PluginError, match="unpublished"):
        sources.pull("cgan:people-quick")


def test_the_verbs_pull_push_and_list(lab, bundle, ganzoo, tmp_path):
    env = {k: os.environ[k] for k in ("GANZOO_CACHE", "GANZOO_REGISTRY")}
    done = ganzoo("weights", "pull", "vae:lab", "--out", "here", cwd=tmp_path, env=env)
    assert (done.code, done.out) == (0, "here\n"), done.err
    assert bundle.sha256 in done.err and "vouched" not in done.err
    assert same(bundle, read_bundle(tmp_path / "here"))
    listed = ganzoo("weights", "list", cwd=tmp_path, env=env).out
    assert "vae:lab" in listed and "cached" in listed and "unpublished" in listed
    done = ganzoo("weights", "pull", "here", "--out", "here", cwd=tmp_path, env=env)
    assert done.code == 5 and "exists already" in done.error
    done = ganzoo("weights", "push", "here", "there", cwd=tmp_path, env=env)
    assert done.code == 0 and same(bundle, read_bundle(tmp_path / "there"))
    done = ganzoo("weights", "push", "here", f"{lab.url}/new", cwd=tmp_path, env=env)
    assert done.code == 0 and "/new/ganzoo.json" in lab.files
    done = ganzoo("weights", "pull", f"{lab.url}/new", "--out", "new", cwd=tmp_path, env=env)
    assert done.code == 0 and "nobody vouched" in done.err
    for words, code, said in (
        (("pull", "nowhere"), 6, "no folder, no address"),
        (("pull", "vae:later"), 4, "unpublished"),
        (("pull", f"{lab.url}/none"), 6, "404"),
        (("push", "nowhere", "x"), 6, "nowhere"),
        (("push", "here", "ftp://x/y"), 6, "only https"),
    ):
        done = ganzoo("weights", *words, cwd=tmp_path, env=env)
        assert done.code == code and said in done.error and "Traceback" not in done.err, done.err


def test_a_known_checkpoint_is_verified_and_imported(ganzoo, tmp_path):
    tree = build("cgan", preset="tiny").model.model_copy(update={"width": 64, "latent": 100})
    facts = DataInfo(size=64, classes=tuple("abcdef"))
    generator = resolve(zoo().model("cgan").target)(tree, facts).generator
    torch.save({"state_dict": generator.state_dict()}, tmp_path / "their.pt")
    digest = sha256(tmp_path / "their.pt")
    with serving(Files) as server:
        server.files["/their.pt"] = (tmp_path / "their.pt").read_bytes()
        place = {"url": f"{server.url}/their.pt", "sha256": digest, "form": "checkpoint"}
        text = row(name="cgan:theirs", summary="s", license="CC0-1.0", **place)
        (tmp_path / "lab.toml").write_text(text)
        env = {"GANZOO_CACHE": "c", "GANZOO_REGISTRY": "lab.toml"}
        words = ("weights", "pull", "cgan:theirs", "--out", "mine")
        done = ganzoo(*words, cwd=tmp_path, env=env)
        assert (done.code, done.out) == (0, "mine\n"), done.err
        server.files["/their.pt"] += b"x"
        env["GANZOO_CACHE"] = "other"
        done = ganzoo("weights", "pull", "cgan:theirs", "--out", "x", cwd=tmp_path, env=env)
        assert done.code == 6 and "not the file it should be" in done.error
    index = read_bundle(tmp_path / "mine").index
    assert index["source"]["verified"] and index["source"]["sha256"] == digest
    assert index["data"]["license"] == "CC0-1.0"


def test_a_registry_by_url_is_fetched_when_asked(lab, tmp_path, ganzoo):
    lab.files["/lab.toml"] = (tmp_path / "lab.toml").read_bytes()
    env = {"GANZOO_CACHE": os.environ["GANZOO_CACHE"], "GANZOO_REGISTRY": f"{lab.url}/lab.toml"}
    done = ganzoo("weights", "pull", "vae:lab", cwd=tmp_path, env=env)
    assert done.code == 2 and "no registry knows" in done.error
    assert ganzoo("registry", "update", cwd=tmp_path, env=env).code == 0
    assert ganzoo("weights", "pull", "vae:lab", cwd=tmp_path, env=env).code == 0
    assert ganzoo("registry", "check", cwd=tmp_path, env=env).code == 0


# --- the hub --------------------------------------------------------------------------------------


def test_the_hub_takes_a_bundle_in_one_commit_and_gives_it_back(bundle, ganzoo, tmp_path):
    pytest.importorskip("huggingface_hub")
    with serving(Hub) as hub:
        env = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": "hf_x",
            "HF_HUB_DISABLE_XET": "1",
            "GANZOO_CACHE": os.environ["GANZOO_CACHE"],
            "NO_PROXY": "127.0.0.1",
        }
        done = ganzoo("weights", "push", "mine", "hf://lab/faces", cwd=tmp_path, env=env)
        assert (done.code, done.out) == (0, f"hf://lab/faces@{COMMIT}\n"), done.err
        assert hub.files == {n: p.read_bytes() for n, p in bundle.files.items()}
        assert sum("/commit/" in path for path in hub.asked) == 1
        done = ganzoo("weights", "pull", "hf://lab/faces", "--out", "got", cwd=tmp_path, env=env)
        assert done.code == 0, done.err
        assert same(bundle, read_bundle(tmp_path / "got"))
        hub.files["model.safetensors"] = b"x" * len(hub.files["model.safetensors"])
        os.environ["GANZOO_CACHE"], other = str(tmp_path / "cache2"), os.environ["GANZOO_CACHE"]
        env["GANZOO_CACHE"] = str(tmp_path / "cache2")
        done = ganzoo("weights", "pull", f"hf://lab/faces@{COMMIT}", cwd=tmp_path, env=env)
        os.environ["GANZOO_CACHE"] = other
        assert done.code == 6 and "sha256 differs" in done.error, done.err
        done = ganzoo("weights", "pull", "hf://lab/nothing", cwd=tmp_path, env=env)
        assert done.code == 6 and "404" in done.error and "Traceback" not in done.err, done.err
        env["GANZOO_OFFLINE"] = "1"
        done = ganzoo("weights", "pull", "hf://lab/faces", cwd=tmp_path, env=env)
        assert done.code == 6 and "GANZOO_OFFLINE" in done.error


def test_registries_say_what_is_wrong_with_a_row():
    entry = {
        "kind": "model",
        "name": "x",
        "summary": "s",
        "distribution": "ganzoo-x",
        "install": "pip install ganzoo-core ganzoo-x",
        "published": False,
        "license": "MIT",
    }
    weights = {"name": "x:y", "summary": "s", "license": "MIT"}
    assert registry.parse_registry({"entry": [entry], "weights": [weights]}, "r").problems == ()
    wrong = [
        ({"entry": [{**entry, "instal": "x"}]}, "no key 'instal'. Did you mean \"install\""),
        ({"entry": [{**entry, "kind": "modle"}]}, 'Did you mean "model"'),
        ({"entry": [{**entry, "install": "pip install ganzoo-x"}]}, "in one call"),
        ({"entry": [{**entry, "install": "curl x | sh"}]}, "must begin with: pip install"),
        ({"entry": [{**entry, "published": "yes"}]}, "true or false"),
        ({"entry": [{**entry, "summary": "a\nb"}]}, "one printable line"),
        ({"entry": [{**entry, "license": ""}]}, "license is missing"),
        ({"entry": [entry, entry]}, "there twice"),
        ({"entry": {}}, "no list of tables"),
        ({"entry": [3]}, "no table"),
        ({"plugins": []}, "no table 'plugins'"),
        ({"weights": [{**weights, "name": "x"}]}, "MODEL:TAG"),
        ({"weights": [{**weights, "url": "https://a.b/c"}]}, "a url without sha256"),
        ({"weights": [{**weights, "url": "http://a.b/c", "sha256": "0" * 64}]}, "no address"),
        ({"weights": [{**weights, "url": "hf://a/b@main", "sha256": "0" * 64}]}, "no address"),
        ({"weights": [{**weights, "sha256": "abc"}]}, "64 hexadecimal"),
        ({"weights": [{**weights, "form": "pickle"}]}, "no form"),
        ({"weights": [{"name": "x:y"}]}, "summary is missing"),
    ]
    for tree, words in wrong:
        problems = registry.parse_registry(tree, "r").problems
        assert any(words in problem for problem in problems), (tree, problems)


def test_the_catalogue_has_no_problem_and_cannot_be_overridden(tmp_path, monkeypatch):
    assert registry.builtin().problems == ()
    (tmp_path / "evil.toml").write_text(
        row(
            name="cgan:people-quick",
            summary="mine",
            license="MIT",
            url="https://evil.example/x",
            sha256="0" * 64,
        )
        + '[[entry]]\nkind = "model"\nname = "cgan"\nsummary = "s"\ndistribution = "evil"\n'
        'install = "pip install evil"\npublished = true\nlicense = "MIT"\n'
    )
    (tmp_path / "broken.toml").write_text("[[entry")
    places = ["evil.toml", "broken.toml", "missing.toml"]
    monkeypatch.setenv("GANZOO_REGISTRY", ",".join(str(tmp_path / p) for p in places))
    assert registry.known("model", "cgan").distribution == "ganzoo-cgan"
    assert not next(w for w in registry.published() if w.name == "cgan:people-quick").published
    problems = [p for r in registry.registries() for p in r.problems]
    for words in ("'cgan' is taken", "'cgan:people-quick' is taken", "not TOML", "no such file"):
        assert any(words in problem for problem in problems)
