"""The classifier, GAN-test, GAN-train and `ganzoo evaluate`."""

import json
import math
import shutil

import pytest
import torch
from torch import nn
from training_helpers import make_images

from ganzoo_core.errors import UsageError
from ganzoo_core.evaluation.feature_networks import lineage_hashes
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.metrics import MetricNotApplicableError, classification, classifier
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.feature_extractor import FeatureExtractor, check_independent
from ganzoo_core.metrics.image_sets import (
    proportional_labels,
    random_subset,
    sample_to_disk,
    subset,
    train_test_split,
)
from ganzoo_core.weights import PretrainedFolder, find_auxiliary


def make_context(tmp_path, fake_images, images=None, **more):
    train, test = train_test_split(images or make_images(num_images=400))
    return EvaluationContext(
        train, test, test, fake_images, lambda c: c.classifier, cache_dir=tmp_path, **more
    )


def with_labels(images, label):
    counts = tuple(torch.bincount(label, minlength=3).tolist())
    info = DataInfo.from_json({**images.info.to_json(), "class_counts": counts})
    return type(images)(images.pixels, info, images.row_indices, label)


def test_labels_by_largest_remainder():
    assert proportional_labels((5, 3, 2), 10).tolist() == [0] * 5 + [1] * 3 + [2] * 2
    assert proportional_labels((1, 1, 1), 4).bincount().tolist() == [2, 1, 1]
    assert proportional_labels((0, 7, 0, 1), 8).bincount().tolist() == [0, 7, 0, 1]


def test_split_separates_identities():
    images = make_images(num_images=200, num_identities=20)
    train, test = train_test_split(images)
    assert not set(train.identity.tolist()) & set(test.identity.tolist())
    assert len(train) + len(test) == 200 and sum(train.info.class_counts) == len(train)
    assert len({images.info.fingerprint, train.info.fingerprint, test.info.fingerprint}) == 3
    again = train_test_split(images)
    assert [s.info.fingerprint for s in again] == [s.info.fingerprint for s in (train, test)]


def test_subset_rows():
    images = make_images()
    rows = torch.tensor([5, 2, 9])
    part = subset(subset(images, torch.arange(20), "a"), rows, "b")
    assert torch.equal(part.gather(torch.arange(3)), images.gather(rows))
    assert torch.equal(part.label, images.label[rows])
    assert (
        len(random_subset(images, 7, 0, "x")) == 7 and random_subset(images, 100, 0, "x") is images
    )


def test_per_class_recall():
    label = torch.tensor([0, 0, 1, 1, 1])
    found = classifier.per_class_recall(torch.tensor([0, 1, 1, 1, 0]), label, 3).tolist()
    assert found[:2] == pytest.approx([1 / 2, 2 / 3]) and math.isnan(found[2])


def test_samples_spooled_to_file():
    class ConstantModel(nn.Module):
        info = DataInfo(image_size=8, num_channels=1, class_names=("a", "b"), class_counts=(1, 1))

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def generate(self, n, label, rng):
            return (label.float() * 2 - 1)[:, None, None, None].expand(n, 1, 8, 8)

    labels = torch.arange(150) % 2
    progress = []
    found = sample_to_disk(ConstantModel(), 150, labels, 0, lambda *at: progress.append(at))
    pixels = found.gather(torch.arange(150))
    assert pixels.shape == (150, 1, 8, 8) and progress[-1] == (150, 150)
    assert torch.equal(pixels[:, 0, 3, 3], (labels * 255).byte())
    assert found.info.class_counts == (75, 75)


def test_gan_test_and_gan_train_scores(tmp_path):
    images = make_images(num_images=400)
    good = make_context(tmp_path, train_test_split(images)[1], conditional=True)
    found = classification.gan_test(good)
    assert found["classifier_acc_real"].value > 0.6  # chance is 1/3
    assert found["gan_test_ratio"].value == 1.0
    assert found["gan_test_ratio"].breakdown == dict.fromkeys(images.info.class_names, 1.0)
    wrong = with_labels(images, (images.label + 1) % 3)
    bad = make_context(tmp_path, wrong, conditional=True)
    assert classification.gan_test(bad)["gan_test_ratio"].value < 0.5
    correct, shifted = classification.gan_train(good), classification.gan_train(bad)
    assert shifted["gan_train_acc"].value < 0.4 < correct["real_train_acc"].value
    histogram = classification.class_histogram(
        make_context(tmp_path, subset(images, images.label.eq(1).nonzero()[:, 0], ""))
    )
    assert histogram["min_class_frequency"].breakdown["cap"] > 0.6


