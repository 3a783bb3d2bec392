"""Hostile bundles and checkpoints: one line of error, no escape, no hang, no code run.

Damage is sealed again (the index gets the hashes of the damaged files), so that it reaches the
code behind the hashes. 500 inputs in `make test`, 10,000 more in `make soak`.
"""

import functools
import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_fuzz import CHANGES, FEW, MANY, mutated, no_hang
from workbench import drawn, make
from zoo_of_proofs import VAE

from ganzoo_core.errors import GanzooError
from ganzoo_core.files import sha256
from ganzoo_core.weights import assemble, fill, read_bundle, rebuild, write_bundle
from ganzoo_core.weights.card import card
from ganzoo_core.weights.filling import count_values
from ganzoo_core.weights.foreign import read_foreign

ABOUT = {"model": "object:VAE", "config": {}}


@pytest.fixture
def home(tmp_path):
    """A sound bundle in `b`, a secret beside it, and a folder that only running code would make."""
    write_bundle(tmp_path / "b", make(VAE, drawn().info), ABOUT)
    (tmp_path / "secret.json").write_text("nobody may read this")
    return tmp_path


@functools.cache
def sound():
    """Return a model of the class that the bundle is of."""
    return make(VAE, drawn().info)


def reseal(folder, index=None):
    """Give the index the hashes of the files as they are."""
    path = folder / "ganzoo.json"
    index = json.loads(path.read_text()) if index is None else index
    for name, file in index["files"].items():
        file["sha256"], file["size"] = sha256(folder / name), (folder / name).stat().st_size
    path.write_text(json.dumps(index))


def loaded(folder):
    """Do all that a bundle is for; returns the model."""
    bundle = read_bundle(folder)
    count_values(bundle)
    model = assemble(VAE, None, bundle)
    return fill(make(VAE, bundle.info), bundle) if model is None else model


def refused(call):
    """Return what a call gives, or None where it refuses in one line."""
    try:
        return call()
    except GanzooError as error:
        assert "\n" not in str(error) and str(error)
        return None


# --- the index ------------------------------------------------------------------------------------

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_subnormal=False),
    st.sampled_from(
        [
            "../secret.json",
            "/etc/passwd",
            "..",
            "",
            "model.safetensors",
            "os:system",
            "object:",
            "subprocess:run",
            "cgan",
            "<script>alert(1)</script>",
            "\x1b[31m",
            "\0",
            "x" * 3000,
            "e" * 64,
        ]
    ),
    st.text(max_size=8),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
PATHS = st.sampled_from(
    [
        ("model",),
        ("format",),
        ("config",),
        ("data",),
        ("data", "size"),
        ("data", "classes"),
        ("data", "counts"),
        ("data", "channels"),
        ("data", "crop"),
        ("data", "name"),
        ("data", "license"),
        ("data", "fingerprint"),
        ("files",),
        ("files", "model.safetensors"),
        ("files", "../secret.json"),
        ("files", "README.md", "sha256"),
        ("files", "x.py"),
        ("serves",),
        ("plugin",),
        ("parents",),
        ("metrics",),
        ("api",),
        ("precision",),
        ("license",),
        ("can",),
        ("source",),
        ("target",),
    ]
)


def planted(tree, path, value):
    for key in path[:-1]:
        tree = tree[key] if isinstance(tree, dict) and isinstance(tree.get(key), dict) else {}
    tree[path[-1]] = value


@st.composite
def indices(draw):
    return draw(st.lists(st.tuples(PATHS, VALUES), max_size=3)), draw(CHANGES)


def check_index(damage, folder):
    plants, changes = damage
    path = folder / "b" / "ganzoo.json"
    index = json.loads(path.read_text())
    for where, value in plants:
        planted(index, where, value)
    path.write_bytes(mutated(json.dumps(index).encode(), changes if not plants else []))
    bundle = refused(lambda: read_bundle(folder / "b"))
    if bundle is None:
        return
    assert all(path.parent == folder / "b" for path in bundle.files.values())
    refused(lambda: rebuild(bundle))
    refused(lambda: loaded(folder / "b"))
    assert "<script" not in card(bundle.index)


# --- tensors --------------------------------------------------------------------------------------

HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["dtype", "shape", "data_offsets", "rename", "drop", "twin", "length"]),
        st.integers(0, 5),
        st.sampled_from(
            [
                "F64",
                "F16",
                "I64",
                "U8",
                "BOOL",
                "F99",
                [1],
                [10**12],
                [-1],
                [],
                [0, 4],
                [4, 0],
                [0, 10**15],
                [8, 12],
                None,
                "x",
                [[1]],
                2**63,
                10**9,
            ]
        ),
    ),
    max_size=3,
)


@st.composite
def tensors(draw):
    return draw(HEADERS), draw(CHANGES), draw(st.booleans())


