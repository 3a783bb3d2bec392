"""`ganzoo compare`: ranks like with like, and says which field keeps it from ranking."""

import json

import pytest

from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.runs.comparison import compare, leader


def evaluation(folder, value, error=None, better="lower", **stamp):
    """Write an evaluation with one figure."""
    folder.mkdir(parents=True)
    figure = {"value": value, "error": error, "better": better, "parts": {}}
    whole = {"network_sha256": "a" * 64, "resize": "bicubic, antialiased", "n_fake": 10, **stamp}
    results = {"fid": {"stamp": whole, "figures": {"fid": figure}}}
    text = {"format": 1, "model": "m", "results": results, "skipped": {}, "notes": []}
    (folder / "evaluation.json").write_text(json.dumps(text))
    return folder


def test_like_is_ranked_with_like(tmp_path):
    a, b = evaluation(tmp_path / "a" / "report", 3.0), evaluation(tmp_path / "b", 2.0)
    found = compare([a.parent, b])
    assert found.lines[0].values == (3.0, 2.0) and found.lines[0].best == 1
    assert found.differs == {}


@pytest.mark.parametrize(
    ("field", "other"),
    [("network_sha256", "b" * 64), ("resize", "bilinear"), ("n_fake", 11), ("version", "2")],
)
def test_unlike_is_shown_and_not_ranked(tmp_path, ganzoo, field, other):
    evaluation(tmp_path / "a", 3.0)
    evaluation(tmp_path / "b", 2.0, **{field: other})
    done = ganzoo("compare", "a", "b", cwd=tmp_path)
    assert (
        done.code == 3 and f"not ranked: fid were measured in different ways ({field})" in done.err
    )
    assert "*" not in done.out and "2" in done.out and str(other)[:12] in done.err
    found = json.loads(ganzoo("compare", "a", "b", "--json", cwd=tmp_path).out)
    assert found["figures"][0]["ranked"] is False and list(found["differs"]["fid"]) == [field]


def test_the_best_is_marked(tmp_path, ganzoo):
    for name, value in zip("abc", (3.0, 2.0, 2.5), strict=True):
        evaluation(tmp_path / name, value)
    done = ganzoo("compare", "a", "b", "c", cwd=tmp_path)
    assert done.code == 0 and done.out.splitlines()[1].split() == [
        "fid",
        "fid",
        "lower",
        "3",
        "2",
        "*",
        "2.5",
    ]


def test_a_lead_within_the_error_is_none():
    assert leader((1.0, 2.0), (None, None), "higher") == 1
    assert leader((1.0, 2.0), (0.5, 0.5), "higher") is None
    assert leader((1.0, 3.0), (0.5, 0.5), "lower") == 0
    assert leader((1.0, 2.0), (None, None), "") is None
    assert leader((1.0, None, 1.0), (None,) * 3, "higher") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "results": {"fid": 3}}']
)
def test_a_damaged_evaluation_is_said(tmp_path, text):
    evaluation(tmp_path / "a", 1.0)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "evaluation.json").write_text(text)
    with pytest.raises(DataError, match=r"evaluation.json is damaged"):
        compare([tmp_path / "a", tmp_path / "b"])


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(UsageError, match="two evaluations or more"):
        compare([tmp_path])
    with pytest.raises(DataError, match="make one with `ganzoo evaluate"):
        compare([tmp_path, tmp_path])
    file = evaluation(tmp_path / "a", 1.0) / "evaluation.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(DataError, match="has format 9"):
        compare([file, file])
