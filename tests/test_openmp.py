"""OpenMP's threads sleep soon on a busy machine, unless the user has chosen."""

import os
import subprocess
import sys

import pytest

from ganzoo_core.cli import openmp


@pytest.fixture
def environment(monkeypatch):
    for name in openmp._SET_BY_USER:
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("running", "expected"),
    [([1], None), ([3, 1, 4], None), ([2], "1000"), ([5, 3, 2], "1000")],
    ids=["alone", "another one now and then", "one other", "always others"],
)
def test_the_spin_count_depends_on_other_processes(environment, running, expected):
    counts = iter(running * openmp._SAMPLES)
    environment.setattr(openmp, "_running_threads", lambda: next(counts))
    openmp.choose_spin_count()
    assert os.environ.get("GOMP_SPINCOUNT") == expected


@pytest.mark.parametrize("name", openmp._SET_BY_USER)
def test_a_choice_of_the_user_stays(environment, name):
    environment.setenv(name, "7")
    environment.setattr(openmp, "_running_threads", lambda: 9)
    openmp.choose_spin_count()
    assert {key: os.environ.get(key) for key in openmp._SET_BY_USER if key in os.environ} == {
        name: "7"
    }


def test_without_proc_the_load_average_counts(environment):
    def fail():
        raise FileNotFoundError("/proc/loadavg")

    environment.setattr(openmp, "_running_threads", fail)
    environment.setattr(os, "getloadavg", lambda: (2.2, 0.0, 0.0))
    assert openmp.other_running_processes() == 2


@pytest.mark.parametrize("command", ["run shapes-model", "resume .", "evaluate ."])
def test_the_count_is_chosen_before_torch_is_loaded(command, tmp_path):
    """libgomp reads it once, when torch loads it."""
    program = (
        "import sys\n"
        "from ganzoo_core.cli import main, openmp\n"
        "from ganzoo_core.cli import run, resume, evaluate\n"
        "def choose():\n"
        "    print('torch' in sys.modules)\n"
        "    raise SystemExit(0)\n"
        "for module in (run, resume, evaluate):\n"
        "    module.choose_spin_count = choose\n"
        "main.main(sys.argv[1:])\n"
    )
    words = command.replace("shapes-model", "cgan --preset smoke").split()
    if words[0] == "evaluate":
        (tmp_path / "index.json").write_text("{}")
    line = [sys.executable, "-c", program, *words]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr
