"""The ageing protocol: chosen faces, contenders with known answers, figures by hand, the verb."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from workbench import drawn

from conftest import install
from ganzoo_core.data.part import Elsewhen, Part
from ganzoo_core.data.splits import overlap
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.metrics.ageing.faces import Faces
from ganzoo_core.metrics.ageing.figures import Anchors, People, measured
from ganzoo_core.metrics.ageing.reading import Cells, Sight
from ganzoo_core.metrics.similarity import ssim
from ganzoo_core.runs import protocol
from ganzoo_core.runs.independence import refuse_kin, refuse_other_groups
from ganzoo_core.runs.survey import data_config
from ganzoo_core.runs.unseen import parted
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
from ganzoo_core.weights import Bundle, FoundJudge, find_judge


class Timeless(Shapes):
    """Heads that can be drawn again at other ages."""

    def at_ages(self, indices, ages):
        again = Shapes(self.config)
        again.ages = self.ages.copy()
        again.ages[list(indices)] = ages
        return again.images(indices) if len(indices) else []


def test_people_are_parted():
    everyone = np.arange(300) // 4
    sides = parted(np.arange(300), everyone, 30, np.random.default_rng(0))
    source, mates, reference, gallery = (set(everyone[side].tolist()) for side in sides)
    assert len(source) == 30 == len(sides[0]) and mates == source and len(sides[1]) == 90
    assert not source & reference and not source & gallery and not reference & gallery
    few = parted(np.arange(12), np.arange(12) // 4, 6, np.random.default_rng(0))
    assert len(few[0]) == 6 and len(set((few[0] // 4).tolist())) == 2  # both people, thrice each


def test_a_part_and_other_ages_of_a_data_set():
    whole = Timeless(ShapesConfig(name="shapes", count=20, size=16))
    part = Part(whole, np.array([7, 3]))
    assert np.array_equal(part.images([1])[0], whole.image(3))
    assert part.table().ages.tolist() == whole.ages[[7, 3]].tolist()
    assert Part(whole, np.array([3, 7])).source() != part.source()
    truth = Elsewhen(whole, np.array([7, 7]), np.array([whole.ages[7], 70.0]))
    assert np.array_equal(truth.image(0), whole.image(7))
    assert not np.array_equal(truth.image(1), whole.image(7))
    assert Shapes(whole.config).at_ages([], []) is None


def test_structural_similarity_is_that_of_torchmetrics():
    from torchmetrics.functional.image import structural_similarity_index_measure as reference

    torch.manual_seed(0)
    a = torch.rand(3, 3, 32, 32) * 2 - 1
    b = (a + 0.3 * torch.randn_like(a)).clamp(-1, 1)
    theirs = [float(reference(a[i : i + 1], b[i : i + 1], data_range=2.0)) for i in range(3)]
    assert ssim(a, a).tolist() == pytest.approx([1, 1, 1])
    assert ssim(a, b).tolist() == pytest.approx(theirs, abs=0.02)  # they cut the edge off


def test_intervals_resample_people():
    who = np.repeat(np.arange(50), 4)
    value = np.repeat(np.random.default_rng(0).normal(size=50), 4)
    together = People(who).figure(value, np.arange(200))
    alone = People(np.arange(200)).figure(value, np.arange(200))
    assert together.value == alone.value == pytest.approx(value.mean())
    assert 1.6 < together.error / alone.error < 2.4  # four photographs are one witness
    assert together.interval[0] < together.value < together.interval[1]


@pytest.fixture(scope="module")
def alone(ganzoo, tmp_path_factory):
    """The baselines alone on a few faces: what was printed."""
    home = tmp_path_factory.mktemp("baselines")
    words = ("evaluate", "--baselines", "--data", "people", "--set", "data.size=32")
    done = ganzoo(
        *words, "--set", "data.count=300", "-n", 30, "--json", "-q", "--out", "b", cwd=home
    )
    assert done.code == 0, done.err
    return json.loads(done.out)["results"]["ageing"]


def test_the_baselines_alone(alone):
    found = alone["baselines"]
    copy, nearest, truth = (found[w] for w in ("identity copy", "nearest real", "paired truth"))
    assert copy["tar_far_0.01"]["value"] == 1 == pytest.approx(copy["cosine"]["value"])
    assert nearest["cosine"]["value"] < truth["cosine"]["value"] < 1
    assert copy["pearson"]["value"] == 0 and nearest["pearson"]["value"] > 0.8
    assert nearest["age_error"]["value"] < copy["age_error"]["value"] / 2
    assert truth["truth_l1"]["value"] == 0 and truth["truth_ssim"]["value"] == pytest.approx(1)
    assert copy["round_trip_l1"]["value"] == 0
    assert alone["figures"] == {} and alone["stamp"]["split"] == "test"
    assert json.loads(json.dumps(alone)) == alone and len(alone["stamp"]["age_judge_sha256"]) == 64
    assert nearest["tar_far_0.01"]["interval"][1] < 0.5 and set(copy["cosine"]["parts"]) == {
        *"012345"
    }


TOY = '''
import torch
from ganzoo_core import Model, ModelConfig, Player, Stage, Step

class Plain(ModelConfig):
    groups: tuple[int, ...] = (18, 29, 39, 49, 59)
    presets = {"quick": {"data": {"name": "people", "count": 24, "size": 32}}}

class Grey(Model):
    """Older is whiter; nobody grows younger."""
    serves = ("net",)

    def __init__(self, config, info):
        super().__init__(config, info)
        self.net = torch.nn.Linear(1, 1)

    def loss(self, t):
        return self.net(t.noise(4, 1)).square().mean()

    def players(self):
        return {"net": Player(("net",), lambda p: torch.optim.SGD(p, 0.1))}

    def stages(self):
        return (Stage("one", (Step("net", "net", self.loss),), rounds=1),)

    def reaches(self, source, target):
        return target >= source

    def age(self, images, source_age, target_groups):
        source = torch.bucketize(source_age.floor(), torch.tensor(self.info.groups).float())
        steps = target_groups - source[:, None]
        assert (steps >= 0).all()
        share = 0.12 * steps[:, :, None, None, None]
        return images[:, None] * (1 - share) + share * 0.8
'''
PLUGIN = """
from ganzoo_core import ModelSpec, hookimpl

