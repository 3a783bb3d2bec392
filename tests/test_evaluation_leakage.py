"""What `ganzoo evaluate` says about the images and the networks: seen images, `fid`, too few."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from ganzoo_faces.config import UserImagesConfig
from ganzoo_faces.folders import PlainFolder
from http_servers import FileServerHandler, run_server
from PIL import Image
from torch import nn
from training_helpers import make_images

import ganzoo_core as gz
from ganzoo_core.data import pack_images
from ganzoo_core.errors import WeightsError
from ganzoo_core.evaluation import api
from ganzoo_core.evaluation.provenance import training_image_notes
from ganzoo_core.evaluation.result import Evaluation, save_evaluation
from ganzoo_core.metrics import classifier, distances, inception
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.feature_extractor import FeatureExtractor, extract_features
from ganzoo_core.metrics.image_sets import random_subset, train_test_split
from ganzoo_core.metrics.metric_value import MetricNotApplicableError, MetricValue
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
from ganzoo_core.training.exporting import export
from ganzoo_core.training.loading import load_with_record
from ganzoo_core.weights.training_images import (
    TRAINING_IMAGES_FILE,
    TrainingImages,
    read_training_images,
    save_training_images,
)
from ganzoo_core.zoo import zoo


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of two classes of 60 images of noise."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for i in range(60):
            pixels = rng.integers(0, 256, (20, 20, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:03d}.png")
    return folder


def train_on(photos, out, **options):
    return gz.train(
        "cgan",
        f"class-folder:{photos}",
        preset="smoke",
        steps=2,
        options={"data": options.pop("data", {})},
        out=out,
        device="cpu",
        quiet=True,
        **options,
    )


@pytest.fixture(scope="module")
def runs(photos, tmp_path_factory):
    """Runs on one folder: with the default split and with all images."""
    home = tmp_path_factory.mktemp("runs")
    train_on(photos, home / "train")
    train_on(photos, home / "all", data={"split": "all"})
    return home


def evaluate(run, **options):
    return api.evaluate(run, num_samples=8, metrics=["memorization"], quiet=True, **options)


def test_note_is_right_for_train_and_for_all(runs):
    notes = {name: evaluate(runs / name).notes for name in ("train", "all")}
    num_test = len(pack_test_images(runs / "all"))
    assert 4 <= num_test <= 24
    assert notes["train"] == [f"0 of {num_test} held-out images were trained on"]
    assert notes["all"] == [f"{num_test} of {num_test} held-out images were trained on"]


def pack_test_images(run):
    _, pretrained = load_with_record(run)
    return api.load_real_images(run, pretrained, None, {}, api.Progress(quiet=True))[1]


def test_images_are_found_under_another_name(runs, photos, tmp_path):
    """A copy of the folder with other names has another split, and the same images."""
    for i, path in enumerate(sorted(photos.rglob("*.png"))):
        (tmp_path / "copy" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "copy" / path.parent.name / f"other-{i}.png")
    found = evaluate(runs / "train", data=f"class-folder:{tmp_path / 'copy'}")
    seen, total = (int(found.notes[0].split()[i]) for i in (0, 2))
    assert 0 < seen <= total
    recorded = read_training_images(runs / "train")
    assert len(recorded.hashes) + len(pack_test_images(runs / "train")) == 120


def test_resume_and_export_keep_the_record(runs, tmp_path):
    run = shutil.copytree(runs / "train", tmp_path / "run")
    before = (run / TRAINING_IMAGES_FILE).read_bytes()
    gz.resume(run, steps=3, quiet=True)
    assert (run / TRAINING_IMAGES_FILE).read_bytes() == before
    assert (run / "weights" / TRAINING_IMAGES_FILE).exists()
    export(run, tmp_path / "exported")
    kept = read_training_images(tmp_path / "exported")
    assert torch.equal(kept.hashes, read_training_images(run).hashes)


def test_initial_weights_are_part_of_the_record(runs, photos, tmp_path):
    run = train_on(photos, tmp_path / "run", data={"split": "test"}, init_from=runs / "train")
    recorded = read_training_images(run.path)
    assert len(recorded.hashes) < 30 and len(recorded.all_hashes()) == 120
    test = pack_test_images(runs / "train")
    _, pretrained = load_with_record(run.path)
    assert training_image_notes(pretrained, test, test)[0].startswith(f"{len(test)} of {len(test)}")
    (runs_without := tmp_path / "old").mkdir()
    shutil.copytree(runs / "train", runs_without, dirs_exist_ok=True)
    for file in runs_without.rglob(TRAINING_IMAGES_FILE):
        file.unlink()
    _, pretrained = load_with_record(runs / "train")
    pretrained = type(pretrained)(runs_without / "weights", pretrained.index)
    assert "do not record" in training_image_notes(pretrained, test, test)[0]


def test_auxiliary_network_that_saw_held_out_images_is_named(runs, monkeypatch):
    _, pretrained = load_with_record(runs / "train")
    record = {"role": "identity", "sha256": "a" * 64, "model": "facenet"}
    pretrained = type(pretrained)(pretrained.path, {**pretrained.index, "auxiliaries": [record]})
    _, saw_all = load_with_record(runs / "all")

    class Found:
        pretrained = saw_all

    monkeypatch.setattr(
        "ganzoo_core.evaluation.provenance.find_auxiliary_by_hash", lambda *_: Found
    )
    test = pack_test_images(runs / "train")
    notes = training_image_notes(pretrained, random_subset(test, 1, 0, ""), test)
    n = len(test)
    assert (
        notes[1]
        == f"{n} of {n} held-out images were used to train the auxiliary network 'identity'"
    )
    assert notes[2].startswith(f"1 of {n} held-out images equal an image of the training split")


def test_hashes_of_a_store_are_those_of_the_pixels(tmp_path):
    dataset = Shapes(ShapesConfig(name="shapes", count=12, image_size=16))
    options = {"image_size": 16, "cache_dir": tmp_path}
    stored, decoded = pack_images(dataset, **options), pack_images(dataset, image_size=16)
    assert stored.row_hashes is not None and decoded.row_hashes is None
    assert torch.equal(stored.image_hashes(), decoded.image_hashes())
    assert len(stored.image_hashes().unique()) == 12
    next(tmp_path.rglob("hashes.i64")).unlink()  # a store of an earlier version
    assert torch.equal(pack_images(dataset, **options).image_hashes(), decoded.image_hashes())
    part = random_subset(stored, 5, 0, "")
    assert TrainingImages(decoded.image_hashes()).count_seen(part.image_hashes()) == 5


@pytest.mark.parametrize(
    "tensors",
    [{}, {"images": torch.zeros(3)}, {"images": torch.zeros(3, 1).long()}, {"x": torch.zeros(1)}],
)
def test_damaged_record_is_refused(tmp_path, tensors):
    class Damaged(TrainingImages):
        def tensors(self):
            return tensors

    save_training_images(tmp_path, Damaged(torch.zeros(0)))
    with pytest.raises(WeightsError, match="training_images"):
        read_training_images(tmp_path)


# --- names of the values --------------------------------------------------------------------------


class MeanPixels(nn.Module):
    """Features [N, 4]."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return images.flatten(1)[:, :4].contiguous(), None


