"""Untrusted files that ask for memory or time: one line, before the memory is taken.

Each size is measured: what the call allocates, not only that it fails.
"""

import faulthandler
import io
import json
import os
import pickle
import resource
import shutil
import signal
import struct
import time
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
import torch
from contract_models import VAE
from PIL import Image
from test_fuzz_weights import update_hashes
from torch import nn
from training_helpers import build_model, make_images

from ganzoo_core import limits
from ganzoo_core.cli import limited_process
from ganzoo_core.data import matlab
from ganzoo_core.data.archive import open_files
from ganzoo_core.data.input_images import load_image
from ganzoo_core.errors import DataError, OutOfMemoryError, WeightsError
from ganzoo_core.files import load_tensors
from ganzoo_core.interfaces import Model
from ganzoo_core.report import make_grid
from ganzoo_core.weights import build_and_load, read_pretrained, save_pretrained
from ganzoo_core.weights.convert import read_checkpoint

MIB = 2**20


@pytest.fixture
def folder(tmp_path):
    """A valid pretrained folder."""
    fields = {"model": "object:VAE", "config": {}}
    return save_pretrained(tmp_path / "b", build_model(VAE, make_images().info), fields).path


def write_header(path, header, body=b""):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


# --- the table ------------------------------------------------------------------------------------


def test_every_limit_has_a_unit_and_a_meaning():
    assert len(limits.TABLE) > 40
    assert all(row.value > 0 and row.unit and row.meaning for row in limits.TABLE)
    assert len({row.meaning for row in limits.TABLE}) == len(limits.TABLE)


# --- pretrained folders ---------------------------------------------------------------------------


def edit_index(folder, change):
    index = json.loads((folder / "ganzoo.json").read_text())
    change(index)
    (folder / "ganzoo.json").write_text(json.dumps(index))


