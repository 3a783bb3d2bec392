"""`ganzoo age` from a photograph to a strip, with toy models; and what it refuses."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo_core as gz
from ganzoo_core.data.photos import cut_photo, find_photos, no_face
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import Judges
from ganzoo_core.runs import ageing
from ganzoo_core.runs.familiar import strangers
from ganzoo_core.testing.standins import StandIn


class Brighter(gz.Model):
    """A toy that ages: each group is a shade lighter than the one before."""

    serves = ("net",)
    reconstructs = True

    def __init__(self, info):
        super().__init__(None, info)
        self.net = torch.nn.Linear(1, 1)
        self.judges = Judges({"age": StandIn(), "identity": StandIn()})

    def players(self):
        return {}

    def stages(self):
        return ()

    def age(self, images, source_age, target_groups):
        return (images[:, None] + 0.1 * target_groups[:, :, None, None, None]).clamp(-1, 1)


INFO = gz.DataInfo(size=32, classes=("0-18", "19-29", "30+"), counts=(3, 0, 2), groups=(18, 29))


@pytest.fixture
def photo(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (50, 40, 3), np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_strip_has_the_input_its_reconstruction_and_every_target(photo):
    model = Brighter(INFO)
    read, skipped = ageing.read_photos([photo], INFO)
    images = ageing.tensors(read, torch.device("cpu"))
    judges = {"age": model.judges["age"], "identity": model.judges["identity"]}
    (strip,) = ageing.age_faces(model, images, 40.0, ageing.targets_of(INFO, ["all"]), judges)
    assert [look.name for look in strip.looks] == ["input", "reconstruction", "0-18", "30+"]
    assert not skipped and not strip.guessed and strip.source_age == 40
    assert torch.allclose(strip.looks[1].image, (images[0] + 0.2).clamp(-1, 1))  # 40 is 30+
    assert torch.equal(strip.looks[3].image, strip.looks[1].image)
    assert strip.looks[0].distance == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        expected = StandIn.estimate_age(model.judges["age"].module, images)
    assert strip.looks[0].age == pytest.approx(float(expected), rel=1e-4)


class Older(Brighter):
    """Goes to older groups only."""

    def reaches(self, source, target):
        return target >= source

    def age(self, images, source_age, target_groups):
        assert (target_groups >= (source_age > 18)[:, None] * 2).all()
        return super().age(images, source_age, target_groups)


def test_a_model_that_goes_one_way_is_asked_for_nothing_else(photo):
    model = Older(INFO)
    images = ageing.tensors(ageing.read_photos([photo], INFO)[0], torch.device("cpu"))
    (young,) = ageing.age_faces(model, images, 10.0, [0, 2], {})
    (old,) = ageing.age_faces(model, images, 40.0, [0, 2], {})
    names = [[look.name for look in strip.looks] for strip in (young, old)]
    assert [name for name in names[0] if name in INFO.classes] == ["0-18", "30+"]
    assert [name for name in names[1] if name in INFO.classes] == ["30+"]
    with pytest.raises(UsageError, match=r"from 30\+ to 0-18: from there --to takes 30\+"):
        ageing.age_faces(model, images, 40.0, [0], {})


def test_the_judge_supplies_a_missing_age(photo):
    model = Brighter(INFO)
    images = ageing.tensors(ageing.read_photos([photo], INFO)[0], torch.device("cpu"))
    (strip,) = ageing.age_faces(model, images, None, [0], {})
    assert strip.guessed and strip.source_age == pytest.approx(
        float(model.judges["age"].estimate_age(images)), rel=1e-4
    )
    model.judges = Judges()
    with pytest.raises(UsageError, match="--from AGE"):
        ageing.age_faces(model, images, None, [0], {})


def test_judges_of_other_data_measure_only_where_they_are_named():
    model = Brighter(INFO)
    assert ageing.measuring(model, "age") is model.judges["age"]  # none is shipped for its data
    model.judges = Judges()
    assert ageing.measuring(model, "age") is None
    assert ageing.measuring(model, "age", "people-age").estimate_age(torch.zeros(1, 3, 64, 64)) > 0
    with pytest.raises(UsageError, match="people-age judges 'age'"):
        ageing.measuring(model, "identity", "people-age")
    model.info = gz.DataInfo(**{**vars(INFO), "name": "people"})
    assert ageing.measuring(model, "identity") is not None


def test_groups_by_name_and_their_list_where_there_is_none():
    assert ageing.targets_of(INFO, ["30+", "0-18"]) == [2, 0]
    with pytest.raises(UsageError, match=r"no label '60\+'.*0-18, 19-29, 30\+|Did you mean"):
        ageing.targets_of(INFO, ["60+"])


def test_a_model_that_cannot_age_is_refused_with_those_that_can():
    class Plain(Brighter):
        age = None

    with pytest.raises(UsageError, match="runs/x cannot age faces; models that can: "):
        ageing.require_editor(Plain(INFO), "runs/x")


def test_photographs_are_found_and_unreadable_ones_say_why(photo, tmp_path):
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    assert [p.name for p in find_photos([tmp_path])] == ["a.png", "b.jpg"]
    read, skipped = ageing.read_photos(find_photos([tmp_path]), INFO)
    assert len(read) == 1 and "not a JPEG" in skipped[tmp_path / "b.jpg"]
    assert read[0].pixels.shape == (32, 32, 3)
    assert str(no_face(skipped)).startswith(f"{tmp_path / 'b.jpg'}: not a JPEG")
    assert "none of 2 photographs" in str(no_face({**skipped, photo: "no face found"}))
    with pytest.raises(DataError, match="no such photograph"):
        find_photos([tmp_path / "c.png"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        find_photos([tmp_path / "empty"])


def test_a_photograph_without_a_face_names_the_remedy(photo):
    from ganzoo_core.data.faces import CropGeometry

    with pytest.raises(DataError, match="no face found; --no-align"):
        cut_photo(photo, 32, 3, CropGeometry())


def test_noise_is_strange_to_a_model_of_drawn_faces_and_their_own_is_not():
    from ganzoo_core.data import prepare
    from ganzoo_core.testing.shapes import Shapes, ShapesConfig

    shapes = prepare(Shapes(ShapesConfig(name="shapes", count=20, size=32, seed=5)), size=32)
    info = shapes.info
    noise = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), np.uint8)
    if not info.version:
        info = gz.DataInfo(size=32, name="shapes", version=Shapes.version)
    assert strangers(noise, info).all() == bool(info.version)
    assert not strangers(np.asarray(shapes.pixels[:8]), info).any()


def test_the_verb_ages_a_picture_and_a_folder(ganzoo, photo, tmp_path):
    words = ("run", "age-cgan", "--preset", "tiny", "--out", "runs/a", "-q")
    done = ganzoo(*words, cwd=tmp_path)
    assert done.code == 0, done.err
    done = ganzoo(
        "age",
        "runs/a",
        "a.png",
        "--from",
        30,
        "--to",
        "60+",
        "--to",
        "0-18",
        "--out",
        "strip.png",
        "--json",
        "-q",
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    (record,) = json.loads(done.out)
    assert [look["name"] for look in record["looks"]][2:] == ["60+", "0-18"]
    assert Image.open(tmp_path / "strip.png").size[0] > 4 * 128
    (tmp_path / "people").mkdir()
    photo.rename(tmp_path / "people" / "a.png")
    (tmp_path / "people" / "bad.jpg").write_bytes(b"x")
    done = ganzoo("age", "runs/a", "people", "--from", 30, "--out", "strips", cwd=tmp_path)
    assert done.code == 0 and "bad.jpg" in done.err
    assert "ageing faces 3/3" in done.err  # one face, three steps of the search
    assert sorted(p.name for p in (tmp_path / "strips").iterdir()) == ["0000-a.png", "strips.jsonl"]


def test_a_folder_of_strips_goes_on_where_it_was_stopped(photo, tmp_path, monkeypatch):
    from click.testing import CliRunner

    import ganzoo_core.weights
    from ganzoo_core.cli.age import age as verb

    class Known:
        sha256 = "ab"

    photos, drawn = tmp_path / "people", []
    photos.mkdir()
    for number in range(20):
        Image.new("RGB", (32, 32), (9 * number, 0, 0)).save(photos / f"{number:02d}.png")

    class Slow(Brighter):
        def age(self, images, source_age, target_groups, advance=None):
            drawn.append(len(images))
            if drawn[1:] == [4] and stop:
                raise KeyboardInterrupt
            advance(len(images), len(images))
            return super().age(images, source_age, target_groups)

    monkeypatch.setattr("ganzoo_core.runs.load", lambda *_, **__: Slow(INFO))
    monkeypatch.setattr(ganzoo_core.weights, "find_bundle", lambda _: Known)
    monkeypatch.setattr(ageing, "measuring", lambda *_: None)
    out = tmp_path / "strips"
    words = ["runs/x", str(photos), "--from", "30", "--out", str(out), "-q", "--json"]
    stop = True
    done = CliRunner().invoke(verb, words)
    assert done.exception.exit_code == 130 and "16 strips" in str(done.exception)
    assert len(list(out.glob("*.png"))) == 16
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.png")}
    with (out / "strips.jsonl").open("a") as torn:
        torn.write('{"file": "0016')
    stop = False
    done = CliRunner().invoke(verb, words)
    assert done.exit_code == 0, done.output
    assert drawn == [16, 4, 4] and len(list(out.glob("*.png"))) == 20
    assert all((out / name).stat().st_mtime_ns == then for name, then in before.items())
    assert "16 of 20 strips" in done.stderr
    photo_names = [x["photo"] for x in json.loads(done.stdout)]
    assert photo_names == [str(p) for p in sorted(photos.iterdir())]
    Known.sha256 = "other weights"
    done = CliRunner().invoke(verb, words)
    assert "strips of other weights or options" in str(done.exception) and drawn == [16, 4, 4]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("runs/none", "a.png"), 6, "runs/none"),
        (("runs/none", "missing.png"), 3, "no such photograph"),
        (("runs/none", "a.png", "--from", "-3"), 2, "--from"),
    ],
)
def test_mistakes_are_one_line(words, code, said, ganzoo, photo):
    done = ganzoo("age", *words, "--out", "strip.png", cwd=photo.parent)
    assert done.code == code and said in done.error and "Traceback" not in done.err
