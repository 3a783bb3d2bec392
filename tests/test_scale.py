"""Ranks: two do as one does, one writes, a dead one ends the job, resume takes another number."""

import json
import shutil
import signal
import sys

import pytest
import torch
from jobs import MODELS
from workbench import differences, drawn, make, trainer

from ganzoo_core.data.draws import Batches
from ganzoo_core.engine.turn import EngineTurn, Log, Scene
from ganzoo_core.files import load_tensors
from ganzoo_core.interfaces import Batch, Draw

CPU = torch.device("cpu")
OPTIONS = {"steps": 6, "batch": 8, "log_every": 3}
JUDGED_APART = {"num_batches_tracked", "running_mean", "running_var"}


def states(folder, ranks=2):
    return [load_tensors(folder / f"{rank}.safetensors")[0] for rank in range(ranks)]


def far(a, b):
    """Return the largest difference between two states of the same names."""
    assert set(a) == set(b)
    return max(float((a[n].double() - b[n].double()).abs().max()) for n in a if a[n].numel())


def alone(name, folder, **train):
    run = trainer(MODELS[name], **{**OPTIONS, **train})
    run.run(folder)
    return run


@pytest.mark.parametrize("name", ["PlainGAN", "AdaptiveGAN", "RelativeGAN", "Pixels"])
def test_two_ranks_are_one_rank_at_the_same_global_batch(name, ganzoo, tmp_path):
    options = {**OPTIONS, "clip": 5.0, "schedule": "cosine", "warmup": 2}
    done = ganzoo(name, str(tmp_path), options, cwd=tmp_path, ranks=2, call="jobs:trained")
    assert done.codes == (0, 0), done.err
    first, second = states(tmp_path)
    for state in (first, second):
        lines = state.pop("records")
    assert differences(first, second) == []
    one = alone(name, tmp_path / "one", **options)
    moved = far(
        {n: t for n, t in one.state().items() if n.startswith("model.")},
        {f"model.{n}": t for n, t in make(MODELS[name], drawn().info).state_dict().items()},
    )
    assert moved > 1e-2
    assert far(first, one.state()) < (1e-5 if name != "Pixels" else 1e-3)
    assert len(lines) == 0 or torch.isfinite(lines).all()


@pytest.mark.parametrize("name", ["LazyADA", "Judged", "Triplets", "Handicapped"])
def test_ranks_hold_the_same_bits_buffers_included(name, ganzoo, tmp_path):
    done = ganzoo(name, str(tmp_path), OPTIONS, cwd=tmp_path, ranks=2, call="jobs:trained")
    assert done.codes == (0, 0), done.err
    first, second = states(tmp_path)
    kept = {n: t for n, t in first.items() if n != "records"}
    assert differences(kept, {n: t for n, t in second.items() if n != "records"}) == []
    assert any(n.endswith("running_mean") for n in kept)
    assert all(t.isfinite().all() for t in kept.values())


def test_weights_that_were_built_apart_are_those_of_rank_0(ganzoo, tmp_path):
    done = ganzoo(
        "PlainGAN", str(tmp_path), OPTIONS, False, cwd=tmp_path, ranks=2, call="jobs:trained"
    )
    assert done.codes == (0, 0), done.err
    first, second = states(tmp_path)
    assert differences(first, second) == []
    assert (
        far(
            {n: t for n, t in first.items() if n != "records"},
            alone("PlainGAN", tmp_path / "one").state(),
        )
        < 1e-5
    )


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_a_run_continues_on_another_number_of_ranks(before, after, ganzoo, tmp_path):
    for ranks, steps in ((before, 3), (after, 6)):
        options = {**OPTIONS, "steps": steps}
        call = {"cwd": tmp_path, "ranks": ranks, "call": "jobs:trained"}
        done = ganzoo("PlainGAN", str(tmp_path), options, **call)
        assert set(done.codes) == {0}, done.err
    state = states(tmp_path, 1)[0]
    del state["records"]
    assert far(state, alone("PlainGAN", tmp_path / "one").state()) < 1e-5


