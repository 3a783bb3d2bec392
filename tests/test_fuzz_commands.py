"""Damaged JSON, JSONL and TOML through the commands: no traceback, and a documented exit code.

A few dozen damaged files in `make test`, thousands in `make soak`.
"""

import json
import random
import shutil

import pytest

EXIT_CODES = {0, 2, 3, 4, 5, 6, 7, 8}
"""The exit codes of docs/reference/cli.md; 1 is an internal error."""

FILES = {
    "weights/ganzoo.json": [
        ("sample", "run/weights", "--count", "1", "--out", "x.png"),
        ("weights", "verify", "run/weights"),
        ("weights", "card", "run/weights"),
        ("weights", "diff", "run/weights", "good/weights"),
    ],
    "config.toml": [
        ("resume", "run", "--steps", "20"),
        ("weights", "export", "run", "--out", "exported"),
        ("run", "cgan", "--config", "run/config.toml", "--out", "new", "--steps", "0"),
    ],
    "metrics.jsonl": [("resume", "run", "--steps", "20")],
    "checkpoints/index.json": [("sample", "run", "--count", "1", "--out", "x.png")],
    "checkpoints/00000020.json": [
        ("resume", "run", "--steps", "20"),
        ("sample", "run", "--count", "1", "--out", "x.png"),
    ],
    "report/evaluation.json": [
        ("compare", "run", "good"),
        ("compare", "run", "good", "--json"),
        ("weights", "export", "run", "--out", "exported"),
    ],
    "registry.toml": [("registry", "check", "run/registry.toml")],
}
"""The commands that read each file of a run."""

EVALUATION = {
    "format": 1,
    "results": {
        "fid": {
            "settings": {"seed": 0},
            "values": {"fid": {"value": 3.5, "better": "lower", "std_error": None}},
        }
    },
}
REGISTRY = """
[[entry]]
kind = "model"
name = "other"
summary = "Another"
distribution = "ganzoo-other"
install = "pip install ganzoo-core ganzoo-other"
published = false
license = "MIT"
"""


@pytest.fixture(scope="module")
def runs(trained_run, tmp_path_factory):
    """A folder with two equal runs, `good` and `run`, that have an evaluation."""
    home = tmp_path_factory.mktemp("fuzz")
    for name in ("good", "run"):
        run = shutil.copytree(trained_run, home / name)
        (run / "report" / "evaluation.json").write_text(json.dumps(EVALUATION, indent=1))
        (run / "registry.toml").write_text(REGISTRY)
    return home


TOKENS = [
    *(b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"-1", b"null", b"true", b"[]", b"{}", b'""'),
    *(b'"\\ud800"', b'"\\u0000\\u001b[31m"', b"1979-05-27", b"\xff", b"\x00", b"\xef\xbb\xbf"),
    *(b"[" * 5000, b'{"a":' * 5000, b"\r", b"\xe2\x80\xa8", b"0.5", b"nan", b'"' + b"x" * 99999),
]


def damage(content, rng):
    """Return a file with one to three defects."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            del data[place:]
        elif kind == 1 and data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[place:place] = rng.choice(TOKENS)
        elif kind == 3:
            del data[place : place + rng.randint(1, 40)]
        else:  # another value, of any type, in place of one value
            separator = rng.choice([b": ", b" = ", b", "])
            start = data.find(separator, place)
            if start >= 0:
                start += len(separator)
                ends = [i for i in (data.find(c, start) for c in (b",", b"\n", b"]")) if i >= 0]
                data[start : min(ends, default=len(data))] = rng.choice(TOKENS)
    return bytes(data)


def check_command(run_ganzoo, home, command, about):
    result = run_ganzoo(*command, cwd=home)
    for name in ("exported", "new"):
        shutil.rmtree(home / name, ignore_errors=True)
    assert "Traceback" not in result.err, about
    assert result.code in EXIT_CODES, f"{about}: exit {result.code}\n{result.err[-600:]}"
    if result.code:
        assert "internal error" not in result.err
        assert len(result.error) < 3000, about


def fuzz(run_ganzoo, runs, file, count, seed):
    path, original = runs / "run" / file, (runs / "good" / file).read_bytes()
    rng = random.Random(f"{file} {seed}")
    for number in range(count):
        content = damage(original, rng)
        path.write_bytes(content)
        command = FILES[file][number % len(FILES[file])]
        check_command(run_ganzoo, runs, command, f"{file} {number} of seed {seed}: {command}")
    shutil.rmtree(runs / "run")
    shutil.copytree(runs / "good", runs / "run")


@pytest.mark.parametrize("file", FILES)
def test_damaged_file_through_the_commands(run_ganzoo, runs, file):
    fuzz(run_ganzoo, runs, file, 2 * len(FILES[file]), "test")


@pytest.mark.soak
@pytest.mark.parametrize("file", FILES)
def test_damaged_file_through_the_commands_soak(run_ganzoo, runs, file):
    fuzz(run_ganzoo, runs, file, 500, "soak")
