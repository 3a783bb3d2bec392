"""`ganzoo sweep`: plans and bad input, kills, crashes, many workers, searches, the real command."""

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ganzoo_sweep import plan as plans
from ganzoo_sweep import pruning, search
from ganzoo_sweep.runner import SweepRunner, run_command
from ganzoo_sweep.search import ask_point, import_optuna
from ganzoo_sweep.summary import best_point, write_summary

from ganzoo_core.errors import UsageError
from ganzoo_core.training.run_folder import RunFolder

FAKE_RUN = str(Path(__file__).with_name("fake_run.py"))


def run_sweep(folder, faults, jobs=1, *, budget_s=None, wait_for_others=True):
    """Run the runs of a sweep with the fake command; return the reports."""
    sweep, reports = plans.open_sweep(folder), []

    def fake_command(run):
        values = json.dumps(run.values)
        return [sys.executable, FAKE_RUN, folder, run.name, str(run.seed), values, faults]

    SweepRunner(
        sweep,
        jobs=jobs,
        budget_s=budget_s,
        make_command=fake_command,
        ask_point=(lambda: ask_point(sweep)) if sweep.search else None,
        report=lambda run, result: reports.append((run.name, result)),
    ).run(wait_for_others=wait_for_others)
    write_summary(sweep)
    return reports