def test_classifier_is_cached(tmp_path, monkeypatch):
    images = make_images()
    trained_classifier = classifier.load_or_train_classifier(
        images, torch.device("cpu"), cache_dir=tmp_path
    )
    monkeypatch.setattr(classifier, "train_classifier", None)
    again = classifier.load_or_train_classifier(images, torch.device("cpu"), cache_dir=tmp_path)
    assert again.sha256 == trained_classifier.sha256 and len(trained_classifier.sha256) == 64
    x = torch.rand(3, 3, 16, 16)
    assert torch.equal(trained_classifier(x)[0], again(x)[0])
    assert trained_classifier(x)[0].shape == (3, trained_classifier.feature_dim)


def test_damaged_classifier_is_retrained(tmp_path):
    images = make_images()
    trained_classifier = classifier.load_or_train_classifier(
        images, torch.device("cpu"), cache_dir=tmp_path
    )
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    assert (
        classifier.load_or_train_classifier(images, torch.device("cpu"), cache_dir=tmp_path).sha256
        == trained_classifier.sha256
    )


def test_label_metrics_need_labels(tmp_path):
    images = make_images(num_images=200)
    with pytest.raises(MetricNotApplicableError, match="conditional"):
        classification.gan_test(make_context(tmp_path, images))
    with pytest.raises(MetricNotApplicableError, match="sample of class cone"):
        some = subset(images, images.label.ne(2).nonzero()[:, 0], "")
        classification.gan_train(make_context(tmp_path, some, conditional=True))
    one = subset(images, images.label.eq(0).nonzero()[:, 0], "")
    with pytest.raises(MetricNotApplicableError, match="--feature-extractor"):
        classification.class_histogram(make_context(tmp_path, images, one))


def test_evaluator_must_be_independent(tmp_path):
    images = make_images()
    evaluator = FeatureExtractor(
        "it", nn.Identity(), "a" * 64, 3, training_fingerprints=(images.info.fingerprint,)
    )
    with pytest.raises(UsageError, match="--reference"):
        check_independent(evaluator, images, frozenset())
    train, other = train_test_split(images)
    with pytest.raises(UsageError, match="--reference"):  # a subset of its training data
        check_independent(evaluator, random_subset(other, 5, 0, ""), frozenset())
    evaluator = FeatureExtractor(
        "it", nn.Identity(), "a" * 64, 3, training_fingerprints=(train.info.fingerprint,)
    )
    check_independent(evaluator, other, frozenset({"b" * 64}))
    with pytest.raises(UsageError, match="--reference"):
        check_independent(evaluator, random_subset(train, 5, 0, ""), frozenset())
    with pytest.raises(UsageError, match="sha256 aaaaaaaaaaaa"):
        check_independent(evaluator, other, frozenset({"a" * 64}))
    index = {"auxiliaries": [{"role": "age", "sha256": "a" * 64}], "files": {}}
    (tmp_path / "ganzoo.json").write_text("{}")
    hashes = lineage_hashes(PretrainedFolder(tmp_path, index))
    assert "a" * 64 in hashes and len(hashes) == 2
    same = EvaluationContext(
        images, images, images, images, lambda c: c.classifier, cache_dir=tmp_path, conditional=True
    )
    with pytest.raises(UsageError, match="--reference"):
        classification.gan_test(same)


def test_empty_class_is_skipped(tmp_path):
    images = make_images(num_images=400)
    two = subset(images, images.label.ne(2).nonzero()[:, 0], "")
    found = classification.gan_test(
        make_context(tmp_path, train_test_split(two)[1], two, conditional=True)
    )
    assert set(found["gan_test_acc"].breakdown) == {"bare", "cap"}
    train, test = train_test_split(images)
    lone = subset(test, test.label.ne(2).nonzero()[:, 0], "")
    with pytest.raises(MetricNotApplicableError, match="held-out image of class cone"):
        EvaluationContext(train, lone, lone, lone, None, conditional=True).require_labels(
            "gan-test"
        )
    some = subset(train, train.label.ne(2).nonzero()[:, 0], "")
    with pytest.raises(MetricNotApplicableError, match="training image of class cone"):
        EvaluationContext(some, test, test, test, None, conditional=True).require_labels("gan-test")


def test_mismatched_image_size_refused(tmp_path):
    train, test = train_test_split(make_images(num_images=40))
    large = make_images(num_images=40, image_size=32)
    with pytest.raises(UsageError, match="3 x 32 x 32"):
        EvaluationContext(train, test, test, large, None)


