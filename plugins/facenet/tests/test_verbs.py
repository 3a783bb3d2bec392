"""`ganzoo face` on drawn portraits with the shipped judges, and what it says of bad photographs."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from ganzoo_facenet.evaluate import images_for
from ganzoo_facenet.recognise import crop_for, nearest_people, open_recogniser
from ganzoo_facenet.verbs import face
from PIL import Image

import ganzoo_core as gz
from ganzoo_core import DataInfo
from ganzoo_core.config import DataConfig
from ganzoo_core.data import vision
from ganzoo_core.data.faces import CropGeometry
from ganzoo_core.errors import DataError, OutputError, UsageError
from ganzoo_core.weights import find_judge
from ganzoo_core.zoo import package_folder, resolve, zoo


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Four portraits of each of three people, a folder each."""
    root = tmp_path_factory.mktemp("album")
    spec = zoo().dataset("people")
    config = resolve(spec.config)(name="people", count=12, photos=4, split="test", variety=0.2)
    assert isinstance(config, DataConfig)
    for i, pixels in enumerate(resolve(spec.target)(config).images(range(12))):
        folder = root / f"person{i // 4}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{i % 4}.png")
    return root


def call(*words):
    """Return what a verb prints as JSON; errors are raised."""
    words = [str(word) for word in words]
    done = CliRunner().invoke(face, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_verify_and_identify(album):
    one, other = album / "person0" / "0.png", album / "person0" / "1.png"
    facts = call("verify", one, one, "--no-align")
    assert facts["same"] and facts["distance"] < 1e-3 and 0.5 < facts["threshold"] < 1.5
    strict = call("verify", one, other, "--no-align", "--far", "0.001")
    assert strict["threshold"] < facts["threshold"]
    found = call("identify", "--gallery", album, one, "--no-align", "-n", "2")["nearest"]
    assert len(found) == 2 and found[0]["name"] == "person0" and 0 < found[0]["distance"] < 1
    with pytest.raises(DataError, match="holds no other photograph"):
        call("identify", "--gallery", one, one, "--no-align")


def test_cluster_sorts_and_draws(album, tmp_path):
    facts = call("cluster", album, "--out", tmp_path / "out", "--no-align", "--people", "3")
    assert facts["faces"] == 12 and sum(facts["sizes"]) == 12 and facts["people"] == 3
    copies = [p for p in (tmp_path / "out").rglob("*.png") if p.parent != tmp_path / "out"]
    assert len(copies) == 12 and Image.open(tmp_path / "out" / "sheet.png").width > 64
    for where in ("a/x", "b/x", "c/x"):  # one name, and folders of one name
        (tmp_path / "same" / where).mkdir(parents=True)
        shutil.copyfile(album / "person0" / "0.png", tmp_path / "same" / where / "0.png")
    call("cluster", tmp_path / "same", "--out", tmp_path / "three", "--no-align", "--people", "1")
    assert len(list((tmp_path / "three" / "person-001").iterdir())) == 3
    with pytest.raises(OutputError, match="exists already"):
        call("cluster", album, "--out", tmp_path / "out", "--no-align")
    with pytest.raises(UsageError, match="there are only 12 faces"):
        call("cluster", album, "--out", tmp_path / "new", "--no-align", "--people", "13")


def test_embed_and_age(album):
    one = album / "person1" / "0.png"
    (point,) = call("embed", one, "--no-align").values()
    assert len(point) == 128 and np.linalg.norm(point) == pytest.approx(1, abs=1e-4)
    (facts,) = call("age", one, "--no-align").values()
    assert 0 <= facts["age"] <= 100 and facts["spread"] > 0


def test_lfw_s_ten_folds(album, tmp_path):
    """Two folds of 2 + 2 pairs over the portraits, and one pair of somebody who is not there."""
    for i, folder in enumerate(sorted(album.iterdir())):
        for k, photo in enumerate(sorted(folder.iterdir()), 1):
            home = tmp_path / "lfw" / f"P_{i}"
            home.mkdir(parents=True, exist_ok=True)
            Image.open(photo).save(home / f"P_{i}_{k:04d}.png")
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
    words = ("evaluate", "--data", f"lfw:{tmp_path / 'lfw'}", "--pairs")
    facts = call(*words, "--no-align")
    assert facts["pairs"] == 7 and facts["missing"] == 1
    assert facts["accuracy"] > 0.5 and facts["standard_error"] >= 0
    with pytest.raises(UsageError, match="lists no pairs"):
        call("evaluate", "--data", "people", "--set", "data.count=8", "--pairs")


def test_instances_are_no_people(tmp_path, album):
    """Card and verbs say so."""
    gz.train(
        "facenet",
        preset="tiny",
        steps=2,
        out=tmp_path / "run",
        quiet=True,
        device="cpu",
        options={"model": {"objective": "instance", "pretrain": 0}},
    )
    card = (tmp_path / "run" / "weights" / "README.md").read_text()
    assert "is no recogniser" in card
    one = str(album / "person0" / "0.png")
    words = ["verify", one, one, "--weights", str(tmp_path / "run"), "--threshold", "1"]
    done = CliRunner().invoke(face, [*words, "--no-align"], catch_exceptions=False)
    assert done.stdout.startswith("same person") and "is no recogniser" in done.stderr


def test_embed_leaves_out_what_has_no_face_and_says_so(album, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    words = ["embed", str(album / "person0"), str(tmp_path), "--no-align"]
    done = CliRunner().invoke(face, words, catch_exceptions=False)
    assert len(done.stdout.splitlines()) == 4 and done.stdout.strip().endswith("person0/3.png")
    assert f"left out {tmp_path / 'bad.png'}: not a JPEG" in done.stderr


def test_evaluate_ages(album):
    words = [
        "evaluate",
        "--ages",
        "--data",
        "people",
        "--set",
        "data.count=40",
        "--set",
        "data.split=test",
    ]
    facts = call(*words)
    low, high = facts["mae_interval"]
    assert facts["images"] == 40 and low < facts["mae"] < high < 12
    assert 0.5 < facts["group_accuracy"] <= 1 and facts["within"]["10"] > 0.8
    said = CliRunner().invoke(face, words, catch_exceptions=False).stdout
    assert f"{facts['mae']:.2f} years" in said and "age group  right for" in said
    with pytest.raises(UsageError, match="--pairs is for people"):
        call(*words, "--pairs")
    with pytest.raises(DataError, match="does not say how old"):
        call("evaluate", "--ages", "--data", f"folder:{album}")


def test_evaluate_people(album, tmp_path):
    facts = call(
        "evaluate",
        "--data",
        "people",
        "--set",
        "data.count=40",
        "--set",
        "data.split=test",
        "--roc",
        tmp_path / "roc.png",
        "--clusters",
    )
    assert facts["rand"]["people_given"] > 0.5 < facts["rand"]["by_threshold"] <= 1
    assert facts["people"] == 10 and facts["genuine"] == 60
    assert facts["threshold_from"] == "weights" and facts["accuracy"] > 0.8
    assert (tmp_path / "roc.png").exists()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: Image.new("L", (200, 200), 128).save(p), "no face found"),
        (lambda p: Image.new("RGB", (2, 2)).save(p), "no face found"),
        (lambda p: p.write_bytes(b"no picture"), "not a JPEG, PNG"),
        (lambda p: None, "No such file"),
    ],
)
def test_bad_photographs_are_one_line(album, tmp_path, make, said):
    path = tmp_path / "x.png"
    make(path)
    with pytest.raises(DataError, match=said) as caught:
        call("verify", album / "person0" / "0.png", path, "--threshold", "1")
    assert "\n" not in str(caught.value)