@hookimpl
def ganzoo_register(zoo):
    zoo.add(ModelSpec(name="grey", summary="Older is whiter", target="ganzoo_grey.model:Grey",
                      config="ganzoo_grey.model:Plain", can=("edit_age",)))
"""


@pytest.fixture(scope="module")
def grey(ganzoo, tmp_path_factory):
    """A toy that ages, trained and measured: (home, how to call, evaluation)."""
    target, home = tmp_path_factory.mktemp("grey"), tmp_path_factory.mktemp("runs")
    files = {"plugin.py": PLUGIN, "model.py": TOY}
    install(target, tmp_path_factory.mktemp("source"), {"grey": ("0.1", files)})

    def call(*words):
        return ganzoo(*words, cwd=home, env={"PYTHONPATH": str(target)})

    done = call("run", "grey", "--out", "run", "-q")
    assert done.code == 0, done.err
    done = call("evaluate", "run", "--set", "data.count=300", "-n", 30, "--json", "-q")
    assert done.code == 0, done.err
    return home, call, json.loads(done.out)


def test_a_toy_passes_through_the_whole_path(grey):
    home, _, found = grey
    result = found["results"]["ageing"]
    assert json.loads((home / "run/report/evaluation.json").read_text()) == found
    mine, beside = result["figures"], result["baselines"]
    assert result["stamp"]["towards"] == "older" and "round_trip_l1" not in mine
    assert all(source <= target for source, target in result["stamp"]["targets"])
    assert mine["cosine"]["parts"]["0"] == pytest.approx(1)  # its own group: the face itself
    assert mine["cosine"]["parts"]["5"] < mine["cosine"]["parts"]["1"] < 1
    assert mine["truth_l1"]["value"] > 0 and mine["truth_l1"]["interval"][0] > 0
    assert set(beside) == {
        "identity copy",
        "nearest real",
        "real pairs",
        "paired truth",
        "real faces",
    }
    assert Image.open(home / "run/report/ageing.png").width > 500
    assert "age error" in (home / "run/report/index.html").read_text()


def test_the_table_and_the_comparison_show_the_baselines(grey):
    _, call, _ = grey
    words = ("evaluate", "run/weights", "--data", "people", "--set", "data.count=300", "-n", 30)
    done = call(*words, "-q", "--out", "again", "--towards", "older")
    assert done.code == 0, done.err
    head = done.out.splitlines()[0]
    assert [name in head for name in ("GREY", "IDENTITY COPY", "PAIRED TRUTH")] == [True] * 3
    assert "gap 5" in done.out and " to " in done.out
    done = call("compare", "run", "again", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["baselines"][:2] == ["identity copy", "nearest real"]
    line = next(line for line in found["figures"] if line["figure"] == "cosine")
    assert line["values"][0] == line["values"][1] and line["beside"][0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("run", "--towards", "younger"), 2, "goes to no group that is younger"),
        (("run", "--metrics", "fid"), 2, "does not make images out of noise"),
        (("run", "--judge", "age=people-identity"), 2, "people-identity judges 'identity'"),
        (("run", "--judge", "hair=x"), 2, "give age=DIR or identity=DIR"),
        (("run", "--data", "fashion-mnist:."), 3, ""),
        (("run", "--set", "data.count=5"), 3, "too few"),
        (("run", "--set", "data.count=16"), 3, "impostor pairs are too few"),
        (("--baselines",), 2, "on which data"),
        (("run", "--baselines", "--data", "people"), 2, "--baselines without one"),
        ((), 2, "give a run or a folder of weights"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(grey, words, code, says):
    done = grey[1]("evaluate", *words, "-q")
    assert (done.code, says in done.error) == (code, True), done.err
    assert "Traceback" not in done.err and done.err.count("\n") == 1


def test_a_model_that_cannot_age_names_those_that_can(ganzoo, trained, tmp_path):
    done = ganzoo("evaluate", trained, "--metrics", "ageing", "-q", cwd=tmp_path)
    assert done.code == 2 and "cannot age faces; models that can: " in done.error
    for words in ("--judge age=people-age", "--calibration people", "--towards older"):
        done = ganzoo("evaluate", trained, *words.split(), "-q", cwd=tmp_path)
        assert done.code == 2 and "are of the metric ageing, which is not measured" in done.error


def test_judges_must_be_strangers():
    held_out = find_judge("age", "people-age-held-out")
    config = data_config("people", {"split": "test"})
    refuse_kin(held_out, "it", config, [])
    with pytest.raises(UsageError, match="learned from split 'judge-b' of people, whose faces"):
        refuse_kin(held_out, "it", data_config("people", {"split": "judge-b"}), [])
    parent = {"role": "identity", "sha256": "a" * 64, "data": "people", "split": "judge-b"}
    with pytest.raises(UsageError, match="as did the judge of 'identity'"):
        refuse_kin(held_out, "it", config, [parent])
    with pytest.raises(UsageError, match="the model was trained against it"):
        refuse_kin(held_out, "it", config, [{**parent, "sha256": held_out.sha256, "split": ""}])
    refuse_kin(held_out, "it", config, [{**parent, "split": "judge-a"}])


def test_judges_of_one_role_share_nobody(tmp_path):
    """`train` holds `train-a`; a judge of another role may know some of the same people."""
    info = DataInfo(size=8, name="faces", split="train-a")
    (tmp_path / "ganzoo.json").write_text("{}")
    judge = FoundJudge("age", Bundle(tmp_path, {"data": info.to_json()}))
    config = data_config("people", {"split": "test"})
    parent = {"role": "age", "sha256": "a" * 64, "data": "faces", "split": "train"}
    with pytest.raises(UsageError, match="learned from split 'train-a' of faces, as did the judge"):
        refuse_kin(judge, "it", config, [parent])
    refuse_kin(judge, "it", config, [{**parent, "split": "train-b"}])
    refuse_kin(judge, "it", config, [{**parent, "role": "identity"}])


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("train", "train-a", True),
        ("all", "test", True),
        ("train-b", "all", True),
        ("train-a", "train-b", False),
        ("test", "train", False),
        ("judge-a", "judge-a", True),
        ("judge-a", "all", False),
        ("", "", True),
    ],
)
def test_splits_overlap_where_they_share_people(one, other, shared):
    """`train` holds its halves, `all` holds everything; others are names."""
    assert overlap(one, other) is overlap(other, one) is shared


def test_an_age_judge_must_have_seen_every_group(tmp_path):
    info = DataInfo(size=8, classes=("0-30", "31-50", "51+"), counts=(5, 5, 0), groups=(30, 50))
    bundle = Bundle(tmp_path, {"data": info.to_json(), "model": "x"})
    judge = FoundJudge("age", bundle)
    refuse_other_groups(judge, "it", (18, 40))  # 41+ has people of 41 to 50
    with pytest.raises(UsageError, match=r"it is of other groups: it learned nobody of 60\+"):
        refuse_other_groups(judge, "it", (18, 59))


def hand(years, points):
    """Return three faces at three ages each, as a contender's cells, and the faces."""
    images = drawn(count=90, size=8, groups=(26, 53))
    mean = replace(images.info, mean_ages=(10.0, 40.0, 60.0))
    source = replace(images, rows=torch.arange(3), label=torch.tensor([0, 1, 2]))
    faces = Faces(source, np.arange(3), replace(images, info=mean), images)
    sight = Sight(np.array(years, float), np.array(points, float), np.zeros((9, 1)))
    return Cells(np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3), sight), faces


