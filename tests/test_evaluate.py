"""The judge, GAN-test and GAN-train on known answers, and `ganzoo evaluate`."""

import json
import math
import shutil

import pytest
import torch
from torch import nn
from workbench import drawn

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.metrics import Unfit, agreement, classifier
from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.networks import Network, independent
from ganzoo_core.metrics.sides import apportioned, divided, first, spooled, subset
from ganzoo_core.runs.networks import parents
from ganzoo_core.weights import Bundle, find_judge


def case(tmp_path, fake, images=None, **more):
    """Return a case on drawn pictures."""
    train, test = divided(images or drawn(count=400))
    return Case(train, test, test, fake, lambda c: c.judge, cache=tmp_path, **more)


def relabelled(images, label):
    """Return images with other labels."""
    counts = tuple(torch.bincount(label, minlength=3).tolist())
    info = DataInfo.from_json({**images.info.to_json(), "counts": counts})
    return type(images)(images.pixels, info, images.rows, label)


def test_labels_are_apportioned_by_largest_remainder():
    assert apportioned((5, 3, 2), 10).tolist() == [0] * 5 + [1] * 3 + [2] * 2
    assert apportioned((1, 1, 1), 4).bincount().tolist() == [2, 1, 1]
    assert apportioned((0, 7, 0, 1), 8).bincount().tolist() == [0, 7, 0, 1]


def test_a_division_parts_people_and_keeps_every_image():
    images = drawn(count=200, people=20)
    train, test = divided(images)
    assert not set(train.identity.tolist()) & set(test.identity.tolist())
    assert len(train) + len(test) == 200 and sum(train.info.counts) == len(train)
    assert len({images.info.fingerprint, train.info.fingerprint, test.info.fingerprint}) == 3
    again = divided(images)
    assert [s.info.fingerprint for s in again] == [s.info.fingerprint for s in (train, test)]


def test_a_subset_holds_its_own_rows():
    images = drawn()
    rows = torch.tensor([5, 2, 9])
    part = subset(subset(images, torch.arange(20), "a"), rows, "b")
    assert torch.equal(part.gather(torch.arange(3)), images.gather(rows))
    assert torch.equal(part.label, images.label[rows])
    assert len(first(images, 7, 0, "x")) == 7 and first(images, 100, 0, "x") is images


def test_recalls_by_hand():
    label = torch.tensor([0, 0, 1, 1, 1])
    found = classifier.recalls(torch.tensor([0, 1, 1, 1, 0]), label, 3).tolist()
    assert found[:2] == pytest.approx([1 / 2, 2 / 3]) and math.isnan(found[2])


def test_samples_lie_in_a_file_as_they_were_drawn():
    class Constant(nn.Module):
        info = DataInfo(size=8, channels=1, classes=("a", "b"), counts=(1, 1))

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def generate(self, n, label, noise):
            return (label.float() * 2 - 1)[:, None, None, None].expand(n, 1, 8, 8)

    labels = torch.arange(150) % 2
    ticks = []
    found = spooled(Constant(), 150, labels, 0, lambda *at: ticks.append(at))
    pixels = found.gather(torch.arange(150))
    assert pixels.shape == (150, 1, 8, 8) and ticks[-1] == (150, 150)
    assert torch.equal(pixels[:, 0, 3, 3], (labels * 255).byte())
    assert found.info.counts == (75, 75)


def test_gan_test_and_gan_train_know_good_samples_from_bad(tmp_path):
    images = drawn(count=400)
    good = case(tmp_path, divided(images)[1], conditional=True)
    found = agreement.gan_test(good)
    assert found["judge_on_real"].value > 0.6  # a third is chance
    assert found["gan_test_ratio"].value == 1.0
    assert found["gan_test_ratio"].parts == dict.fromkeys(images.info.classes, 1.0)
    wrong = relabelled(images, (images.label + 1) % 3)
    bad = case(tmp_path, wrong, conditional=True)
    assert agreement.gan_test(bad)["gan_test_ratio"].value < 0.5
    right, turned = agreement.gan_train(good), agreement.gan_train(bad)
    assert turned["gan_train"].value < 0.4 < right["real_trained"].value
    shares = agreement.class_shares(
        case(tmp_path, subset(images, images.label.eq(1).nonzero()[:, 0], ""))
    )
    assert shares["rarest_class"].parts["cap"] > 0.6


