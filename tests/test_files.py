"""Files: atomic and reproducible writes, no pickle, strict checks of tensors."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from ganzoo_core import files
from ganzoo_core.errors import OutputError, WeightsError
from ganzoo_core.files import (
    atomic_path,
    copy_state_dict,
    file_sha256,
    load_tensors,
    save_tensors,
    write_json,
    write_text,
)
from ganzoo_core.files import tensors as tensor_files


def make_tensors():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 3, 5, 5, generator=generator)
    return {
        "conv.weight": weight.to(memory_format=torch.channels_last),
        "view": weight.transpose(0, 1)[1:],
        "count": torch.tensor(7),
        "half": weight[0].bfloat16(),
        "empty": torch.zeros(0, 3),
        "yes": torch.tensor([True, False]),
        "again": weight,
    }


def test_tensor_file_round_trip(tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, make_tensors(), {"step": 3, "b": [1, None]})
    found, metadata = load_tensors(path)
    assert metadata == {"step": 3, "b": [1, None]}
    for name, tensor in make_tensors().items():
        assert torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype
    assert set(found) == set(make_tensors())


def test_tensor_file_is_deterministic(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); import test_files as t\n"
        "t.save_tensors(t.Path(sys.argv[1]), t.make_tensors(), {'z': 1, 'a': 2})"
    )
    paths = [tmp_path / "1.safetensors", tmp_path / "2.safetensors"]
    save_tensors(paths[0], make_tensors(), {"a": 2, "z": 1})
    subprocess.run(
        [sys.executable, "-c", code, paths[1], Path(__file__).parent],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=True,
        timeout=120,
    )
    assert file_sha256(paths[0]) == file_sha256(paths[1])


def test_failed_write_keeps_old_file(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(KeyError), atomic_path(path) as temp_path:
        temp_path.write_text("new")
        raise KeyError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_write_is_atomic(tmp_path):
    path = tmp_path / "x.txt"
    with atomic_path(path) as temp_path:
        temp_path.write_text("half")
        assert not path.exists() and temp_path.parent == tmp_path
        temp_path.write_text("whole")
    assert path.read_text() == "whole" and list(tmp_path.iterdir()) == [path]


def test_write_errors_are_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write") as error:
        write_text(tmp_path / "file" / "x", "text")
    assert "\n" not in str(error.value) and error.value.exit_code == 5

    def fail_disk_full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.atomic_path.__globals__["os"], "fsync", fail_disk_full)
    with pytest.raises(OutputError, match="free some"):
        write_text(tmp_path / "x", "text")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_disk_full_in_safetensors(tmp_path, monkeypatch):
    def fail_disk_full(*args):
        raise SafetensorError("Error while serializing: No space left on device (os error 28)")

    monkeypatch.setattr(tensor_files, "save_file", fail_disk_full)
    with pytest.raises(OutputError, match="free some"):
        save_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)})
    assert list(tmp_path.iterdir()) == []


def test_json_sorted_and_sha256(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"b": 1, "a": [1.5, None]})
    assert json.loads(path.read_text()) == {"a": [1.5, None], "b": 1}
    assert path.read_text().index('"a"') < path.read_text().index('"b"')
    assert file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("damage", ["truncated", "empty", "pickle", "header", "metadata", "folder"])
def test_damaged_tensor_file(damage, tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, make_tensors(), {})
    data = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage == "pickle":
        torch.save(make_tensors(), path)
    elif damage == "metadata":
        tensor_files.save_file({"a": torch.ones(1)}, path, {"ganzoo": "{"})
    else:
        cut = {"truncated": data[:-9], "empty": b"", "header": b"\xff" * 8 + data[8:]}
        path.write_bytes(cut[damage])
    with pytest.raises(WeightsError) as error:
        load_tensors(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_missing_tensor_file(tmp_path):
    with pytest.raises(WeightsError, match=r"x\.safetensors"):
        load_tensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"a": torch.ones(2)}, "'b'"),
        ({"a": torch.ones(2), "b": torch.ones(1), "c": torch.ones(1)}, "'c'"),
        ({"a": torch.ones(3), "b": torch.ones(1)}, "'a'"),
    ],
)
def test_copy_state_dict_is_all_or_nothing(source, words):
    target = {"a": torch.zeros(2), "b": torch.zeros(1)}
    with pytest.raises(WeightsError, match=words):
        copy_state_dict(target, source, Path("x"))
    assert not any(t.any() for t in target.values())


def test_copy_state_dict_keeps_strides():
    weight = torch.zeros(4, 3, 5, 5).to(memory_format=torch.channels_last)
    value = torch.randn(4, 3, 5, 5)
    strides = weight.stride()
    copy_state_dict({"w": weight}, {"w": value}, Path("x"))
    assert weight.stride() == strides and torch.equal(weight, value)


def test_core_has_no_pickle():
    root = Path(files.__file__).parents[1]
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"import pickle\b", text) and "torch.save(" not in text, path
        assert "torch.load(" not in text or "weights_only=True" in text, path
