"""Checkpoints: whole or not there, the last good one always remains, damage is noticed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import workbench
from workbench import differences, trainer
from zoo_of_proofs import VAE, EncoderGAN, LazyADA, Triplets

from ganzoo_core.engine import checkpoints
from ganzoo_core.engine.checkpoints import save_checkpoint
from ganzoo_core.errors import OutputError, WeightsError
from ganzoo_core.files import load_tensors, save_tensors


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def three(tmp_path):
    """A folder with checkpoints of rounds 2, 4 and 6."""
    run = trainer(VAE, steps=6, checkpoint_every=2, keep=3)
    run.run(tmp_path)
    assert len(names(tmp_path)) == 6
    return tmp_path


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


DAMAGE = {
    "truncated": lambda p: p.write_bytes(p.read_bytes()[:-100]),
    "a bit flipped": flip,
    "empty": lambda p: p.write_bytes(b""),
    "missing": lambda p: p.unlink(),
    "record truncated": lambda p: p.with_suffix(".json").write_text('{"round": 6, "sha'),
    "record of another kind": lambda p: p.with_suffix(".json").write_text("[1, 2]"),
    "record without a hash": lambda p: p.with_suffix(".json").write_text('{"round": 6}'),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_newest_checkpoint_is_skipped_for_the_one_before(kind, three):
    DAMAGE[kind](three / "00000006.safetensors")
    run = trainer(VAE)
    (skipped,) = run.restore(three)
    assert "00000006" in skipped and "\n" not in skipped
    assert run.round == 4 and run.seen == 32


def test_a_resume_from_an_older_checkpoint_ends_in_the_same_bits(three, tmp_path_factory):
    flip(three / "00000006.safetensors")
    run = trainer(VAE, steps=9)
    run.restore(three)
    run.run(three)
    straight = trainer(VAE, steps=9)
    straight.run(tmp_path_factory.mktemp("straight"))
    assert differences(straight.state(), run.state()) == []


def test_if_all_are_damaged_the_first_reason_is_given(three):
    for path in three.glob("*.safetensors"):
        flip(path)
    with pytest.raises(WeightsError, match=r"no sound checkpoint.*00000006.*hash") as error:
        trainer(VAE).restore(three)
    assert error.value.exit_code == 6


def test_no_checkpoint_at_all_is_said(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(WeightsError, match="no sound checkpoint"):
            trainer(VAE).restore(folder)


def test_a_wrong_record_does_not_move_the_round(three):
    """The round is read from the hashed file, not from the record beside it."""
    record = three / "00000006.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "round": 5}))
    run = trainer(VAE)
    run.restore(three)
    assert run.round == 6


def test_a_file_without_a_round_is_no_checkpoint(three):
    path = three / "00000006.safetensors"
    save_tensors(path, load_tensors(path)[0])
    record = path.with_suffix(".json")
    record.write_text(json.dumps({"sha256": checkpoints.sha256(path)}))
    run = trainer(VAE)
    assert len(run.restore(three)) == 1 and run.round == 4


@pytest.mark.parametrize("other", [Triplets, EncoderGAN])
def test_a_checkpoint_of_another_model_is_refused(other, three):
    with pytest.raises(WeightsError, match="another model") as error:
        trainer(other).restore(three)
    assert "\n" not in str(error.value)


class Wider(VAE):
    """Same names, other shapes."""

    latent = 7


class Unaveraged(VAE):
    """The same networks without an average."""

    def players(self):
        (player,) = super().players().values()
        return {"vae": type(player)(player.nets, player.optim)}


@pytest.mark.parametrize(("cls", "words"), [(Wider, "shape"), (Unaveraged, "ema.vae")])
def test_a_checkpoint_must_fit_in_every_name_and_shape(cls, words, three):
    with pytest.raises(WeightsError, match=words):
        trainer(cls).restore(three)


def test_a_checkpoint_without_the_average_is_refused(tmp_path):
    trainer(Unaveraged, steps=2).run(tmp_path)
    with pytest.raises(WeightsError, match=r"ema\.vae"):
        trainer(VAE).restore(tmp_path)


def test_only_the_newest_are_kept(tmp_path):
    trainer(VAE, steps=7, checkpoint_every=2, keep=2).run(tmp_path)
    assert names(tmp_path) == [
        "00000006.json",
        "00000006.safetensors",
        "00000007.json",
        "00000007.safetensors",
    ]


def test_a_damaged_later_checkpoint_never_displaces_a_sound_one(tmp_path):
    trainer(VAE, steps=6, checkpoint_every=4, keep=2).run(tmp_path)
    flip(tmp_path / "00000006.safetensors")
    run = trainer(VAE, steps=5, keep=1)
    run.restore(tmp_path)
    assert run.round == 4
    run.run(tmp_path)
    assert names(tmp_path) == ["00000005.json", "00000005.safetensors"]
    trainer(VAE).restore(tmp_path)


def test_leavings_of_a_killed_process_are_swept_up(tmp_path):
    for name in ("00000001.safetensors", ".00000009.safetensors.77.part", ".00000001.json.7.part"):
        (tmp_path / name).write_bytes(b"?")
    (tmp_path / "notes.txt").write_text("mine")
    save_checkpoint(tmp_path, {"x": torch.ones(2)}, {"round": 2}, 1)
    assert names(tmp_path) == ["00000002.json", "00000002.safetensors", "notes.txt"]


def test_a_crash_between_tensors_and_record_leaves_the_former_checkpoint(three, monkeypatch):
    def crash(*args):
        raise OutputError("no space left")

    monkeypatch.setattr(checkpoints, "write_json", crash)
    run = trainer(VAE, steps=9)
    run.restore(three)
    with pytest.raises(OutputError):
        run.run(three)
    again = trainer(VAE)
    assert again.restore(three) == [] and again.round == 6


def test_a_full_disk_leaves_the_former_checkpoint(three, monkeypatch):
    def full(path, tensors, about):
        raise OutputError(f"cannot write {path}: no space left on the disk")

    before = {path.name: path.read_bytes() for path in three.iterdir()}
    monkeypatch.setattr(checkpoints, "save_tensors", full)
    with pytest.raises(OutputError, match="no space"):
        save_checkpoint(three, {}, {"round": 8}, 1)
    assert {path.name: path.read_bytes() for path in three.iterdir()} == before


def test_equal_states_give_equal_files(tmp_path):
    for part in ("a", "b"):
        run = trainer(LazyADA, steps=3)
        run.seconds = 0.0
        run.run(tmp_path / part)
        save_checkpoint(tmp_path / part, run.state(), {"round": 3, "seconds": 0}, 1)
    name = "00000003.safetensors"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_zero_steps_leave_a_checkpoint_to_continue_from(tmp_path):
    trainer(VAE, steps=0).run(tmp_path)
    run = trainer(VAE, steps=2)
    run.restore(tmp_path)
    assert run.round == 0
    run.run(tmp_path)
    straight = trainer(VAE, steps=2)
    straight.run(tmp_path / "straight")
    assert differences(straight.state(), run.state()) == []


# --- signals, in processes of their own -----------------------------------------------------------

SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(int(sys.argv[3]))
from ganzoo_core.errors import GanzooError
from workbench import trainer
from zoo_of_proofs import EncoderGAN

run = trainer(EncoderGAN, log_every=4, checkpoint_every=5)
step = run.step
def stepping(*what):
    if run.round == 7:  # in the middle of a stage, of a line and of a checkpoint's interval
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    step(*what)
run.step = stepping
try:
    run.run(Path(sys.argv[2]))
except GanzooError as error:
    print(error, flush=True)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_the_round_saves_and_resumes_exactly(name, code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, str(tmp_path / "run"), str(torch.get_num_threads())],
        env={**os.environ, "PYTHONPATH": str(Path(workbench.__file__).parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "after round 8 of 12" in done.stdout and "ganzoo resume" in done.stdout
    resumed = trainer(EncoderGAN)
    assert resumed.restore(tmp_path / "run") == [] and resumed.round == 8
    resumed.run(tmp_path / "run")
    straight = trainer(EncoderGAN)
    straight.run(tmp_path / "straight")
    assert differences(straight.state(), resumed.state()) == []
    assert resumed.watcher.records == straight.watcher.records[-1:]


def test_handlers_are_put_back(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    trainer(VAE, steps=1).run(tmp_path)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
