"""`ganzoo compare`: configurations over seeds, significance tests, tables, figures, bad input."""

import csv
import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import tomli_w
from scipy import stats

from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.evaluation.comparison import compare_evaluations
from ganzoo_core.evaluation.comparison_table import format_comparison
from ganzoo_core.evaluation.seed_statistics import holm_adjusted, student_t_tail, welch_p_value


def write_evaluation(folder, value, error=None, better="lower", metric="fid", **settings):
    folder.mkdir(parents=True, exist_ok=True)
    values = value if isinstance(value, dict) else {metric: value}
    found = {
        name: {"value": float(one), "std_error": error, "better": better, "breakdown": {}}
        for name, one in values.items()
    }
    all_settings = {
        "feature_extractor_sha256": "a" * 64,
        "resize": "bicubic, antialiased",
        "num_fake": 10,
        **settings,
    }
    results = {metric: {"settings": all_settings, "values": found}}
    text = {"format": 1, "model": "m", "results": results, "skipped": {}, "notes": []}
    (folder / "evaluation.json").write_text(json.dumps(text))
    return folder


def write_run(path, value, *, seed=0, model="cgan", options=None, train=None, **kwargs):
    """Write the files of an evaluated run that `ganzoo compare` reads."""
    write_evaluation(path / "report", value, **kwargs)
    tree = {
        "run": {"model": model, "preset": "quick"},
        "model": options or {},
        "data": {"name": "shapes", "path": str(path)},
        "train": {"seed": seed, "device": "cpu", **(train or {})},
        "provenance": {"data": "f" * 64},
    }
    (path / "config.toml").write_text(tomli_w.dumps(tree))
    return path


def write_runs(folder, values_by_kind, **kwargs):
    """Write a run for each value: kind -> values, one for each seed."""
    return [
        write_run(
            folder / f"{kind}-{seed}", value, seed=seed, options={"loss": {"kind": kind}}, **kwargs
        )
        for kind, values in values_by_kind.items()
        for seed, value in enumerate(values)
    ]


def test_t_tail_equals_scipy():
    for df in (1.0, 1.3, 2.0, 4.0, 7.7, 40.0, 2000.0):
        for t in (0.0, 0.3, -2.0, 5.0, 40.0):
            assert student_t_tail(t, df) == pytest.approx(2 * stats.t.sf(abs(t), df), rel=1e-6)


def test_welch_equals_scipy():
    rng = np.random.default_rng(0)
    for n, m in ((2, 2), (5, 5), (3, 10)):
        a, b = rng.normal(size=n), rng.normal(0.5, 3.0, size=m)
        expected = stats.ttest_ind(a, b, equal_var=False).pvalue
        assert welch_p_value(a, b) == pytest.approx(expected, rel=1e-6)
    assert welch_p_value([1.0], [2.0, 3.0]) is None  # one seed has no spread
    assert welch_p_value([1.0, 1.0], [2.0, 2.0]) is None
    assert welch_p_value([1.0, np.inf], [2.0, 2.0]) is None
    # One side without spread: one degree of freedom, where P(|T| > t) = 1 - 2 atan(t) / pi.
    assert welch_p_value([1.0, 1.0], [2.0, 2.1]) == pytest.approx(1 - 2 * np.arctan(21.0) / np.pi)


