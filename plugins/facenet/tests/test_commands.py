"""`ganzoo face` on rendered portraits with the shipped evaluators."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from ganzoo_face_aging import face_detection
from ganzoo_face_aging.face_alignment import CropGeometry
from ganzoo_facenet.commands import face
from ganzoo_facenet.recognition import load_recognizer, nearest_people, resolve_crop
from ganzoo_facenet.verification import load_evaluation_images
from PIL import Image

import ganzoo_core as gz
from ganzoo_core import DataInfo
from ganzoo_core.errors import DataError, OutputError, UsageError
from ganzoo_core.weights import find_auxiliary
from ganzoo_core.zoo import import_target, package_folder, zoo

TEST_DATA = ("--data", "people", "--set", "data.count=40", "--set", "data.split=test")


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Return a folder with four portraits of each of three people, one folder per person."""
    root = tmp_path_factory.mktemp("album")
    spec = zoo().dataset("people")
    config = import_target(spec.config)(
        name="people", count=12, photos_per_person=4, split="test", nuisance_scale=0.2
    )
    dataset = import_target(spec.target)(config)
    for i in range(12):
        folder = root / f"person{i // 4}"
        folder.mkdir(exist_ok=True)
        image = dataset.load_image(i)
        image = image if isinstance(image, Image.Image) else Image.fromarray(image)
        image.save(folder / f"{i % 4}.png")
    return root


