"""Several files of a folder change as a whole, and a pretrained folder with them."""

import json
import math
import os

import pytest
from contract_models import VAE
from training_helpers import build_model, make_images

from ganzoo_core.errors import OutputError, WeightsError
from ganzoo_core.files.replace_files import finish_replacement, link_or_copy, replace_files
from ganzoo_core.weights import add_metrics, find_pretrained, read_pretrained, save_pretrained
from ganzoo_core.weights.index import check_index_fields
from ganzoo_core.weights.pretrained import rewrite_card

FIELDS = {"model": "object:VAE", "config": {}, "steps": 3}
OLD, NEW = {"a": "old a", "b": "old b", "own": "kept"}, {"a": "new a", "b": "new b", "c": "new c"}


def read_tree(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path):
    for name, text in OLD.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def weights(tmp_path):
    """A pretrained folder of a VAE."""
    save_pretrained(tmp_path / "weights", build_model(VAE, make_images().info), FIELDS)
    return tmp_path / "weights"


def replace_all(folder):
    with replace_files(folder) as new_folder:
        for name, text in NEW.items():
            (new_folder / name).write_text(text)


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("crash_at", range(6))
def test_crash_leaves_old_or_new_files(crash_at, folder, monkeypatch):
    calls = []

    def crashing(function):
        def call(*args, **options):
            calls.append(function)
            if len(calls) > crash_at:
                raise Crash
            return function(*args, **options)

        return call

    for name in ("rename", "replace", "rmdir"):
        monkeypatch.setattr(os, name, crashing(getattr(os, name)))
    monkeypatch.setattr("shutil.rmtree", lambda *args, **options: None)  # a dead process cleans not
    if crash_at < 5:  # a rename, three moves, the empty folder
        with pytest.raises(Crash):
            replace_all(folder)
    else:
        replace_all(folder)
    monkeypatch.undo()
    finish_replacement(folder)
    files = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
    assert files == ({**OLD, **NEW} if crash_at else OLD)
    replace_all(folder)
    assert read_tree(folder) == {**OLD, **NEW}


def test_error_changes_nothing(folder):
    with pytest.raises(KeyError), replace_files(folder) as new_folder:
        (new_folder / "a").write_text("new")
        raise KeyError
    assert read_tree(folder) == OLD


def test_equal_files_are_not_written(folder):
    before = {path: path.stat().st_ino for path in folder.iterdir()}
    with replace_files(folder) as new_folder:
        (new_folder / "a").write_text("old a")
        link_or_copy(folder / "b", new_folder / "b")
    assert {path: path.stat().st_ino for path in folder.iterdir()} == before


def test_hard_link_of_unchanged_file(folder):
    with replace_files(folder) as new_folder:
        link_or_copy(folder / "a", new_folder / "a")
        (new_folder / "b").write_text("new b")
    assert read_tree(folder) == {**OLD, "b": "new b"}


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"), replace_files(tmp_path / "file" / "x"):
        pass


# --- pretrained folders ---------------------------------------------------------------------------


def test_interrupted_change_is_finished_by_reader(weights, monkeypatch):
    before = read_pretrained(weights).sha256
    model = build_model(VAE, make_images().info, seed=1)
    monkeypatch.setattr(
        "ganzoo_core.files.replace_files.finish_replacement", lambda folder: None
    )  # as if the process died after the commit
    save_pretrained(weights, model, {**FIELDS, "steps": 9})
    monkeypatch.undo()
    found = find_pretrained(weights)
    assert found.index["steps"] == 9 and found.sha256 != before
    assert sorted(p.name for p in weights.iterdir()) == sorted(found.files)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_metric_that_is_not_finite_is_refused(value, weights):
    before = read_pretrained(weights).sha256
    with pytest.raises(WeightsError, match="nothing is written") as error:
        add_metrics(weights, [{"name": "fid", "value": value, "settings": {}}])
    assert ".ganzoo-next" not in str(error.value)
    assert read_pretrained(weights).sha256 == before


def test_number_beyond_floats_is_refused_by_reader(weights):
    """`weights card` wrote it as Infinity, which every reader refused."""
    path = weights / "ganzoo.json"
    path.write_text(path.read_text().replace('"steps": 3', '"steps": 3, "x": 1e999'))
    with pytest.raises(WeightsError, match="inf is not a finite number"):
        rewrite_card(weights)
    assert "1e999" in path.read_text()


def test_card_is_idempotent(weights):
    before = {path.name: path.read_bytes() for path in weights.iterdir()}
    rewrite_card(weights)
    (weights / "README.md").unlink()
    rewrite_card(weights)
    assert {path.name: path.read_bytes() for path in weights.iterdir()} == before


def test_writer_refuses_what_reader_refuses(tmp_path):
    model = build_model(VAE, make_images().info)
    for fields in ({"steps": "3"}, {"usage_note": "x" * 2000}, {"train": {"x": "y" * 5 * 2**20}}):
        with pytest.raises(WeightsError, match="nothing is written"):
            save_pretrained(tmp_path / "new", model, {**FIELDS, **fields})
        assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("name", ["x" * 3 * 2**20, 3])
def test_index_is_checked_before_training(name):
    fields = {**FIELDS, "data": make_images().info.to_json()}
    check_index_fields(fields)
    fields["data"]["class_names"] = [name] * len(fields["data"]["class_names"])
    with pytest.raises(WeightsError, match="refused"):
        check_index_fields(fields)


def test_export_leaves_out_nan(weights, tmp_path):
    from ganzoo_core.training.exporting import export

    run = tmp_path / "run"
    (run / "report").mkdir(parents=True)
    (run / "config.toml").write_text("[run]\nmodel = 'x'\n")
    weights.rename(run / "weights")
    values = {
        name: {"value": value, "better": "lower"} for name, value in (("a", 1.5), ("b", math.nan))
    }
    results = {"fid": {"settings": {}, "values": values}}
    (run / "report" / "evaluation.json").write_text(json.dumps({"format": 1, "results": results}))
    exported = export(run, tmp_path / "out")
    assert [metric["name"] for metric in exported.index["metrics"]] == ["fid: a"]
