"""Hostile pretrained folders and checkpoints: one line of error, no hang, no code run.

The index gets the hashes of the damaged files, so that the damage passes the check of hashes.
500 inputs in `make test`, 10,000 more in `make soak`.
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
from contract_models import VAE
from hypothesis import given
from hypothesis import strategies as st
from test_fuzz_input_files import FAST_SETTINGS, MUTATIONS, SOAK_SETTINGS, mutate, time_limit
from training_helpers import build_model, make_images

from ganzoo_core.errors import GanzooError
from ganzoo_core.files import file_sha256
from ganzoo_core.terminal import find_control
from ganzoo_core.weights import (
    build_and_load,
    load_model,
    read_pretrained,
    save_pretrained,
)
from ganzoo_core.weights.convert import read_checkpoint
from ganzoo_core.weights.load import count_parameters
from ganzoo_core.weights.model_card import render_model_card

INDEX_FIELDS = {"model": "object:VAE", "config": {}}


@pytest.fixture
def sandbox(tmp_path):
    """A valid pretrained folder `b`, and a secret file beside it."""
    save_pretrained(tmp_path / "b", build_model(VAE, make_images().info), INDEX_FIELDS)
    (tmp_path / "secret.json").write_text("secret")
    return tmp_path


@functools.cache
def make_valid_model():
    return build_model(VAE, make_images().info)


def update_hashes(folder, index=None):
    """Write the current hashes of all files into the index."""
    path = folder / "ganzoo.json"
    index = json.loads(path.read_text()) if index is None else index
    for name, file in index["files"].items():
        file["sha256"], file["size"] = file_sha256(folder / name), (folder / name).stat().st_size
    path.write_text(json.dumps(index))


def load_everything(folder):
    """Read, count and load a pretrained folder; return the model."""
    pretrained = read_pretrained(folder)
    count_parameters(pretrained)
    return build_and_load(VAE, None, pretrained)


def result_or_none(function):
    """Return the result of a call, or None if it raises an error of one line."""
    try:
        return function()
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
JSON_VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
PATHS = st.sampled_from(
    [
        ("model",),
        ("format_version",),
        ("config",),
        ("data",),
        ("data", "image_size"),
        ("data", "class_names"),
        ("data", "class_counts"),
        ("data", "num_channels"),
        ("data", "crop"),
        ("data", "name"),
        ("data", "license"),
        ("data", "fingerprint"),
        ("files",),
        ("files", "model.safetensors"),
        ("files", "../secret.json"),
        ("files", "README.md", "sha256"),
        ("files", "x.py"),
        ("inference_modules",),
        ("plugin",),
        ("auxiliaries",),
        ("metrics",),
        ("api",),
        ("precision",),
        ("license",),
        ("capabilities",),
        ("source",),
        ("target",),
    ]
)


def set_at_path(tree, path, value):
    for key in path[:-1]:
        tree = tree[key] if isinstance(tree, dict) and isinstance(tree.get(key), dict) else {}
    tree[path[-1]] = value


@st.composite
def indices(draw):
    return draw(st.lists(st.tuples(PATHS, JSON_VALUES), max_size=3)), draw(MUTATIONS)


def check_index(damage, folder):
    edits, changes = damage
    path = folder / "b" / "ganzoo.json"
    index = json.loads(path.read_text())
    for key_path, value in edits:
        set_at_path(index, key_path, value)
    path.write_bytes(mutate(json.dumps(index).encode(), changes if not edits else []))
    pretrained = result_or_none(lambda: read_pretrained(folder / "b"))
    if pretrained is None:
        return
    assert all(path.parent == folder / "b" for path in pretrained.files.values())
    result_or_none(lambda: load_model(pretrained))
    result_or_none(lambda: load_everything(folder / "b"))
    assert "<script" not in render_model_card(pretrained.index)


# --- tensors --------------------------------------------------------------------------------------

HEADER_EDITS = st.lists(
    st.tuples(
        st.sampled_from(
            ["dtype", "shape", "data_offsets", "rename", "drop", "duplicate", "length"]
        ),
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
    return draw(HEADER_EDITS), draw(MUTATIONS), draw(st.booleans())


def edit_safetensors_header(data, edits):
    """Return a safetensors file with edits in its header."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    claimed_length, duplicate = None, ""
    for kind, place, value in edits:
        name = sorted(header)[place % len(header)]
        if kind == "drop" and len(header) > 1:
            del header[name]
        elif kind == "rename":
            header[str(value)] = header.pop(name)
        elif kind == "duplicate":
            duplicate = f", {json.dumps(name)}: {json.dumps(header[name])}"
        elif kind == "length":
            claimed_length = value if isinstance(value, int) else None
        elif isinstance(header[name], dict):
            header[name][kind] = value
    text = (json.dumps(header)[:-1] + duplicate + "}").encode()
    size = len(text) if claimed_length is None else claimed_length
    return size.to_bytes(8, "little") + text + body


