"""The metric `likelihood` against known distributions, and its errors."""

import json
import math

import pytest
import torch
from torch import nn
from training_helpers import make_images

from ganzoo_core.data.quantization import quantize
from ganzoo_core.interfaces import SupportsLikelihood
from ganzoo_core.metrics import MetricNotApplicableError
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.image_sets import random_subset, train_test_split
from ganzoo_core.metrics.likelihood import likelihood, pixel_log_probs, require_likelihood

NUM_DIMS = 3 * 16 * 16


class UniformModel(nn.Module):
    """All levels have the same probability."""

    is_exact, conditional = True, False

    def __init__(self, info, num_levels):
        super().__init__()
        self.info, self.num_levels, self.unused = info, num_levels, nn.Linear(1, 1)

    def log_likelihood(self, image, label, rng):
        nats = math.log(self.num_levels) * image[0].numel()
        return torch.full((len(image),), -nats)


class LabelDependentModel(UniformModel):
    """Conditional; images of the first class take one more nat."""

    conditional = True

    def log_likelihood(self, image, label, rng):
        return super().log_likelihood(image, label, rng) - (label == 0).float()


def make_context(model_class, tmp_path, images, **more):
    train, test = train_test_split(images)
    model = model_class(images.info, 4)
    no_samples = random_subset(test, 0, 0, "none")
    return EvaluationContext(
        train,
        test,
        test,
        no_samples,
        lambda c: c.classifier,
        cache_dir=tmp_path,
        model=model,
        **more,
    )


def test_uniform_model_bits_per_dim(tmp_path):
    found = likelihood(make_context(UniformModel, tmp_path, make_images(num_images=60)))
    assert found["bits_per_dim"].value == pytest.approx(2)
    assert found["bits_per_dim"].std_error == pytest.approx(0, abs=1e-9)
    assert found["nats"].value == pytest.approx(2 * math.log(2) * NUM_DIMS)
    assert found["bits_saved_vs_histogram"].value == pytest.approx(
        found["histogram_bits_per_dim"].value - 2
    )


def test_histogram_baseline_is_smoothed():
    images = make_images(num_images=20)
    log_probs = pixel_log_probs(images, 4)
    codes = quantize(images.gather(torch.arange(20)).float() / 127.5 - 1, 4).flatten(1)
    for dim in (0, 300, NUM_DIMS - 1):
        counts = codes[:, dim].bincount(minlength=4).double() + 0.5
        torch.testing.assert_close(log_probs[dim].exp(), counts / 22)


def test_conditional_likelihood_includes_label_entropy(tmp_path):
    images = make_images(num_images=60)
    ctx = make_context(LabelDependentModel, tmp_path, images, conditional=True)
    counts = torch.tensor(ctx.train.info.class_counts).double() + 0.5
    label = ctx.real.label
    expected_nats = -(counts / counts.sum()).log()[label] + (label == 0).double()
    nats = likelihood(ctx)["nats"].value - math.log(4) * NUM_DIMS
    assert nats == pytest.approx(float(expected_nats.mean()), abs=1e-3)


def test_bound_is_reported_as_bound(tmp_path):
    ctx = make_context(UniformModel, tmp_path, make_images(num_images=60))
    ctx.model.is_exact = False
    likelihood(ctx)
    assert "bound" in ctx.notes[0]


def test_model_without_likelihood_refused():
    assert not isinstance(nn.Linear(1, 1), SupportsLikelihood)
    with pytest.raises(MetricNotApplicableError, match=r"Linear.*pixelcnn.*vae"):
        require_likelihood(nn.Linear(1, 1))


@pytest.fixture(scope="module")
def runs_dir(run_ganzoo, tmp_path_factory):
    """A folder of small runs of cgan, pixelcnn and vae."""
    home = tmp_path_factory.mktemp("likelihood")
    for name in ("cgan", "pixelcnn", "vae"):
        few = ("--set", "data.count=64", "--steps", "2")
        done = run_ganzoo("run", name, "--preset", "smoke", *few, "--out", name, "-q", cwd=home)
        assert done.code == 0, done.err
    return home


def test_evaluate_likelihood_needs_no_samples(run_ganzoo, runs_dir):
    args = ("--metrics", "likelihood", "--json", "-q")
    found = {
        name: run_ganzoo("evaluate", name, *args, cwd=runs_dir) for name in ("pixelcnn", "vae")
    }
    assert [done.code for done in found.values()] == [0, 0]
    evaluations = {name: json.loads(done.out) for name, done in found.items()}
    results = {name: one["results"]["likelihood"] for name, one in evaluations.items()}
    settings = {name: result["settings"] for name, result in results.items()}
    assert (settings["pixelcnn"]["num_levels"], settings["vae"]["num_levels"]) == (4, 256)
    assert "num_fake" not in settings["vae"]
    notes = {name: " ".join(one["notes"]) for name, one in evaluations.items()}
    assert "bound" in notes["vae"] and "bound" not in notes["pixelcnn"]
    values = results["pixelcnn"]["values"]
    nats = values["bits_per_dim"]["value"] * 8 * 8 * 3 * math.log(2)
    assert nats == pytest.approx(values["nats"]["value"])


def test_evaluate_refuses_missing_likelihood(run_ganzoo, runs_dir):
    done = run_ganzoo("evaluate", "cgan", "--metrics", "likelihood", "-q", cwd=runs_dir)
    assert done.code == 3
    assert done.error.startswith("ganzoo: likelihood: CGAN")
    assert done.error.endswith(": pixelcnn, vae")
