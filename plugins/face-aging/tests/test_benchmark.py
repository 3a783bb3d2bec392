"""The aging benchmark: selected faces, methods with known values, scores by hand, the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from ganzoo_face_aging import benchmark
from ganzoo_face_aging.benchmark_data import AgingBenchmarkData
from ganzoo_face_aging.evaluators import AgingOutputs, EvaluatorOutputs
from ganzoo_face_aging.face_selection import partition_by_identity
from ganzoo_face_aging.independent_evaluators import check_covers_age_bins
from ganzoo_face_aging.methods import ModelAgingMethod
from ganzoo_face_aging.rendered_truth import AgeShiftedSubset, renders_ages
from ganzoo_face_aging.scores import PersonBootstrap, ReferenceOutputs, score_method
from PIL import Image
from training_helpers import make_images

from ganzoo_core.data.splits import splits_overlap
from ganzoo_core.data.subset import Subset
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.evaluation.provenance import check_disjoint
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
from ganzoo_core.training.open_data import parse_data_config
from ganzoo_core.weights import PretrainedAuxiliary, PretrainedFolder, find_auxiliary


class RerenderableShapes(Shapes):
    """`shapes` with `render_at_ages`."""

    def render_at_ages(self, indices, ages):
        shapes = Shapes(self.config)
        shapes.ages = self.ages.copy()
        shapes.ages[list(indices)] = ages
        return shapes.load_images(indices) if len(indices) else []


def test_split_separates_people():
    identities = np.arange(300) // 4
    parts = partition_by_identity(np.arange(300), identities, 30, np.random.default_rng(0))
    source, same, reference, gallery = (set(identities[part].tolist()) for part in parts)
    assert len(source) == 30 == len(parts[0]) and same == source and len(parts[1]) == 90
    assert not source & reference and not source & gallery and not reference & gallery
    few = partition_by_identity(np.arange(12), np.arange(12) // 4, 6, np.random.default_rng(0))
    assert len(few[0]) == 6 and len(set((few[0] // 4).tolist())) == 2  # three faces of each person


def test_subset_and_rerendered_ages():
    whole = RerenderableShapes(ShapesConfig(name="shapes", count=20, image_size=16))
    part = Subset(whole, np.array([7, 3]))
    assert np.array_equal(part.load_images([1])[0], whole.load_image(3))
    assert part.metadata().ages.tolist() == whole.ages[[7, 3]].tolist()
    assert Subset(whole, np.array([3, 7])).fingerprint() != part.fingerprint()
    shifted = AgeShiftedSubset(whole, np.array([7, 7]), np.array([whole.ages[7], 70.0]))
    assert np.array_equal(shifted.load_image(0), whole.load_image(7))
    assert not np.array_equal(shifted.load_image(1), whole.load_image(7))
    assert renders_ages(whole) and not renders_ages(Shapes(whole.config))


def test_bootstrap_resamples_people():
    person_ids = np.repeat(np.arange(50), 4)
    values = np.repeat(np.random.default_rng(0).normal(size=50), 4)
    by_person = PersonBootstrap(person_ids).mean_metric_value(values, np.arange(200))
    by_photo = PersonBootstrap(np.arange(200)).mean_metric_value(values, np.arange(200))
    assert by_person.value == by_photo.value == pytest.approx(values.mean())
    assert 1.6 < by_person.std_error / by_photo.std_error < 2.4  # sqrt(4) for 4 photos per person
    assert by_person.ci95[0] < by_person.value < by_person.ci95[1]


@pytest.fixture(scope="module")
def baselines_result(run_ganzoo, tmp_path_factory):
    """JSON results of the baselines on a few faces."""
    home = tmp_path_factory.mktemp("baselines")
    words = ("evaluate", "--baselines", "--data", "people", "--set", "data.image_size=32")
    done = run_ganzoo(
        *words, "--set", "data.count=300", "-n", 30, "--json", "-q", "--out", "b", cwd=home
    )
    assert done.code == 0, done.err
    return json.loads(done.out)["results"]["aging"]


def test_baselines_without_model(baselines_result):
    found = baselines_result["baselines"]
    copy, nearest, paired = (found[x] for x in ("identity copy", "nearest real", "paired target"))
    assert copy["tar_far_0.01"]["value"] == 1 == pytest.approx(copy["identity_cosine"]["value"])
    assert nearest["identity_cosine"]["value"] < paired["identity_cosine"]["value"] < 1
    assert copy["age_pearson_r"]["value"] == 0 and nearest["age_pearson_r"]["value"] > 0.8
    assert nearest["target_age_error"]["value"] < copy["target_age_error"]["value"] / 2
    assert paired["paired_l1"]["value"] == 0 and paired["paired_ssim"]["value"] == pytest.approx(1)
    assert copy["round_trip_l1"]["value"] == 0
    assert baselines_result["values"] == {} and baselines_result["settings"]["split"] == "test"
    assert json.loads(json.dumps(baselines_result)) == baselines_result
    assert len(baselines_result["settings"]["age_evaluator_sha256"]) == 64
    assert nearest["tar_far_0.01"]["ci95"][1] < 0.5
    assert set(copy["identity_cosine"]["breakdown"]) == {*"012345"}


@pytest.fixture(scope="module")
def trained_toy(run_ganzoo, toy_plugin, tmp_path_factory):
    """A trained and evaluated toy model: (folder, function that runs ganzoo, evaluation)."""
    home = tmp_path_factory.mktemp("runs")

    def run(*words):
        return run_ganzoo(*words, cwd=home, env={"PYTHONPATH": toy_plugin})

    done = run("run", "whitening", "--out", "run", "-q")
    assert done.code == 0, done.err
    done = run("evaluate", "run", "--set", "data.count=300", "-n", 30, "--json", "-q")
    assert done.code == 0, done.err
    return home, run, json.loads(done.out)


def test_evaluate_toy_model_end_to_end(trained_toy):
    home, _, found = trained_toy
    result = found["results"]["aging"]
    path = home / found.pop("path")
    assert json.loads(path.read_text()) == found
    values, baselines = result["values"], result["baselines"]
    assert result["settings"]["directions"] == "older" and "round_trip_l1" not in values
    assert all(source <= target for source, target in result["settings"]["targets"])
    cosine_by_gap = values["identity_cosine"]["breakdown"]
    assert cosine_by_gap["0"] == pytest.approx(1)  # the source face itself
    assert cosine_by_gap["5"] < cosine_by_gap["1"] < 1
    assert values["paired_l1"]["value"] > 0 and values["paired_l1"]["ci95"][0] > 0
    expected = {"identity copy", "nearest real", "real pairs", "paired target", "real faces"}
    assert set(baselines) == expected
    assert Image.open(home / "run/report/aging.png").width > 500
    page = (home / "run/report/index.html").read_text()
    assert "target age error" in page and "Faces at other ages" in page


def test_table_and_compare_show_baselines(trained_toy):
    _, run, _ = trained_toy
    words = ("evaluate", "run/weights", "--data", "people", "--set", "data.count=300", "-n", 30)
    done = run(*words, "-q", "--out", "again", "--direction", "older")
    assert done.code == 0, done.err
    head = done.out.splitlines()[0]
    assert all(name in head for name in ("WHITENING", "IDENTITY COPY", "PAIRED TARGET"))
    assert "gap 5" in done.out and " to " in done.out
    done = run("compare", "run", "again", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["baselines"][:2] == ["identity copy", "nearest real"]
    row = next(row for row in found["rows"] if row["name"] == "identity_cosine")
    first, again = row["summaries"]
    assert first["values"] == again["values"]
    assert row["baseline_values"][0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("run", "--direction", "younger"), 2, "--direction younger"),
        (("run", "--metrics", "fid"), 2, "run: whitening"),
        (("run", "--evaluator", "age=people-identity"), 2, "people-identity"),
        (("run", "--evaluator", "hair=x"), 2, "--evaluator hair=x"),
        (("run", "--data", "fashion-mnist:."), 3, ""),
        (("run", "--set", "data.count=5"), 3, "unseen faces"),
        (("run", "--set", "data.count=16"), 3, "impostor pairs"),
        (("--baselines",), 2, "--data"),
        (("run", "--baselines", "--data", "people"), 2, "--baselines"),
        ((), 2, "--baselines"),
    ],
)
def test_evaluate_errors_are_one_line(trained_toy, words, code, named):
    done = trained_toy[1]("evaluate", *words, "-q")
    assert (done.code, named in done.error) == (code, True), done.err
    assert "Traceback" not in done.err and done.err.count("\n") == 1


def test_non_aging_model_refused(run_ganzoo, trained_run, tmp_path):
    done = run_ganzoo("evaluate", trained_run, "--metrics", "aging", "-q", cwd=tmp_path)
    assert done.code == 2 and "edit_age" in done.error
    for words in ("--evaluator age=people-age", "--calibration people", "--direction older"):
        done = run_ganzoo("evaluate", trained_run, *words.split(), "-q", cwd=tmp_path)
        assert done.code == 2 and words.split()[0] in done.error


def test_evaluator_sharing_data_refused():
    held_out = find_auxiliary("age", "people-age-held-out")
    config = parse_data_config("people", {"split": "test"})
    check_disjoint(held_out, "it", config, [])
    with pytest.raises(UsageError, match="split 'evaluator' of people"):
        check_disjoint(held_out, "it", parse_data_config("people", {"split": "evaluator"}), [])
    auxiliary_record = {
        "role": "identity",
        "sha256": "a" * 64,
        "data": "people",
        "split": "evaluator",
    }
    with pytest.raises(UsageError, match="identity auxiliary network"):
        check_disjoint(held_out, "it", config, [auxiliary_record])
    same_network = {**auxiliary_record, "sha256": held_out.sha256, "split": ""}
    with pytest.raises(UsageError, match="--evaluator age"):
        check_disjoint(held_out, "it", config, [same_network])
    check_disjoint(held_out, "it", config, [{**auxiliary_record, "split": "auxiliary"}])


def test_same_role_evaluators_share_no_identities(tmp_path):
    """`train` includes `train-a`; networks of different roles may share some people."""
    info = DataInfo(image_size=8, name="faces", split="train-a")
    (tmp_path / "ganzoo.json").write_text("{}")
    evaluator = PretrainedAuxiliary("age", PretrainedFolder(tmp_path, {"data": info.to_json()}))
    config = parse_data_config("people", {"split": "test"})
    auxiliary_record = {"role": "age", "sha256": "a" * 64, "data": "faces", "split": "train"}
    with pytest.raises(UsageError, match="split 'train-a' of faces"):
        check_disjoint(evaluator, "it", config, [auxiliary_record])
    check_disjoint(evaluator, "it", config, [{**auxiliary_record, "split": "train-b"}])
    check_disjoint(evaluator, "it", config, [{**auxiliary_record, "role": "identity"}])


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("train", "train-a", True),
        ("all", "test", True),
        ("train-b", "all", True),
        ("train-a", "train-b", False),
        ("test", "train", False),
        ("auxiliary", "auxiliary", True),
        ("auxiliary", "all", False),
        ("train-a+test", "train-b", False),
        ("train-a+test", "test+auxiliary", True),
        ("", "", True),
    ],
)
def test_split_overlap(one, other, shared):
    """`train` includes its halves, `all` includes every split of a data set with identities; `+`
    joins the splits of several stages."""
    assert splits_overlap(one, other) is splits_overlap(other, one) is shared


def test_age_evaluator_must_cover_all_groups(tmp_path):
    info = DataInfo(
        image_size=8,
        class_names=("0-30", "31-50", "51+"),
        class_counts=(5, 5, 0),
        age_bins=(30, 50),
    )
    pretrained = PretrainedFolder(tmp_path, {"data": info.to_json(), "model": "x"})
    evaluator = PretrainedAuxiliary("age", pretrained)
    check_covers_age_bins(evaluator, "it", (18, 40))  # 41+ includes 41 to 50
    with pytest.raises(UsageError, match=r"60\+"):
        check_covers_age_bins(evaluator, "it", (18, 59))


def make_aging_outputs(ages, embeddings):
    """Return the outputs for three faces at three ages each, and the benchmark data."""
    images = make_images(num_images=90, image_size=8, age_bins=(26, 53))
    info = replace(images.info, class_mean_ages=(10.0, 40.0, 60.0))
    source = replace(images, row_indices=torch.arange(3), label=torch.tensor([0, 1, 2]))
    data = AgingBenchmarkData(source, np.arange(3), replace(images, info=info), images)
    outputs = EvaluatorOutputs(np.array(ages, float), np.array(embeddings, float), np.zeros((9, 1)))
    return AgingOutputs(np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3), outputs), data


def test_model_of_any_age_renders_the_nearest_age_that_it_serves():
    class AgeAsBrightness:
        info = DataInfo(image_size=1, age_range=(10.0, 60.0))
        continuous_ages = True

        def edit_age(self, images, source_age, target_age):
            return (target_age / 100)[:, :, None, None, None]

    method = ModelAgingMethod("toy", AgeAsBrightness(), torch.device("cpu"))
    targets = torch.tensor([[5.0, 30.0, 80.0]])
    edited = method.edit(torch.zeros(1, 1, 1, 1, dtype=torch.uint8), targets[:, 0], targets)
    expected = (torch.tensor([0.1, 0.3, 0.6]) + 1) * 127.5
    assert torch.equal(edited.flatten(), expected.round().byte())


def test_metric_values():
    east, north = [1.0, 0.0], [0.0, 1.0]
    years = [10, 40, 60, 30, 20, 50, 33, 33, 33]
    embeddings = [east, east, north, east, east, east, north, east, north]
    aged, data = make_aging_outputs(years, embeddings)
    source = EvaluatorOutputs(np.zeros(3), np.array([east, east, north]), np.zeros((3, 1)))
    real = EvaluatorOutputs(np.full(90, 30.0), np.zeros((90, 2)), np.zeros((90, 1)))
    found = score_method(aged, data, ReferenceOutputs(source, real, {0.01: 1.0}))
    error = [0, 0, 20, 10, 23, 7]  # of the six images with another group than the source
    assert found["target_age_error"].value == pytest.approx(np.mean(error))
    assert found["group_accuracy"].value == pytest.approx(3 / 6)  # 40, 60 and 33; 50 < 54
    r = np.corrcoef([10, 40, 60], [30, 20, 50])[0, 1]
    assert found["age_pearson_r"].value == pytest.approx((1 + r + 0) / 3)
    assert found["monotonic_rate"].value == pytest.approx((2 + 1 + 0) / 6)
    assert found["tar_far_0.01"].value == pytest.approx(4 / 6)
    assert found["identity_cosine"].breakdown == pytest.approx({"0": 1, "1": 3 / 4, "2": 1 / 2})
    assert found["group_mean_age_error"].breakdown["0-26"] == pytest.approx(abs((30 + 33) / 2 - 30))


def test_thresholds_need_enough_impostors():
    people = np.arange(100)
    embeddings = np.stack([np.cos(people / 100), np.sin(people / 100)], 1)
    found = benchmark.verification_thresholds(embeddings, people, [])
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    distances = distances[np.triu_indices(100, 1)]
    assert (distances <= found[0.01]).mean() <= 0.01 < (distances <= found[0.01] * 1.5).mean()
    notes = []
    few = benchmark.verification_thresholds(embeddings[:20], people[:20], notes)
    assert list(few) == [0.01]
    assert "0.001" in notes[0] and "190 impostor pairs" in notes[0]
    with pytest.raises(DataError, match="9 faces of 9 people: 36 impostor"):
        benchmark.verification_thresholds(embeddings[:9], people[:9], [])
