"""run, resume and sample: the outputs of a run, and its errors."""

import json
import shutil
import signal
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

SMOKE_RUN = ("run", "cgan", "--preset", "smoke", "--set", "data.count=64")


def read_metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def run_copy(trained_run, tmp_path):
    """A copy of the trained run, which a test may damage."""
    return shutil.copytree(trained_run, tmp_path / "runs" / "demo")


def test_run_prints_output_paths(trained_run):
    printed_paths = dict(
        line.split() for line in (trained_run.parents[1] / "stdout.txt").read_text().splitlines()
    )
    assert list(printed_paths) == ["run", "images", "curves", "weights"]
    assert all((trained_run.parents[1] / path).exists() for path in printed_paths.values())


def test_quiet_run_prints_folder(run_ganzoo, tmp_path):
    command = (*SMOKE_RUN, "--steps", 0, "-q")
    first, second = (run_ganzoo(*command, cwd=tmp_path) for _ in range(2))
    assert (first.out, first.err) == ("runs/cgan-1\n", "")
    assert second.out == "runs/cgan-2\n"


def test_dry_run_prints_stages_and_trains_nothing(run_ganzoo, tmp_path):
    parts = ["--set", "train.gan.steps=3", "--set", "train.part-2.phases_of=gan"]
    options = ["--set", "train.part-2.overrides.train.batch_size=4", "--steps", "8"]
    args = ["run", "dcgan", "--preset", "smoke", *parts, *options, "--dry-run"]
    rows = json.loads(run_ganzoo(*args, "--json", cwd=tmp_path).out)
    batch_size = rows[0]["batch_size"]
    assert [(row["stage"], row["steps"], row["images"]) for row in rows] == [
        ("gan", 3, 3 * batch_size),
        ("part-2", 5, 20),
    ]
    assert rows[1]["overrides"] == {"train.batch_size": 4}
    table = run_ganzoo(*args, cwd=tmp_path).out
    assert "part-2" in table and "train.batch_size=4" in table
    assert list(tmp_path.iterdir()) == []


def test_dry_run_lists_the_stages_of_auxiliary_networks_first(run_ganzoo, tmp_path):
    weights = "model.auxiliaries.age.weights=train"
    args = ["run", "idcgan", "--preset", "smoke", "--set", weights, "--dry-run", "--json"]
    rows = json.loads(run_ganzoo(*args, cwd=tmp_path).out)
    assert [row["job"] for row in rows] == ["age", "idcgan"]


def test_dry_run_refuses_what_the_run_refuses(run_ganzoo, tmp_path):
    result = run_ganzoo("run", "dcgan", "--size", "17", "--dry-run", cwd=tmp_path)
    assert result.code == 2 and "17" in result.err


