"""Training does not end because of what accompanies it: streams, trackers, grids, metrics."""

import json
import shutil
import signal
from types import SimpleNamespace

import pytest
import torch
from contract_models import VAE
from contract_models.plain_gan import PlainGAN
from PIL import Image
from training_helpers import (
    SMALL_RUN_OPTIONS,
    differing_keys,
    last_checkpoint_state,
    read_metrics,
    train_run,
)

import ganzoo_core as gz
from ganzoo_core.engine import trainer as trainer_module
from ganzoo_core.engine.checkpoints import BEST
from ganzoo_core.engine.signals import StopOnSignal
from ganzoo_core.errors import Interrupted, OutputError
from ganzoo_core.report.image_grid import make_grid
from ganzoo_core.training import callbacks, trackers
from ganzoo_core.training.auxiliaries import find_auxiliaries
from ganzoo_core.training.run_folder import RunFolder, create_output_folder
from ganzoo_core.weights import read_pretrained
from ganzoo_core.zoo.discovery import Plugin

STEPS = 10
LONG_NAME = "x" * 10**6


class UnprintableError(Exception):
    """Its text cannot be read."""

    def __str__(self):
        raise RuntimeError("no text")


def install_tracker(monkeypatch, **hooks):
    """Replace all plugins by one with these hooks."""
    plugin = Plugin("tracker", "tracker", "1", hooks=hooks)
    monkeypatch.setattr(trackers, "zoo", lambda: SimpleNamespace(plugins=[plugin]))


