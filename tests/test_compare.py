"""`ganzoo compare`: ranking, and the settings that prevent it."""

import json

import pytest

from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.evaluation.comparison import best_index, compare_evaluations


def write_evaluation(folder, value, error=None, better="lower", **settings):
    folder.mkdir(parents=True)
    fid = {"value": value, "std_error": error, "better": better, "breakdown": {}}
    all_settings = {
        "feature_extractor_sha256": "a" * 64,
        "resize": "bicubic, antialiased",
        "num_fake": 10,
        **settings,
    }
    results = {"fid": {"settings": all_settings, "values": {"fid": fid}}}
    text = {"format": 1, "model": "m", "results": results, "skipped": {}, "notes": []}
    (folder / "evaluation.json").write_text(json.dumps(text))
    return folder


def test_comparable_metrics_are_ranked(tmp_path):
    a, b = write_evaluation(tmp_path / "a" / "report", 3.0), write_evaluation(tmp_path / "b", 2.0)
    found = compare_evaluations([a.parent, b])
    assert found.rows[0].values == (3.0, 2.0) and found.rows[0].best == 1
    assert found.setting_differences == {}


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("feature_extractor_sha256", "b" * 64),
        ("resize", "bilinear"),
        ("num_fake", 11),
        ("version", "2"),
    ],
)
def test_incomparable_metrics_not_ranked(tmp_path, run_ganzoo, field, other):
    write_evaluation(tmp_path / "a", 3.0)
    write_evaluation(tmp_path / "b", 2.0, **{field: other})
    done = run_ganzoo("compare", "a", "b", cwd=tmp_path)
    assert done.code == 3 and "fid" in done.error and field in done.error
    assert "*" not in done.out and "2" in done.out and str(other)[:12] in done.err
    found = json.loads(run_ganzoo("compare", "a", "b", "--json", cwd=tmp_path).out)
    assert found["rows"][0]["is_ranked"] is False
    assert list(found["setting_differences"]["fid"]) == [field]


def test_best_is_marked(tmp_path, run_ganzoo):
    for name, value in zip("abc", (3.0, 2.0, 2.5), strict=True):
        write_evaluation(tmp_path / name, value)
    done = run_ganzoo("compare", "a", "b", "c", cwd=tmp_path)
    assert done.code == 0
    assert done.out.splitlines()[1].split() == ["fid", "fid", "lower", "3", "2", "*", "2.5"]


def test_no_leader_within_error():
    assert best_index((1.0, 2.0), (None, None), "higher") == 1
    assert best_index((1.0, 2.0), (0.5, 0.5), "higher") is None
    assert best_index((1.0, 3.0), (0.5, 0.5), "lower") == 0
    assert best_index((1.0, 2.0), (None, None), "") is None
    assert best_index((1.0, None, 1.0), (None,) * 3, "higher") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "results": {"fid": 3}}']
)
def test_damaged_evaluation_refused(tmp_path, text):
    write_evaluation(tmp_path / "a", 1.0)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "evaluation.json").write_text(text)
    with pytest.raises(DataError, match=r"evaluation\.json"):
        compare_evaluations([tmp_path / "a", tmp_path / "b"])


def test_missing_evaluation_refused(tmp_path):
    with pytest.raises(UsageError, match="ganzoo compare A B"):
        compare_evaluations([tmp_path])
    with pytest.raises(DataError, match="`ganzoo evaluate"):
        compare_evaluations([tmp_path, tmp_path])
    file = write_evaluation(tmp_path / "a", 1.0) / "evaluation.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(DataError, match="format 9"):
        compare_evaluations([file, file])