def test_options_reach_saved_config(run_ganzoo, tmp_path):
    (tmp_path / "mine.toml").write_text(
        "[train]\nbatch_size = 4\nsample_every = 3\n[model]\nbase_channels = 4\n"
    )
    done = run_ganzoo(
        "run",
        "cgan",
        "--data",
        "shapes",
        "--preset",
        "smoke",
        "--config",
        "mine.toml",
        "--set",
        "train.batch_size=8",
        "--set",
        "data.count=32",
        "--set",
        "model.age_bins=[30]",
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
    for line in (
        "batch_size = 8",
        "sample_every = 3",
        "base_channels = 4",
        "seed = 7",
        'device = "cpu"',
    ):
        assert line in text
    index = json.loads((tmp_path / "r" / "weights" / "ganzoo.json").read_text())
    assert index["data"]["class_names"] == ["0-30", "31+"]


def test_resume_with_more_steps(run_ganzoo, run_copy, tmp_path):
    config = run_copy / "config.toml"
    started = datetime.fromisoformat(tomllib.loads(config.read_text())["provenance"]["started"])
    assert datetime.now(UTC) - started < timedelta(days=1)
    config.write_text(config.read_text().replace(started.isoformat(), "2024-05-06T07:08:09+00:00"))
    done = run_ganzoo("resume", "runs/demo", "--steps", 25, cwd=tmp_path)
    assert done.code == 0, done.err
    assert read_metrics(run_copy)[-1]["step"] == 25
    assert done.out.startswith("run       runs/demo\n")
    assert "2024-05-06 07:08 UTC" in (run_copy / "report" / "index.html").read_text()


def test_run_init_from(run_ganzoo, trained_run, tmp_path):
    done = run_ganzoo(
        *SMOKE_RUN, "--init-from", trained_run, "--steps", 0, "--out", "r", cwd=tmp_path
    )
    assert done.code == 0, done.err
    assert f"generator, discriminator from {trained_run}\n" in done.err
    paths = [run / "weights" / "model.safetensors" for run in (trained_run, tmp_path / "r")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert f'init_from = "{trained_run}"' in (tmp_path / "r" / "config.toml").read_text()
    ranks = run_ganzoo(
        *SMOKE_RUN,
        "--init-from",
        trained_run / "weights",
        "--steps",
        0,
        "--out",
        "two",
        "--device",
        "cpu",
        cwd=tmp_path,
        ranks=2,
    )
    assert ranks.code == 0 and ranks.err.count("generator from") == 1, ranks.err
    assert (tmp_path / "two" / "weights" / paths[0].name).read_bytes() == paths[0].read_bytes()


def test_run_init_from_errors(run_ganzoo, trained_run, tmp_path):
    cases = {
        ("gan", "no"): "no",
        ("gan", trained_run): "--init-from",
        ("cgan", trained_run): "--config",
    }
    for (model, init_from), words in cases.items():
        done = run_ganzoo(
            "run",
            model,
            "--preset",
            "smoke",
            "--set",
            "model.latent_dim=4",
            "--init-from",
            init_from,
            "--out",
            "r",
            "--set",
            "data.count=64",
            cwd=tmp_path,
        )
        assert (done.code, done.out) == (6, "") and words in done.error, done.err
        assert "Traceback" not in done.err and not (tmp_path / "r").exists()


def test_signal_then_resume_is_bit_exact(run_ganzoo, trained_run, extra_plugin_path, tmp_path):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        env = {"PYTHONPATH": extra_plugin_path, "GANZOO_TEST_SIGNAL": str(int(number))}
        done = run_ganzoo(*SMOKE_RUN, "--out", f"r{code}", cwd=tmp_path, env=env)
        assert (done.code, done.out) == (code, "")
        assert f"ganzoo resume r{code}" in done.error
        assert done.error.startswith("ganzoo: ")
    done = run_ganzoo("resume", "r130", "-q", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    uninterrupted = (trained_run / "weights" / "model.safetensors").read_bytes()
    assert (tmp_path / "r130" / "weights" / "model.safetensors").read_bytes() == uninterrupted


def test_resume_falls_back_from_truncated_checkpoint(run_ganzoo, run_copy, tmp_path):
    newest = max((run_copy / "checkpoints").glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-100])
    done = run_ganzoo("resume", "runs/demo", cwd=tmp_path)
    assert done.code == 0
    assert "warning" in done.err and newest.name in done.err
    for path in (run_copy / "checkpoints").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:1000])
    done = run_ganzoo("resume", "runs/demo", cwd=tmp_path)
    assert done.code == 6
    assert ".safetensors" in done.error and done.error.startswith("ganzoo: ")


def test_resume_refuses_other_model(run_ganzoo, run_copy, tmp_path):
    config = run_copy / "config.toml"
    config.write_text(config.read_text().replace("base_channels = 8", "base_channels = 16"))
    done = run_ganzoo("resume", "runs/demo", cwd=tmp_path)
    assert done.code == 6


def test_disk_full_keeps_previous_checkpoint(run_ganzoo, run_copy, tmp_path):
    config = run_copy / "config.toml"
    config.write_text(config.read_text().replace("checkpoint_every = 10", "checkpoint_every = 5"))
    before = {path: path.read_bytes() for path in (run_copy / "checkpoints").iterdir()}
    size = (run_copy / "checkpoints" / "00000020.safetensors").stat().st_size
    done = run_ganzoo("resume", "runs/demo", "--steps", 30, cwd=tmp_path, file_limit=size - 1000)
    assert done.code == 5
    assert "00000025.safetensors" in done.error
    after = {path: path.read_bytes() for path in (run_copy / "checkpoints").iterdir()}
    assert after == before
    assert run_ganzoo("resume", "runs/demo", "--steps", 30, "-q", cwd=tmp_path).code == 0
    assert read_metrics(run_copy)[-1]["step"] == 30