NESTED = []
for _ in range(40):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: i["data"].update(image_size=16384), "16384 px"),
        (lambda i: i["data"].update(num_channels=10_000), "10000 channels"),
        (lambda i: i["data"].update(class_names=["x" * 9_000]), "9,000 characters"),
        (lambda i: i["data"].update(class_names=["x" * 300_000]), "300,000 characters"),
        (lambda i: i["data"].update(class_names=["x"] * 20_000, class_counts=[]), "20,000 classes"),
        (lambda i: i["config"].update(x=NESTED), "nested more than 16"),
        (lambda i: i["config"].update(x=[0] * 200_000), "100,000 entries"),
        (lambda i: i["files"].update({f"{n}.json": {} for n in range(2_000)}), "2,001 files|2,002"),
        (lambda i: i["files"]["model.safetensors"].update(size=2**60), "size"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_index_beyond_a_limit_is_refused(folder, change, message):
    edit_index(folder, change)
    with pytest.raises(WeightsError, match=message):
        read_pretrained(folder)


class GreedyVAE(VAE):
    """Its discriminator, which the weights lack, takes 4 TB; its constructor also computes."""

    computes = False

    def __init__(self, config, info):
        super().__init__(config, info)
        self.discriminator = nn.Linear(10**6, 10**6)
        if self.computes:
            float(self.discriminator.weight.detach().sum())


class CopyingVAE(VAE):
    """Repeats a small tensor, so that no size stands in a call that makes a new tensor."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.scale = float(torch.ones(100).sum())
        self.table = torch.ones(1000, 1000).repeat(1000, 1000)


@pytest.mark.parametrize("computes", [False, True])
def test_networks_larger_than_the_weights_take_no_memory(folder, computes, monkeypatch):
    monkeypatch.setattr(GreedyVAE, "computes", computes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if computes:
        with pytest.raises(WeightsError, match="much larger than its weights"):
            build_and_load(GreedyVAE, None, read_pretrained(folder))
    else:
        build_and_load(GreedyVAE, None, read_pretrained(folder))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_repeated_tensor_takes_no_memory(folder):
    with pytest.raises(WeightsError, match="much larger than its weights"):
        build_and_load(CopyingVAE, None, read_pretrained(folder))


class LoopingVAE(VAE):
    """Makes layers without end."""

    def __init__(self, config, info):
        super().__init__(config, info)
        while True:
            nn.Linear(1, 1)


def test_layers_without_end_are_refused(folder, monkeypatch):
    monkeypatch.setattr(limits, "BUILD_TENSORS", 1000)
    with pytest.raises(WeightsError, match="much larger than its weights"):
        build_and_load(LoopingVAE, None, read_pretrained(folder))


def test_budget_changes_no_value(folder):
    pretrained = read_pretrained(folder)
    torch.manual_seed(3)
    plain = VAE(None, pretrained.info).state_dict()
    torch.manual_seed(3)
    from ganzoo_core.weights.load import build_model as build_within_budget

    built: Model = build_within_budget(VAE, None, pretrained)
    assert all(torch.equal(value, built.state_dict()[name]) for name, value in plain.items())


# --- tensors and checkpoints ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            {
                f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
                for n in range(30_000)
            },
            "30,000 tensors",
        ),
        ({"a": {"dtype": "F32", "shape": [10**9, 0], "data_offsets": [0, 0]}}, "no elements"),
        ({"a": {"dtype": "F32", "shape": [1] * 60, "data_offsets": [0, 4]}}, "60 dimensions"),
        ({"n" * 5000: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, "5,000 characters"),
        ({"a": {"dtype": "F32", "shape": [10**15], "data_offsets": [0, 4]}}, "damaged"),
    ],
    ids=["many", "empty", "dimensions", "name", "claimed"],
)
def test_header_beyond_a_limit_is_refused(header, message, tmp_path):
    write_header(tmp_path / "x.safetensors", header, bytes(4))
    start = time.process_time()
    with pytest.raises(WeightsError, match=message):
        load_tensors(tmp_path / "x.safetensors")
    assert time.process_time() - start < 2


def test_60_000_empty_tensors_are_refused_at_once(folder):
    header = {
        f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(60_000)
    }
    write_header(folder / "model.safetensors", header)
    update_hashes(folder)
    start = time.process_time()
    with pytest.raises(WeightsError, match="damaged"):
        build_and_load(VAE, None, read_pretrained(folder))
    assert time.process_time() - start < 2


def shared_dicts(levels, width):
    inner = {"w": torch.ones(1)}
    for _ in range(levels):
        inner = dict.fromkeys(map(str, range(width)), inner)
    return inner


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (shared_dicts(12, 10), "100,000 entries"),
        (shared_dicts(30, 1), "nested more than 16"),
        ({f"{n}": torch.ones(0) for n in range(25_000)}, "tensors|files"),
        ({"x" * 5000: torch.ones(1)}, "5,000 characters"),
        ({"x": torch.empty(10**9, 0)}, "no elements"),
    ],
    ids=["shared", "deep", "many", "name", "empty"],
)
def test_checkpoint_beyond_a_limit_is_refused(value, message, tmp_path):
    torch.save(value, tmp_path / "x.pt")
    with pytest.raises(WeightsError, match=message):
        read_checkpoint(tmp_path / "x.pt")


# --- the child process ----------------------------------------------------------------------------


def shared_list_pickle(levels=60):
    """A torch checkpoint whose error message would hold 2^60 times the same list."""
    ops = [pickle.PROTO, b"\x02", pickle.EMPTY_LIST, pickle.BINPUT, b"\x00"]
    for level in range(levels):
        get = pickle.BINGET + bytes([level])
        ops += [pickle.EMPTY_LIST, pickle.MARK, get, get, pickle.APPENDS]
        ops += [pickle.BINPUT, bytes([level + 1])]
    ops += [pickle.EMPTY_TUPLE, pickle.REDUCE, pickle.STOP]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("archive/data.pkl", b"".join(ops))
        file.writestr("archive/version", "3\n")
        file.writestr("archive/byteorder", "little")
    return out.getvalue()


def bomb_pickle(path):
    path.write_bytes(shared_list_pickle())
    assert path.stat().st_size < 2048


def shared_dict_checkpoint(path):
    torch.save(shared_dicts(14, 10), path)


def many_empty_tensors(path):
    header = {
        f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(90_000)
    }
    write_header(path.with_suffix(".safetensors"), header)
    path.with_suffix(".safetensors").replace(path)


def large_claim(path):
    write_header(path, {"a": {"dtype": "F32", "shape": [10**10], "data_offsets": [0, 4 * 10**10]}})


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (bomb_pickle, "x.pt"),
        (shared_dict_checkpoint, "x.pt"),
        (many_empty_tensors, "x.safetensors"),
        (large_claim, "x.safetensors"),
    ],
)
def test_hostile_checkpoint_ends_in_one_line_and_little_memory(make, name, run_ganzoo, tmp_path):
    """Among them 2 kB whose error message grows without end: the limit of memory ends it."""
    make(tmp_path / name)
    words = ("weights", "import", name, "--model", "cgan", "--out", "out")
    done = run_ganzoo(*words, cwd=tmp_path, call="subprocess_jobs:print_child_peak")
    assert done.code in {OutOfMemoryError.exit_code, WeightsError.exit_code}, done.err
    assert len(done.err.splitlines()) == 1 and name in done.err
    assert int(done.out) < 1_000_000, "kB, torch included"
    assert not (tmp_path / "out").exists()


def test_hostile_folder_ends_in_one_line_and_little_memory(
    folder, run_ganzoo, trained_run, tmp_path
):
    """Of an index that asks for large networks, and of one with large images."""
    copy = tmp_path / "w"
    shutil.copytree(trained_run / "weights", copy)
    for change in (
        lambda i: i["config"].update(g_channels=512, d_channels=512),
        lambda i: i["data"].update(image_size=16384),
        lambda i: i["data"].update(class_names=["x" * 300_000]),
    ):
        (copy / "ganzoo.json").write_bytes((trained_run / "weights" / "ganzoo.json").read_bytes())
        edit_index(copy, change)
        done = run_ganzoo(
            "weights", "verify", "w", cwd=tmp_path, call="subprocess_jobs:print_child_peak"
        )
        assert done.code == WeightsError.exit_code, done.err
        assert len(done.err.splitlines()) == 1
        assert int(done.out) < 1_000_000


def spin():
    while True:
        pass


def crash():
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGSEGV)


def take_memory():
    taken = [bytearray(MIB) for _ in range(2_000)]
    raise AssertionError(len(taken))


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (spin, WeightsError, "x takes more than 1 s"),
        (take_memory, OutOfMemoryError, "x needs more than 256 MiB"),
        (lambda: torch.empty(10**9).fill_(1), OutOfMemoryError, "x needs more than 256 MiB"),
        (crash, WeightsError, r"crashed .*SIGSEGV"),
        (lambda: time.sleep(100), WeightsError, "x takes more than 1 s"),
    ],
    ids=["spins", "bytes", "tensor", "crash", "sleeps"],
)
def test_child_is_stopped(action, error, message, monkeypatch):
    monkeypatch.setattr(limits, "CHILD_WALL_RATIO", 1 if action.__name__ == "<lambda>" else 60)
    with pytest.raises(error, match=message):
        limited_process.run_limited(action, "x", cpu_seconds=1, modules=())


def test_child_passes_output_and_exit_code(capfd):
    limited_process.run_limited(lambda: print("from the child", flush=True), "x", modules=())

    def fail():
        raise WeightsError("refused")

    with pytest.raises(SystemExit) as stopped:
        limited_process.run_limited(fail, "x", modules=())
    assert stopped.value.code == WeightsError.exit_code
    shown = capfd.readouterr()
    assert shown.out.endswith("from the child\n") and shown.err == "ganzoo: refused\n"


# --- data -----------------------------------------------------------------------------------------


def element(kind, body):
    return struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)


def mat_file(body):
    return b"MATLAB 5.0".ljust(124, b" ") + b"\x00\x01IM" + body


def matrix(class_code, shape, content, name=b"x"):
    body = element(6, struct.pack("<II", class_code, 0)) + element(
        5, struct.pack(f"<{len(shape)}i", *shape)
    )
    return element(14, body + element(1, name) + content)


def test_mat_inflate_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "MAT_SMALL_BYTES", MIB)
    bomb = mat_file(struct.pack("<II", 15, len(z := zlib.compress(bytes(64 * MIB)))) + z)
    tracemalloc.start()
    with pytest.raises(matlab.MAT_ERRORS, match="too large"):
        matlab.read_variable(bomb, "x")
    assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    tracemalloc.stop()


def test_mat_cells_are_counted_and_small(monkeypatch):
    monkeypatch.setattr(limits, "MAT_ELEMENTS", 50_000)
    empty = struct.pack("<II", 14, 0)
    found = matlab.read_variable(mat_file(matrix(1, (49_000, 1), empty * 49_000)), "x")
    assert found.shape == (49_000, 1)
    with pytest.raises(ValueError, match="more than 50,000 cells"):
        matlab.read_variable(mat_file(matrix(1, (60_000, 1), empty * 60_000)), "x")


def test_mat_nesting_and_dimensions_are_limited():
    inner = struct.pack("<II", 14, 0)
    for _ in range(40):
        inner = matrix(1, (1, 1), inner)
    with pytest.raises(ValueError, match="nested more than 16"):
        matlab.read_variable(mat_file(inner), "x")
    with pytest.raises(ValueError, match="1000 dimensions"):
        matlab.read_variable(mat_file(matrix(6, (1,) * 1000, b"")), "x")


def test_sparse_5_gb_photograph_is_not_read(tmp_path):
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        file.truncate(5 * 2**30)
    with pytest.raises(DataError, match="larger than 268,435,456 bytes"):
        load_image(path, 16, 3)
    with open_files(tmp_path) as files, pytest.raises(DataError, match="larger than 268,435,456"):
        files.read("a.jpg")


def test_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="not a plain file"):
        load_image(tmp_path / "a.jpg", 16, 3)


def test_image_of_too_many_pixels_is_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "IMAGE_PIXELS", 100)
    Image.new("L", (11, 10)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="11x10: over 0 megapixels"):
        load_image(tmp_path / "a.png", 8, 1)


def test_long_names_are_cut_before_they_are_drawn():
    images = torch.zeros(2, 3, 8, 8)
    long = make_grid(images, 2, ("x" * 300_000,), column_names=("y" * 300_000, "z"))
    short = make_grid(images, 2, ("x" * 100,), column_names=("y" * 100, "z"))
    assert long.size == short.size and long.size[0] < 1000
    assert np.array_equal(np.asarray(long), np.asarray(short))