def seeing(monkeypatch, *widths):
    """Let the detector find faces of these widths."""
    eyes = np.array([[20.0, 25.0], [40.0, 25.0]])
    faces = [vision.Found((0.0, 0.0, w, w), 30, eyes) for w in widths]
    monkeypatch.setattr(vision, "find", lambda grey: faces)


def test_two_faces_of_like_size_leave_open_who_is_meant(album, monkeypatch):
    one, other = album / "person0" / "0.png", album / "person1" / "0.png"
    seeing(monkeypatch, 60.0, 55.0)
    for words in (("verify", one, other), ("identify", "--gallery", album, one), ("age", one)):
        with pytest.raises(DataError, match=r"0\.png: two faces of like size: crop to one"):
            call(*words)
    seeing(monkeypatch, 60.0, 33.0)  # somebody in the background
    assert call("verify", one, one)["same"]
    seeing(monkeypatch, 20.0)
    with pytest.raises(DataError, match=r"face smaller than 32 px: 20; --no-align"):
        call("verify", one, other)


def test_photographs_are_cut_as_the_weights_learned():
    own = CropGeometry(eye_distance=0.3)
    drawn = DataInfo(size=64, name="people", version="render 2")
    whole = DataInfo(size=64, name="lfw")
    assert crop_for(DataInfo(size=64, name="lfw", crop=own.to_json())) == own
    assert crop_for(drawn) == CropGeometry() == crop_for(DataInfo(size=160))  # a published file
    assert crop_for(whole) is None and crop_for(whole, True) == CropGeometry()
    assert crop_for(drawn, False) is None