@pytest.fixture(scope="module")
def evaluated_run(run_ganzoo, trained_run, tmp_path_factory):
    """(run folder, JSON output) of `evaluate` on a small run."""
    home = tmp_path_factory.mktemp("measured")
    shutil.copytree(trained_run, home / "run")
    done = run_ganzoo("evaluate", "run", "-n", 60, "--json", "-q", cwd=home)
    assert done.code == 0, done.err
    return home / "run", json.loads(done.out)


def test_evaluate_writes_json(evaluated_run):
    run, found = evaluated_run
    path = "run/report/evaluation.json"
    assert json.loads((run.parent / path).read_text()) | {"path": path} == found
    ratio = found["results"]["gan-test"]["values"]["gan_test_ratio"]
    assert 0 <= ratio["value"] <= 2 and len(ratio["breakdown"]) == 6
    settings = found["results"]["gan-test"]["settings"]
    assert settings["num_fake"] == 60 and len(settings["feature_extractor_sha256"]) == 64
    assert settings["data"] == "shapes" and settings["split"] == "test"
    assert found["notes"][0] == "14 of 14 held-out images were trained on"


def test_evaluate_is_deterministic(run_ganzoo, evaluated_run, tmp_path):
    run, found = evaluated_run
    done = run_ganzoo("evaluate", run, "-n", 60, "--json", "-q", "--out", "again", cwd=tmp_path)
    assert json.loads(done.out)["results"] == found["results"]
    assert (tmp_path / "again" / "evaluation.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["run", "--metrics", "gan-tset"], 2, '"gan-test"'),
        (["nowhere"], 6, "nowhere"),
        (["run/weights"], 2, "run/weights does not record its data: give --data shapes[:PATH]"),
        (["run", "--set", "train.batch_size=3"], 2, "--set train"),
        (["run", "-n", "0"], 2, "0"),
        (["run", "--set", "data.image_size=64"], 2, "data.image_size=32"),
        (["run", "-n", "60", "--metrics", "fid"], 3, "14 and 60"),
        (["run", "--feature-extractor", "people-idenity"], 6, '"people-identity"'),
        (["run", "--feature-extractor", "no/such"], 6, "no/such"),
        (["run", "--feature-extractor", "no.pth", "--metrics", "kid"], 6, "no.pth"),
        (["run", "--data", "shaps"], 2, '"shapes"'),
        (
            ["run", "-n", "60", "--reference", "train", "--metrics", "diversity"],
            2,
            "--reference test",
        ),
    ],
)
def test_evaluate_errors_are_one_line(run_ganzoo, evaluated_run, words, code, named):
    done = run_ganzoo("evaluate", *words, "-q", cwd=evaluated_run[0].parent)
    assert (done.code, done.err.count("\n")) == (code, 1), done.err
    assert named in done.error


def test_evaluate_pretrained_with_data(run_ganzoo, evaluated_run):
    home = evaluated_run[0].parent
    done = run_ganzoo(
        "evaluate",
        "run/weights",
        "--data",
        "shapes",
        "--set",
        "data.count=64",
        "-n",
        30,
        "--metrics",
        "gan-test",
        "-q",
        cwd=home,
    )
    assert done.code == 0, done.err
    assert "gan test acc" in done.out and not (home / "run/weights/report").exists()


def test_embedder_as_feature_extractor(run_ganzoo, evaluated_run):
    words = (
        "run",
        "-n",
        120,
        "--feature-extractor",
        "people-identity-held-out",
        "--metrics",
        "prdc",
    )
    done = run_ganzoo(
        "evaluate", *words, "--json", "-q", "--out", "seen", cwd=evaluated_run[0].parent
    )
    assert done.code == 0, done.err
    settings = json.loads(done.out)["results"]["prdc[people-identity-held-out]"]["settings"]
    assert settings["feature_extractor"] == "embedder people-identity-held-out"
    assert len(settings["feature_extractor_sha256"]) == 64
    assert settings["preprocessing"] == "its own"


def test_evaluator_used_in_training_refused(run_ganzoo, evaluated_run, tmp_path):
    shutil.copytree(evaluated_run[0], tmp_path / "run")
    index = tmp_path / "run/weights/ganzoo.json"
    evaluator = find_auxiliary("identity", "people-identity")
    auxiliary_record = {
        "role": "identity",
        "sha256": evaluator.sha256,
        "model": evaluator.pretrained.model_name,
    }
    record = {**json.loads(index.read_text()), "auxiliaries": [auxiliary_record]}
    index.write_text(json.dumps(record))
    words = ("-n", 120, "--feature-extractor", "people-identity", "--metrics", "diversity", "-q")
    done = run_ganzoo("evaluate", "run", *words, cwd=tmp_path)
    assert done.code == 2 and evaluator.sha256[:12] in done.error
