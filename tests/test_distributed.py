"""Distributed runs: two ranks match one, only one writes, failures, resume on another number."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from subprocess_jobs import MODELS
from torch.distributed.elastic.multiprocessing.api import SignalException
from training_helpers import (
    build_model,
    differing_keys,
    last_checkpoint_state,
    make_images,
    make_trainer,
    read_metrics,
)

from ganzoo_core.cli.error_handling import report_error
from ganzoo_core.data.samplers import BatchLoader
from ganzoo_core.engine.context import EngineStepContext, MetricLog, StageContext
from ganzoo_core.errors import LAUNCHED_ENV_VAR, STOP_FILE_ENV_VAR, Interrupted
from ganzoo_core.files import load_tensors
from ganzoo_core.interfaces import Batch, BatchSpec
from ganzoo_core.training.distributed_launch import launch_distributed
from ganzoo_core.training.run_folder import RunFolder

CPU = torch.device("cpu")
TRAIN_OPTIONS = {"steps": 6, "batch_size": 8, "log_every": 3}


def rank_states(folder, world_size=2):
    """Return the states that the ranks saved, without the lines of metrics."""
    states = [load_tensors(folder / f"{rank}.safetensors")[0] for rank in range(world_size)]
    return [{k: v for k, v in state.items() if k != "records"} for state in states]


def train_ranks(run_ganzoo, folder, name, options, *args, world_size=2):
    """Train a contract model on several ranks; see `train_rank`."""
    call = {"cwd": folder, "ranks": world_size, "call": "subprocess_jobs:train_rank"}
    done = run_ganzoo(name, str(folder), options, *args, **call)
    assert set(done.codes) == {0}, done.err


def max_difference(a, b):
    """Return the largest difference between two states of the same names."""
    assert set(a) == set(b)
    return max(float((a[n].double() - b[n].double()).abs().max()) for n in a if a[n].numel())


def train_single(name, folder, **train_options):
    trainer = make_trainer(MODELS[name], **{**TRAIN_OPTIONS, **train_options})
    trainer.run(folder)
    return trainer.state_dict()


@pytest.mark.parametrize(
    "name",
    [
        "PlainGAN",
        "AdaptiveGAN",
        "ImagePoolGAN",
        "PerImageTermsGAN",
        "RelativisticGAN",
        "TinyPixelCNN",
    ],
)
def test_two_ranks_match_one_rank(name, run_ganzoo, tmp_path):
    options = {**TRAIN_OPTIONS, "grad_clip_norm": 5.0, "lr_scheduler": "cosine", "warmup_steps": 2}
    train_ranks(run_ganzoo, tmp_path, name, options)
    first, second = rank_states(tmp_path)
    assert differing_keys(first, second) == []
    single = train_single(name, tmp_path / "single", **options)
    initial = build_model(MODELS[name], make_images().info).state_dict()
    assert max_difference({n: single[f"model.{n}"] for n in initial}, initial) > 1e-2
    assert max_difference(first, single) < (1e-5 if name != "TinyPixelCNN" else 1e-3)
    records = load_tensors(tmp_path / "0.safetensors")[0]["records"]
    assert len(records) and records.isfinite().all()


@pytest.mark.parametrize(
    "name", ["LazyADA", "AuxiliaryLossModel", "TripletEmbedder", "ControlledDiscriminatorGAN"]
)
def test_ranks_have_identical_state(name, run_ganzoo, tmp_path):
    train_ranks(run_ganzoo, tmp_path, name, TRAIN_OPTIONS)
    first, second = rank_states(tmp_path)
    assert differing_keys(first, second) == []
    assert any(n.endswith("running_mean") for n in first)
    assert all(t.isfinite().all() for t in first.values())


def test_rank0_weights_are_broadcast(run_ganzoo, tmp_path):
    same_seed = False
    train_ranks(run_ganzoo, tmp_path, "PlainGAN", TRAIN_OPTIONS, same_seed)
    first, second = rank_states(tmp_path)
    assert differing_keys(first, second) == []
    assert max_difference(first, train_single("PlainGAN", tmp_path / "single")) < 1e-5


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_resume_with_other_world_size(before, after, run_ganzoo, tmp_path):
    for ranks, steps in ((before, 3), (after, 6)):
        options = {**TRAIN_OPTIONS, "steps": steps}
        train_ranks(run_ganzoo, tmp_path, "PlainGAN", options, world_size=ranks)
    (state,) = rank_states(tmp_path, 1)
    assert max_difference(state, train_single("PlainGAN", tmp_path / "single")) < 1e-5


def test_distributed_resume_is_bit_exact(run_ganzoo, tmp_path):
    for part, stops in (("straight", (6,)), ("parts", (2, 6))):
        (tmp_path / part).mkdir()
        for steps in stops:
            train_ranks(run_ganzoo, tmp_path / part, "LazyADA", {**TRAIN_OPTIONS, "steps": steps})
    states = [rank_states(tmp_path / part)[0] for part in ("straight", "parts")]
    assert differing_keys(*states) == []


def test_batches_are_split_by_rank(run_ganzoo, tmp_path):
    done = run_ganzoo(
        str(tmp_path), cwd=tmp_path, ranks=2, call="subprocess_jobs:save_rank_batches"
    )
    assert done.codes == (0, 0), done.err
    found = rank_states(tmp_path)
    for sampler in ("random", "class_balanced", "group_pairs", "identity_pairs", "pk"):
        batch_spec = BatchSpec(
            fields=("image", "label", "identity"), sampler=sampler, images_per_identity=2
        )
        whole = BatchLoader(make_images(40, 16, 6), batch_spec, 8, CPU, 0, "gan")(3)
        joined = {n: torch.cat([f[n] for f in found]) for n in found[0] if n.startswith(sampler)}
        assert torch.equal(joined[f"{sampler}.image"], whole.image)
        assert torch.equal(joined[f"{sampler}.label"], whole.label)
        assert torch.equal(joined[f"{sampler}.identity"], whole.identity)
        if whole.target is not None:
            assert torch.equal(joined[f"{sampler}.target"], whole.target.image)


def make_context(rank, world_size):
    stage_context = StageContext(
        seed=0, stage="gan", images_seen=torch.zeros(()), log=MetricLog(), num_shards=world_size
    )
    return EngineStepContext(stage_context, Batch(size=8 // world_size), 1, 0, rank)


@pytest.mark.parametrize("sample", ["randn", "rand", "uniform"])
def test_random_numbers_depend_on_global_index(sample):
    args = (-1, 1) if sample == "uniform" else ()
    whole = getattr(make_context(0, 1), sample)(*args, 8, 3)
    for n in (2, 4):
        shards = [getattr(make_context(i, n), sample)(*args, 8 // n, 3) for i in range(n)]
        assert torch.equal(torch.cat(shards), whole)


def test_same_random_numbers_on_all_ranks():
    """A discriminator that `after_step` resets gets the same weights on all ranks."""
    contexts = {(0, 1): 8, (0, 2): 4, (1, 2): 4}
    contexts = [(make_context(rank, size), n) for (rank, size), n in contexts.items()]
    same = []
    for ctx, n in contexts:
        ctx.randn(n, 3)
        with ctx.same_on_all_ranks("d"):
            same.append(torch.cat([ctx.randn(5, 3), torch.rand(5, 3)]))
    assert all(torch.equal(same[0], other) for other in same)
    (single, _), *ranks = contexts
    assert torch.equal(torch.cat([ctx.randn(n) for ctx, n in ranks]), single.randn(8))


# --- the command line -----------------------------------------------------------------------------

SIGNAL_PLUGIN_SOURCE = '''
import os, signal
from pathlib import Path
from ganzoo_core import hookimpl

HERE = Path(__file__).parent
if "RANK" in os.environ:
    (HERE / f"rank{os.environ['RANK']}").write_text(str(os.getpid()))

@hookimpl
def ganzoo_step_logged(run, record):
    """Signal the launcher or some ranks, in the middle of training; called in the first rank."""
    if record["step"] != 5:
        return
    number = int(os.environ["GANZOO_TEST_SIGNAL"])
    for target in os.environ.get("GANZOO_TEST_TARGET", "").split():
        if target == "launcher":
            os.kill(os.getppid(), number)
        elif target == "self":
            os.kill(os.getpid(), number)
        elif target.startswith("stop-"):
            os.kill(int((HERE / target.removeprefix("stop-")).read_text()), signal.SIGSTOP)
'''


@pytest.fixture
def signal_plugin_env(tmp_path):
    """The environment with a plugin that sends a signal to a target."""
    site = tmp_path / "site"
    info = site / "ganzoo_signals-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ganzoo-signals\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganzoo.plugins]\nsignals = signal_plugin\n")
    (site / "signal_plugin.py").write_text(SIGNAL_PLUGIN_SOURCE)
    return lambda target, number: {
        "PYTHONPATH": str(site),
        "GANZOO_TEST_TARGET": target,
        "GANZOO_TEST_SIGNAL": str(int(number)),
    }


SET_ARGS = "--set data.count=64 --set train.checkpoint_every=4 --set train.precision=fp32"
RUN_ARGS = ("run", "cgan", "--preset", "smoke", *SET_ARGS.split())


def logged_steps(run):
    return [record["step"] for record in read_metrics(run)]


def test_launcher_sigint_then_resume(run_ganzoo, signal_plugin_env, tmp_path):
    env = signal_plugin_env("launcher", signal.SIGINT)
    done = run_ganzoo(*RUN_ARGS, "--nproc", 2, "--out", "parts", cwd=tmp_path, env=env)
    assert done.code == 130, done.err
    assert "checkpoint" in done.error and "internal" not in done.err
    assert done.err.count("Ctrl-C") == 1
    for words in (("resume", "parts"), (*RUN_ARGS, "--out", "straight")):
        done = run_ganzoo(*words, cwd=tmp_path, ranks=2)  # as torchrun starts them
        assert done.codes == (0, 0), done.err
        assert [x.split()[0] for x in done.out.splitlines()].count("weights") == 1
    states = [last_checkpoint_state(tmp_path / run) for run in ("parts", "straight")]
    assert differing_keys(*states) == []
    assert logged_steps(tmp_path / "parts") == [5, 10, 15, 20]


def test_ranks_save_when_launcher_is_killed(run_ganzoo, signal_plugin_env, tmp_path):
    """The rank that is stopped (SIGSTOP) goes on, and saves too."""
    env = signal_plugin_env("stop-rank1 launcher", signal.SIGKILL)
    args = (*RUN_ARGS, "--steps", 5000, "--nproc", 2, "--out", "run")
    assert run_ganzoo(*args, cwd=tmp_path, env=env).code == -signal.SIGKILL
    with FileLock(tmp_path / "run" / ".lock", timeout=120):  # rank 0 holds it while it trains
        step = RunFolder(tmp_path / "run").last_checkpoint_step()
    assert 5 <= step < 5000


def read_rank_pids(folder):
    return [int((folder / "site" / f"rank{rank}").read_text()) for rank in (0, 1)]


def is_running(pid):
    """Return whether a process runs or is stopped. A zombie does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pids, seconds):
    """Return whether all processes have ended in time, which is longer on busy cores."""
    deadline = time.monotonic() + seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    while any(is_running(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.soak
@pytest.mark.parametrize("targets", ["launcher", "stop-rank1 launcher"])
def test_ranks_end_within_ten_seconds_of_their_launcher(
    targets, run_ganzoo, signal_plugin_env, tmp_path
):
    env = signal_plugin_env(targets, signal.SIGKILL)
    args = (*RUN_ARGS, "--steps", 5000, "--nproc", 2, "--out", "run")
    assert run_ganzoo(*args, cwd=tmp_path, env=env).code == -signal.SIGKILL
    assert wait_until_gone(read_rank_pids(tmp_path), 10)
    assert 5 <= RunFolder(tmp_path / "run").last_checkpoint_step() < 5000


@pytest.mark.soak
@pytest.mark.parametrize("stopped_rank", [0, 1])
def test_stopped_rank_is_not_reported_as_saved(
    stopped_rank, run_ganzoo, signal_plugin_env, tmp_path
):
    """The launcher waits 30 s for the rank, then kills it, as torchrun does."""
    env = signal_plugin_env(f"launcher stop-rank{stopped_rank}", signal.SIGTERM)
    args = (*RUN_ARGS, "--nproc", 2, "--out", "run")
    done = run_ganzoo(*args, cwd=tmp_path, env=env)
    assert done.code == 143, done.err
    assert "killed before they saved" in done.error and "ganzoo resume" in done.error
    assert "saved a checkpoint" not in done.err and "Traceback" not in done.err
    assert wait_until_gone(read_rank_pids(tmp_path), 0)
    assert RunFolder(tmp_path / "run").last_checkpoint_step() == 4
    assert run_ganzoo("resume", "run", cwd=tmp_path, ranks=2).codes == (0, 0)


@pytest.mark.parametrize("has_saved", [True, False])
def test_launcher_tells_whether_ranks_saved(has_saved, tmp_path, monkeypatch):
    """Ranks that were stopped (SIGSTOP) do not answer and are killed."""

    class FakeLaunch:
        def __init__(self, config, command):
            pass

        def __call__(self, *args):
            if has_saved:
                report_error(Interrupted("stopped by SIGTERM", 143))
            raise SignalException("stopped", signal.SIGTERM)

    monkeypatch.setattr("torch.distributed.launcher.api.elastic_launch", FakeLaunch)
    for name in (LAUNCHED_ENV_VAR, STOP_FILE_ENV_VAR):
        monkeypatch.setenv(name, "")
    with pytest.raises(Interrupted) as stopped:
        launch_distributed(2, ["run"])
    assert stopped.value.exit_code == 143
    assert ("saved a checkpoint" in str(stopped.value)) == has_saved
    assert ("ganzoo resume RUN" in str(stopped.value)) != has_saved


def test_killed_rank_ends_job(run_ganzoo, signal_plugin_env, tmp_path):
    env = signal_plugin_env("self", signal.SIGKILL)
    done = run_ganzoo(*RUN_ARGS, "--nproc", 2, "--out", "run", cwd=tmp_path, env=env)
    assert done.code == 1
    (line,) = [x for x in done.err.splitlines() if x.startswith("ganzoo:")]
    assert "SIGKILL" in line and "ganzoo resume" in line
    assert "Traceback" not in done.err
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    single = run_ganzoo("resume", "run", cwd=tmp_path)
    assert single.code == 0 and "ranks" in single.err
    double = run_ganzoo("resume", "copy", cwd=tmp_path, ranks=2)
    assert double.codes == (0, 0) and "ranks" not in double.err
    assert logged_steps(tmp_path / "run") == logged_steps(tmp_path / "copy") == [5, 10, 15, 20]


def test_killed_rank0_without_launcher(run_ganzoo, signal_plugin_env, tmp_path):
    """As under torchrun or Slurm, without the launcher of `--nproc`."""
    env = signal_plugin_env("self", signal.SIGKILL)
    done = run_ganzoo(*RUN_ARGS, "--out", "run", cwd=tmp_path, ranks=2, env=env)
    assert done.codes == (-9, 1) and "internal" not in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--set", "train.batch_size=7"), 2, "train.batch_size"),
        (("--out", "taken"), 5, "taken"),
        (("--device", "cuda:7"), 2, "--device cpu"),
    ],
)
def test_error_is_printed_once(words, code, text, run_ganzoo, tmp_path):
    (tmp_path / "taken" / "x").mkdir(parents=True)
    done = run_ganzoo(*RUN_ARGS, *words, cwd=tmp_path, ranks=2)
    assert done.codes[0] == code and done.codes[1] != 0
    (line,) = done.err.strip().splitlines()
    assert text in line


def test_indivisible_batch_refused(run_ganzoo, tmp_path):
    done = run_ganzoo(*RUN_ARGS, "--set", "train.batch_size=7", "--nproc", 2, cwd=tmp_path)
    assert done.code == 2 and "train.batch_size" in done.error
    assert len(done.err.strip().splitlines()) == 1 and not (tmp_path / "runs").exists()


def test_run_folder_lock_with_ranks(run_ganzoo, trained_run, tmp_path):
    from filelock import FileLock

    shutil.copytree(trained_run, tmp_path / "run")
    with FileLock(tmp_path / "run" / ".lock"):
        for ranks in (1, 2):
            done = run_ganzoo("resume", "run", cwd=tmp_path, ranks=ranks)
            assert (done.codes or (done.code,))[0] == 5, done.err
            (line,) = done.err.strip().splitlines()
            assert "another process" in line


@pytest.mark.soak
def test_torchrun(run_shell, tmp_path):
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "ganzoo_core.cli"]
    done = run_shell(sys.executable, *torchrun, *RUN_ARGS, "--out", "run", "-q")
    assert done.code == 0, done.err
    assert done.out.strip() == "run" and logged_steps(tmp_path / "run") == [5, 10, 15, 20]