def test_figures_by_hand():
    east, north = [1.0, 0.0], [0.0, 1.0]
    years = [10, 40, 60, 30, 20, 50, 33, 33, 33]
    cells, faces = hand(years, [east, east, north, east, east, east, north, east, north])
    own = Sight(np.zeros(3), np.array([east, east, north]), np.zeros((3, 1)))
    real = Sight(np.full(90, 30.0), np.zeros((90, 2)), np.zeros((90, 1)))
    found = measured(cells, faces, Anchors(own, real, {0.01: 1.0}))
    error = [0, 0, 20, 10, 23, 7]  # of the six whose group changes
    assert found["age_error"].value == pytest.approx(np.mean(error))
    assert found["group_accuracy"].value == pytest.approx(3 / 6)  # 40, 60 and 33; 50 is under 54
    r = np.corrcoef([10, 40, 60], [30, 20, 50])[0, 1]
    assert found["pearson"].value == pytest.approx((1 + r + 0) / 3)
    assert found["monotone"].value == pytest.approx((2 + 1 + 0) / 6)
    assert found["tar_far_0.01"].value == pytest.approx(4 / 6)
    assert found["cosine"].parts == pytest.approx({"0": 1, "1": 3 / 4, "2": 1 / 2})
    assert found["age_gap"].parts["0-26"] == pytest.approx(abs((30 + 33) / 2 - 30))


def test_thresholds_take_so_many_impostors():
    who, notes = np.arange(100), []
    points = np.stack([np.cos(who / 100), np.sin(who / 100)], 1)
    found = protocol.thresholds(points, who, notes)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)[np.triu_indices(100, 1)]
    assert (apart <= found[0.01]).mean() <= 0.01 < (apart <= found[0.01] * 1.5).mean()
    few = []
    assert list(protocol.thresholds(points[:20], who[:20], few)) == [0.01]
    assert few[0].startswith("no true accept rate at 0.001: 190 impostor pairs are too few")
    with pytest.raises(DataError, match="the calibration has 9 faces of 9 people: 36 impostor"):
        protocol.thresholds(points[:9], who[:9], [])