def test_holm_against_its_definition():
    assert holm_adjusted([]) == []
    assert holm_adjusted([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm_adjusted([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_false_stars_stay_below_the_nominal_rate(tmp_path):
    """Five equal configurations with five seeds each and two correlated metrics: the share of
    tables with any star, and with any significant pair, is at most 5 %."""
    rng = np.random.default_rng(1)
    kinds = [f"kind{i}" for i in range(5)]
    tables_with_star = tables_with_pair = 0
    runs = write_runs(tmp_path, dict.fromkeys(kinds, [0.0] * 5))
    for _ in range(200):
        for run in runs:
            fid = rng.normal(20.0, 2.0)
            values = {"fid": fid, "other": fid + rng.normal()}
            write_evaluation(run / "report", values)
        rows = compare_evaluations(runs).rows
        assert [len(row.p_values) for row in rows] == [10, 10]
        tables_with_star += any(row.best is not None for row in rows)
        tables_with_pair += any(min(row.p_values.values()) < 0.05 for row in rows)
    assert tables_with_star <= 10
    assert tables_with_pair <= 10


def test_injected_effect_is_found(tmp_path):
    """One of five configurations is better by five standard deviations."""
    rng = np.random.default_rng(2)
    found = 0
    for i in range(20):
        values = {f"kind{k}": rng.normal(20.0 - 10.0 * (k == 3), 2.0, 5) for k in range(5)}
        comparison = compare_evaluations(write_runs(tmp_path / str(i), values))
        found += comparison.rows[0].best == 3
    assert found >= 18


def test_seeds_of_one_configuration_are_summarized(tmp_path, run_ganzoo):
    runs = write_runs(tmp_path, {"bce": [3.0, 5.0, 4.0], "hinge": [1.0, 1.2, 1.1]})
    comparison = compare_evaluations(runs)
    bce, hinge = comparison.configurations
    assert (bce.name, bce.seeds) == ("loss.kind=bce", (0, 1, 2))
    assert hinge.options == {"model.loss.kind": "hinge"}
    (row,) = comparison.rows
    assert row.summaries[0].mean == 4.0 and row.summaries[0].std == pytest.approx(1.0)
    assert row.best == 1 and row.p_values[0, 1] < 0.05
    done = run_ganzoo("compare", *runs, cwd=tmp_path)
    assert done.code == 0
    assert "4 +- 1 (3)" in done.out and "1.1 +- 0.1 (3) *" in done.out
    assert "Welch" in done.out and "over 1 tests" in done.out


def test_runs_differ_only_in_what_changes_the_training(tmp_path):
    runs = [
        write_run(tmp_path / "a", 1.0, seed=0, train={"log_every": 5, "device": "cuda"}),
        write_run(tmp_path / "b", 2.0, seed=1),
        write_run(tmp_path / "c", 2.0, seed=1, train={"batch_size": 8}),
    ]
    comparison = compare_evaluations(runs)
    assert comparison.option_names == ("train.batch_size",)
    assert [len(one.runs) for one in comparison.configurations] == [2, 1]


def test_options_are_compared_within_each_model(tmp_path):
    runs = [
        write_run(tmp_path / "a", 1.0, options={"depth": 2}),
        write_run(tmp_path / "b", 2.0, options={"depth": 3}),
        write_run(tmp_path / "c", 2.0, model="sngan", options={"width": 8}),
    ]
    assert compare_evaluations(runs).option_names == ("model", "model.depth")


def test_options_of_a_kind_are_compared_within_it(tmp_path):
    """An option that only one loss has is no difference beside `kind`, unless it varies."""
    losses = [{"kind": "bce", "smooth": 0.9}, {"kind": "hinge"}, {"kind": "bce", "smooth": 1.0}]
    runs = [
        write_run(tmp_path / str(i), 1.0, options={"loss": loss}) for i, loss in enumerate(losses)
    ]
    assert compare_evaluations(runs[:2]).option_names == ("model.loss.kind",)
    both = ("model.loss.kind", "model.loss.smooth")
    assert compare_evaluations(runs).option_names == both


def test_one_seed_gets_no_star_and_says_why(tmp_path, run_ganzoo):
    runs = write_runs(tmp_path, {"bce": [3.0], "hinge": [1.0]}, error=0.01)
    done = run_ganzoo("compare", *runs, cwd=tmp_path)
    assert done.code == 0 and "no *: one seed each" in done.out
    assert not re.search(r"\d \*", done.out)
    more = write_runs(tmp_path / "more", {"wgan": [9.0, 9.1, 9.2]})
    comparison = compare_evaluations([*runs, *more])
    assert comparison.rows[0].best is None
    assert "beside one seed (loss.kind=bce; loss.kind=hinge)" in comparison.notes[-1]


def test_values_without_a_direction_get_no_star(tmp_path):
    runs = write_runs(tmp_path, {"bce": [3.0, 3.1], "hinge": [1.0, 1.1]}, better="")
    (row,) = compare_evaluations(runs).rows
    assert row.best is None and row.p_values == {} and not row.is_compared


def test_by_averages_the_other_options_within_each_seed(tmp_path):
    runs = [
        write_run(
            tmp_path / f"{kind}-{lr}-{seed}",
            value + seed + 10 * lr,
            seed=seed,
            options={"loss": {"kind": kind}, "lr": lr},
        )
        for kind, value in (("bce", 5.0), ("hinge", 1.0))
        for lr in (1, 2)
        for seed in range(3)
    ]
    comparison = compare_evaluations(runs, by=["model.loss.kind"])
    assert comparison.option_names == ("model.loss.kind",)
    assert comparison.rows[0].summaries[0].values == (20.0, 21.0, 22.0)  # seeds, not runs
    partial = compare_evaluations(runs[:-1], by=["model.loss.kind"])
    assert partial.rows[0].summaries[1].values == (16.0, 17.0)
    assert any("seed 2 lacks" in note for note in partial.notes)
    with pytest.raises(UsageError, match=r'Did you mean "model\.loss\.kind"'):
        compare_evaluations(runs, by=["model.loss.knid"])
    plain = write_evaluation(tmp_path / "plain", 1.0)
    with pytest.raises(UsageError, match=r"has no config\.toml"):
        compare_evaluations([*runs, plain], by=["model.loss.kind"])


def test_equal_runs_count_once(tmp_path):
    runs = write_runs(tmp_path, {"bce": [3.0, 4.0], "hinge": [1.0, 2.0]})
    again = write_run(tmp_path / "again", 3.0, seed=0, options={"loss": {"kind": "bce"}})
    comparison = compare_evaluations([*runs, again, runs[0]])
    assert comparison.rows[0].summaries[0].values == (3.0, 4.0)
    assert comparison.notes[0].endswith("not counted")


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("feature_extractor_sha256", "b" * 64),
        ("resize", "bilinear"),
        ("num_fake", 11),
        ("version", "2"),
    ],
)
def test_different_settings_are_not_compared(tmp_path, run_ganzoo, field, other):
    write_evaluation(tmp_path / "a", 3.0)
    write_evaluation(tmp_path / "b", 2.0, **{field: other})
    done = run_ganzoo("compare", "a", "b", cwd=tmp_path)
    assert done.code == 3 and "fid" in done.error and field in done.error
    assert "2" in done.out and str(other)[:12] in done.err
    found = json.loads(run_ganzoo("compare", "a", "b", "--json", cwd=tmp_path).out)
    assert found["rows"][0]["is_compared"] is False
    assert list(found["setting_differences"]["fid"]) == [field]


def test_different_settings_within_a_configuration_give_no_mean(tmp_path):
    runs = write_runs(tmp_path, {"bce": [3.0, 4.0], "hinge": [1.0, 2.0]})
    write_evaluation(runs[0] / "report", 3.0, num_fake=11)
    comparison = compare_evaluations(runs)
    assert [one is None for one in comparison.rows[0].summaries] == [True, False]
    assert comparison.rows[0].best is None


def test_runs_without_an_evaluation_are_skipped_and_named(tmp_path, run_ganzoo):
    runs = write_runs(tmp_path, {"bce": [3.0, 4.0]})
    (tmp_path / "untrained").mkdir()
    done = run_ganzoo("compare", *runs, "untrained", cwd=tmp_path)
    assert done.code == 0 and "ganzoo evaluate untrained" in done.err
    assert run_ganzoo("compare", runs[0], "untrained", cwd=tmp_path).code == 3


def test_metrics_are_selected(tmp_path):
    values = {"precision": 0.5, "recall": 0.4}
    runs = [write_run(tmp_path / str(s), values, seed=s, metric="prdc") for s in range(2)]
    assert [row.name for row in compare_evaluations(runs, metrics=["recall"]).rows] == ["recall"]
    assert len(compare_evaluations(runs, metrics=["prdc"]).rows) == 2
    with pytest.raises(UsageError, match="'recal'"):
        compare_evaluations(runs, metrics=["recal"])


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


@pytest.fixture
def comparison(tmp_path):
    """Two configurations with an option whose name and value need escapes."""
    runs = [
        write_run(
            tmp_path / f"{kind[0]}{seed}",
            {"fid": value + seed / 10},
            seed=seed,
            options={"loss_weights": {"d_100%": kind}},
        )
        for kind, value in (("a|b & 5_%$#{}~^\\", 3.0), ("hinge", 1.0))
        for seed in range(4)
    ]
    return compare_evaluations(runs)


def test_markdown_table(comparison):
    lines = format_comparison(comparison, "markdown").splitlines()
    assert lines[0] == "| model.loss_weights.d_100% | seeds | fid \N{DOWNWARDS ARROW} |"
    assert lines[3] == "| hinge | 4 | 1.15 \N{PLUS-MINUS SIGN} 0.13 \\* |"
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 4 for line in lines[:4])


def test_latex_is_well_formed(comparison):
    text = format_comparison(comparison, "latex")
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert body[0] == r"\begin{tabular}{llr}" and body[-1] == r"\end{tabular}"
    assert r"1.15 $\pm$ 0.13$^{*}$ \\" in text
    for line in (body[2], *body[4:6]):
        assert line.endswith(r" \\")
        cells = re.split(r"(?<!\\)&", line.removesuffix(r" \\"))
        assert len(cells) == 3
        assert line.count("$") - line.count(r"\$") in {2, 4, 0}
    # No character that LaTeX reads as a command is left, outside of math and of known commands.
    plain = re.sub(r"\$[^$]*\$", "", "\n".join(body[4:6]).replace(r"\$", ""))
    plain = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum)\{\}", "", plain)
    plain = re.sub(r"\\[&%#_{}\\]", "", plain)
    assert not re.search(r"[\\%#_{}~^]", plain)
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(comparison, tmp_path):
    table = format_comparison(comparison, "latex")
    document = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "table.tex").write_text(f"{document}{table}\\end{{document}}\n")
    words = ("pdflatex", "-halt-on-error", "-interaction=nonstopmode", "table.tex")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "table.pdf").read_bytes().startswith(b"%PDF")


