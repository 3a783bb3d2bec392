"""Push and pull: folders, a web server with and without faults, a hub, registry names."""

import json
import os

import pytest
import torch
from contract_models import VAE
from http_servers import COMMIT_SHA, FileServerHandler, HubHandler, run_server
from training_helpers import build_model, make_images

import ganzoo_core as gz
from ganzoo_core.cli.stored_model import cached_weights
from ganzoo_core.config import build_config
from ganzoo_core.errors import PluginError, UsageError, WeightsError
from ganzoo_core.files import file_sha256
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.weights import read_pretrained, save_pretrained, transfer
from ganzoo_core.weights.download import check_url, download
from ganzoo_core.zoo import import_target, registry, zoo

INDEX_FIELDS = {"model": "object:VAE", "config": {}, "license": "Apache-2.0"}


@pytest.fixture
def pretrained(tmp_path):
    return save_pretrained(tmp_path / "mine", build_model(VAE, make_images().info), INDEX_FIELDS)


@pytest.fixture
def weights_server(pretrained):
    """A web server with the pretrained folder at /w/."""
    with run_server(FileServerHandler) as server:
        server.files = {f"/w/{name}": path.read_bytes() for name, path in pretrained.files.items()}
        yield server


@pytest.fixture(autouse=True)
def cache_dir(tmp_path, monkeypatch):
    """An empty cache, and no proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "GANZOO_OFFLINE", "GANZOO_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def same_files(a, b):
    return {n: p.read_bytes() for n, p in a.files.items()} == {
        n: p.read_bytes() for n, p in b.files.items()
    }


def test_pull_is_cached(weights_server, pretrained):
    pulled = transfer.pull(f"{weights_server.url}/w")
    assert same_files(pretrained, pulled) and pulled.sha256 == pretrained.sha256
    num_requests = len(weights_server.requests)
    again = transfer.pull(f"{weights_server.url}/w/", expected_sha256=pretrained.sha256)
    assert again.path == pulled.path and len(weights_server.requests) == num_requests
    transfer.pull(f"{weights_server.url}/w/")
    assert len(weights_server.requests) == num_requests + 1  # the index
    assert list(cached_weights()) == [pretrained.sha256]


def test_address_with_sha256_loads(weights_server, pretrained, monkeypatch):
    address = f"{weights_server.url}/w#sha256={pretrained.sha256}"
    model = gz.from_pretrained(address, model=VAE, device="cpu")
    saved = gz.load(pretrained.path, model=VAE, device="cpu").state_dict()
    assert all(torch.equal(saved[name], value) for name, value in model.state_dict().items())
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    assert transfer.find_weights(address).parent.name == "weights"
    with pytest.raises(UsageError, match="#sha256=H"):
        gz.load(f"{weights_server.url}/w")
    with pytest.raises(UsageError, match="64 digits"):
        gz.load(f"{weights_server.url}/w#md5=1")
    monkeypatch.delenv("GANZOO_OFFLINE")
    with pytest.raises(WeightsError, match="expected 00000000"):
        gz.load(f"{weights_server.url}/w#sha256={'0' * 64}")


def test_saved_model_keeps_its_facts(pretrained, tmp_path):
    model = gz.load(pretrained.path, model=VAE, device="cpu")
    again = read_pretrained(model.save_pretrained(tmp_path / "again"))
    assert same_files(pretrained, again)
    half = read_pretrained(model.save_pretrained(str(tmp_path / "half"), precision="fp16"))
    assert half.index["precision"] == "fp16" and half.index["license"] == "Apache-2.0"
    fresh = read_pretrained(build_model(VAE, make_images().info).save_pretrained(tmp_path / "new"))
    assert fresh.model_name == "object:VAE" and gz.load(fresh.path, model=VAE, device="cpu")


def test_damaged_cache_is_refetched(weights_server, pretrained):
    pulled = transfer.pull(f"{weights_server.url}/w")
    (pulled.path / "model.safetensors").write_bytes(b"damaged")
    assert same_files(
        pretrained, transfer.pull(f"{weights_server.url}/w", expected_sha256=pretrained.sha256)
    )


def test_push_and_pull_over_http(pretrained, monkeypatch):
    monkeypatch.setenv("GANZOO_TOKEN", "secret")
    with run_server(FileServerHandler) as server:
        assert transfer.push(pretrained, f"{server.url}/lab/w") == f"{server.url}/lab/w"
        assert list(server.files)[-1] == "/lab/w/ganzoo.json"
        assert set(server.tokens) == {"Bearer secret"}
        assert same_files(pretrained, transfer.pull(f"{server.url}/lab/w"))
        server.faults["/no/README.md"] = "forbidden"
        with pytest.raises(WeightsError, match="403"):
            transfer.push(pretrained, f"{server.url}/no")


def test_dropped_connection_resumes(weights_server, pretrained):
    weights_server.faults["/w/model.safetensors"] = "drops"
    assert same_files(pretrained, transfer.pull(f"{weights_server.url}/w"))
    half = len(weights_server.files["/w/model.safetensors"]) // 2
    ranges = [r for path, r in weights_server.requests if path == "/w/model.safetensors"]
    assert ranges == [None, f"bytes={half}-"]


def test_partial_download_resumes(weights_server, pretrained, cache_dir):
    data = weights_server.files["/w/model.safetensors"]
    target = cache_dir / "x.safetensors"
    cache_dir.mkdir()
    (cache_dir / ".x.safetensors.part").write_bytes(data[:1000])
    download(
        f"{weights_server.url}/w/model.safetensors",
        target,
        sha256=file_sha256(pretrained.path / "model.safetensors"),
    )
    assert target.read_bytes() == data and weights_server.requests == [
        ("/w/model.safetensors", "bytes=1000-")
    ]
    (cache_dir / ".y.part").write_bytes(data[:1000])
    weights_server.faults["/w/model.safetensors"] = "no ranges"
    download(
        f"{weights_server.url}/w/model.safetensors", cache_dir / "y", sha256=file_sha256(target)
    )
    assert (cache_dir / "y").read_bytes() == data


SERVER_FAULTS = {
    "drops always": "bytes",
    "endless": "bytes",
    "huge": "announces",
    "garbage": "downloaded",
    "file:///etc/passwd": "not allowed|https",
    "ftp://127.0.0.1/x": "not allowed|https",
    "http://example.invalid/x": "https",
}


@pytest.mark.parametrize("name", ["ganzoo.json", "model.safetensors"])
@pytest.mark.parametrize("fault", SERVER_FAULTS)
def test_bad_server_errors(fault, name, weights_server, cache_dir):
    weights_server.faults[f"/w/{name}"] = fault
    with pytest.raises(WeightsError, match=SERVER_FAULTS[fault]) as error:
        transfer.pull(f"{weights_server.url}/w")
    assert "\n" not in str(error.value) and name in str(error.value)
    assert cached_weights() == {} and not list(cache_dir.glob("weights/[0-9a-f]*"))


@pytest.mark.parametrize("change", ["shorter", "longer", "other", "card"])
def test_hash_mismatch_refused(change, weights_server):
    name = "/w/README.md" if change == "card" else "/w/model.safetensors"
    data = weights_server.files[name]
    weights_server.files[name] = {
        "shorter": data[:-1],
        "longer": data + b"x",
        "other": data[:-1] + b"!",
        "card": data[::-1],
    }[change]
    with pytest.raises(WeightsError, match=r"README\.md" if change == "card" else "model"):
        transfer.pull(f"{weights_server.url}/w")
    assert cached_weights() == {}


def test_index_hash_mismatch_refused(weights_server):
    with pytest.raises(WeightsError, match="sha256"):
        transfer.pull(f"{weights_server.url}/w", expected_sha256="0" * 64)
    weights_server.files["/w/ganzoo.json"] = b'{"format_version": 1, "files": {"../x.json": 1}}'
    with pytest.raises(WeightsError, match=r"ganzoo\.json"):
        transfer.pull(f"{weights_server.url}/w")


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
def test_only_https_allowed(url):
    with pytest.raises(WeightsError, match="https"):
        check_url(url)
    assert check_url("https://example.org/a/b") and check_url("http://127.0.0.1:8/x")


def test_network_errors_are_one_line(weights_server, monkeypatch):
    with pytest.raises(WeightsError, match=r"nothing/ganzoo.json .* 404"):
        transfer.pull(f"{weights_server.url}/nothing")
    monkeypatch.setenv("https_proxy", weights_server.url)
    with pytest.raises(WeightsError, match=r"example\.invalid"):
        transfer.pull("https://example.invalid/w")
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    with pytest.raises(WeightsError, match="GANZOO_OFFLINE"):
        transfer.pull(f"{weights_server.url}/w")


def test_offline_uses_cache(weights_server, pretrained, monkeypatch):
    transfer.pull(f"{weights_server.url}/w")
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    assert same_files(
        pretrained, transfer.pull(f"{weights_server.url}/w", expected_sha256=pretrained.sha256)
    )


def registry_row(**values):
    lines = [
        f"{key} = {str(value).lower() if value is True else repr(value)}"
        for key, value in values.items()
    ]
    return "[[weights]]\n" + "\n".join(lines) + "\n"


@pytest.fixture
def lab_registry(tmp_path, weights_server, pretrained, monkeypatch):
    """A registry: published, unpublished and wrong weights, and a checkpoint."""
    torch.save({"w": torch.ones(2)}, tmp_path / "original.pt")
    weights_server.files["/original.pt"] = (tmp_path / "original.pt").read_bytes()
    common = {"summary": "s", "license": "MIT"}
    text = (
        registry_row(
            name="vae:lab", url=f"{weights_server.url}/w/", sha256=pretrained.sha256, **common
        )
        + registry_row(name="vae:later", train_command="ganzoo run cgan", **common)
        + registry_row(name="unknown:x", **common)
        + registry_row(name="cgan:wrong", url=f"{weights_server.url}/w/", sha256="1" * 64, **common)
    )
    (tmp_path / "lab.toml").write_text(text)
    monkeypatch.setenv("GANZOO_REGISTRY", str(tmp_path / "lab.toml"))
    return weights_server


def test_pull_by_registry_name(lab_registry, pretrained):
    assert same_files(pretrained, transfer.pull("vae:lab"))
    with pytest.raises(WeightsError, match="sha256"):
        transfer.pull("cgan:wrong")
    with pytest.raises(UsageError, match='"vae:lab"'):
        transfer.pull("vae:lap")


def test_unpublished_weights_error(lab_registry):
    with pytest.raises(PluginError, match="ganzoo run cgan"):
        transfer.pull("vae:later")
    with pytest.raises(PluginError, match="cgan:people-quick"):
        transfer.pull("cgan:people-quick")


def test_weights_pull_push_list_commands(lab_registry, pretrained, run_ganzoo, tmp_path):
    env = {k: os.environ[k] for k in ("GANZOO_CACHE", "GANZOO_REGISTRY")}
    done = run_ganzoo("weights", "pull", "vae:lab", "--out", "here", cwd=tmp_path, env=env)
    assert (done.code, done.out) == (0, "here\n"), done.err
    assert pretrained.sha256 in done.err and "unverified" not in done.err
    assert same_files(pretrained, read_pretrained(tmp_path / "here"))
    rows = json.loads(run_ganzoo("weights", "list", "--json", cwd=tmp_path, env=env).out)
    states = {row["name"]: row["state"] for row in rows}
    assert states["vae:lab"] == "cached" and states["vae:later"] == "unpublished"
    assert "vae:lab" in run_ganzoo("weights", "list", cwd=tmp_path, env=env).out
    done = run_ganzoo("weights", "pull", "here", "--out", "here", cwd=tmp_path, env=env)
    assert done.code == 5 and "here" in done.error
    done = run_ganzoo("weights", "push", "here", "there", cwd=tmp_path, env=env)
    assert done.code == 0 and same_files(pretrained, read_pretrained(tmp_path / "there"))
    done = run_ganzoo("weights", "push", "here", f"{lab_registry.url}/new", cwd=tmp_path, env=env)
    assert done.code == 0 and "/new/ganzoo.json" in lab_registry.files
    done = run_ganzoo(
        "weights", "pull", f"{lab_registry.url}/new", "--out", "new", cwd=tmp_path, env=env
    )
    assert done.code == 0 and "unverified" in done.err
    for args, code, named in (
        (("pull", "nowhere"), 6, "nowhere"),
        (("pull", "vae:later"), 4, "vae:later"),
        (("pull", f"{lab_registry.url}/none"), 6, "404"),
        (("push", "nowhere", "x"), 6, "nowhere"),
        (("push", "here", "ftp://x/y"), 6, "https"),
    ):
        done = run_ganzoo("weights", *args, cwd=tmp_path, env=env)
        assert done.code == code and named in done.error and "Traceback" not in done.err, done.err


def test_registry_checkpoint_is_converted(run_ganzoo, tmp_path):
    config = build_config("cgan", preset="smoke").model.model_copy(
        update={"base_channels": 64, "latent_dim": 100}
    )
    info = DataInfo(image_size=64, class_names=tuple("abcdef"))
    generator = import_target(zoo().model("cgan").target)(config, info).generator
    torch.save({"state_dict": generator.state_dict()}, tmp_path / "original.pt")
    digest = file_sha256(tmp_path / "original.pt")
    with run_server(FileServerHandler) as server:
        server.files["/original.pt"] = (tmp_path / "original.pt").read_bytes()
        row = {"url": f"{server.url}/original.pt", "sha256": digest, "weights_format": "checkpoint"}
        text = registry_row(name="cgan:converted", summary="s", license="CC0-1.0", **row)
        (tmp_path / "lab.toml").write_text(text)
        env = {"GANZOO_CACHE": "c", "GANZOO_REGISTRY": "lab.toml"}
        args = ("weights", "pull", "cgan:converted", "--out", "mine")
        done = run_ganzoo(*args, cwd=tmp_path, env=env)
        assert (done.code, done.out) == (0, "mine\n"), done.err
        server.files["/original.pt"] += b"x"
        env["GANZOO_CACHE"] = "other"
        done = run_ganzoo("weights", "pull", "cgan:converted", "--out", "x", cwd=tmp_path, env=env)
        assert done.code == 6 and "sha256" in done.error
    index = read_pretrained(tmp_path / "mine").index
    assert index["source"]["is_verified"] and index["source"]["sha256"] == digest
    assert index["data"]["license"] == "CC0-1.0"


def test_registry_update_by_url(lab_registry, tmp_path, run_ganzoo):
    lab_registry.files["/lab.toml"] = (tmp_path / "lab.toml").read_bytes()
    env = {
        "GANZOO_CACHE": os.environ["GANZOO_CACHE"],
        "GANZOO_REGISTRY": f"{lab_registry.url}/lab.toml",
    }
    done = run_ganzoo("weights", "pull", "vae:lab", cwd=tmp_path, env=env)
    assert done.code == 2 and "vae:lab" in done.error
    assert run_ganzoo("registry", "update", cwd=tmp_path, env=env).code == 0
    assert run_ganzoo("weights", "pull", "vae:lab", cwd=tmp_path, env=env).code == 0
    assert run_ganzoo("registry", "check", cwd=tmp_path, env=env).code == 0


# --- the hub --------------------------------------------------------------------------------------


def push_and_load(folder):
    """Upload a model and load it by its address; called in a process of the fork server."""
    model = gz.load(folder, model=VAE, device="cpu")
    address = model.push_to_hub("lab/faces")
    again = gz.from_pretrained(address, model=VAE, device="cpu").state_dict()
    assert all(torch.equal(again[name], value) for name, value in model.state_dict().items())
    print(address)


def test_hub_push_and_pull(pretrained, run_ganzoo, tmp_path):
    with run_server(HubHandler) as hub:
        env = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": "hf_x",
            "HF_HUB_DISABLE_XET": "1",
            "GANZOO_CACHE": os.environ["GANZOO_CACHE"],
            "NO_PROXY": "127.0.0.1",
        }
        done = run_ganzoo("weights", "push", "mine", "hf://lab/faces", cwd=tmp_path, env=env)
        assert (done.code, done.out) == (0, f"hf://lab/faces@{COMMIT_SHA}\n"), done.err
        assert hub.files == {n: p.read_bytes() for n, p in pretrained.files.items()}
        assert sum("/commit/" in path for path in hub.requests) == 1
        call = "test_weights_push_pull:push_and_load"
        done = run_ganzoo("mine", cwd=tmp_path, env=env, call=call)
        assert (done.code, done.out) == (0, f"hf://lab/faces@{COMMIT_SHA}\n"), done.err
        done = run_ganzoo(
            "weights", "pull", "hf://lab/faces", "--out", "got", cwd=tmp_path, env=env
        )
        assert done.code == 0, done.err
        assert same_files(pretrained, read_pretrained(tmp_path / "got"))
        hub.files["model.safetensors"] = b"x" * len(hub.files["model.safetensors"])
        os.environ["GANZOO_CACHE"], other = str(tmp_path / "cache2"), os.environ["GANZOO_CACHE"]
        env["GANZOO_CACHE"] = str(tmp_path / "cache2")
        done = run_ganzoo("weights", "pull", f"hf://lab/faces@{COMMIT_SHA}", cwd=tmp_path, env=env)
        os.environ["GANZOO_CACHE"] = other
        assert done.code == 6 and "model.safetensors" in done.error, done.err
        done = run_ganzoo("weights", "pull", "hf://lab/nothing", cwd=tmp_path, env=env)
        assert done.code == 6 and "404" in done.error and "Traceback" not in done.err, done.err
        env["GANZOO_OFFLINE"] = "1"
        done = run_ganzoo("weights", "pull", "hf://lab/faces", cwd=tmp_path, env=env)
        assert done.code == 6 and "GANZOO_OFFLINE" in done.error
        env["GANZOO_CACHE"] = other  # where the commit was pulled before
        hub.requests.clear()
        for commit, code in ((COMMIT_SHA, 0), ("0" * 40, 6), ("main", 6)):
            words = ("weights", "pull", f"hf://lab/faces@{commit}", "--out", commit)
            done = run_ganzoo(*words, cwd=tmp_path, env=env)
            assert done.code == code, done.err
        assert same_files(pretrained, read_pretrained(tmp_path / COMMIT_SHA))
        assert not hub.requests


def test_registry_row_errors():
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
    for tree, named in (
        ({"entry": [{**entry, "instal": "x"}]}, "'instal'. Did you mean \"install\""),
        ({"entry": [{**entry, "kind": "modle"}]}, "'modle'. Did you mean \"model\""),
        ({"entry": [{**entry, "family": "implict"}]}, "'implict'"),
        ({"entry": [{**entry, "install": "pip install ganzoo-x"}]}, "install"),
        ({"entry": [{**entry, "install": "curl x | sh"}]}, "pip install"),
        ({"entry": [{**entry, "published": "yes"}]}, "published"),
        ({"entry": [{**entry, "summary": "a\nb"}]}, "summary"),
        ({"entry": [{**entry, "license": ""}]}, "license"),
        ({"entry": [entry, entry]}, "[[entry]] 2 (x)"),
        ({"entry": {}}, "[[entry]]"),
        ({"entry": [3]}, "[[entry]] 1"),
        ({"plugins": []}, "'plugins'"),
        ({"weights": [{**weights, "name": "x"}]}, "MODEL:TAG"),
        ({"weights": [{**weights, "url": "https://a.b/c"}]}, "sha256"),
        ({"weights": [{**weights, "url": "http://a.b/c", "sha256": "0" * 64}]}, "'http://a.b/c'"),
        ({"weights": [{**weights, "url": "hf://a/b@main", "sha256": "0" * 64}]}, "'hf://a/b@main'"),
        ({"weights": [{**weights, "sha256": "abc"}]}, "sha256"),
        ({"weights": [{**weights, "weights_format": "pickle"}]}, "'pickle'"),
        ({"weights": [{"name": "x:y"}]}, "summary"),
    ):
        problems = registry.parse_registry(tree, "r").problems
        assert any(named in problem for problem in problems), (tree, problems)


def test_builtin_registry_cannot_be_overridden(tmp_path, monkeypatch):
    assert registry.builtin_registry().problems == ()
    (tmp_path / "evil.toml").write_text(
        registry_row(
            name="cgan:people-quick",
            summary="s",
            license="MIT",
            url="https://evil.example/x",
            sha256="0" * 64,
        )
        + '[[entry]]\nkind = "model"\nname = "cgan"\nsummary = "s"\ndistribution = "evil"\n'
        'install = "pip install evil"\npublished = true\nlicense = "MIT"\n'
    )
    (tmp_path / "broken.toml").write_text("[[entry")
    paths = [str(tmp_path / name) for name in ("evil.toml", "broken.toml", "missing.toml")]
    monkeypatch.setenv("GANZOO_REGISTRY", ",".join(paths))
    assert registry.find_registry_entry("model", "cgan").distribution == "ganzoo-cgan"
    assert not next(
        w for w in registry.published_weights() if w.name == "cgan:people-quick"
    ).is_published
    problems = [p for r in registry.registries() for p in r.problems]
    for named in ("'cgan'", "'cgan:people-quick'", "broken.toml", "missing.toml"):
        assert any(named in problem for problem in problems)
