"""`ganzoo reproduce` and `ganzoo run --config RUN/config.toml`."""

import json
import shlex

import pytest

from ganzoo_core import train
from ganzoo_core.training import environment
from ganzoo_core.training.reproduce import read_record, reproduce
from ganzoo_core.training.run_folder import RunFolder


def weights(run):
    return {p.name: p.read_bytes() for p in sorted((run / "weights").glob("*.safetensors"))}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    options = {"data": {"count": 64}, "train": {"steps": 6, "seed": 3, "device": "cpu"}}
    out = tmp_path_factory.mktemp("reproduce") / "first"
    return train("cgan", preset="smoke", options=options, out=out, quiet=True).path


def test_printed_command_makes_the_same_weights(run, run_ganzoo, tmp_path):
    done = run_ganzoo("reproduce", run, "--out", "again", cwd=tmp_path)
    assert done.code == 0, done.err
    command = next(x for x in done.out.splitlines() if x.startswith("command")).split(None, 1)[1]
    program, *words = shlex.split(command)
    assert program == "ganzoo" and "cgan" not in words
    again = run_ganzoo(*words, "-q", cwd=tmp_path)
    assert again.code == 0, again.err
    assert weights(tmp_path / "again") == weights(run) and weights(run)


def test_run_is_made_again_and_compared(run, tmp_path):
    new, differences = reproduce(run, tmp_path / "again", quiet=True)
    assert not differences and weights(new.path) == weights(run)
    tree = RunFolder(run).read_config()
    tree["train"]["seed"] = 4
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    other.write_config(tree)
    (other.path / "weights").symlink_to(run / "weights")
    _, differences = reproduce(other.path, tmp_path / "different", quiet=True)
    assert "weights/model.safetensors" in differences


def test_differences_of_the_installation_are_said(run, tmp_path, run_ganzoo):
    record = read_record(run)
    assert record.seed == 3 and not {"torch", "numpy", "data"} & set(record.differences)
    assert {"ganzoo-core", "ganzoo-cgan", "torch", "data"} <= set(record.then)
    tree = RunFolder(run).read_config()
    tree["provenance"]["packages"]["numpy"] = "1.0"
    tree["provenance"]["packages"]["ganzoo-unknown"] = "2.0"
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    other.write_config(tree)
    done = run_ganzoo("reproduce", "other", "--json", cwd=tmp_path)
    found = json.loads(done.out)
    assert {"numpy", "ganzoo-unknown"} <= set(found["differences"])
    assert found["now"]["ganzoo-unknown"] == "not installed"


def test_commit_of_the_code():
    commit = environment.code_commit()
    assert not commit or len(commit.removesuffix("-dirty")) == 40


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("reproduce", "nowhere"), 2, "not a run folder"),
        (("run",), 2, "MODEL"),
        (("run", "--config", "empty.toml"), 2, "MODEL"),
    ],
)
def test_errors_are_one_line(words, code, named, run_ganzoo, tmp_path):
    (tmp_path / "empty.toml").write_text("[train]\nsteps = 3\n")
    done = run_ganzoo(*words, cwd=tmp_path)
    assert done.code == code and named in done.error and "Traceback" not in done.err
