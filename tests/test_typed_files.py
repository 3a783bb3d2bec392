"""Typed reading of JSON, JSONL and TOML: what is refused, and the one line that says it."""

import os

import pytest
from pydantic import BaseModel

from ganzoo_core.errors import DataError, UsageError, WeightsError
from ganzoo_core.files import read_json, read_jsonl, read_toml
from ganzoo_core.limits import JSON_NESTING


class Point(BaseModel):
    x: float
    names: list[str] = []


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return write_file


DAMAGED = {
    b"": "not JSON",
    b"{": "not JSON",
    b"[]": "dictionary|Point",
    b'{"x": "1"}': r"x: .*number",
    b'{"x": true}': r"x: .*number",
    b"{}": "x: Field required",
    b'{"x": NaN}': "nan is not a finite number",
    b'{"x": 1e999}': "inf is not a finite number",
    b'{"x": 1' + b"0" * 400 + b"}": "64 bits",
    b'{"x": 1' + b"0" * 5000 + b"}": "digits",
    b'{"x": 1, "x": 2}': "duplicate key 'x'",
    b'{"x": 1, "names": ["\\ud800"]}': "UTF-8",
    b'{"\\ud800": 1, "x": 1}': "UTF-8",
    b'{"x": \xff}': "UTF-8",
    b'{"x": ' + b"[" * (JSON_NESTING + 1) + b"]" * (JSON_NESTING + 1) + b"}": "nested more than 16",
    b"[" * 100_000: "nested more than 16",
    b'{"x": 1, "names": 5}': r"names: .*list",
}


@pytest.mark.parametrize("content", DAMAGED, ids=lambda c: repr(c[:30]))
def test_damaged_json(write, content):
    path = write(content)
    with pytest.raises(DataError, match=DAMAGED[content]) as caught:
        read_json(path, Point, error=DataError, remedy="make it again")
    message = str(caught.value)
    assert message.startswith(f"{path} is damaged (") and message.endswith("): make it again")
    assert "\n" not in message and len(message) < len(str(path)) + 300


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x = nan", "finite"),
        (b"x = 1\nx = 2", "not TOML.*overwrite"),
        (b"x = " + b"[" * 100_000, "nested|TOML"),
        (b"x = 1979-05-27", "x: .*number"),
        (b"\xff", "UTF-8"),
    ],
)
def test_damaged_toml(write, content, words):
    with pytest.raises(UsageError, match=words):
        read_toml(write(content), Point, error=UsageError)


def test_what_is_no_file_or_too_long(write, tmp_path):
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        read_json(tmp_path / "none", Point)
    with pytest.raises(WeightsError, match="not a plain file"):
        read_json(tmp_path, Point)
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    with pytest.raises(WeightsError, match="not a plain file"):
        read_json(tmp_path / "pipe", Point)
    path = write(b"{}")
    os.truncate(path, 2**40)  # sparse
    with pytest.raises(WeightsError, match="larger than 4,194,304 bytes"):
        read_json(path, Point)


def test_jsonl_skips_damaged_lines(write):
    path = write(b'{"x": 1}\n{"x": NaN}\nnot json\n{"y": 1}\n\xff\n' + b"[" * 9999 + b'\n{"x": 2')
    values = [value for _, value in read_jsonl(path, Point)]
    assert values[0] and values[0].x == 1
    assert [value is None for value in values] == [False, False, True, True, True, True, True]