def raising(error, at_step=4):
    def hook(run, record):
        if record["step"] == at_step:
            raise error

    return hook


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """A run of the VAE of 10 steps. Copy it to change it."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    train_run(VAE, folder, steps=STEPS)
    return folder


@pytest.fixture
def run_copy(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "run")
    return tmp_path / "run"


# --- trackers, grids, page ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [SystemExit(0), UnprintableError(), GeneratorExit(), MemoryError("much")]
)
def test_failing_tracker_is_reported_once(error, monkeypatch):
    install_tracker(monkeypatch, ganzoo_step_logged=raising(error))
    warnings = []
    tracked = trackers.Trackers(warnings.append)
    for step in (4, 4):
        tracked.call_hook("ganzoo_step_logged", run=None, record={"step": step})
    (warning,) = warnings
    assert type(error).__name__ in warning


def test_tracker_that_exits_cannot_end_training(finished_run, tmp_path, monkeypatch):
    install_tracker(monkeypatch, ganzoo_step_logged=raising(SystemExit(0)))
    run = train_run(VAE, tmp_path / "run", steps=STEPS)
    states = [last_checkpoint_state(folder) for folder in (run.path, finished_run)]
    assert differing_keys(*states) == []
    hashes = {read_pretrained(f / "weights").sha256 for f in (run.path, finished_run)}
    assert len(hashes) == 1


def test_keyboard_interrupt_of_tracker_saves(tmp_path, monkeypatch):
    install_tracker(monkeypatch, ganzoo_step_logged=raising(KeyboardInterrupt(), at_step=8))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(Interrupted) as stopped:
            train_run(VAE, tmp_path / "run", steps=STEPS)
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped.value.exit_code == 130
    assert RunFolder(tmp_path / "run").last_checkpoint_step() == 8


BROKEN_FUNCTIONS = ("draw_sample_grid", "draw_curves", "write_page", "write_json")


def test_broken_outputs_cannot_end_training(tmp_path, monkeypatch, capsys):
    write_config = RunFolder.write_config

    def fail(*args, **options):
        raise SystemExit(0)

    def write_config_and_block_metrics(folder, tree):
        write_config(folder, tree)
        folder.metrics.mkdir(exist_ok=True)

    for name in BROKEN_FUNCTIONS:
        monkeypatch.setattr(callbacks, name, fail)
    monkeypatch.setattr(RunFolder, "write_config", write_config_and_block_metrics)
    run = train_run(PlainGAN, tmp_path / "run", {"train": {"sample_every": 3}}, steps=STEPS)
    assert run.steps == STEPS and (run.folder.weights / "ganzoo.json").exists()
    errors = capsys.readouterr().err.splitlines()
    warnings = [line for line in errors if line.endswith("; training continues")]
    assert len(warnings) == len(set(warnings)) == 6
    assert sum("SystemExit" in line for line in warnings) == 4


def test_long_class_names_are_cut():
    grid = make_grid(torch.zeros(4, 3, 8, 8), 2, (LONG_NAME, "b"), column_names=(LONG_NAME, "d"))
    assert grid.width < 1000


# --- damaged side files ---------------------------------------------------------------------------


def flip_bit(path, position=9):
    data = bytearray(path.read_bytes())
    data[position] ^= 0x80
    path.write_bytes(data)


def damage_metrics(run):
    flip_bit(run / "metrics.jsonl")


def damage_metrics_values(run):
    lines = ['{"step": "x"}', '{"step": 1e999}', "[" * 9999, "3", '{"step": 1, "loss/g": "x"}']
    with (run / "metrics.jsonl").open("a") as file:
        file.write("\n".join(lines))


def damage_sample(run):
    path = run / "samples" / "00000001.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:-900])


def damage_sample_header(run):
    path = run / "samples" / "00000001.png"
    Image.effect_noise((64, 64), 50).save(path)
    flip_bit(path, 30)


def damage_best(run):
    (run / "checkpoints" / BEST).write_bytes(b"\xff\xfe\x80")


def damage_best_type(run):
    (run / "checkpoints" / BEST).mkdir()


def damage_checkpoint_index(run):
    (run / "checkpoints" / "index.json").write_bytes(b"\xff{")


@pytest.mark.parametrize(
    "damages",
    [
        (damage_metrics, damage_sample, damage_best, damage_checkpoint_index),
        (damage_metrics_values, damage_sample_header, damage_best_type),
    ],
)
def test_damaged_side_files_do_not_block_resume(damages, run_copy):
    for damage in damages:
        damage(run_copy)
    run = gz.resume(run_copy, steps=STEPS + 4, model=VAE, quiet=True)
    assert run.steps == STEPS + 4 and (run.folder.report / "index.html").exists()
    assert read_metrics(run_copy)[-1]["step"] == STEPS + 4
    assert json.loads((run.folder.weights / "ganzoo.json").read_text())["steps"] == STEPS + 4


def test_resume_of_finished_run_changes_no_weights(run_copy):
    """Not even of a model with an auxiliary network, whose name and split the run recorded."""
    before = {path: path.read_bytes() for path in (run_copy / "weights").iterdir()}
    gz.resume(run_copy, model=VAE, quiet=True)
    assert {path: path.read_bytes() for path in (run_copy / "weights").iterdir()} == before


def test_resume_keeps_record_of_auxiliary(run_copy):
    run_config = SimpleNamespace(model=None)
    model = SimpleNamespace(auxiliary_roles=("age",))
    origin = {"name": "shipped", "split": "judge", "path": str(run_copy / "weights")}
    origin["sha256"] = read_pretrained(run_copy / "weights").sha256
    found = find_auxiliaries(model, run_config, {"age": origin})["age"].source_record
    assert {key: found[key] for key in origin} == origin


# --- signals and streams --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGXCPU, signal.SIGTERM])
def test_signal_saves_and_resumes_bit_exact(number, finished_run, tmp_path, monkeypatch):
    def send(run, record):
        if record["step"] == 4:
            signal.raise_signal(number)
            if number != signal.SIGTERM:
                signal.raise_signal(number)  # both are sent more than once

    install_tracker(monkeypatch, ganzoo_step_logged=send)
    with pytest.raises(Interrupted, match=number.name) as stopped:
        train_run(VAE, tmp_path / "run", steps=STEPS)
    assert stopped.value.exit_code == 128 + number
    assert RunFolder(tmp_path / "run").last_checkpoint_step() == 4
    gz.resume(tmp_path / "run", model=VAE, quiet=True)
    states = [last_checkpoint_state(folder) for folder in (tmp_path / "run", finished_run)]
    assert differing_keys(*states) == []


def test_ignored_hangup_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # by nohup
    try:
        with StopOnSignal() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert stop.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


STREAM_RUN = [
    *("run", "cgan", "--preset", "smoke", "--steps", "4"),
    *("--set", "data.count=64", "--out", "run"),
]


@pytest.mark.parametrize("stderr", ["full", "broken pipe", "closed"])
def test_unwritable_stderr(stderr, run_ganzoo, tmp_path):
    done = run_ganzoo(
        stderr, STREAM_RUN, cwd=tmp_path, call="subprocess_jobs:run_with_broken_stderr"
    )
    assert done.code == 0
    assert (tmp_path / "run" / "weights" / "ganzoo.json").exists()
    assert "weights" in done.out


# --- the start of a run ---------------------------------------------------------------------------


def test_folder_of_run_killed_at_start_is_reused(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (".lock", ".writable", ".config.toml.123.part"):
        (folder / name).touch()
    assert create_output_folder(folder) == folder
    assert train_run(VAE, folder, steps=1).steps == 1
    with pytest.raises(OutputError, match="ganzoo resume"):
        create_output_folder(folder)


def test_full_disk_at_first_checkpoint(finished_run, tmp_path, monkeypatch):
    def fail(folder, *args, **options):
        folder.mkdir()
        (folder / "00000000.safetensors").write_bytes(b"half")
        raise OutputError("cannot write 00000000.safetensors: no space left: free some")

    monkeypatch.setattr(trainer_module, "save_checkpoint", fail)
    with pytest.raises(OutputError, match=r"free some; then continue with: ganzoo resume \S+run$"):
        train_run(VAE, tmp_path / "run", SMALL_RUN_OPTIONS, steps=STEPS)
    monkeypatch.undo()
    gz.resume(tmp_path / "run", model=VAE, quiet=True)
    states = [last_checkpoint_state(folder) for folder in (tmp_path / "run", finished_run)]
    assert differing_keys(*states) == []
