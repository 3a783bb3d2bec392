"""run, resume and sample: what a trained run leaves, and what can go wrong with it."""

import json
import shutil
import signal

import pytest
from PIL import Image

TINY = ("run", "cgan", "--preset", "tiny", "--set", "data.count=64")


def lines_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the trained run, free to be damaged."""
    return shutil.copytree(trained, tmp_path / "runs" / "demo")


def test_run_says_where_things_lie(trained):
    told = dict(
        line.split() for line in (trained.parents[1] / "stdout.txt").read_text().splitlines()
    )
    assert list(told) == ["run", "pictures", "curves", "weights"]
    assert all((trained.parents[1] / path).exists() for path in told.values())


def test_quiet_run_prints_its_folder_alone_and_numbers_runs(ganzoo, tmp_path):
    quick = (*TINY, "--steps", 0, "-q")
    first, second = (ganzoo(*quick, cwd=tmp_path) for _ in range(2))
    assert (first.out, first.err) == ("runs/cgan-1\n", "")
    assert second.out == "runs/cgan-2\n"


def test_flags_reach_the_record(ganzoo, tmp_path):
    (tmp_path / "mine.toml").write_text(
        "[train]\nbatch = 4\nsample_every = 3\n[model]\nwidth = 4\n"
    )
    done = ganzoo(
        "run",
        "cgan",
        "--data",
        "shapes",
        "--preset",
        "tiny",
        "--config",
        "mine.toml",
        "--set",
        "train.batch=8",
        "--set",
        "data.count=32",
        "--set",
        "model.groups=[30]",
        "--steps",
        2,
        "--seed",
        7,
        "--device",
        "cpu",
        "--precision",
        "fp32",
        "--out",
        "r",
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    text = (tmp_path / "r" / "config.toml").read_text()
    for line in ("batch = 8", "sample_every = 3", "width = 4", "seed = 7", 'device = "cpu"'):
        assert line in text
    index = json.loads((tmp_path / "r" / "weights" / "ganzoo.json").read_text())
    assert index["data"]["classes"] == ["0-30", "31+"]


def test_resume_goes_on_to_the_new_length(ganzoo, run, tmp_path):
    done = ganzoo("resume", "runs/demo", "--steps", 25, cwd=tmp_path)
    assert done.code == 0, done.err
    assert lines_of(run)[-1]["round"] == 25
    assert done.out.startswith("run       runs/demo\n")


def test_a_run_begins_with_the_weights_of_another(ganzoo, trained, tmp_path):
    done = ganzoo(*TINY, "--init", trained, "--steps", 0, "--out", "r", cwd=tmp_path)
    assert done.code == 0, done.err
    assert f"begins with generator, discriminator of {trained}\n" in done.err
    names = [run / "weights" / "model.safetensors" for run in (trained, tmp_path / "r")]
    assert names[0].read_bytes() == names[1].read_bytes()
    assert f'init = "{trained}"' in (tmp_path / "r" / "config.toml").read_text()
    ranks = ganzoo(
        *TINY,
        "--init",
        trained / "weights",
        "--steps",
        0,
        "--out",
        "two",
        "--device",
        "cpu",
        cwd=tmp_path,
        ranks=2,
    )
    assert ranks.code == 0 and ranks.err.count("begins with generator of") == 1, ranks.err
    assert (tmp_path / "two" / "weights" / names[0].name).read_bytes() == names[0].read_bytes()


def test_weights_a_run_cannot_begin_with_are_refused_in_one_line(ganzoo, trained, tmp_path):
    cases = {
        ("gan", "no"): "no is no folder: give a run",
        ("gan", trained): "holds cgan, and this is a run of gan: give --init a run or weights",
        ("cgan", trained): "config.toml: give --config that",
    }
    for (model, init), words in cases.items():
        done = ganzoo(
            "run",
            model,
            "--preset",
            "tiny",
            "--set",
            "model.latent=4",
            "--init",
            init,
            "--out",
            "r",
            "--set",
            "data.count=64",
            cwd=tmp_path,
        )
        assert (done.code, done.out) == (6, "") and words in done.error, done.err
        assert "Traceback" not in done.err and not (tmp_path / "r").exists()


def test_a_signal_saves_and_resume_gives_the_same_weights(ganzoo, trained, extra, tmp_path):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        env = {"PYTHONPATH": extra, "GANZOO_TEST_SIGNAL": str(int(number))}
        done = ganzoo(*TINY, "--out", f"r{code}", cwd=tmp_path, env=env)
        assert (done.code, done.out) == (code, "")
        assert f"ganzoo resume r{code}" in done.error
        assert done.error.startswith("ganzoo: stopped by")
    done = ganzoo("resume", "r130", "-q", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    straight = (trained / "weights" / "model.safetensors").read_bytes()
    assert (tmp_path / "r130" / "weights" / "model.safetensors").read_bytes() == straight


def test_a_truncated_checkpoint_falls_back_then_fails_in_one_line(ganzoo, run, tmp_path):
    newest = max((run / "checkpoints").glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-100])
    done = ganzoo("resume", "runs/demo", cwd=tmp_path)
    assert done.code == 0
    assert "warning" in done.err and newest.name in done.err
    for path in (run / "checkpoints").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:1000])
    done = ganzoo("resume", "runs/demo", cwd=tmp_path)
    assert done.code == 6
    assert "truncated" in done.error and done.error.startswith("ganzoo: ")


def test_a_checkpoint_of_another_model_is_refused(ganzoo, run, tmp_path):
    config = run / "config.toml"
    config.write_text(config.read_text().replace("width = 8", "width = 16"))
    done = ganzoo("resume", "runs/demo", cwd=tmp_path)
    assert done.code == 6
    assert "another model" in done.error


def test_a_full_disk_leaves_the_former_checkpoint(ganzoo, run, tmp_path):
    config = run / "config.toml"
    config.write_text(config.read_text().replace("checkpoint_every = 10", "checkpoint_every = 5"))
    before = {path: path.read_bytes() for path in (run / "checkpoints").iterdir()}
    size = (run / "checkpoints" / "00000020.safetensors").stat().st_size
    done = ganzoo("resume", "runs/demo", "--steps", 30, cwd=tmp_path, file_limit=size - 1000)
    assert done.code == 5
    assert "cannot write" in done.error and "00000025.safetensors" in done.error
    after = {path: path.read_bytes() for path in (run / "checkpoints").iterdir()}
    assert after == before
    assert ganzoo("resume", "runs/demo", "--steps", 30, "-q", cwd=tmp_path).code == 0
    assert lines_of(run)[-1]["round"] == 30


def test_an_infinite_loss_ends_the_run(ganzoo, tmp_path):
    wild = ("--set", "model.optim_g.lr=1e38", "--set", "model.optim_d.lr=1e38")
    done = ganzoo(*TINY, *wild, "--precision", "fp32", "--out", "r", cwd=tmp_path)
    assert done.code == 7
    assert done.error.startswith("ganzoo: ")


def test_sample_draws_a_row_a_label(ganzoo, trained, tmp_path):
    assert ganzoo("sample", trained, "--out", "all.png", cwd=tmp_path).out == "all.png\n"
    tall = Image.open(tmp_path / "all.png")
    ganzoo(
        "sample", trained / "weights", "-n", 5, "--label", "60+", "--out", "one.JPG", cwd=tmp_path
    )
    one = Image.open(tmp_path / "one.JPG")
    assert one.format == "JPEG"
    assert tall.height > 5 * one.height and tall.width > one.width


def test_sample_repeats_with_its_seed_and_replaces_the_picture(ganzoo, trained, tmp_path):
    pictures = []
    for seed in (1, 1, 2):
        done = ganzoo("sample", trained, "-n", 4, "--seed", seed, "--out", "x.webp", cwd=tmp_path)
        assert done.code == 0, done.err
        pictures.append((tmp_path / "x.webp").read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


def test_sample_marks_labels_without_images(ganzoo, run, tmp_path):
    path = run / "weights" / "ganzoo.json"
    index = json.loads(path.read_text())
    index["data"]["counts"][2] = 0
    path.write_text(json.dumps(index))
    done = ganzoo("sample", run, "--out", "x.png", cwd=tmp_path)
    assert done.code == 0
    assert "warning" in done.err and "30-39" in done.err
    done = ganzoo("sample", run, "--label", "2", "--out", "y.png", cwd=tmp_path)
    assert "30-39" in done.err
    done = ganzoo("sample", run, "--label", "0", "--out", "z.png", cwd=tmp_path)
    assert done.err == ""


def test_sample_refuses_in_one_line(ganzoo, run, tmp_path):
    cases = {
        ("no/x.png",): (5, "no folder"),
        ("x.gif",): (2, ".png"),
        ("x",): (2, ".png"),
        ("x.png", "--label", "61+"): (2, "60+"),
        ("x.png", "--label", "6"): (2, "label"),
        ("x.png", "-n", "0"): (2, "-n"),
    }
    for (out, *more), (code, words) in cases.items():
        done = ganzoo("sample", run, "--out", out, *more, cwd=tmp_path)
        assert (done.code, done.out) == (code, ""), out
        assert words in done.err and done.err.count("\n") == 1
    weights = run / "weights" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    done = ganzoo("sample", run, "--out", "x.png", cwd=tmp_path)
    assert done.code == 6 and "sha256" in done.error
    shutil.rmtree(run / "weights")
    done = ganzoo("sample", run, "--out", "x.png", cwd=tmp_path)
    assert done.code == 6 and "no weights yet" in done.error
    assert not (tmp_path / "x.png").exists()
