"""`ganzoo bench gans`: plans and bad input, lengths, one real run, kills, the table and figure."""

import json
import os
import shutil
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ganzoo_bench.curve import read_points
from ganzoo_bench.length import _scaled_steps
from ganzoo_bench.plan import (
    NUM_POINTS,
    GANBenchmark,
    run_config,
    select_models,
    train_options,
)
from ganzoo_bench.summary import write_summary
from ganzoo_sweep import plan as plans
from ganzoo_sweep.runner import SweepRunner

from ganzoo_core.errors import UsageError
from ganzoo_core.training.dry_run import planned_stages

FAKE_RUN = str(Path(__file__).with_name("fake_gan_run.py"))
WORDS = ("bench", "gans", "gan", "dcgan", "--data", "shapes", "--preset", "smoke")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--data", "shapes"), 2, "give --budget"),
        (("--data", "shapes", "--budget", "1m", "--images", "9"), 2, "one of them"),
        (("--budget", "1m"), 2, "give --data"),
        (("--data", "shapes", "--budget", "soon"), 2, "write 30m"),
        (("gan", "--data", "shapes", "--budget", "1m", "--seeds", "1"), 2, "no comparison"),
        (("gan", "gan", "--data", "shapes", "--budget", "1m"), 2, "given twice"),
        (("facenet", "--data", "people", "--budget", "1m"), 2, "lacks the capability sample"),
        (("gan", "--data", "shapes", "--budget", "1m", "--set", "train.steps=9"), 2, "the budget"),
        (("gan", "--data", "shapes", "--budget", "1m", "--metrics", "aging"), 2, "aging"),
        (("gan", "--data", "folder:.", "--budget", "1m"), 3, ""),
        (("--resume", "nowhere"), 2, "is not a sweep"),
        (("--resume", "nowhere", "--seeds", "2"), 2, "leave out seeds"),
        (("gan", "--run", "000-seed-0"), 2, "--run needs --resume"),
    ],
)
def test_bad_input_is_one_line(run_ganzoo, tmp_path, words, code, message):
    done = run_ganzoo("bench", "gans", *words, cwd=tmp_path)
    assert (done.code, message in done.error) == (code, True), done.err
    assert "Traceback" not in done.err and not (tmp_path / "sweeps").exists()


