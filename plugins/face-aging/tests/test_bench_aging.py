"""`ganzoo bench aging`: copies, the oracle, folders of any origin, resuming, bad input, tables."""

import csv
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from ganzoo_face_aging.bench.entries import (
    _ServedAges,
    check_independent_evaluators,
    export_faces,
    read_aged_images,
)
from ganzoo_face_aging.bench.protocol import prepare_protocol, write_protocol
from ganzoo_face_aging.bench.table import (
    COLUMNS,
    collect_rows,
    fairness_table,
    format_table,
    front_labels,
)
from ganzoo_face_aging.benchmark import BenchmarkConfig
from PIL import Image

from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.report import Progress
from ganzoo_core.weights import PretrainedFolder, find_auxiliary

DATA = ("--data", "people", "--size", "32", "--set", "data.count=300", "-n", "30")
SECTION = {"name": "people", "path": "", "image_size": 32, "count": 300}
RANKED = (
    *("combined", "age_score", "age_error", "identity_error"),
    *("paired_l1", "paired_ssim", "paired_embedding_distance"),
)


@pytest.fixture(scope="module")
def protocol():
    """The protocol of DATA, prepared in this process."""
    config = BenchmarkConfig(num_faces=30)
    return prepare_protocol(SECTION, (18, 29, 39, 49, 59), config, Progress(quiet=True))


@pytest.fixture(scope="module")
def bench(run_ganzoo, toy_plugin, protocol, tmp_path_factory):
    """A model that is trained first, copies and blends that an outside script makes: (folder,
    function that grades them, JSON)."""
    home = tmp_path_factory.mktemp("bench")
    for name in ("copies", "blends"):
        assert export_faces(protocol, home / name) == 30 * 5
        for row in read_csv(home / name / "faces.csv"):
            image = Image.open(home / name / row["face"])
            if name == "blends":
                image = Image.blend(image, Image.new("RGB", image.size, "white"), 0.3)
            image.save(home / name / row["image"])

    def run():
        words = ("whitening", "--images", "copies", "--images", "blends", "--out", "b", "--json")
        env = {"PYTHONPATH": toy_plugin}
        return run_ganzoo("bench", "aging", *DATA, *words, "-q", cwd=home, env=env)

    done = run()
    assert done.code == 0, done.err
    return home, run, json.loads(done.out)


def read_csv(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


def find_row(result, label):
    return next(row for row in result["rows"] if row["label"] == label)


def test_copy_of_the_input_scores_zero(bench):
    _, _, found = bench
    copies, baseline = find_row(found, "copies"), find_row(found, "identity copy")
    for row in (copies, baseline):
        assert row["values"]["age_score"]["mean"] == 0 == row["values"]["combined"]["mean"]
        assert row["values"]["acceptance"]["mean"] == 1
    drift = copies["values"]["acceptance_drift"]["mean"]
    assert drift >= 0  # at least as similar as real aging leaves
    for name in ("age_error", "paired_l1", "kid"):  # a folder is graded as a method is
        expected = baseline["values"].get(name)
        assert copies["values"].get(name) == expected
    others = [row for row in found["rows"] if "combined" in row["values"]]
    assert max(others, key=lambda row: row["values"]["combined"]["mean"])["label"] == "oracle"
    assert not {"copies", "identity copy"} & set(front_labels(found["rows"]))


def test_oracle_is_first_everywhere(bench):
    """On people the oracle is the same portrait, rendered at the target age."""
    _, _, found = bench
    oracle = find_row(found, "oracle")["values"]
    assert oracle["identity_error"]["mean"] == 0 == oracle["paired_l1"]["mean"]
    assert front_labels(found["rows"]) == ["oracle"]
    for name in RANKED:
        sign = -1 if COLUMNS[name][1] == "higher" else 1
        for row in found["rows"]:
            if row["label"] not in {"oracle", "evaluator floor"} and name in row["values"]:
                other = row["values"][name]["mean"]
                assert sign * oracle[name]["mean"] <= sign * other, (name, row["label"])


def test_files_of_a_benchmark(bench, protocol):
    home, _, found = bench
    assert {row["label"] for row in found["rows"]} == {
        *(
            "whitening",
            "blends",
            "copies",
            "identity copy",
            "nearest real",
            "real cross-age pair",
            "oracle",
        ),
        "evaluator floor",
    }
    assert json.loads((home / "b/protocol.json").read_text()) == protocol.settings
    assert protocol.settings["crop"] == {"image_size": 32, "transform": None}
    split = json.loads((home / "b/split.json").read_text())
    people = {name: set(part["people"]) for name, part in split.items()}
    aged, real, gallery = (people[x] for x in ("faces to age", "real faces", "the gallery"))
    assert len(split["faces to age"]["images"]) == 30 == len(aged)
    assert not aged & real and not aged & gallery and not real & gallery
    assert people["photos of the same people"] == aged
    assert {len(text) for text in protocol.settings["split_sha256"].values()} == {64}
    strips = {path.stem: Image.open(path).size for path in (home / "b/strips").glob("*.png")}
    assert set(strips) >= {"whitening", "copies", "identity-copy", "paired-target"}
    assert len(set(strips.values())) == 1  # the same twelve people
    text = (home / "b/table.md").read_text()
    assert text.count("\n") == len(found["rows"]) + 2 and "[" in text  # intervals over people
    assert "<svg" in (home / "b/tradeoff.svg").read_text()
    result = json.loads((home / "b/results/copies-seed-0.json").read_text())
    cells, groups = result["cells"], result["by_source"]
    assert len(cells) == len({*cells}) > 20 and sum(c["num_images"] for c in cells.values()) == 150
    assert sum(part["num_images"] for part in groups.values()) == 150
    tones = result["by_attribute"]["skin tone"]
    assert set(tones) <= {"light", "medium", "dark"} and len(tones) > 1
    assert "| copies | skin tone | dark |" in (home / "b/groups.md").read_text()


def test_results_are_kept_or_made_again(bench):
    home, run, found = bench
    kept, removed = (home / f"b/results/{name}-seed-0.json" for name in ("copies", "blends"))
    record = json.loads(removed.read_text())
    removed.unlink()
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"notes": ["kept"]}))
    weights = home / "b/runs/whitening-seed-0/weights/ganzoo.json"
    trained_at = weights.stat().st_mtime_ns
    again = run()
    assert again.code == 0 and "copies: kept" in json.loads(again.out)["notes"], again.err
    assert json.loads(again.out)["rows"] == found["rows"]
    assert json.loads(removed.read_text()) == record
    assert weights.stat().st_mtime_ns == trained_at