def test_the_judge_is_trained_once(tmp_path, monkeypatch):
    images = drawn()
    judge = classifier.judge(images, torch.device("cpu"), cache=tmp_path)
    monkeypatch.setattr(classifier, "trained", None)
    again = classifier.judge(images, torch.device("cpu"), cache=tmp_path)
    assert again.sha256 == judge.sha256 and len(judge.sha256) == 64
    x = torch.rand(3, 3, 16, 16)
    assert torch.equal(judge(x)[0], again(x)[0]) and judge(x)[0].shape == (3, judge.dim)


def test_a_damaged_judge_is_trained_again(tmp_path):
    images = drawn()
    judge = classifier.judge(images, torch.device("cpu"), cache=tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    assert classifier.judge(images, torch.device("cpu"), cache=tmp_path).sha256 == judge.sha256


def test_what_labels_do_not_allow_is_refused(tmp_path):
    images = drawn(count=200)
    with pytest.raises(Unfit, match="a model that is asked for a label"):
        agreement.gan_test(case(tmp_path, images))
    with pytest.raises(Unfit, match="no sample of class cone"):
        some = subset(images, images.label.ne(2).nonzero()[:, 0], "")
        agreement.gan_train(case(tmp_path, some, conditional=True))
    one = subset(images, images.label.eq(0).nonzero()[:, 0], "")
    with pytest.raises(Unfit, match="one class only"):
        agreement.class_shares(case(tmp_path, images, one))


def test_a_judge_must_be_independent(tmp_path):
    images = drawn()
    net = Network("it", nn.Identity(), "a" * 64, 3, trained_on=(images.info.fingerprint,))
    with pytest.raises(UsageError, match="the very images it is to score"):
        independent(net, images, frozenset())
    train, other = divided(images)
    with pytest.raises(UsageError, match="the very images"):
        independent(net, first(other, 5, 0, ""), frozenset())  # some of those it learned from
    net = Network("it", nn.Identity(), "a" * 64, 3, trained_on=(train.info.fingerprint,))
    independent(net, other, frozenset({"b" * 64}))
    with pytest.raises(UsageError, match="the very images"):
        independent(net, first(train, 5, 0, ""), frozenset())
    with pytest.raises(UsageError, match="the model was trained against it"):
        independent(net, other, frozenset({"a" * 64}))
    index = {"parents": [{"role": "age", "sha256": "a" * 64}], "files": {}}
    (tmp_path / "ganzoo.json").write_text("{}")
    assert (
        "a" * 64 in parents(Bundle(tmp_path, index)) and len(parents(Bundle(tmp_path, index))) == 2
    )
    same = Case(images, images, images, images, lambda c: c.judge, cache=tmp_path, conditional=True)
    with pytest.raises(UsageError, match="the very images"):
        agreement.gan_test(same)


def test_a_class_that_nobody_has_is_left_out(tmp_path):
    images = drawn(count=400)
    two = subset(images, images.label.ne(2).nonzero()[:, 0], "")
    found = agreement.gan_test(case(tmp_path, divided(two)[1], two, conditional=True))
    assert set(found["judge_on_samples"].parts) == {"bare", "cap"}
    train, test = divided(images)
    lone = subset(test, test.label.ne(2).nonzero()[:, 0], "")
    with pytest.raises(Unfit, match="no held-out image of class cone"):
        Case(train, lone, lone, lone, None, conditional=True).labelled("gan-test")
    some = subset(train, train.label.ne(2).nonzero()[:, 0], "")
    with pytest.raises(Unfit, match="no training image of class cone"):
        Case(some, test, test, test, None, conditional=True).labelled("gan-test")


def test_images_of_another_size_are_refused(tmp_path):
    train, test = divided(drawn(count=40))
    large = drawn(count=40, size=32)
    with pytest.raises(UsageError, match="fake images are 3 x 32 x 32 px and the real ones 3 x 16"):
        Case(train, test, test, large, None)


@pytest.fixture(scope="module")
def measured(ganzoo, trained, tmp_path_factory):
    """`evaluate` on a tiny run: (run folder, what it printed)."""
    home = tmp_path_factory.mktemp("measured")
    shutil.copytree(trained, home / "run")
    done = ganzoo("evaluate", "run", "-n", 60, "--json", "-q", cwd=home)
    assert done.code == 0, done.err
    return home / "run", json.loads(done.out)


def test_evaluate_writes_stamped_figures(measured):
    run, found = measured
    assert json.loads((run / "report" / "evaluation.json").read_text()) == found
    ratio = found["results"]["gan-test"]["figures"]["gan_test_ratio"]
    assert 0 <= ratio["value"] <= 2 and len(ratio["parts"]) == 6
    stamp = found["results"]["gan-test"]["stamp"]
    assert stamp["n_fake"] == 60 and len(stamp["network_sha256"]) == 64
    assert stamp["data"] == "shapes" and stamp["split"] == "test"
    assert "no test split" in found["notes"][0]


def test_evaluate_is_deterministic(ganzoo, measured, tmp_path):
    run, found = measured
    done = ganzoo("evaluate", run, "-n", 60, "--json", "-q", "--out", "again", cwd=tmp_path)
    assert json.loads(done.out)["results"] == found["results"]
    assert (tmp_path / "again" / "evaluation.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["run", "--metrics", "gan-tset"], 2, 'Did you mean "gan-test"?'),
        (["nowhere"], 6, "nowhere is no folder"),
        (["run/weights"], 2, "give --data NAME[:PATH]"),
        (["run", "--set", "train.batch=3"], 2, "only options of data"),
        (["run", "-n", "0"], 2, "0"),
        (["run", "--set", "data.size=64"], 2, "the model draws images of data.size=32, not of 64"),
        (["run", "-n", "60", "--metrics", "fid"], 3, "has 14 and 60: give more real images, or"),
        (["run", "--features", "people-idenity"], 2, 'Did you mean "people-identity"?'),
        (["run", "--features", "no/such"], 6, "no/such"),
        (["run", "--features", "no.pth", "--metrics", "kid"], 6, "no.pth: No such file"),
        (["run", "--data", "shaps"], 2, 'Did you mean "shapes"?'),
        (["run", "-n", "60", "--reference", "train", "--metrics", "kid"], 2, "the very images"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(ganzoo, measured, words, code, says):
    done = ganzoo("evaluate", *words, "-q", cwd=measured[0].parent)
    assert (done.code, done.err.count("\n")) == (code, 1), done.err
    assert says in done.error


def test_a_bundle_is_measured_with_data_named(ganzoo, measured):
    home = measured[0].parent
    done = ganzoo(
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
    assert "judge on samples" in done.out and not (home / "run/weights/report").exists()


def test_an_embedder_of_the_zoo_is_a_feature_network(ganzoo, measured):
    words = ("run", "-n", 120, "--features", "people-identity-held-out", "--metrics", "prdc")
    done = ganzoo("evaluate", *words, "--json", "-q", "--out", "seen", cwd=measured[0].parent)
    assert done.code == 0, done.err
    stamp = json.loads(done.out)["results"]["prdc"]["stamp"]
    assert stamp["network"] == "embedder people-identity-held-out"
    assert len(stamp["network_sha256"]) == 64 and stamp["preprocessing"] == "its own"


def test_a_judge_that_the_model_was_trained_against_is_refused(ganzoo, measured, tmp_path):
    shutil.copytree(measured[0], tmp_path / "run")
    index = tmp_path / "run/weights/ganzoo.json"
    judge = find_judge("identity", "people-identity")
    facts = {"role": "identity", "sha256": judge.sha256, "model": judge.bundle.model}
    index.write_text(json.dumps({**json.loads(index.read_text()), "parents": [facts]}))
    words = ("-n", 120, "--features", "people-identity", "--metrics", "kid", "-q")
    done = ganzoo("evaluate", "run", *words, cwd=tmp_path)
    assert done.code == 2 and "the model was trained against it" in done.error