def fork_sweep(folder, faults, jobs=1):
    """Run a sweep in a process that can be killed; return its id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run_sweep(folder, faults, jobs)
            code = 0
        finally:
            os._exit(code)
    return child


def exit_code(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def make_plan(grid=("model.loss.kind=bce,hinge", "model.optim_d.lr=1e-4,4e-4"), **changes):
    return {
        "format": plans.FORMAT,
        "model": "gan",
        "preset": "smoke",
        "options": {},
        "grid": plans.parse_grid(grid),
        "seeds": [0, 1],
        "search": None,
        "evaluate": {
            "metrics": [],
            "num_samples": None,
            "feature_extractor": "",
            "device": "auto",
        },
        **changes,
    }


@pytest.fixture
def faults(tmp_path):
    folder = tmp_path / "faults"
    folder.mkdir()
    return folder


def trained(faults):
    return (faults / "trained").read_text().split()


# The plan


def test_grid_is_parsed():
    grid = plans.parse_grid(["a.b=1,2", "c.d=[1,2],none,'x,y'"])
    assert grid == {"a.b": ["1", "2"], "c.d": ["[1,2]", "none", "'x,y'"]}
    assert plans.grid_points(grid)[:2] == [
        {"a.b": "1", "c.d": "[1,2]"},
        {"a.b": "1", "c.d": "none"},
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.b"], "write OPTION=A,B"),
        (["a.b="], "write OPTION=A,B"),
        (["a.b=1", "a.b=2"], "given twice"),
        (["a.b=1,2,1"], "value 1 is given twice"),
        (["train.seed=1,2"], "--seeds"),
    ],
)
def test_bad_grid_refused(words, message):
    with pytest.raises(UsageError, match=message):
        plans.parse_grid(words)


def test_seeds_are_parsed():
    assert plans.parse_seeds("0-4") == [0, 1, 2, 3, 4]
    assert plans.parse_seeds("7, 1-2") == [7, 1, 2]
    for text in ("", "a", "4-1", "-1"):
        with pytest.raises(UsageError, match="write 0-4"):
            plans.parse_seeds(text)
    for text in ("1,1", "0-4,3"):
        with pytest.raises(UsageError, match="given twice"):
            plans.parse_seeds(text)


def test_budget_is_parsed():
    assert plans.parse_budget("30m") == 1800
    assert plans.parse_budget("1h30m") == 5400
    for text in ("", "30", "0m", "m"):
        with pytest.raises(UsageError, match="write 30m"):
            plans.parse_budget(text)


def test_ranges_are_parsed():
    assert plans.parse_range("1e-5..1e-3:log") == (1e-5, 1e-3, True)
    assert plans.parse_range("0.1..0.5") == (0.1, 0.5, False)
    assert plans.parse_range("1..8") == (1, 8, False)
    assert [plans.parse_range(text) for text in ("bce", "../x", "0.5", "a..b")] == [None] * 4


def test_every_point_is_checked_before_the_first_run(tmp_path, run_ganzoo):
    def refuse(*words, code=2):
        done = run_ganzoo("sweep", "gan", "--preset", "smoke", "--out", "s", *words, cwd=tmp_path)
        assert done.code == code and not (tmp_path / "s").exists()
        return done.error

    assert 'Did you mean "model.latent_dim"' in refuse("--grid", "model.latent_dimm=8,16")
    assert "model.loss.kind" in refuse("--grid", "model.loss.kind=bce,hing")
    assert "train.batch_size" in refuse("--grid", "train.batch_size=8,-1")
    assert "equal options" in refuse("--grid", "model.optim_g.lr=1e-4,0.0001")
    assert "varies too" in refuse("--grid", "train.steps=3,4", "--steps", "3")
    assert "varies too" in refuse("--set", "train.seed=3")
    assert "twice" in refuse("--seeds", "0,0")
    assert "kid" in refuse("--metrics", "kidd")
    assert "needs --sampler" in refuse("--grid", "model.optim_g.lr=1e-4..1e-3")
    assert "belongs to a search" in refuse("--trials", "3")
    assert "--minimize" in refuse("--sampler", "tpe", "--grid", "model.optim_g.lr=1e-4..1e-3")
    search = ("--sampler", "tpe", "--trials", "2", "--minimize", "kid")
    assert "comes first" in refuse(*search, "--grid", "model.optim_g.lr=1e-3..1e-4")
    assert "above 0" in refuse(*search, "--grid", "model.optim_g.lr=0.0..1e-4:log")
    assert "model.optim_g.lr" in refuse(*search, "--grid", "model.optim_g.lr=-1.0..1e-4")
    assert "needs --resume" in refuse("--worker")
    none = run_ganzoo("sweep", cwd=tmp_path)
    assert none.code == 2 and "give a model" in none.error
    assert run_ganzoo("sweep", "--resume", "nowhere", cwd=tmp_path).code == 2
    unknown = run_ganzoo("sweep", "gam", cwd=tmp_path)
    assert unknown.code == 2 and "gan" in unknown.error


def test_dry_run_writes_nothing(tmp_path, run_ganzoo):
    words = ("gan", "--preset", "smoke", "--grid", "model.loss.kind=bce,hinge", "--seeds", "0-1")
    done = run_ganzoo("sweep", *words, "--dry-run", cwd=tmp_path)
    assert done.code == 0 and list(tmp_path.iterdir()) == []
    assert re.search(r"001-seed-1 +to train +1 +hinge", done.out)
    assert done.out.splitlines()[-1].startswith("4 runs in sweeps/gan-")
    runs = json.loads(run_ganzoo("sweep", *words, "--dry-run", "--json", cwd=tmp_path).out)["runs"]
    assert runs[3] == {
        "run": "001-seed-1",
        "state": "to train",
        "seed": 1,
        "options": {"model.loss.kind": "hinge"},
    }


def test_commands_for_slurm(tmp_path, run_ganzoo):
    words = ("gan", "--preset", "smoke", "--seeds", "0-2", "--out", "my sweep")
    lines = run_ganzoo("sweep", *words, "--print-commands", cwd=tmp_path).out.splitlines()
    folder = f"'{tmp_path / 'my sweep'}'"
    assert lines == [f"ganzoo sweep --resume {folder} --run 000-seed-{s}" for s in range(3)]
    bad = run_ganzoo("sweep", "--resume", "my sweep", "--run", "001-seed-0", cwd=tmp_path)
    assert bad.code == 2 and "no such run" in bad.error
    mixed = run_ganzoo("sweep", "--resume", "my sweep", "--seeds", "0-4", cwd=tmp_path)
    assert mixed.code == 2 and "leave out seeds" in mixed.error


def test_sweep_of_another_grid_refused(tmp_path, run_ganzoo):
    words = ("gan", "--preset", "smoke", "--out", "s", "--print-commands")
    assert run_ganzoo("sweep", *words, cwd=tmp_path).code == 0
    assert run_ganzoo("sweep", *words, cwd=tmp_path).code == 0  # the same plan
    done = run_ganzoo("sweep", *words, "--grid", "model.loss.kind=bce,hinge", cwd=tmp_path)
    assert done.code == 2 and "another grid" in done.error and "--resume s" in done.error
    done = run_ganzoo("sweep", *words, "--seeds", "0-1", cwd=tmp_path)
    assert done.code == 2 and "another seeds" in done.error
    (tmp_path / "s" / "sweep.json").write_text("{")
    assert run_ganzoo("sweep", "--resume", "s", cwd=tmp_path).code == 3
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "file").touch()
    done = run_ganzoo("sweep", "gan", "--preset", "smoke", "--out", "t", cwd=tmp_path)
    assert done.code == 5 and "not a sweep" in done.error


# Running, with a fake command


def test_runs_are_trained_once_and_compared(tmp_path, faults):
    sweep = plans.create_sweep(tmp_path / "s", make_plan())
    reports = run_sweep(sweep.path, faults, jobs=3)
    assert sorted(trained(faults)) == [run.name for run in sweep.runs()]
    assert {result["status"] for _, result in reports} == {"finished"}
    lines = (sweep.path / "table.md").read_text().splitlines()
    assert len(lines) == 6 and "\\pm" in (sweep.path / "table.tex").read_text()
    assert (sweep.path / "values.pdf").read_bytes().startswith(b"%PDF")
    curve = ET.parse(sweep.path / "curve-eval-kid.svg").getroot()
    assert curve.tag.endswith("svg")  # the metric over the images seen, with a band over seeds
    assert run_sweep(sweep.path, faults) == []  # nothing is left


def test_killed_three_times_ends_with_the_same_table(tmp_path, faults):
    """The sweep and a run are killed at three places; the table is that of a sweep without."""
    whole = plans.create_sweep(tmp_path / "whole" / "s", make_plan())
    run_sweep(whole.path, faults, jobs=2)
    killed = plans.create_sweep(tmp_path / "killed" / "s", make_plan())
    names = [run.name for run in killed.runs()]
    for name in (names[0], names[3], names[7]):
        (faults / f"{name}.kill").touch()
    (faults / "trained").unlink()
    codes = [exit_code(fork_sweep(killed.path, faults)) for _ in range(4)]
    assert codes == [-9, -9, -9, 0]
    assert trained(faults) == names  # once each
    for name in ("table.md", "table.csv", "table.tex", "values.svg"):
        assert (killed.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_crash_of_one_run_is_one_line(tmp_path, faults):
    sweep = plans.create_sweep(tmp_path / "s", make_plan())
    (faults / "001-seed-0.crash").touch()
    (faults / "002-seed-1.fail").touch()
    reports = dict(run_sweep(sweep.path, faults, jobs=2))
    assert len(reports) == 8
    assert reports["001-seed-0"]["error"] == "it was killed by SIGKILL"
    assert reports["002-seed-1"]["error"] == "a loss is NaN"
    # A killed run is trained at the next start, a failed one is not.
    (faults / "001-seed-0.crash").unlink()
    assert [name for name, _ in run_sweep(sweep.path, faults)] == ["001-seed-0"]


def test_deleted_run_is_trained_again(tmp_path, faults):
    sweep = plans.create_sweep(tmp_path / "s", make_plan())
    run_sweep(sweep.path, faults, jobs=2)
    table = (sweep.path / "table.csv").read_bytes()
    shutil.rmtree(sweep.path / "runs" / "001-seed-1")
    assert [name for name, _ in run_sweep(sweep.path, faults)] == ["001-seed-1"]
    assert (sweep.path / "table.csv").read_bytes() == table


def test_workers_share_a_sweep(tmp_path, faults):
    """Two processes train every run once between them."""
    sweep = plans.create_sweep(tmp_path / "s", make_plan())
    workers = [fork_sweep(sweep.path, faults, jobs=2) for _ in range(2)]
    assert [exit_code(worker) for worker in workers] == [0, 0]
    assert sorted(trained(faults)) == [run.name for run in sweep.runs()]


def test_worker_leaves_claimed_runs_alone(tmp_path, faults):
    sweep = plans.create_sweep(tmp_path / "s", make_plan(seeds=[0]))
    run = sweep.runs()[1]
    with sweep.claim(run):
        run_sweep(sweep.path, faults, wait_for_others=False)
    assert sorted(trained(faults)) == ["000-seed-0", "002-seed-0", "003-seed-0"]


def test_budget_stops_the_sweep(tmp_path, faults):
    sweep = plans.create_sweep(tmp_path / "s", make_plan())
    assert run_sweep(sweep.path, faults, budget_s=0.0) == []
    assert not any(map(sweep.result, sweep.runs()))
    runner = SweepRunner(sweep, jobs=1, budget_s=0.0, make_command=None)
    assert runner.run() is True


# Searches


def search_plan(sampler, trials=12, **changes):
    search = {
        "sampler": sampler,
        "trials": trials,
        "objective": "kid",
        "direction": "minimize",
        "seed": 0,
    }
    grid = ("model.optim_d.lr=1e-5..1e-2:log", "model.loss.kind=bce,hinge")
    return make_plan(grid, search=search, seeds=[0], **changes)


def test_tpe_finds_the_minimum_and_survives_kills(tmp_path, faults):
    """The objective is lowest at lr = 3e-4. Trials after kills are those of a search without."""
    pytest.importorskip("optuna")
    whole = plans.create_sweep(tmp_path / "whole" / "s", search_plan("tpe", 16))
    run_sweep(whole.path, faults)
    rates = [float(values["model.optim_d.lr"]) for values in whole.points()]
    assert len(rates) == 16
    assert min(abs(rate - 3e-4) for rate in rates) < 1.5e-4
    killed = plans.create_sweep(tmp_path / "killed" / "s", search_plan("tpe", 16))
    for number in (0, 12):
        (faults / f"{number:03d}-seed-0.kill").touch()
    assert [exit_code(fork_sweep(killed.path, faults)) for _ in range(3)] == [-9, -9, 0]
    assert killed.points() == whole.points()


def test_failed_and_running_trials_do_not_stop_a_search(tmp_path, faults):
    pytest.importorskip("optuna")
    sweep = plans.create_sweep(tmp_path / "s", search_plan("random", 4))
    (faults / "000-seed-0.fail").touch()
    (faults / "001-seed-0.crash").touch()
    reports = dict(run_sweep(sweep.path, faults, jobs=2))
    assert len(reports) == 4
    assert len({json.dumps(values) for values in sweep.points()}) == 4
    assert ask_point(sweep) is False


def test_search_without_optuna_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"ganzoo-sweep\[search\]"):
        import_optuna()


# The median pruner


def pruned_plan(**changes):
    """A random search of six trials that maximizes the distance to the training images."""
    plan = search_plan("random", 6)
    plan["search"] |= {
        "objective": "memorization.nearest_distance_ratio",
        "direction": "maximize",
        "pruner": "median",
    }
    train = {"metrics": "memorization", "evaluate_every": 2, "log_every": 1, "steps": 6}
    train["num_eval_samples"] = 8
    evaluation = {**plan["evaluate"], "metrics": ["memorization"], "num_samples": 8}
    options = {"train": train, "data": {"count": 32}}
    return plan | {"options": options, "evaluate": evaluation} | changes


def add_trial(sweep, number, values, status="finished"):
    """Add a trial, and runs of it that logged these values at steps 2, 4, ..."""
    (sweep.path / "trials").mkdir(exist_ok=True)
    options = {"model.optim_d.lr": repr(1e-4 * (1 + number)), "model.loss.kind": "bce"}
    text = json.dumps({"values": options})
    (sweep.path / "trials" / f"{number:03d}.json").write_text(text)
    for run in (run for run in sweep.runs() if run.point == number):
        folder = sweep.run_folder(run)
        folder.mkdir(parents=True)
        key = pruning.value_key(sweep)
        records = [{"step": 2 * i + 2, key: value} for i, value in enumerate(values)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
        if status:
            sweep.write_result(run, status)


def test_pruner_compares_with_the_median_of_the_trials_before(tmp_path):
    pytest.importorskip("optuna")
    sweep = plans.create_sweep(tmp_path / "s", pruned_plan())
    for number in range(5):
        add_trial(sweep, number, [10 + number, 20 + number])  # medians 12 and 22
    add_trial(sweep, 5, [12.5, 21, 30], status="")
    run = sweep.runs()[5]
    records = pruning.read_records(sweep, run)
    assert pruning.pruned_step(sweep, run, records[:1]) is None
    # What follows does not change the step: a run that is killed and resumed is pruned there too.
    assert [pruning.pruned_step(sweep, run, records[:n]) for n in (2, 3)] == [4, 4]
    add_trial(sweep, 6, [0, 0])  # nor does a later trial
    assert pruning.pruned_step(sweep, run, records) == 4
    first = sweep.runs()[0]  # too few trials come before it
    assert pruning.pruned_step(sweep, first, [{"step": 2, pruning.value_key(sweep): -1}]) is None
    sweep.write_result(sweep.runs()[4], "failed", error="a loss is NaN", code=7)
    assert pruning.pruned_step(sweep, run, records) is None  # four have finished


def test_pruned_run_stops_with_a_checkpoint_and_is_listed(tmp_path, run_ganzoo):
    pytest.importorskip("optuna")
    sweep = plans.create_sweep(tmp_path / "s", pruned_plan(seeds=[0, 1]))
    for number in range(5):
        add_trial(sweep, number, [1e6, 1e6])
    add_trial(sweep, 5, [])
    runs = sweep.runs()[10:]
    for run in runs:
        (sweep.path / "results" / f"{run.name}.json").unlink()
        shutil.rmtree(sweep.run_folder(run))
    for run in runs:
        done = run_ganzoo("sweep", "--resume", "s", "--run", run.name, cwd=tmp_path)
        assert done.code == 0, done.err
        assert sweep.result(run) == {"status": "pruned", "step": 2}
    assert RunFolder(sweep.run_folder(runs[0])).last_checkpoint_step() == 2
    assert not sweep.run_folder(runs[1]).exists()  # the other seed is not trained
    (sweep.path / "results" / f"{runs[0].name}.json").unlink()  # killed before it was written
    metrics = (sweep.run_folder(runs[0]) / "metrics.jsonl").read_bytes()
    done = run_ganzoo("sweep", "--resume", "s", "--run", runs[0].name, "--json", cwd=tmp_path)
    assert json.loads(done.out)["state"] == "pruned"
    assert (sweep.run_folder(runs[0]) / "metrics.jsonl").read_bytes() == metrics
    table = run_ganzoo("sweep", "--resume", "s", "--dry-run", cwd=tmp_path).out
    assert re.search("005-seed-1 +pruned", table)


def test_pruned_trial_is_no_result_of_a_search(tmp_path):
    optuna = pytest.importorskip("optuna")
    sweep = plans.create_sweep(tmp_path / "s", pruned_plan())
    add_trial(sweep, 0, [1.0, 2.0], status="pruned")
    distributions = search.make_distributions(optuna, sweep.plan["grid"])
    trial = search.past_trial(optuna, sweep, 0, sweep.points()[0], distributions)
    assert trial.state.name == "PRUNED" and trial.intermediate_values == {2: 1.0, 4: 2.0}
    assert best_point(sweep) is None and ask_point(sweep) is True


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--pruner belongs to a search"),
        (
            ["--sampler", "tpe", "--trials", "9", "--minimize", "kid"],
            "add --set train.metrics=kid",
        ),
    ],
)
def test_pruner_without_search_or_metrics_is_refused(tmp_path, run_ganzoo, words, message):
    pytest.importorskip("optuna")
    grid = ("--grid", "model.loss.kind=bce,hinge", "--pruner", "median", "--dry-run")
    done = run_ganzoo("sweep", "gan", "--preset", "smoke", *grid, *words, cwd=tmp_path)
    assert done.code == 2 and message in done.error


# The real command


def real_sweep(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "ganzoo_core.cli", "sweep", *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_run_command_trains_and_evaluates_one_run(tmp_path, run_ganzoo):
    words = ("gan", "--preset", "smoke", "--seeds", "3", "--metrics", "memorization", "-n", "16")
    run_ganzoo("sweep", *words, "--out", "s", "--print-commands", cwd=tmp_path)
    sweep = plans.open_sweep(tmp_path / "s")
    (run,) = sweep.runs()
    assert run_command(sweep, run)[3:] == ["sweep", "--resume", str(sweep.path), "--run", run.name]
    done = run_ganzoo("sweep", "--resume", "s", "--run", run.name, cwd=tmp_path)
    assert done.code == 0, done.err
    assert sweep.result(run) == {"status": "finished"}
    assert "seed = 3" in (sweep.run_folder(run) / "config.toml").read_text()
    assert (sweep.run_folder(run) / "report" / "evaluation.json").is_file()
    with sweep.claim(run):
        taken = run_ganzoo("sweep", "--resume", "s", "--run", run.name, cwd=tmp_path)
    assert taken.code == 75


def test_error_of_a_run_is_recorded(tmp_path, run_ganzoo):
    words = ("gan", "--preset", "smoke", "--metrics", "gan-test", "-n", "16", "--steps", "2")
    run_ganzoo("sweep", *words, "--out", "s", "--print-commands", cwd=tmp_path)
    sweep = plans.open_sweep(tmp_path / "s")
    (run,) = sweep.runs()
    done = run_ganzoo("sweep", "--resume", "s", "--run", run.name, cwd=tmp_path)
    result = sweep.result(run)
    assert done.code == result["code"] > 1 and result["status"] == "failed"
    assert result["error"] in done.err
    whole = run_ganzoo("sweep", "--resume", "s", "--json", cwd=tmp_path)  # no run is left
    (record,) = json.loads(whole.out)["runs"]
    assert record["state"] == "failed" and record["error"] == result["error"]
    assert whole.code == result["code"] and "1 of 1 runs failed" in whole.error


@pytest.mark.soak
def test_real_sweep_killed_three_times_ends_with_the_same_table(tmp_path):
    """Eight runs; the sweep is killed while it trains, once the log of a run exists."""
    words = [
        *("gan", "--preset", "smoke", "--grid", "model.loss.kind=bce,hinge"),
        *("--grid", "model.optim_g.lr=1e-4,4e-4", "--seeds", "0-1", "--out", "s"),
        *("--metrics", "memorization", "-n", "32", "--set", "train.checkpoint_every=5"),
    ]
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    done = real_sweep(tmp_path / "whole", *words)
    assert done.returncode == 0, done.stderr
    for name in ("000-seed-1", "002-seed-0", "003-seed-1"):
        process = subprocess.Popen(
            [sys.executable, "-m", "ganzoo_core.cli", "sweep", *words], cwd=tmp_path / "killed"
        )
        while process.poll() is None and not (tmp_path / f"killed/s/logs/{name}.log").exists():
            pass
        process.kill()
        process.wait()
    done = real_sweep(tmp_path / "killed", *words)
    assert done.returncode == 0, done.stderr
    for name in ("table.md", "table.csv", "table.tex", "values.svg"):
        left, right = (tmp_path / side / "s" / name for side in ("whole", "killed"))
        assert left.read_bytes() == right.read_bytes(), name
