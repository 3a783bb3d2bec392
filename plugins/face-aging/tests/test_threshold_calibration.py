"""The aging benchmark on data without identities: thresholds from other data, `same photo`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ganzoo_face_aging import benchmark, face_selection
from ganzoo_face_aging.benchmark_data import AgingBenchmarkData
from ganzoo_face_aging.calibration import check_identities_unseen, open_calibration_data
from ganzoo_face_aging.methods import make_same_photo
from PIL import Image
from training_helpers import make_images

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.report import Progress
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
from ganzoo_core.training.open_data import parse_data_config
from ganzoo_core.weights import PretrainedAuxiliary, PretrainedFolder


class AnonymousShapes(Shapes):
    """`shapes` without identities."""

    def metadata(self):
        return replace(super().metadata(), identities=None)


@pytest.fixture
def measure_without_identities(monkeypatch, tmp_path):
    """A function that runs the benchmark on `AnonymousShapes`."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))
    monkeypatch.setattr(benchmark, "open_dataset", AnonymousShapes)
    monkeypatch.setattr(face_selection, "MAX_CALIBRATION_FACES", 120)
    config = ShapesConfig(name="shapes", count=400, image_size=32)
    return lambda **options: benchmark.run_benchmark(
        config, (30, 50), benchmark.BenchmarkConfig(num_faces=40, **options), Progress(True)
    )


def test_rank1_retrieval_without_identities(measure_without_identities):
    found = measure_without_identities()
    copy = found.values["identity copy"]
    assert copy["rank1_retrieval"].value > 0.9 and "tar_far_0.01" not in copy
    assert found.values["nearest real"]["rank1_retrieval"].value < 0.5
    assert "paired_l1" not in copy and "real pairs" not in found.values
    assert any("rank1_retrieval" in note for note in found.notes)
    settings = found.settings
    assert settings["num_identities"] is None and 40 < settings["num_retrieval_instances"] <= 1000
    assert settings["calibration"] == "" and settings["thresholds"] == {}
    same, nearest = found.values["same photo"], found.values["nearest real"]
    assert (
        nearest["identity_cosine"].value
        < same["identity_cosine"].value
        < copy["identity_cosine"].value
    )
    assert set(same["identity_cosine"].breakdown) == {"0", "1", "2"}


def test_thresholds_from_other_dataset(measure_without_identities):
    without, found = measure_without_identities(), measure_without_identities(calibration="people")
    for method, values in without.values.items():
        assert {name: found.values[method][name] for name in values} == values
    copy, nearest, same = (
        found.values[method]["tar_far_0.01"].value
        for method in ("identity copy", "nearest real", "same photo")
    )
    assert copy == 1 >= same > nearest and "tar_far_0.001" in found.values["same photo"]
    settings = found.settings
    assert len(settings["calibration"]) == 64
    assert set(settings["thresholds"]) == {"0.01", "0.001"}
    differing = {name for name in settings if settings[name] != without.settings[name]}
    assert differing == {"calibration", "thresholds"}
    calibration_note = next(note for note in found.notes if "identities" in note)
    assert "120 photographs" in calibration_note
    assert calibration_note.endswith("people of people, split 'calibration'")


def make_evaluator(folder, name, split):
    info = DataInfo(image_size=8, name=name, split=split)
    return PretrainedAuxiliary(
        "identity", PretrainedFolder(folder / "weights", {"data": info.to_json()})
    )