def check_tensors(damage, folder):
    headers, changes, nan = damage
    path = folder / "b" / "model.safetensors"
    data = edit_safetensors_header(path.read_bytes(), headers)
    if nan:
        data = data[:-4] + b"\x00\x00\xc0\x7f"
    path.write_bytes(mutate(data, changes))
    update_hashes(folder / "b")
    model = result_or_none(lambda: load_everything(folder / "b"))
    if model is not None:
        assert all(t.isfinite().all() for t in model.state_dict().values())
        valid = make_valid_model().state_dict()
        assert {k: v.shape for k, v in model.state_dict().items()} == {
            k: v.shape for k, v in valid.items() if k.startswith("decoder")
        }


# --- checkpoints of other programs ----------------------------------------------------------------


class MaliciousPickle:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("ran",))


@functools.cache
def checkpoints():
    """Return valid and malicious checkpoints in both formats of torch."""
    state = {"decoder.w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)}
    seeds = []
    for value in (
        state,
        {"state_dict": state, "epoch": 3},
        {"w": torch.ones(2), "x": MaliciousPickle()},
    ):
        for new in (True, False):
            out = io.BytesIO()
            torch.save(value, out, _use_new_zipfile_serialization=new)
            seeds.append(out.getvalue())
    return [*seeds, pickle.dumps(MaliciousPickle()), pickle.dumps(state)]


def mutate_zip_pickle(data, changes):
    """Return a zip with a mutated pickle and valid checksums; its other files are unchanged."""
    if not data.startswith(b"PK"):
        return mutate(data, changes)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, mutate(body, changes) if name.endswith("data.pkl") else body)
    return out.getvalue()


@st.composite
def damaged_checkpoints(draw):
    data = mutate_zip_pickle(draw(st.sampled_from(checkpoints())), draw(MUTATIONS))
    return mutate(data, draw(MUTATIONS)) if draw(st.booleans()) else data


def check_checkpoint(data, folder):
    for name in ("x.pt", "x.safetensors"):
        (folder / name).write_bytes(data)
        state = result_or_none(lambda name=name: read_checkpoint(folder / name))
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
FILE_FAULTS = ["symlink", "hard link", "folder", "missing", "pickle", "card", "fifo"]


@st.composite
def folders(draw):
    names = st.sampled_from(["model.safetensors", "README.md", "ganzoo.json"])
    return draw(st.sampled_from(FILE_FAULTS)), draw(names), draw(CARDS)


def check_folder(damage, folder):
    fault, name, text = damage
    path = folder / "b" / name
    if fault == "card":
        (folder / "b" / "README.md").write_text(text)
        update_hashes(folder / "b")
        loaded = result_or_none(lambda: read_pretrained(folder / "b"))
        assert loaded or "<" in text or "javascript" in text or find_control(text)
        assert not (loaded and ("script" in text.lower() and "<" in text))
        return
    path.unlink()
    if fault == "symlink":
        path.symlink_to(folder / "secret.json")
    elif fault == "folder":
        path.mkdir()
    elif fault == "pickle":
        path.write_bytes(pickle.dumps(MaliciousPickle()))
    elif fault == "fifo":
        os.mkfifo(path)
    elif fault == "hard link":
        os.link(folder / "secret.json", path)
    assert result_or_none(lambda: load_everything(folder / "b")) is None


INPUT_KINDS = {
    "index": (indices(), check_index),
    "tensors": (tensors(), check_tensors),
    "checkpoint": (damaged_checkpoints(), check_checkpoint),
    "folder": (folders(), check_folder),
}


def run_fuzz_case(kind, data, home):
    """Check one drawn input in a new folder; no other file may appear or change."""
    strategy, check = INPUT_KINDS[kind]
    value = data.draw(strategy)
    work = home / "work"
    shutil.copytree(home / "b", work / "b")
    shutil.copy(home / "secret.json", work)
    try:
        with time_limit():
            check(value, work)
        assert {p.name for p in work.iterdir()} == {"b", "secret.json"}
        assert (work / "secret.json").read_text() == "secret"
        assert not Path("ran").exists()
    finally:
        shutil.rmtree(work)


@pytest.mark.parametrize("kind", INPUT_KINDS)
@FAST_SETTINGS
@given(data=st.data())
def test_fuzz_weights(kind, data, sandbox):
    run_fuzz_case(kind, data, sandbox)


@pytest.mark.soak
@pytest.mark.parametrize("kind", INPUT_KINDS)
@SOAK_SETTINGS
@given(data=st.data())
def test_fuzz_weights_soak(kind, data, sandbox):
    run_fuzz_case(kind, data, sandbox)
