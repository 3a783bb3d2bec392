"""`ganzoo age` with toy models, and its errors."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from ganzoo_face_aging import aging
from ganzoo_face_aging.ood_check import detect_ood
from ganzoo_face_aging.photos import load_photo, no_face_error
from ganzoo_face_aging.target_ages import parse_target_ages
from ganzoo_face_aging.testing import BrighteningModel, StubAgeEstimator
from PIL import Image

import ganzoo_core as gz
from ganzoo_core.data.input_images import find_images
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.evaluation.api import require_capability
from ganzoo_core.interfaces import Auxiliaries
from ganzoo_core.weights import find_auxiliary


class ReconstructingModel(BrighteningModel):
    """Its face at the source age is a reconstruction, too."""

    reconstructs = True


DATA_INFO = gz.DataInfo(
    image_size=32, class_names=("0-18", "19-29", "30+"), class_counts=(3, 0, 2), age_bins=(18, 29)
)


@pytest.fixture
def photo(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (50, 40, 3), np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_strip_columns(photo):
    model = ReconstructingModel(DATA_INFO)
    photos, skipped = aging.load_faces([photo], DATA_INFO)
    images = aging.photos_to_tensor(photos, torch.device("cpu"))
    targets = parse_target_ages(model, ["all"])
    (strip,) = aging.age_faces(model, images, 40.0, targets)
    strip = aging.measure_strip(strip, model.auxiliaries, torch.device("cpu"))
    assert [image.name for image in strip.images] == ["input", "reconstruction", "0-18", "30+"]
    assert not skipped and not strip.is_age_estimated and strip.source_age == 40
    reconstruction = strip.images[1].image
    assert torch.allclose(reconstruction, (images[0] + 0.2).clamp(-1, 1))  # 40 is in 30+
    assert torch.equal(strip.images[3].image, reconstruction)
    assert strip.images[0].identity_distance == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        expected = StubAgeEstimator.estimate_age(model.auxiliaries["age"].module, images)
    assert strip.images[0].estimated_age == pytest.approx(float(expected), rel=1e-4)


class OneWayModel(ReconstructingModel):
    """Supports the same and older groups only."""

    def supported_transitions(self, source, target):
        return target >= source

    def edit_age(self, images, source_age, target_age):
        assert (target_age >= (source_age > 18)[:, None] * 30).all()
        return super().edit_age(images, source_age, target_age)


def test_one_way_model_transitions(photo):
    model = OneWayModel(DATA_INFO)
    images = aging.photos_to_tensor(aging.load_faces([photo], DATA_INFO)[0], torch.device("cpu"))
    child, adult = parse_target_ages(model, ["all"])
    (young,) = aging.age_faces(model, images, 10.0, [child, adult])
    (old,) = aging.age_faces(model, images, 40.0, [child, adult])
    names = [[image.name for image in strip.images] for strip in (young, old)]
    assert [name for name in names[0] if name in DATA_INFO.class_names] == ["0-18", "30+"]
    assert [name for name in names[1] if name in DATA_INFO.class_names] == ["30+"]
    with pytest.raises(UsageError, match=r"--to 0-18: .* 30\+"):
        aging.age_faces(model, images, 40.0, [child])


def test_source_age_from_evaluator(photo):
    model = ReconstructingModel(DATA_INFO)
    images = aging.photos_to_tensor(aging.load_faces([photo], DATA_INFO)[0], torch.device("cpu"))
    targets = parse_target_ages(model, ["0-18"])
    (strip,) = aging.age_faces(model, images, None, targets)
    expected = float(model.auxiliaries["age"].estimate_age(images))
    assert strip.is_age_estimated and strip.source_age == pytest.approx(expected, rel=1e-4)
    model.auxiliaries = Auxiliaries()
    with pytest.raises(UsageError, match="--from AGE"):
        aging.age_faces(model, images, None, targets)


def test_evaluator_of_other_data_needs_option():
    model = ReconstructingModel(DATA_INFO)
    model.auxiliaries = Auxiliaries()
    # no evaluator is shipped for the data of the model
    assert aging.find_evaluator(model, "age") is None
    evaluator = aging.find_evaluator(model, "age", "people-age")
    assert evaluator.network.estimate_age(torch.zeros(1, 3, 64, 64)) > 0
    with pytest.raises(UsageError, match="people-age"):
        aging.find_evaluator(model, "identity", "people-age")
    model.info = gz.DataInfo(**{**vars(DATA_INFO), "name": "people"})
    assert aging.find_evaluator(model, "identity").is_independent


def optimized_against(name):
    """Return a model whose auxiliary identity network is a shipped evaluator."""
    found = find_auxiliary("identity", name)
    model = ReconstructingModel(DATA_INFO)
    model.auxiliaries = Auxiliaries({"identity": found.build()}, {"identity": found.source_record})
    return model


def test_distance_is_measured_by_an_independent_evaluator():
    model = optimized_against("people-identity")
    found = aging.find_evaluator(model, "identity")
    assert found.is_independent and found.network is not model.auxiliaries["identity"]
    assert found.info.version  # trained on renderings, so that photographs warn
    named = aging.find_evaluator(model, "identity", "people-identity")
    assert not named.is_independent
    held_out = find_auxiliary("identity", data="people", is_held_out=True).name
    model = optimized_against(held_out)
    found = aging.find_evaluator(model, "identity")
    assert found.network is model.auxiliaries["identity"] and not found.is_independent


def test_values_that_are_not_independent_are_marked(photo, tmp_path, monkeypatch):
    from click.testing import CliRunner
    from ganzoo_face_aging.commands import age as age_command

    class FakePretrained:
        sha256 = "ab"

    model = optimized_against("people-identity")
    monkeypatch.setattr(
        "ganzoo_core.training.loading.load_with_record", lambda *_, **__: (model, FakePretrained)
    )
    (tmp_path / "run").mkdir()
    run, strip = str(tmp_path / "run"), str(tmp_path / "s.png")
    words = [run, str(photo), "--from", "30", "--no-align", "--out", strip]
    found = find_auxiliary("identity", "people-identity")
    monkeypatch.setattr(aging, "find_auxiliary", lambda *_, **__: found)
    done = CliRunner().invoke(age_command, [*words, "--evaluator", "identity=people-identity"])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("(not independent)") == 3  # input, two groups
    assert "optimized against" in done.stderr
    assert "renderings of 'people'" in done.stderr  # a picture of noise is no portrait


def test_target_groups_by_name():
    model = BrighteningModel(DATA_INFO)
    targets = parse_target_ages(model, ["30+", "0-18", "35"])
    assert [(target.name, target.label) for target in targets] == [("30+", 2), ("0-18", 0)]
    with pytest.raises(UsageError, match=r"60\+"):
        parse_target_ages(model, ["60+"])


def test_target_years_of_a_model_of_any_age(photo):
    class DarkeningModel(BrighteningModel):
        continuous_ages = True

        def edit_age(self, images, source_age, target_age):
            return images[:, None] * (1 - target_age / 200)[:, :, None, None, None]

    model = DarkeningModel(dataclasses.replace(DATA_INFO, age_range=(2.5, 70.2)))
    targets = parse_target_ages(model, ["37", "2", "70.9", "30+"])
    assert [target.name for target in targets] == ["37", "2", "70.9", "30+"]
    images = aging.photos_to_tensor(aging.load_faces([photo], DATA_INFO)[0], torch.device("cpu"))
    (strip,) = aging.age_faces(model, images, 20.0, targets)
    assert torch.allclose(strip.images[1].image, images[0] * (1 - 37 / 200))
    for text in ("1", "71"):
        with pytest.raises(UsageError, match=rf"{text} years: .* ages 2 to 70"):
            parse_target_ages(model, [text])


def test_non_aging_model_refused():
    class NonAgingModel(ReconstructingModel):
        edit_age = None

    with pytest.raises(UsageError, match=r"runs/x .* edit_age"):
        require_capability(NonAgingModel(DATA_INFO), "edit_age", "runs/x")


def test_photos_found_and_skipped(photo, tmp_path):
    (tmp_path / "b.jpg").write_bytes(b"no image")
    assert [p.name for p in find_images([tmp_path])] == ["a.png", "b.jpg"]
    photos, skipped = aging.load_faces(find_images([tmp_path]), DATA_INFO)
    assert len(photos) == 1 and list(skipped) == [tmp_path / "b.jpg"]
    assert photos[0].pixels.shape == (32, 32, 3)
    assert str(no_face_error(skipped)).startswith(f"{tmp_path / 'b.jpg'}: ")
    assert "2 photographs" in str(no_face_error({**skipped, photo: "no face found"}))
    with pytest.raises(DataError, match=r"c\.png"):
        find_images([tmp_path / "c.png"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        find_images([tmp_path / "empty"])


def test_photo_without_face(photo):
    from ganzoo_face_aging.face_alignment import CropGeometry

    with pytest.raises(DataError, match="--no-align"):
        load_photo(photo, 32, 3, CropGeometry())


def test_ood_check_flags_noise():
    from ganzoo_core.data import pack_images
    from ganzoo_core.testing.shapes import Shapes, ShapesConfig

    config = ShapesConfig(name="shapes", count=20, image_size=32, seed=5)
    shapes = pack_images(Shapes(config), image_size=32)
    info = shapes.info
    noise = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), np.uint8)
    if not info.version:
        info = gz.DataInfo(image_size=32, name="shapes", version=Shapes.version)
    assert detect_ood(noise, info).all() == bool(info.version)
    assert not detect_ood(np.asarray(shapes.pixels[:8]), info).any()


def test_age_command_photo_and_folder(run_ganzoo, photo, tmp_path):
    words = ("run", "age-cgan", "--preset", "smoke", "--out", "runs/a", "-q")
    done = run_ganzoo(*words, cwd=tmp_path)
    assert done.code == 0, done.err
    words = ("age", "runs/a", "a.png", "--from", 30, "--to", "60+", "--to", "0-18")
    done = run_ganzoo(*words, "--out", "strip.png", "--json", "-q", cwd=tmp_path)
    assert done.code == 0, done.err
    (record,) = json.loads(done.out)
    assert [image["name"] for image in record["images"]][1:] == ["60+", "0-18"]
    assert Image.open(tmp_path / "strip.png").size[0] > 3 * 256
    shutil.rmtree(tmp_path / "runs/a/weights")  # as of a run that was stopped
    done = run_ganzoo("age", "runs/a", "a.png", "--from", 30, "--out", "b.png", cwd=tmp_path)
    assert done.code == 0 and "runs/a is at step" in done.err, done.err
    (tmp_path / "people").mkdir()
    photo.rename(tmp_path / "people" / "a.png")
    (tmp_path / "people" / "bad.jpg").write_bytes(b"x")
    done = run_ganzoo("age", "runs/a", "people", "--from", 30, "--out", "strips", cwd=tmp_path)
    assert done.code == 0 and "bad.jpg" in done.err
    assert "aging faces 3/3" in done.err  # one face, three optimization steps
    assert sorted(p.name for p in (tmp_path / "strips").iterdir()) == ["0000-a.png", "strips.jsonl"]


def test_age_folder_resumes(photo, tmp_path, monkeypatch):
    from click.testing import CliRunner
    from ganzoo_face_aging.commands import age as age_command

    class FakePretrained:
        sha256 = "ab"

    photos, batch_sizes = tmp_path / "people", []
    photos.mkdir()
    for number in range(20):
        Image.new("RGB", (32, 32), (9 * number, 0, 0)).save(photos / f"{number:02d}.png")

    class InterruptibleModel(ReconstructingModel):
        def edit_age(self, images, source_age, target_age, progress=None):
            batch_sizes.append(len(images))
            if batch_sizes[1:] == [4] and stop:
                raise KeyboardInterrupt
            progress(len(images), len(images))
            return super().edit_age(images, source_age, target_age)

    monkeypatch.setattr(
        "ganzoo_core.training.loading.load_with_record",
        lambda *_, **__: (InterruptibleModel(DATA_INFO), FakePretrained),
    )
    monkeypatch.setattr(aging, "find_evaluator", lambda *_: None)
    out = tmp_path / "strips"
    (tmp_path / "run").mkdir()
    words = [str(tmp_path / "run"), str(photos), "--from", "30", "--out", str(out), "--json"]
    stop = True
    done = CliRunner().invoke(age_command, words)
    assert done.exception.exit_code == 130 and "16 photos" in str(done.exception)
    assert len(list(out.glob("*.png"))) == 16
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.png")}
    with (out / "strips.jsonl").open("a") as truncated:
        truncated.write('{"file": "0016')
    stop = False
    done = CliRunner().invoke(age_command, words)
    assert done.exit_code == 0, done.output
    assert batch_sizes == [16, 4, 4] and len(list(out.glob("*.png"))) == 20
    assert all((out / name).stat().st_mtime_ns == mtime for name, mtime in before.items())
    assert "16 of 20 photos" in done.stderr
    photo_names = [x["photo"] for x in json.loads(done.stdout)]
    assert photo_names == [str(p) for p in sorted(photos.iterdir())]
    FakePretrained.sha256 = "other weights"
    done = CliRunner().invoke(age_command, words)
    assert "--out" in str(done.exception) and batch_sizes == [16, 4, 4]


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("runs/none", "a.png"), 6, "runs/none"),
        (("runs/none", "missing.png"), 6, "runs/none"),
        (("runs/none", "a.png", "--from", "-3"), 2, "--from"),
    ],
)
def test_age_errors_are_one_line(words, code, named, run_ganzoo, photo):
    done = run_ganzoo("age", *words, "--out", "strip.png", cwd=photo.parent)
    assert done.code == code and named in done.error and "Traceback" not in done.err