@pytest.mark.parametrize(
    ("is_standard", "names"),
    [(True, ["fid", "kid", "prdc"]), (False, ["fd[mean]", "kd[mean]", "prdc[mean]"])],
)
def test_only_the_standard_network_is_named_fid(tmp_path, is_standard, names):
    train, test = train_test_split(make_images(num_images=800, num_identities=200))
    extractor = FeatureExtractor(
        "means", MeanPixels(), "", 4, short_name="mean", is_standard=is_standard
    )
    ctx = EvaluationContext(train, test, test, train, lambda _: extractor, cache_dir=tmp_path)
    evaluation = Evaluation("model")
    for name in ("fid", "kid", "prdc"):
        api._compute_metric(zoo().metric(name), ctx, evaluation, "test", is_required=True)
    assert list(evaluation.results) == list(evaluation.settings) == names
    values = [name for found in evaluation.results.values() for name in found]
    assert values[:2] == [name.partition("[")[0] for name in names[:2]]


def test_standard_inception_is_known_by_its_hash(tmp_path, monkeypatch):
    net = inception.Inception(is_fid=True).net
    path = tmp_path / "weights.pth"
    torch.save(net.state_dict(), path)
    found = inception.load_inception(path, torch.device("cpu"))
    assert not found.is_standard and found.short_name == f"inception-{found.sha256[:8]}"
    monkeypatch.setattr(inception, "STANDARD_SHA256", found.sha256)
    assert inception.load_inception(path, torch.device("cpu")).is_standard