def test_calibration_refuses_training_identities(tmp_path):
    test_split = parse_data_config("lfw:x", {"split": "test", "test_share": 0.2})
    check_identities_unseen(make_evaluator(tmp_path, "orl", "all"), test_split)
    for split, named in (("all", "split 'all'"), ("", "all"), ("test", "split 'test'")):
        with pytest.raises(UsageError, match=f"{named} of lfw"):
            check_identities_unseen(make_evaluator(tmp_path, "lfw", split), test_split)
    train = make_evaluator(tmp_path, "lfw", "train")
    with pytest.raises(UsageError, match="--calibration"):
        check_identities_unseen(train, test_split)
    run = tmp_path / "config.toml"
    run.write_text('[run]\nmodel = "facenet"\n[data]\ntest_share = 0.1\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"10%.* 20%.*--set data.split=train"):
        check_identities_unseen(train, test_split)
    run.write_text(run.read_text().replace("0.1", "0.2"), encoding="utf-8")
    check_identities_unseen(train, test_split)
    shapes = ShapesConfig(name="shapes")
    with pytest.raises(UsageError, match="shapes"):
        check_identities_unseen(make_evaluator(tmp_path, "shapes", ""), shapes)
    check_identities_unseen(
        make_evaluator(tmp_path, "people", "evaluator"), parse_data_config("people", {})
    )


def test_calibration_faces_share_preprocessing(tmp_path):
    for person in range(30):
        folder = tmp_path / "lfw" / f"Some_One{person}"
        folder.mkdir(parents=True)
        for number in (1, 2):
            photo = Image.new("RGB", (20, 20), (8 * person, 9, 9))
            photo.save(folder / f"{folder.name}_{number:04}.jpg")
    preprocessing = {"image_size": 16, "num_channels": 1, "transform": ""}
    config = parse_data_config("utkface:x", preprocessing)
    embedder = make_evaluator(tmp_path, "orl", "train")
    found = open_calibration_data(f"lfw:{tmp_path}", config, embedder)
    expected = {"split": "test", "test_share": 0.2, **preprocessing}
    assert found.config.model_dump().items() >= expected.items()
    assert 2 <= len(set(found.metadata().identities.tolist())) <= 12
    aligned = config.model_copy(update={"transform": "face-align"})
    found = open_calibration_data(f"lfw:{tmp_path}", aligned, embedder)
    assert found.config.transform == "face-align"


def test_same_photo_baseline_is_deterministic():
    images = make_images(num_images=90, image_size=16, age_bins=(26, 53))
    faces = AgingBenchmarkData(images, np.arange(90), images, images, has_identities=False)
    requested = torch.ones(3, 3, dtype=torch.bool)

    def same_photo_pixels(seed):
        parts = list(make_same_photo(faces, seed).generate(faces, requested))
        order = torch.cat([x.face_index * 3 + x.target_group for x in parts]).argsort()
        return torch.cat([x.pixels for x in parts])[order].unflatten(0, (90, 3)).float()

    pixels = same_photo_pixels(0)
    assert torch.equal(pixels, same_photo_pixels(0))
    assert not torch.equal(pixels, same_photo_pixels(1))
    assert torch.equal(pixels, pixels[:, :1].expand_as(pixels))
    source = images.gather(torch.arange(90)).float()
    error = (pixels[:, 0] - source.flip(3)).abs().mean((1, 2, 3))
    assert error.min() > 2 and error.max() < 50
    assert (error < (pixels[:, 0] - source.roll(1, 0)).abs().mean((1, 2, 3))).float().mean() > 0.9


@pytest.mark.parametrize(
    ("data_names", "code", "named"),
    [
        (("people", "people"), 2, "--calibration"),
        (("utkface:utk", "utkfac:."), 2, "utkface"),
        (("utkface:utk", "lfw:nowhere"), 3, "nowhere"),
        (("utkface:utk", "utkface:utk"), 3, "--calibration utkface"),
    ],
)
def test_calibration_errors_are_one_line(run_ganzoo, tmp_path, data_names, code, named):
    (tmp_path / "utk").mkdir()
    for number in range(60):
        Image.new("RGB", (20, 20)).save(tmp_path / f"utk/30_0_0_{number}.jpg")
    words = ("--baselines", "--data", data_names[0], "--calibration", data_names[1], "-q")
    done = run_ganzoo("evaluate", *words, cwd=tmp_path)
    assert (done.code, named in done.error) == (code, True), done.err
    assert "Traceback" not in done.err and done.err.count("\n") == 1