def test_ranks_resume_to_the_bits_of_ranks_that_never_stopped(ganzoo, tmp_path):
    for part, stops in (("straight", (6,)), ("parts", (2, 6))):
        (tmp_path / part).mkdir()
        for steps in stops:
            ganzoo(
                "LazyADA",
                str(tmp_path / part),
                {**OPTIONS, "steps": steps},
                cwd=tmp_path,
                ranks=2,
                call="jobs:trained",
            )
    both = [states(tmp_path / part)[0] for part in ("straight", "parts")]
    for state in both:
        del state["records"]
    assert differences(*both) == []


def test_draws_are_split_by_rank(ganzoo, tmp_path):
    done = ganzoo(str(tmp_path), cwd=tmp_path, ranks=2, call="jobs:batches")
    assert done.codes == (0, 0), done.err
    found = states(tmp_path)
    for how in ("shuffle", "balanced", "pairs", "identities"):
        draw = Draw(fields=("image", "label", "identity"), how=how, per_identity=2)
        whole = Batches(drawn(40, 16, 6), draw, 8, CPU, 0, "gan")(3)
        joined = {n: torch.cat([f[n] for f in found]) for n in found[0] if n.startswith(how)}
        assert torch.equal(joined[f"{how}.image"], whole.image)
        assert torch.equal(joined[f"{how}.label"], whole.label)
        assert torch.equal(joined[f"{how}.identity"], whole.identity)
        if how == "pairs":
            assert torch.equal(joined["pairs.target"], whole.target.image)