def test_inception_is_downloaded_checked_and_cached(tmp_path, monkeypatch):
    body = b"weights" * 100
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with run_server(FileServerHandler) as server:
        server.files["/w.pth"] = body
        monkeypatch.setattr(inception, "STANDARD_URL", f"{server.url}/w.pth")
        monkeypatch.setattr(inception, "STANDARD_SIZE", len(body))
        with pytest.raises(WeightsError) as refused:
            inception.find_standard_inception()
        assert "expected 6726825d0af5f729" in str(refused.value)
        assert "pt_inception-2015-12-05-6726825d.pth" in str(refused.value)
        sha256 = hashlib.sha256(body).hexdigest()
        monkeypatch.setattr(inception, "STANDARD_SHA256", sha256)
        path = inception.find_standard_inception()
        assert path.read_bytes() == body and path.is_relative_to(tmp_path / "cache")
        num_requests = len(server.requests)
        assert inception.find_standard_inception() == path
        hub = tmp_path / "torch" / "hub" / "checkpoints"
        hub.mkdir(parents=True)
        other = shutil.move(path, hub / "weights-inception-2015-12-05-6726825d.pth")
        assert inception.find_standard_inception() == other
        assert len(server.requests) == num_requests


@pytest.fixture
def nothing_runs(monkeypatch):
    """Fail if a sample is drawn or a classifier is trained."""

    def fail(*_args, **_options):
        raise AssertionError("must be refused before")

    monkeypatch.setattr(api, "sample_to_disk", fail)
    monkeypatch.setattr(classifier, "train_classifier", fail)
    monkeypatch.setattr(classifier, "load_or_train_classifier", fail)


def test_missing_inception_is_refused_first(runs, nothing_runs, tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(WeightsError) as refused:
        api.evaluate(runs / "train", feature_extractor="inception", metrics=["fid"], quiet=True)
    for part in (*inception.STANDARD_FILES[:1], inception.STANDARD_SHA256, "https://", "cache"):
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("metric", "num_samples", "named"),
    [
        ("fid", 100, "fid needs 128 real images"),
        ("kid", 99, "kid needs 100 real images"),
        ("prdc", 5, "prdc needs 6 real images and 6 samples, and has 5 and 5: give a larger -n"),
        ("intra-fid", 300, "intra-fid: class 'dog' needs 128"),
    ],
)
def test_too_few_images_are_refused_first(runs, nothing_runs, metric, num_samples, named):
    with pytest.raises(MetricNotApplicableError) as refused:
        api.evaluate(runs / "train", metrics=[metric], num_samples=num_samples, quiet=True)
    assert named in str(refused.value)


def test_weak_classifier_is_noted(runs):
    """Images of noise cannot be classified."""
    found = api.evaluate(runs / "train", metrics=["diversity"], num_samples=8, quiet=True)
    assert list(found.results) == ["diversity[classifier]"]
    assert any("is right in only" in note and "inception" in note for note in found.notes)


# --- evaluation.json ------------------------------------------------------------------------------


def make_evaluation(metric, weights="a" * 64, **settings):
    values = {metric: MetricValue(value=1.0, better="lower")}
    return Evaluation(
        "m", {metric: values}, settings={metric: settings}, weights_sha256=weights, notes=[metric]
    )