def test_model_that_ages_one_way_has_fewer_cells(bench):
    _, _, found = bench
    whitening = find_row(found, "whitening")
    assert whitening["kind"] == "model" and whitening["num_cells"] <= 15
    assert whitening["values"]["paired_l1"]["mean"] > 0


def edited(folder, home, name, edit):
    """Copy a folder of images and change the rows of its CSV."""
    shutil.copytree(home / folder, home / name)
    rows = read_csv(home / name / "faces.csv")
    edit(rows, home / name)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["face", "age", "target_age", "image"])
    writer.writeheader()
    writer.writerows(rows)
    (home / name / "faces.csv").write_text(stream.getvalue())


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("missing", lambda rows, f: rows.pop(3), "misses 1 of 150 images, the first is 0000.png"),
        ("deleted", lambda rows, f: (f / rows[0]["image"]).unlink(), "misses 1 of 150 images"),
        ("beyond", lambda rows, f: rows[0].update(target_age="130"), "130 is none of the targets"),
        ("word", lambda rows, f: rows[0].update(target_age="old"), "'old' is no number"),
        ("stranger", lambda rows, f: rows[0].update(face="x.png"), "no face 'x.png'"),
        ("outside", lambda rows, f: rows[0].update(image="../x.png"), "not a file name"),
        (
            "crop",
            lambda rows, f: Image.new("RGB", (40, 32)).save(f / rows[0]["image"]),
            "keep the crop",
        ),
    ],
)
def test_folder_of_images_is_checked(bench, protocol, name, edit, message):
    edited("copies", bench[0], name, edit)
    with pytest.raises(DataError) as error:
        read_aged_images(bench[0] / name, protocol)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--images", "nowhere"), 2, "there is no faces.csv"),
        (("cgan",), 2, "lacks the capability edit_age"),
        (("nothing",), 6, ""),
        (("pfa-gan", "pfa-gan"), 2, "given twice"),
        (("--evaluator", "age=people-identity"), 2, "people-identity"),
    ],
)
def test_bad_input_is_one_line(run_ganzoo, tmp_path, words, code, message):
    done = run_ganzoo("bench", "aging", *DATA, *words, "--out", "c", cwd=tmp_path)
    assert (done.code, message in done.error) == (code, True), done.err
    assert "Traceback" not in done.err and not (tmp_path / "c").exists()


