"""The rate and the time left of the progress line, under a fake clock."""

import re

import pytest

from ganzoo_core.report import progress as progress_module
from ganzoo_core.report.progress import Progress, format_duration


@pytest.fixture
def clock(monkeypatch):
    """A list whose item is the time in seconds."""
    now = [1000.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def last_line(capsys):
    """Return items per second and the time left of the newest line."""
    line = capsys.readouterr().err.splitlines()[-1]
    found = re.fullmatch(r"train \d+/\d+  ([\d,]+) images/s  (?:loss 1  )?(.+) left", line)
    assert found, line
    return int(found[1].replace(",", "")), found[2]


def advance(progress, clock, steps, seconds_per_step, total=10_000):
    for step in steps:
        clock[0] += seconds_per_step
        progress.advance(step, total)


def test_rate_of_last_minute(clock, capsys):
    progress = Progress()
    progress.start("train", items_per_step=8)
    progress.note = "loss 1"
    advance(progress, clock, range(1, 101), 10)  # the first 1,000 s are slow
    assert last_line(capsys) == (1, "27 h 30 min")
    advance(progress, clock, range(101, 1001), 0.1)  # 90 s at 10 steps per second
    assert last_line(capsys) == (80, "15 min")
    advance(progress, clock, range(1001, 1031), 1)  # half a minute at 1 step per second
    rate, _ = last_line(capsys)
    assert rate == pytest.approx(8 * (300 + 30) / 60, rel=0.15)
    assert len(progress._window) < 100


def test_rate_starts_with_resumed_step(clock, capsys):
    progress = Progress()
    progress.start("train", items_per_step=8)
    advance(progress, clock, range(5001, 5011), 1)
    assert last_line(capsys) == (8, "83 min")


def test_rate_after_rollback(clock, capsys):
    progress = Progress()
    progress.start("train", items_per_step=8)
    advance(progress, clock, range(1, 21), 1)
    advance(progress, clock, range(5, 21), 2)
    assert last_line(capsys) == (4, "5 h 33 min")
    progress.start("train", items_per_step=8)  # another task does not see the former one
    advance(progress, clock, range(1, 11), 1, total=10)
    assert last_line(capsys) == (8, "0 s")


def test_durations_have_two_units_at_most():
    durations = [0, 95.4, 120, 3600, 7200, 100 * 3600 + 90]
    assert [format_duration(x) for x in durations] == [
        "0 s",
        "95 s",
        "2 min",
        "60 min",
        "2 h 0 min",
        "100 h 2 min",
    ]
