"""Checkpoints are atomic, an undamaged one always remains, and damage is detected."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from contract_models import VAE, EncoderGAN, LazyADA, TripletEmbedder
from training_helpers import differing_keys, make_trainer

from ganzoo_core import OptimizerSpec
from ganzoo_core.engine import checkpoints
from ganzoo_core.engine.checkpoints import save_checkpoint
from ganzoo_core.errors import OutputError, WeightsError
from ganzoo_core.files import load_tensors, save_tensors


def file_names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def checkpoints_2_4_6(tmp_path):
    """A folder with checkpoints of steps 2, 4 and 6."""
    make_trainer(VAE, steps=6, checkpoint_every=2, save_total_limit=3).run(tmp_path)
    assert len(file_names(tmp_path)) == 6
    return tmp_path


def flip_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


DAMAGES = {
    "truncated": lambda p: p.write_bytes(p.read_bytes()[:-100]),
    "a bit flipped": flip_bit,
    "empty": lambda p: p.write_bytes(b""),
    "missing": lambda p: p.unlink(),
    "record truncated": lambda p: p.with_suffix(".json").write_text('{"step": 6, "sha'),
    "record of another kind": lambda p: p.with_suffix(".json").write_text("[1, 2]"),
    "record without a hash": lambda p: p.with_suffix(".json").write_text('{"step": 6}'),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_restore_skips_damaged_checkpoint(kind, checkpoints_2_4_6):
    DAMAGES[kind](checkpoints_2_4_6 / "00000006.safetensors")
    run = make_trainer(VAE)
    (skipped,) = run.restore(checkpoints_2_4_6)
    assert "00000006" in skipped and "\n" not in skipped
    assert run.step == 4 and run.images_seen == 32


def test_resume_from_older_is_bit_exact(checkpoints_2_4_6, tmp_path_factory):
    flip_bit(checkpoints_2_4_6 / "00000006.safetensors")
    run = make_trainer(VAE, steps=9)
    run.restore(checkpoints_2_4_6)
    run.run(checkpoints_2_4_6)
    straight = make_trainer(VAE, steps=9)
    straight.run(tmp_path_factory.mktemp("straight"))
    assert differing_keys(straight.state_dict(), run.state_dict()) == []


def test_all_checkpoints_damaged(checkpoints_2_4_6):
    for path in checkpoints_2_4_6.glob("*.safetensors"):
        flip_bit(path)
    with pytest.raises(WeightsError, match="00000006") as error:
        make_trainer(VAE).restore(checkpoints_2_4_6)
    assert error.value.exit_code == 6


def test_no_checkpoint(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(WeightsError, match="checkpoint"):
            make_trainer(VAE).restore(folder)


def test_step_is_read_from_hashed_file(checkpoints_2_4_6):
    """The JSON record beside the tensors is not trusted."""
    record = checkpoints_2_4_6 / "00000006.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "step": 5}))
    run = make_trainer(VAE)
    run.restore(checkpoints_2_4_6)
    assert run.step == 6


def test_checkpoint_without_step_is_skipped(checkpoints_2_4_6):
    path = checkpoints_2_4_6 / "00000006.safetensors"
    save_tensors(path, load_tensors(path)[0])
    record = path.with_suffix(".json")
    record.write_text(json.dumps({"sha256": checkpoints.file_sha256(path)}))
    run = make_trainer(VAE)
    assert len(run.restore(checkpoints_2_4_6)) == 1 and run.step == 4


@pytest.mark.parametrize("other", [TripletEmbedder, EncoderGAN])
def test_restore_refuses_other_model(other, checkpoints_2_4_6):
    with pytest.raises(WeightsError) as error:
        make_trainer(other).restore(checkpoints_2_4_6)
    assert "\n" not in str(error.value)


class WiderVAE(VAE):
    """Same names, other shapes."""

    latent_dim = 7


class NoEMAVAE(VAE):
    """The same networks without EMA."""

    def configure_optimizers(self):
        (spec,) = super().configure_optimizers().values()
        return {"vae": OptimizerSpec(spec.modules, spec.optimizer)}


@pytest.mark.parametrize(("cls", "key"), [(WiderVAE, "encoder"), (NoEMAVAE, "ema.vae")])
def test_restore_is_strict(cls, key, checkpoints_2_4_6):
    with pytest.raises(WeightsError, match=key):
        make_trainer(cls).restore(checkpoints_2_4_6)


def test_restore_refuses_missing_ema(tmp_path):
    make_trainer(NoEMAVAE, steps=2).run(tmp_path)
    with pytest.raises(WeightsError, match=r"ema\.vae"):
        make_trainer(VAE).restore(tmp_path)


def test_save_total_limit(tmp_path):
    make_trainer(VAE, steps=7, checkpoint_every=2, save_total_limit=2).run(tmp_path)
    assert file_names(tmp_path) == [
        "00000006.json",
        "00000006.safetensors",
        "00000007.json",
        "00000007.safetensors",
    ]


def test_damaged_checkpoint_never_displaces_sound(tmp_path):
    make_trainer(VAE, steps=6, checkpoint_every=4, save_total_limit=2).run(tmp_path)
    flip_bit(tmp_path / "00000006.safetensors")
    run = make_trainer(VAE, steps=5, save_total_limit=1)
    run.restore(tmp_path)
    assert run.step == 4
    run.run(tmp_path)
    assert file_names(tmp_path) == ["00000005.json", "00000005.safetensors"]
    make_trainer(VAE).restore(tmp_path)


def test_partial_files_are_removed(tmp_path):
    for name in ("00000001.safetensors", ".00000009.safetensors.77.part", ".00000001.json.7.part"):
        (tmp_path / name).write_bytes(b"?")
    (tmp_path / "notes.txt").write_text("mine")
    save_checkpoint(tmp_path, {"x": torch.ones(2)}, {"step": 2}, 1)
    assert file_names(tmp_path) == ["00000002.json", "00000002.safetensors", "notes.txt"]


def test_crash_between_tensors_and_record(checkpoints_2_4_6, monkeypatch):
    def fail_write(*args):
        raise OutputError("disk full")

    monkeypatch.setattr(checkpoints, "write_json", fail_write)
    run = make_trainer(VAE, steps=9)
    run.restore(checkpoints_2_4_6)
    with pytest.raises(OutputError):
        run.run(checkpoints_2_4_6)
    again = make_trainer(VAE)
    assert again.restore(checkpoints_2_4_6) == [] and again.step == 6


def test_disk_full_keeps_previous_checkpoint(checkpoints_2_4_6, monkeypatch):
    def fail_disk_full(path, tensors, info):
        raise OutputError(f"cannot write {path}")

    before = {path.name: path.read_bytes() for path in checkpoints_2_4_6.iterdir()}
    monkeypatch.setattr(checkpoints, "save_tensors", fail_disk_full)
    with pytest.raises(OutputError):
        save_checkpoint(checkpoints_2_4_6, {}, {"step": 8}, 1)
    assert {path.name: path.read_bytes() for path in checkpoints_2_4_6.iterdir()} == before


def test_checkpoint_files_are_deterministic(tmp_path):
    for part in ("a", "b"):
        run = make_trainer(LazyADA, steps=3)
        run.seconds = 0.0
        run.run(tmp_path / part)
        save_checkpoint(tmp_path / part, run.state_dict(), {"step": 3, "seconds": 0}, 1)
    name = "00000003.safetensors"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_zero_steps_writes_checkpoint(tmp_path):
    make_trainer(VAE, steps=0).run(tmp_path)
    run = make_trainer(VAE, steps=2)
    run.restore(tmp_path)
    assert run.step == 0
    run.run(tmp_path)
    straight = make_trainer(VAE, steps=2)
    straight.run(tmp_path / "straight")
    assert differing_keys(straight.state_dict(), run.state_dict()) == []


# --- signals, each in another process -------------------------------------------------------------

SIGNAL_SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(int(sys.argv[3]))
from ganzoo_core.errors import GanzooError
from contract_models import EncoderGAN
from training_helpers import make_trainer

trainer = make_trainer(EncoderGAN, log_every=4, checkpoint_every=5)
run_phase = trainer.run_phase
def run_phase_with_signal(*args):
    if trainer.step == 7:  # not at the end of a stage, a line of metrics or a checkpoint interval
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    run_phase(*args)
trainer.run_phase = run_phase_with_signal
try:
    trainer.run(Path(sys.argv[2]))
except GanzooError as error:
    print(error, flush=True)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_resume_after_signal_is_bit_exact(name, code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SIGNAL_SCRIPT, name, tmp_path / "run", str(torch.get_num_threads())],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "ganzoo resume" in done.stdout
    resumed = make_trainer(EncoderGAN)
    assert resumed.restore(tmp_path / "run") == [] and resumed.step == 8
    resumed.run(tmp_path / "run")
    straight = make_trainer(EncoderGAN)
    straight.run(tmp_path / "straight")
    assert differing_keys(straight.state_dict(), resumed.state_dict()) == []
    assert resumed.callback.records == straight.callback.records[-1:]


def test_signal_handlers_restored(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    make_trainer(VAE, steps=1).run(tmp_path)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