def run_face(*args):
    """Run `ganzoo face ARGS`; errors are raised."""
    result = CliRunner().invoke(face, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def run_face_json(*args):
    return json.loads(run_face(*args, "--json").stdout)


# --- verify, identify, cluster, embed, age --------------------------------------------------------


def test_verify(album):
    a, b = album / "person0" / "0.png", album / "person0" / "1.png"
    result = run_face_json("verify", a, a, "--no-align")
    assert result["same"] and result["distance"] < 1e-3 and 0.5 < result["threshold"] < 1.5
    strict = run_face_json("verify", a, b, "--no-align", "--far", "0.001")
    assert strict["threshold"] < result["threshold"]


def test_identify(album):
    photo = album / "person0" / "0.png"
    args = ("identify", "--gallery", album, photo, "--no-align", "-n", "2")
    nearest = run_face_json(*args)["nearest"]
    assert len(nearest) == 2
    assert nearest[0]["name"] == "person0" and 0 < nearest[0]["distance"] < 1
    with pytest.raises(DataError, match="--gallery"):
        run_face("identify", "--gallery", photo, photo, "--no-align")


def test_cluster(album, tmp_path):
    out = tmp_path / "out"
    result = run_face_json("cluster", album, "--out", out, "--no-align", "--num-people", "3")
    assert result["num_faces"] == 12 and result["num_people"] == 3
    assert sum(result["cluster_sizes"]) == 12
    copies = [path for path in out.rglob("*.png") if path.parent != out]
    assert len(copies) == 12 and Image.open(out / "sheet.png").width > 64
    with pytest.raises(OutputError, match="--out"):
        run_face("cluster", album, "--out", out, "--no-align")
    with pytest.raises(UsageError, match="--num-people"):
        run_face("cluster", album, "--out", tmp_path / "b", "--no-align", "--num-people", "13")


def test_cluster_keeps_files_of_equal_name(album, tmp_path):
    for folder in ("a/x", "b/x", "c/x"):
        (tmp_path / "same" / folder).mkdir(parents=True)
        shutil.copyfile(album / "person0" / "0.png", tmp_path / "same" / folder / "0.png")
    out = tmp_path / "out"
    run_face("cluster", tmp_path / "same", "--out", out, "--no-align", "--num-people", "1")
    assert len(list((out / "person-001").iterdir())) == 3


def test_embed_and_age(album):
    photo = album / "person1" / "0.png"
    (embedding,) = run_face_json("embed", photo, "--no-align").values()
    assert len(embedding) == 128 and np.linalg.norm(embedding) == pytest.approx(1, abs=1e-4)
    (result,) = run_face_json("age", photo, "--no-align").values()
    assert 0 <= result["age"] <= 100 and result["std"] > 0


def test_embed_skips_bad_files(album, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    result = run_face("embed", album / "person0", tmp_path, "--no-align")
    lines = result.stdout.splitlines()
    assert len(lines) == 4 and lines[-1].endswith("person0/3.png")
    assert str(tmp_path / "bad.png") in result.stderr


def test_grayscale_photographs(album, tmp_path):
    photo, gray = album / "person0" / "0.png", tmp_path / "gray.png"
    Image.open(photo).convert("L").save(gray)
    assert run_face_json("verify", photo, gray, "--no-align")["distance"] < 2
    assert len(run_face_json("age", gray, "--no-align")) == 1


def test_instance_weights_warn(tmp_path, album):
    """The card and the commands show the usage note of weights without identities."""
    gz.train(
        "facenet",
        preset="smoke",
        steps=2,
        out=tmp_path / "run",
        quiet=True,
        device="cpu",
        options={"model": {"objective": "instance", "pretrain_epochs": 0}},
    )
    usage_note = gz.load(tmp_path / "run").usage_note
    assert usage_note and usage_note in (tmp_path / "run" / "weights" / "README.md").read_text()
    photo = album / "person0" / "0.png"
    args = ("verify", photo, photo, "--weights", tmp_path / "run", "--threshold", "1")
    result = run_face(*args, "--no-align")
    assert result.stdout.startswith("same person") and usage_note in result.stderr


# --- evaluate -------------------------------------------------------------------------------------


def test_evaluate_ages(album):
    result = run_face_json("evaluate", "--ages", *TEST_DATA)
    low, high = result["mae_ci95"]
    assert result["num_images"] == 40 and low < result["mae"] < high < 12
    assert 0.5 < result["group_accuracy"] <= 1 and result["cumulative_score"]["10"] > 0.8
    assert f"{result['mae']:.2f} years" in run_face("evaluate", "--ages", *TEST_DATA).stdout
    with pytest.raises(UsageError, match="--pairs"):
        run_face("evaluate", "--ages", *TEST_DATA, "--pairs")
    with pytest.raises(DataError, match="--data"):
        run_face("evaluate", "--ages", "--data", f"folder:{album}")


def test_evaluate_identities(tmp_path):
    args = ("evaluate", *TEST_DATA, "--roc", tmp_path / "roc.png", "--clusters")
    result = run_face_json(*args)
    scores = result["adjusted_rand_index"]
    assert 0.5 < scores["num_people_given"] <= 1 and 0.5 < scores["by_threshold"] <= 1
    assert result["num_people"] == 10 and result["num_genuine_pairs"] == 60
    assert result["threshold_source"] == "weights" and result["accuracy"] > 0.8
    assert (tmp_path / "roc.png").exists()
    assert f"{result['threshold']:.3f}" in run_face(*args).stdout


def test_evaluate_lfw_pairs(album, tmp_path):
    """Two folds of 2 + 2 pairs over the portraits; the photograph of one pair is missing."""
    for i, folder in enumerate(sorted(album.iterdir())):
        for k, photo in enumerate(sorted(folder.iterdir()), 1):
            person_folder = tmp_path / "lfw" / f"P_{i}"
            person_folder.mkdir(parents=True, exist_ok=True)
            Image.open(photo).save(person_folder / f"P_{i}_{k:04d}.png")
    lines = [
        "2\t2",
        "P_0\t1\t2",
        "P_1\t1\t2",
        "P_0\t1\tP_1\t1",
        "P_0\t2\tP_2\t1",
        "P_2\t1\t2",
        "P_0\t3\t4",
        "P_1\t3\tP_2\t3",
        "P_0\t1\tNo_One\t1",
    ]
    (tmp_path / "lfw" / "pairs.txt").write_text("\n".join(lines))
    args = ("evaluate", "--data", f"lfw:{tmp_path / 'lfw'}", "--pairs", "--no-align")
    result = run_face_json(*args)
    assert result["num_pairs"] == 7 and result["num_missing_pairs"] == 1
    assert result["accuracy"] > 0.5 and result["standard_error"] >= 0
    assert "7 pairs" in run_face(*args).stdout
    with pytest.raises(UsageError, match="--pairs"):
        run_face("evaluate", "--data", "people", "--set", "data.count=8", "--pairs")


# --- bad photographs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write_file",
    [
        lambda path: Image.new("L", (200, 200), 128).save(path),
        lambda path: Image.new("RGB", (2, 2)).save(path),
        lambda path: path.write_bytes(b"no picture"),
        lambda path: None,
    ],
    ids=["no-face", "tiny", "no-image", "missing"],
)
def test_bad_photograph_error_is_one_line(album, tmp_path, write_file):
    path = tmp_path / "x.png"
    write_file(path)
    with pytest.raises(DataError, match=r"x\.png") as raised:
        run_face("verify", album / "person0" / "0.png", path, "--threshold", "1")
    assert "\n" not in str(raised.value)


def mock_face_detector(monkeypatch, *widths):
    eyes = np.array([[20.0, 25.0], [40.0, 25.0]])
    faces = [face_detection.DetectedFace((0.0, 0.0, w, w), 30, eyes) for w in widths]
    monkeypatch.setattr(face_detection, "detect_faces", lambda gray: faces)


def test_two_faces_of_similar_size_are_refused(album, monkeypatch):
    a, b = album / "person0" / "0.png", album / "person1" / "0.png"
    mock_face_detector(monkeypatch, 60.0, 55.0)
    for args in (("verify", a, b), ("identify", "--gallery", album, a), ("age", a)):
        with pytest.raises(DataError, match=r"0\.png"):
            run_face(*args)
    mock_face_detector(monkeypatch, 60.0, 33.0)  # a small face in the background
    assert run_face_json("verify", a, a)["same"]


def test_small_face_is_refused(album, monkeypatch):
    photo = album / "person0" / "0.png"
    mock_face_detector(monkeypatch, 20.0)
    with pytest.raises(DataError, match="--no-align"):
        run_face("verify", photo, photo)


# --- weights --------------------------------------------------------------------------------------


def test_resolve_crop_follows_weights():
    recorded = CropGeometry(eye_distance=0.3)
    rendered = DataInfo(image_size=64, name="people", version="render 2")
    whole = DataInfo(image_size=64, name="lfw")
    unknown = DataInfo(image_size=160)  # a published checkpoint
    assert resolve_crop(DataInfo(image_size=64, name="lfw", crop=recorded.to_json())) == recorded
    assert resolve_crop(rendered) == CropGeometry() == resolve_crop(unknown)
    assert resolve_crop(whole) is None and resolve_crop(whole, True) == CropGeometry()
    assert resolve_crop(rendered, False) is None


def test_evaluation_images_follow_weights(album):
    evaluator = find_auxiliary("identity", "people-identity")
    rendered, photographs = ("people", ["data.count=4"]), (f"folder:{album}", [])
    for (data, assignments), align, is_cropped in (
        (rendered, None, False),
        (rendered, True, True),
        (photographs, None, True),
        (photographs, False, False),
    ):
        images = load_evaluation_images(evaluator, 64, data, assignments, align=align)[1]
        assert bool(images.info.crop) == is_cropped


def test_bf16_embeddings_are_close_to_fp32(album):
    pixels = np.stack([np.asarray(Image.open(path)) for path in sorted(album.rglob("*.png"))])
    bf16, fp32 = (
        load_recognizer("", precision).embed_pixels(pixels) for precision in ("bf16", "fp32")
    )
    assert 0 < np.linalg.norm(bf16 - fp32, axis=1).max() < 0.02


def test_shipped_evaluators_match_renderer_version():
    version = import_target(zoo().dataset("people").target).version
    hashes = set()
    for role in ("identity", "age"):
        specs = [spec for spec in zoo().evaluators(role) if spec.train_data == "people"]
        assert sorted(spec.held_out for spec in specs) == [False, True]
        for spec in specs:
            weights = package_folder(spec.target) / "model.safetensors"
            assert weights.stat().st_size < 2 * 2**20
            evaluator = find_auxiliary(role, spec.name)
            assert evaluator.pretrained.info.version == version
            hashes.add(evaluator.sha256)
        assert find_auxiliary(role, data="people").name == f"people-{role}"
        assert find_auxiliary(role, is_held_out=True).name == f"people-{role}-held-out"
    assert len(hashes) == 4


def test_nearest_people_lists_each_person_once():
    gallery = np.array([[1.0, 0], [0, 1], [0.9, 0.1]])
    assert nearest_people(np.array([1.0, 0]), gallery, ["a", "b", "a"]) == [
        ("a", 0.0),
        ("b", pytest.approx(2**0.5)),
    ]


def test_nan_embeddings_are_refused(monkeypatch):
    recognizer = load_recognizer()
    monkeypatch.setattr(recognizer.model, "embed", lambda x: x.flatten(1)[:, :4] * float("nan"))
    with pytest.raises(DataError):
        recognizer.embed_pixels(np.zeros((2, 64, 64, 3), np.uint8))