def test_budget_too_short_for_one_evaluation_names_the_remedy(run_ganzoo, tmp_path):
    words = [word for word in WORDS if word != "dcgan"]
    done = run_ganzoo(*words, "--images", "127", "--dry-run", cwd=tmp_path)
    assert done.code == 2 and "7 steps of gan" in done.error and "--images 128" in done.error
    done = run_ganzoo(*words, "--images", "128", "--dry-run", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    planned = json.loads(done.out)
    assert planned["runs"]["gan"]["steps"] == 8 and planned["runs"]["gan"]["seconds"] > 0
    assert planned["seconds"] == pytest.approx(3 * planned["runs"]["gan"]["seconds"])
    assert not (tmp_path / "sweeps").exists()  # a dry run writes nothing


def test_budget_keeps_the_proportions_of_stages():
    stages = [{"steps": 300, "images": 3000}, {"steps": 100, "images": 4000}]
    plan = {"images": 1400, "budget": "", "budget_s": None}
    assert _scaled_steps("m", plan, stages, [3000, 4000]) == [60, 20]
    plan = {"images": None, "budget": "10s", "budget_s": 10}
    assert _scaled_steps("m", plan, stages, [30.0, 10.0]) == [75, 25]
    with pytest.raises(UsageError, match=r"5 steps of m, .*--budget 14s or more"):
        _scaled_steps("m", plan, stages, [400.0, 300.0])


def test_composition_is_a_model_of_its_own():
    plan = make_plan(options={"data": {"name": "shapes", "path": "", "image_size": 32}})
    chosen, _ = select_models(("wgan-gp", "DCGAN"), plan)
    assert chosen == ["wgan-gp", "dcgan"]
    assert [row["job"] for row in planned_stages(run_config("wgan-gp", plan))] == ["wgan-gp"]


def test_length_of_stages_and_checkpoints():
    rows = [{"stage": "a", "steps": 300}, {"stage": "b", "steps": 700}]
    options = train_options({"stages": rows})
    assert options["steps"] == 1000 and options["a"]["steps"] == 300
    assert options["checkpoint_every"] % options["log_every"] == 0
    assert 1000 // options["checkpoint_every"] >= NUM_POINTS
    assert "a" not in train_options({"stages": rows[:1]})


def make_plan(**changes):
    """Return a plan of two models and two seeds, as the command writes it."""
    data = {"name": "shapes", "path": "", "image_size": 32}
    return {
        "format": plans.FORMAT,
        "command": GANBenchmark.command,
        "preset": "smoke",
        "options": {"data": data},
        "budget": "10m",
        "budget_s": 600,
        "images": None,
        "seeds": [0, 1],
        "search": None,
        "grid": {"model": ["cgan", "dcgan"]},
        "evaluate": {"metrics": ["kid"], "num_samples": 8, "feature_extractor": "", "device": ""},
        **changes,
    }


def make_benchmark(path, **changes):
    benchmark = plans.create_sweep(path, make_plan(**changes), GANBenchmark)
    stages = [{"stage": "gan", "steps": 8, "images": 128, "seconds_per_step": 1.0}]
    lengths = {name: {"stages": stages, "steps": 8} for name in benchmark.models}
    (path / "lengths.json").write_text(json.dumps(lengths))
    return benchmark


def run_benchmark(folder, faults):
    """Run the runs of a benchmark with the fake command."""
    benchmark = plans.open_sweep(folder, GANBenchmark)

    def fake_command(run):
        return [sys.executable, FAKE_RUN, folder, run.name, benchmark.model(run), faults]

    SweepRunner(benchmark, jobs=1, budget_s=None, make_command=fake_command).run()
    return write_summary(benchmark)


def test_killed_benchmark_ends_with_the_same_table(tmp_path):
    for name in ("faults", "whole", "killed"):
        (tmp_path / name).mkdir()
    whole, killed = (make_benchmark(tmp_path / name / "b").path for name in ("whole", "killed"))
    run_benchmark(whole, tmp_path / "faults")
    (tmp_path / "faults" / "001-seed-0.kill").touch()
    for code in (-9, 0):
        if (child := os.fork()) == 0:
            run_benchmark(killed, tmp_path / "faults")
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
    for name in ("table.md", "table.csv", "table.tex", "values.svg", "curve.svg"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name


def test_table_reports_collapse_and_failures(tmp_path):
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "000-seed-1.fail").touch()
    path = make_benchmark(tmp_path / "b").path
    comparison, paths = run_benchmark(path, tmp_path / "faults")
    text = (path / "table.md").read_text()
    assert "not in the table: cgan, seed 1: a loss is NaN" in text
    assert "collapsed: dcgan, seed 0: the distance between its samples is 0.10" in text
    assert "10m of training for each run, in steps: cgan 8, dcgan 8" in text
    assert [one.name for one in comparison.configurations] == ["cgan", "dcgan"]
    row = next(row for row in comparison.rows if row.name == "kid")
    assert row.is_compared and not comparison.setting_differences  # labels may differ
    assert row.summaries[1].std > 0
    assert all(p.exists() for p in paths)
    curve = ET.parse(path / "curve.svg").getroot()
    assert curve.tag.endswith("svg")


def test_other_command_refuses_the_folder(tmp_path, run_ganzoo):
    make_benchmark(tmp_path / "b")
    done = run_ganzoo("sweep", "--resume", "b", cwd=tmp_path)
    assert done.code == 3 and "another command" in done.error


def test_run_is_measured_at_its_checkpoints_and_resumes(tmp_path, run_ganzoo):
    """The run is interrupted after its checkpoint at step 4, whose point was not written."""
    settings = {"metrics": ["prdc", "gan-test"], "num_samples": 100, "feature_extractor": ""}
    benchmark = make_benchmark(
        tmp_path / "b",
        grid={"model": ["gan", "cgan"]},
        options={"data": {"name": "shapes", "image_size": 32, "count": 520}},
        evaluate={**settings, "metrics": ["prdc", "gan-test", "diversity"], "device": "cpu"},
    )
    run = benchmark.runs()[0]
    words = ("bench", "gans", "--resume", "b", "--run", run.name, "-q")
    done = run_ganzoo(*words, cwd=tmp_path)
    assert done.code == 0, done.err
    result, points = benchmark.result(run), read_points(benchmark, run)
    assert result["status"] == "finished" and result["is_collapsed"] == (result["diversity"] < 0.25)
    assert [p["step"] for p in points] == list(range(1, 9))
    assert [p["images_seen"] for p in points] == [16 * p["step"] for p in points]
    found = json.loads((benchmark.run_folder(run) / "report" / "evaluation.json").read_text())
    assert {name.partition("[")[0] for name in found["results"]} == {"prdc", "diversity"}
    # Killed after the training, before the last point and the result were written.
    (benchmark.path / "results" / f"{run.name}.json").unlink()
    (benchmark.path / "curves" / f"{run.name}.json").write_text(json.dumps(points[:-1]))
    shutil.rmtree(benchmark.run_folder(run) / "report")
    done = run_ganzoo(*words, cwd=tmp_path)
    assert done.code == 0, done.err
    assert read_points(benchmark, run) == points and benchmark.result(run) == result


@pytest.mark.soak
def test_benchmark_from_nothing_to_the_table(tmp_path, run_ganzoo):
    words = ("--images", "128", "--seeds", "2", "-n", "100", "--metrics", "prdc", "--out", "b")
    done = run_ganzoo(*WORDS, "--set", "data.count=520", *words, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "| gan | 2 |" in done.out and "| dcgan | 2 |" in done.out
    again = run_ganzoo(*WORDS, "--set", "data.count=520", *words, cwd=tmp_path)
    assert again.code == 0 and again.out == done.out