def test_csv_holds_numbers(comparison):
    rows = list(csv.DictReader(io.StringIO(format_comparison(comparison, "csv"))))
    assert rows[1]["model.loss_weights.d_100%"] == "hinge"
    assert float(rows[1]["fid.mean"]) == pytest.approx(1.15)
    assert float(rows[1]["fid.std"]) == pytest.approx(np.std([0, 0.1, 0.2, 0.3], ddof=1))
    assert [row["fid.is_best"] for row in rows] == ["0", "1"]


def test_figures(tmp_path, run_ganzoo):
    runs = write_runs(tmp_path, {"bce": [3.0, 5.0], "hinge": [1.0, 1.2]})
    for i, run in enumerate(runs):
        records = [{"step": s, "images_seen": 8 * s, "loss/d": i + s} for s in range(4)]
        (run / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    pdf, svg = "values.pdf", "curves.svg"
    done = run_ganzoo("compare", *runs, "--figure", pdf, "--figure", "v.svg", cwd=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / pdf).read_bytes().startswith(b"%PDF")
    done = run_ganzoo("compare", *runs, "--figure", svg, "--curve", "loss/d", cwd=tmp_path)
    assert done.code == 0, done.err
    for name in ("v.svg", svg):
        assert ET.parse(tmp_path / name).getroot().tag.endswith("svg")
    bad = run_ganzoo("compare", *runs, "--figure", svg, "--curve", "loss/x", cwd=tmp_path)
    assert bad.code == 2 and "loss/d" in bad.error
    assert run_ganzoo("compare", *runs, "--figure", "a.jpg", cwd=tmp_path).code == 2
    assert run_ganzoo("compare", *runs, "--curve", "loss/d", cwd=tmp_path).code == 2