def test_results_of_another_crop_are_refused(bench, protocol):
    crop = {"image_size": 32, "transform": {"name": "face-align"}}
    other = replace(protocol, settings={**protocol.settings, "crop": crop})
    with pytest.raises(UsageError, match=r"results of another crop \(.*face-align"):
        write_protocol(other, bench[0] / "b")


def test_evaluator_that_a_loss_used_is_refused(protocol, tmp_path):
    """The card of the model names the evaluator among its auxiliary networks."""
    evaluator = find_auxiliary("age", "people-age-held-out")
    records = [{"role": "age", "sha256": evaluator.sha256}]
    pretrained = PretrainedFolder(tmp_path, {"auxiliaries": records})
    with pytest.raises(UsageError, match="is an auxiliary network of the model"):
        check_independent_evaluators(pretrained, protocol, {})


def test_model_is_graded_at_the_ages_that_it_serves():
    class OlderOnly:
        def supported_transitions(self, source, target):
            return target >= source

    class AnyAge:
        continuous_ages = True

        def edit_age(self, images, source_age, target_age):
            return target_age

    ages = torch.tensor([9.0, 24.0, 34.0, 45.0])  # of the groups of the benchmark
    groups = torch.arange(4)
    info = DataInfo(image_size=8, class_names=("0-30", "31-40", "41+"), age_bins=(30, 40))
    info = replace(info, class_counts=(5, 5, 0), age_range=(20.0, 40.0))
    older = _ServedAges(OlderOnly(), info, ages)
    expected = [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]  # 41+ has no faces
    assert older.supported_transitions(groups[:, None], groups[None]).int().tolist() == expected
    any_age = _ServedAges(AnyAge(), info, ages)
    found = any_age.supported_transitions(groups[:, None], groups[None])
    assert found.int().tolist() == [[0, 1, 1, 0]] * 4
    assert any_age.edit_age(None, None, torch.tensor([[19.5, 33.0]])).tolist() == [[20.0, 33.0]]


def test_people_without_identities_need_calibration(tmp_path):
    for i in range(9):
        Image.new("RGB", (40, 40)).save(tmp_path / f"24_0_1_2017011622022465{i}.jpg")
    section = {"name": "utkface", "path": str(tmp_path), "image_size": 32, "test_share": 0.5}
    with pytest.raises(UsageError, match="no identities for the threshold: give --calibration"):
        prepare_protocol(section, (30,), BenchmarkConfig(), Progress(quiet=True))


def make_result(label, seed, kind="model", **values):
    values = {
        name: {"value": value, "ci95": [value - 1, value + 1]} for name, value in values.items()
    }
    part = {"num_images": 5, "age_error": 2.0, "age_bias": 1.0}
    part |= {"acceptance": 0.5, "acceptance_drift": None}
    return {
        "label": label,
        "seed": seed,
        "kind": kind,
        "values": values,
        "cells": {"a to b": part},
        "by_source": {"a": part},
        "by_attribute": {"sex": {"female": part}},
    }


def test_table_has_mean_and_deviation_over_seeds():
    results = [
        make_result("b_1", 0, age_error=10.0, combined=0.2, age_score=0.5, identity_error=0.3),
        make_result("b_1", 1, age_error=14.0, combined=0.4, age_score=0.5, identity_error=0.3),
        make_result("a", 0, age_error=9.0, combined=0.1, age_score=0.5, identity_error=0.4),
        make_result("copy", 0, age_error=30.0, combined=0.0, age_score=0.0, identity_error=0.0),
        make_result("real faces", 0, "baseline", age_error=1.0),
    ]
    rows = collect_rows(results)
    assert [row["label"] for row in rows] == ["b_1", "a", "copy", "evaluator floor"]
    assert rows[0]["values"]["age_error"] == {
        "mean": 12.0,
        "std": pytest.approx(np.std([10, 14], ddof=1)),
        "ci95": [9.0, 11.0],
    }
    assert front_labels(rows) == ["a", "b_1"]
    lines = format_table(rows, "markdown").splitlines()
    assert "12 ± 2.8" in lines[2] and "9 [8, 10]" in lines[3]
    latex = format_table(rows, "latex")
    assert r"b\_1 & 2 & 1" in latex and r"12 $\pm$ 2.8" in latex
    found = list(csv.DictReader(io.StringIO(format_table(rows, "csv"))))
    assert found[1]["age_error.mean"] == "9.0" and found[1]["age_error.low"] == "8.0"
    assert found[3]["combined.mean"] == ""
    assert "| a | sex | female | 5 | 2 | 1 | 0.5 | - |" in fairness_table(results)