def test_infinite_loss_ends_run(run_ganzoo, tmp_path):
    high_lr = ("--set", "model.optim_g.lr=1e38", "--set", "model.optim_d.lr=1e38")
    done = run_ganzoo(*SMOKE_RUN, *high_lr, "--precision", "fp32", "--out", "r", cwd=tmp_path)
    assert done.code == 7
    assert done.error.startswith("ganzoo: ")


def test_sample_one_row_per_label(run_ganzoo, trained_run, tmp_path):
    assert run_ganzoo("sample", trained_run, "--out", "all.png", cwd=tmp_path).out == "all.png\n"
    all_labels = Image.open(tmp_path / "all.png")
    run_ganzoo(
        "sample",
        trained_run / "weights",
        "-n",
        5,
        "--label",
        "60+",
        "--out",
        "one.JPG",
        cwd=tmp_path,
    )
    one_label = Image.open(tmp_path / "one.JPG")
    assert one_label.format == "JPEG"
    assert all_labels.height > 5 * one_label.height and all_labels.width > one_label.width


def test_sample_seed_is_deterministic(run_ganzoo, trained_run, tmp_path):
    files = []
    for seed in (1, 1, 2):
        done = run_ganzoo(
            "sample", trained_run, "-n", 4, "--seed", seed, "--out", "x.webp", cwd=tmp_path
        )
        assert done.code == 0, done.err
        files.append((tmp_path / "x.webp").read_bytes())
    assert files[0] == files[1] != files[2]


def test_sample_warns_of_untrained_labels(run_ganzoo, run_copy, tmp_path):
    path = run_copy / "weights" / "ganzoo.json"
    index = json.loads(path.read_text())
    index["data"]["class_counts"][2] = 0
    path.write_text(json.dumps(index))
    done = run_ganzoo("sample", run_copy, "--out", "x.png", cwd=tmp_path)
    assert done.code == 0
    assert "warning" in done.err and "30-39" in done.err
    done = run_ganzoo("sample", run_copy, "--label", "2", "--out", "y.png", cwd=tmp_path)
    assert "30-39" in done.err
    done = run_ganzoo("sample", run_copy, "--label", "0", "--out", "z.png", cwd=tmp_path)
    assert done.err == ""


def test_sample_errors_are_one_line(run_ganzoo, run_copy, tmp_path):
    cases = {
        ("no/x.png",): (5, "no/x.png"),
        ("x.gif",): (2, ".png"),
        ("x",): (2, ".png"),
        ("x.png", "--label", "61+"): (2, "60+"),
        ("x.png", "--label", "6"): (2, "label"),
        ("x.png", "-n", "0"): (2, "-n"),
    }
    for (out, *more), (code, words) in cases.items():
        done = run_ganzoo("sample", run_copy, "--out", out, *more, cwd=tmp_path)
        assert (done.code, done.out) == (code, ""), out
        assert words in done.err and done.err.count("\n") == 1
    weights = run_copy / "weights" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    done = run_ganzoo("sample", run_copy, "--out", "x.png", cwd=tmp_path)
    assert done.code == 6 and "sha256" in done.error
    shutil.rmtree(run_copy / "weights")
    shutil.rmtree(run_copy / "checkpoints")
    done = run_ganzoo("sample", run_copy, "--out", "x.png", cwd=tmp_path)
    assert done.code == 6 and str(run_copy) in done.error
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("redirection", ["2>&-", ">&-", ">&- 2>&-"])
def test_closed_streams(tmp_path, redirection):
    command = f"{sys.executable} -m ganzoo_core.cli list {redirection}"
    done = subprocess.run(command, shell=True, cwd=tmp_path, check=False, timeout=120)
    assert done.returncode == 0


def test_run_with_closed_stderr(tmp_path):
    words = " ".join(map(str, (*SMOKE_RUN, "--steps", 2, "--out", "run")))
    command = f"{sys.executable} -m ganzoo_core.cli {words} 2>&-"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, stdout=subprocess.PIPE, check=False, timeout=300
    )
    assert done.returncode == 0
    assert (tmp_path / "run" / "weights").is_dir()