def test_data_are_cut_as_the_weights_learned(album):
    found = find_judge("identity", "people-identity")
    drawn, photographs = ("people", ["data.count=4"]), (f"folder:{album}", [])
    for (name, options), align, cut in (
        (drawn, None, False),
        (drawn, True, True),
        (photographs, None, True),
        (photographs, False, False),
    ):
        images = images_for(found, 64, name, options, align=align)[1]
        assert bool(images.info.crop) == cut


def test_grey_photographs_are_read(album, tmp_path):
    one = album / "person0" / "0.png"
    Image.open(one).convert("L").save(tmp_path / "grey.png")
    assert call("verify", one, tmp_path / "grey.png", "--no-align")["distance"] < 2
    assert len(call("age", tmp_path / "grey.png", "--no-align")) == 1


def test_bf16_moves_points_little(album):
    pixels = np.stack([np.asarray(Image.open(p)) for p in sorted(album.rglob("*.png"))])
    fast, exact = (open_recogniser("", precision).points(pixels) for precision in ("bf16", "fp32"))
    assert 0 < np.linalg.norm(fast - exact, axis=1).max() < 0.02


def test_shipped_judges_are_small_and_of_the_renderer_that_is_installed():
    version = resolve(zoo().dataset("people").target).version
    seen = set()
    for role in ("identity", "age"):
        specs = [s for s in zoo().judges(role) if s.data == "people"]
        assert sorted(s.held_out for s in specs) == [False, True]
        for spec in specs:
            weights = package_folder(spec.target) / "model.safetensors"
            assert weights.stat().st_size < 2 * 2**20
            found = find_judge(role, spec.name)
            assert found.bundle.info.version == version
            seen.add(found.sha256)
        assert find_judge(role, data="people").name == f"people-{role}"
        assert find_judge(role, held_out=True).name == f"people-{role}-held-out"
    assert len(seen) == 4


def test_nearest_people_are_named_once():
    gallery = np.array([[1.0, 0], [0, 1], [0.9, 0.1]])
    assert nearest_people(np.array([1.0, 0]), gallery, ["a", "b", "a"]) == [
        ("a", 0.0),
        ("b", pytest.approx(2**0.5)),
    ]


def test_broken_embeddings_are_said(album, monkeypatch):
    who = open_recogniser()
    monkeypatch.setattr(who.model, "embed", lambda x: x.flatten(1)[:, :4] * float("nan"))
    with pytest.raises(DataError, match="not finite"):
        who.points(np.zeros((2, 64, 64, 3), np.uint8))
