"""The table of `make soak` counts what it promises to count."""

import signal

import pytest
import soak_table
from soak_table import SECRET, Case, Outcome, Row, find_failure, run


@pytest.fixture
def sandbox(tmp_path):
    (tmp_path / "box" / "work").mkdir(parents=True)
    (tmp_path / "box" / "secret").write_bytes(SECRET)
    return tmp_path / "box"


def outcome(code=3, err="ganzoo: x is damaged", max_kb=400_000):
    return Outcome(code, err, max_kb, 0.1)


def test_refusals_and_successes_are_no_failures(sandbox):
    assert find_failure(outcome(), sandbox) == ""
    assert find_failure(outcome(code=0, err=""), sandbox) == ""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"err": "Traceback (most recent call last)"}, "traceback"),
        ({"err": "ganzoo: internal error: KeyError"}, "traceback"),
        ({"code": 1}, "exit code 1"),
        ({"code": -signal.SIGSEGV}, "exit code -11"),
        ({"code": -signal.SIGXCPU}, "over the deadline"),
        ({"code": -signal.SIGKILL}, "over the deadline"),
        ({"err": ""}, "no message"),
        ({"max_kb": 1_000_001}, "1,000 MB of memory"),
    ],
)
def test_failures_of_a_command(changes, problem, sandbox):
    assert find_failure(outcome(**changes), sandbox).startswith(problem)


def test_failures_on_disk(sandbox):
    (sandbox / "work" / "a" / soak_table.CANARY).mkdir(parents=True)
    assert find_failure(outcome(), sandbox) == "code of the input ran"
    (sandbox / "work" / "a" / soak_table.CANARY).rmdir()
    (sandbox / "secret").write_bytes(b"x")
    assert find_failure(outcome(), sandbox) == "the file outside changed"
    (sandbox / "escaped").touch()
    assert find_failure(outcome(), sandbox) == "a file outside the working directory"


def test_run_and_row(sandbox, monkeypatch):
    # A forked child counts the pages of the tests that ran before.
    monkeypatch.setattr(soak_table, "MAX_MEMORY_KB", 10**9)
    row = Row("some")
    for words in ("registry check r.toml", "registry check nothing.toml"):
        (sandbox / "work" / "r.toml").write_text(soak_table.REGISTRY)
        done = run(tuple(words.split()), sandbox / "work", {})
        row.add(Case(tuple(words.split())), done, find_failure(done, sandbox))
    assert (row.inputs, row.refused, row.failures) == (2, 1, []), done.err
    assert row.max_seconds > 0 and row.max_kb > 10_000
    row.add(Case(("x",)), done, "traceback")
    assert row.failures == ["some 3: x: traceback"]
    assert str(row).split()[:4] == ["some", "3", "2", "1"]


def test_whole_table_has_enough_inputs():
    assert soak_table.INPUTS * len(soak_table.CATEGORIES) >= 20_000


def test_inputs_are_the_same_in_every_run(tmp_path):
    cases = [list(soak_table.registry_cases(tmp_path, 5)) for _ in range(2)]
    cases += [list(soak_table.tar_cases(tmp_path, 5)) for _ in range(2)]
    a, b, c, d = ([case.files for case in found] for found in cases)
    assert a == b and c == d and len({str(files) for files in c}) > 1