def test_evaluations_of_the_same_weights_are_merged(tmp_path):
    file = tmp_path / "evaluation.json"
    save_evaluation(make_evaluation("kid", n=10), tmp_path, None)
    save_evaluation(make_evaluation("prdc", n=10), tmp_path, None)
    stored = json.loads(file.read_text())
    assert list(stored["results"]) == ["kid", "prdc"] and stored["notes"] == ["kid", "prdc"]
    again = save_evaluation(make_evaluation("kid", n=20), tmp_path, None)
    stored = json.loads(file.read_text())
    assert stored["results"]["kid"]["settings"] == {"n": 20} and "prdc" in stored["results"]
    assert again.notes[1] == "kid replaces a value with other settings (n)"
    other = save_evaluation(make_evaluation("fid", weights="b" * 64), tmp_path, None)
    assert list(json.loads(file.read_text())["results"]) == ["fid"]
    assert "kid" in other.notes[1] and "other weights" in other.notes[1]
    file.write_text("{")
    save_evaluation(make_evaluation("fid"), tmp_path, None)
    assert list(json.loads(file.read_text())["results"]) == ["fid"]


def test_stopped_run_is_evaluated_at_its_newest_checkpoint(runs, run_ganzoo, tmp_path):
    run = shutil.copytree(runs / "all", tmp_path / "run")
    finished = evaluate(run)
    shutil.rmtree(run / "weights")
    stopped = evaluate(run)
    assert stopped.results == finished.results
    assert stopped.notes[0] == finished.notes[0]  # the images are those of the run folder
    done = run_ganzoo("evaluate", "run", "--metrics", "memorization", "-n", 8, cwd=tmp_path)
    assert done.code == 0 and "run is at step 2 of 2" in done.err, done.err


# --- agreement with torch-fidelity ----------------------------------------------------------------


class RandomFeatures(nn.Module):
    """Images [N, 3, S, S] in [-1, 1] -> features [N, 12], with fixed random weights; the samples of
    a model that is hardly trained differ little, so the features are enlarged."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Conv2d(3, 12, 5, 3), nn.ReLU(), nn.Conv2d(12, 12, 3, 2))

    def forward(self, images):
        return 1000 * self.body(images).mean((2, 3)), None


def test_frechet_distance_of_exported_images_matches_torch_fidelity(
    trained_run, run_ganzoo, tmp_path
):
    """`ganzoo sample --each` writes the images that any outside tool measures alike."""
    torch_fidelity = pytest.importorskip("torch_fidelity")

    class Extractor(torch_fidelity.feature_extractor_base.FeatureExtractorBase):
        def __init__(self, name, features_list, **_):
            super().__init__(name, features_list)
            self.net = RandomFeatures().eval()

        @staticmethod
        def get_provided_features_list():
            return ("12",)

        @staticmethod
        def get_default_feature_layer_for_metric(metric):
            return "12"

        @staticmethod
        def can_be_compiled():
            return False

        def forward(self, pixels):
            return (self.net(pixels.float() / 127.5 - 1)[0],)

    torch_fidelity.register_feature_extractor("random-12", Extractor)
    features, folders = [], ["a", "b"]
    network = FeatureExtractor("random", RandomFeatures().eval(), "", 12)
    for folder, label, seeds in zip(folders, ("0-18", "60+"), ("0-79", "200-299"), strict=True):
        words = ("--each", folder, "--seeds", seeds, "--label", label, "-q")
        done = run_ganzoo("sample", trained_run, *words, cwd=tmp_path)
        assert done.code == 0, done.err
        config = UserImagesConfig(
            name="folder", path=str(tmp_path / folder), image_size=32, split="all"
        )
        images = pack_images(PlainFolder(config), image_size=32)
        features.append(extract_features(network, images, lambda *_: None).features)
    theirs = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "a"),
        input2=str(tmp_path / "b"),
        fid=True,
        feature_extractor="random-12",
        cuda=False,
        verbose=False,
        cache=False,
        save_cpu_ram=True,
    )
    ours = distances.frechet_distance(*features)
    assert len(features[0]) == 80 and len(features[1]) == 100 and ours > 1
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