def turn(part, parts):
    scene = Scene(seed=0, stage="gan", seen=torch.zeros(()), log=Log(), parts=parts)
    return EngineTurn(scene, Batch(size=8 // parts), 1, 0, part)


@pytest.mark.parametrize("kind", ["normal", "uniform", "unit"])
def test_noise_goes_by_global_sample_index(kind):
    whole = turn(0, 1).noise(8, 3, kind=kind)
    for parts in (2, 4):
        own = [turn(part, parts).noise(8 // parts, 3, kind=kind) for part in range(parts)]
        assert torch.equal(torch.cat(own), whole)


def test_noise_for_weights_is_the_same_on_every_rank():
    """A discriminator that is made anew in `after` stays one discriminator."""
    turns = [turn(0, 1), turn(0, 2), turn(1, 2)]
    drawn_twice = []
    for one in turns:
        one.noise(8 // one._noise.parts, 3)
        with one.alike("d"):
            drawn_twice.append(torch.cat([one.noise(5, 3), torch.rand(5, 3)]))
        assert one._noise.parts in {1, 2}
    assert all(torch.equal(drawn_twice[0], other) for other in drawn_twice)
    after = torch.cat([t.noise(4) for t in turns[1:]])
    assert torch.equal(after, turns[0].noise(8))


# --- the command line -----------------------------------------------------------------------------

HOOKS = '''
import os, signal
from ganzoo_core import hookimpl

@hookimpl
def ganzoo_round_logged(run, record):
    """Signal the first rank, or its launcher, in the middle of training."""
    whom = {"self": os.getpid, "launcher": os.getppid}.get(os.environ.get("GANZOO_TEST_WHOM"))
    if whom and record["round"] == 5:
        os.kill(whom(), int(os.environ["GANZOO_TEST_SIGNAL"]))
'''


@pytest.fixture
def hooks(tmp_path):
    """PYTHONPATH of a plugin that sends signals; GANZOO_TEST_WHOM says to whom."""
    site = tmp_path / "site"
    info = site / "ganzoo_signals-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ganzoo-signals\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganzoo.plugins]\nsignals = signals_of_tests\n")
    (site / "signals_of_tests.py").write_text(HOOKS)
    return lambda whom, number: {
        "PYTHONPATH": str(site),
        "GANZOO_TEST_WHOM": whom,
        "GANZOO_TEST_SIGNAL": str(int(number)),
    }


RUN = (
    "run",
    "cgan",
    "--preset",
    "tiny",
    "--set",
    "data.count=64",
    "--set",
    "train.checkpoint_every=4",
    "--set",
    "train.precision=fp32",
)


def last_state(run):
    return load_tensors(max((run / "checkpoints").glob("*.safetensors")))[0]


def rounds(run):
    return [json.loads(x)["round"] for x in (run / "metrics.jsonl").read_text().splitlines()]


def test_ctrl_c_at_the_launcher_saves_and_resumes_exactly(ganzoo, hooks, tmp_path):
    env = hooks("launcher", signal.SIGINT)
    done = ganzoo(*RUN, "--nproc", 2, "--out", "parts", cwd=tmp_path, env=env)
    assert done.code == 130, done.err
    assert "checkpoint" in done.error and "internal" not in done.err
    (stopped,) = [x for x in done.err.splitlines() if "stopped by Ctrl-C" in x]
    assert "after round" in stopped
    for words in (("resume", "parts"), (*RUN, "--out", "straight")):
        done = ganzoo(*words, cwd=tmp_path, ranks=2)  # as torchrun starts them
        assert done.codes == (0, 0), done.err
        assert [x.split()[0] for x in done.out.splitlines()].count("weights") == 1
    assert differences(last_state(tmp_path / "parts"), last_state(tmp_path / "straight")) == []
    assert rounds(tmp_path / "parts") == [5, 10, 15, 20]


def test_a_killed_rank_ends_the_job_with_one_line(ganzoo, hooks, tmp_path):
    env = hooks("self", signal.SIGKILL)
    done = ganzoo(*RUN, "--nproc", 2, "--out", "run", cwd=tmp_path, env=env)
    assert done.code == 1
    (line,) = [x for x in done.err.splitlines() if x.startswith("ganzoo:")]
    assert "rank 0 of 2 died (SIGKILL)" in line and "ganzoo resume" in line
    assert "Traceback" not in done.err
    shutil.copytree(tmp_path / "run", tmp_path / "on two")
    one = ganzoo("resume", "run", cwd=tmp_path)
    assert one.code == 0 and "ranks: 2 then, 1 now" in one.err
    two = ganzoo("resume", "on two", cwd=tmp_path, ranks=2)
    assert two.codes == (0, 0) and "ranks" not in two.err
    assert rounds(tmp_path / "run") == rounds(tmp_path / "on two") == [5, 10, 15, 20]


def test_ranks_that_lose_the_first_say_nothing_and_the_first_says_it_once(ganzoo, hooks, tmp_path):
    """As under torchrun or Slurm, where no launcher of ours speaks."""
    done = ganzoo(*RUN, "--out", "run", cwd=tmp_path, ranks=2, env=hooks("self", signal.SIGKILL))
    assert done.codes == (-9, 1) and "internal" not in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--set", "train.batch=7"), 2, "does not divide into 2 ranks"),
        (("--out", "taken"), 5, "exists already"),
        (("--device", "cuda:7"), 2, "--device cpu"),
    ],
)
def test_a_mistake_is_said_once(words, code, text, ganzoo, tmp_path):
    (tmp_path / "taken" / "x").mkdir(parents=True)
    done = ganzoo(*RUN, *words, cwd=tmp_path, ranks=2)
    assert done.codes[0] == code and done.codes[1] != 0
    (line,) = done.err.strip().splitlines()
    assert text in line


def test_a_batch_that_does_not_divide_is_refused_before_ranks_are_started(ganzoo, tmp_path):
    done = ganzoo(*RUN, "--set", "train.batch=7", "--nproc", 2, cwd=tmp_path)
    assert done.code == 2 and "choose a multiple of 2" in done.error
    assert len(done.err.strip().splitlines()) == 1 and not (tmp_path / "runs").exists()


def test_the_run_folder_has_one_writer_among_the_ranks(ganzoo, trained, tmp_path):
    from filelock import FileLock

    shutil.copytree(trained, tmp_path / "run")
    with FileLock(tmp_path / "run" / ".lock"):
        for ranks in (1, 2):
            done = ganzoo("resume", "run", cwd=tmp_path, ranks=ranks)
            assert (done.codes or (done.code,))[0] == 5, done.err
            (line,) = done.err.strip().splitlines()
            assert "another process" in line


@pytest.mark.soak
def test_torchrun_starts_it_as_well(shell, tmp_path):
    """The ranks of one node, as Slurm would start them."""
    words = (*RUN, "--out", "run", "-q")
    done = shell(
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "-m",
        "ganzoo_core.cli",
        *words,
    )
    assert done.code == 0, done.err
    assert done.out.strip() == "run" and rounds(tmp_path / "run") == [5, 10, 15, 20]