def reheaded(data, changes):
    """Return a safetensors file with its header changed as asked."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    claim, twin = None, ""
    for kind, place, value in changes:
        name = sorted(header)[place % len(header)]
        if kind == "drop" and len(header) > 1:
            del header[name]
        elif kind == "rename":
            header[str(value)] = header.pop(name)
        elif kind == "twin":
            twin = f", {json.dumps(name)}: {json.dumps(header[name])}"
        elif kind == "length":
            claim = value if isinstance(value, int) else None
        elif isinstance(header[name], dict):
            header[name][kind] = value
    text = (json.dumps(header)[:-1] + twin + "}").encode()
    size = len(text) if claim is None else claim
    return size.to_bytes(8, "little") + text + body


def check_tensors(damage, folder):
    headers, changes, nan = damage
    path = folder / "b" / "model.safetensors"
    data = reheaded(path.read_bytes(), headers)
    if nan:
        data = data[:-4] + b"\x00\x00\xc0\x7f"
    path.write_bytes(mutated(data, changes))
    reseal(folder / "b")
    model = refused(lambda: loaded(folder / "b"))
    if model is not None:
        assert all(t.isfinite().all() for t in model.state_dict().values())
        mine = {k: v for k, v in sound().state_dict().items() if k.startswith("decoder")}
        assert {k: v.shape for k, v in model.state_dict().items()} == {
            k: v.shape for k, v in mine.items()
        }


# --- checkpoints from elsewhere -------------------------------------------------------------------


class Runs:
    """Makes a folder when a pickle of it is loaded without care."""

    def __reduce__(self):
        return (os.mkdir, ("ran",))


@functools.cache
def checkpoints():
    """Return checkpoints in both formats of torch, sound ones and one that wants to run code."""
    state = {"decoder.w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)}
    seeds = []
    for value in (state, {"state_dict": state, "epoch": 3}, {"w": torch.ones(2), "x": Runs()}):
        for new in (True, False):
            out = io.BytesIO()
            torch.save(value, out, _use_new_zipfile_serialization=new)
            seeds.append(out.getvalue())
    return [*seeds, pickle.dumps(Runs()), pickle.dumps(state)]


def repacked(data, changes):
    """Return a zip with its pickle mutated and its checksums right; other files as they are."""
    if not data.startswith(b"PK"):
        return mutated(data, changes)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, mutated(body, changes) if name.endswith("data.pkl") else body)
    return out.getvalue()


@st.composite
def foreign(draw):
    data = repacked(draw(st.sampled_from(checkpoints())), draw(CHANGES))
    return mutated(data, draw(CHANGES)) if draw(st.booleans()) else data


def check_foreign(data, folder):
    for name in ("x.pt", "x.safetensors"):
        (folder / name).write_bytes(data)
        state = refused(lambda name=name: read_foreign(folder / name))
        for tensor in (state or {}).values():
            assert tensor.numel() * tensor.element_size() <= len(data) + 64
            tensor.clone()
        (folder / name).unlink()


# --- files of the folder --------------------------------------------------------------------------

CARDS = st.text(max_size=30) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "<SCRIPT src=x>",
        "< img onerror = 'x'>",
        "[a](javascript:x)",
        "<iframe src=x>",
        "<svg/onload=x>",
        "plain *words* & 1 < 2",
        "<details>fine</details>",
    ]
)
ACTS = ["link", "hard", "folder", "gone", "pickle", "card", "fifo", "link index"]


@st.composite
def folders(draw):
    names = st.sampled_from(["model.safetensors", "README.md", "ganzoo.json"])
    return draw(st.sampled_from(ACTS)), draw(names), draw(CARDS)


def check_folder(damage, folder):
    act, name, text = damage
    path = folder / "b" / name
    if act == "card":
        (folder / "b" / "README.md").write_text(text)
        reseal(folder / "b")
        fine = refused(lambda: read_bundle(folder / "b"))
        assert fine or "<" in text or "javascript" in text
        assert not (fine and ("script" in text.lower() and "<" in text))
        return
    path.unlink()
    if act == "link":
        path.symlink_to(folder / "secret.json")
    elif act == "folder":
        path.mkdir()
    elif act == "pickle":
        path.write_bytes(pickle.dumps(Runs()))
    elif act == "fifo":
        os.mkfifo(path)
    elif act == "hard":
        os.link(folder / "secret.json", path)
    assert refused(lambda: loaded(folder / "b")) is None


KINDS = {
    "index": (indices(), check_index),
    "tensors": (tensors(), check_tensors),
    "foreign": (foreign(), check_foreign),
    "folder": (folders(), check_folder),
}


def hold(kind, data, home):
    """Draw an input and check it in a fresh folder; nothing else may appear or change."""
    strategy, check = KINDS[kind]
    value = data.draw(strategy)
    work = home / "work"
    shutil.copytree(home / "b", work / "b")
    shutil.copy(home / "secret.json", work)
    try:
        with no_hang():
            check(value, work)
        assert {p.name for p in work.iterdir()} == {"b", "secret.json"}
        assert (work / "secret.json").read_text() == "nobody may read this"
        assert not Path("ran").exists()
    finally:
        shutil.rmtree(work)


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(data=st.data())
def test_hostile_weights(kind, data, home):
    hold(kind, data, home)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
@MANY
@given(data=st.data())
def test_many_hostile_weights(kind, data, home):
    hold(kind, data, home)
