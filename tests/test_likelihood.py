"""The metric `likelihood`: against distributions that are known, and what it refuses."""

import json
import math

import pytest
import torch
from torch import nn
from workbench import drawn

from ganzoo_core.data.levels import to_codes
from ganzoo_core.interfaces import HasLikelihood
from ganzoo_core.metrics import Unfit
from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.likelihood import asked_of, histogram, likelihood
from ganzoo_core.metrics.sides import divided, first

DIMS = 3 * 16 * 16


class Even(nn.Module):
    """Every level of every value is as probable as any other."""

    exact, conditional = True, False

    def __init__(self, info, levels):
        super().__init__()
        self.info, self.levels, self.one = info, levels, nn.Linear(1, 1)

    def log_likelihood(self, image, label, noise):
        nats = math.log(self.levels) * image[0].numel()
        return torch.full((len(image),), -nats)


class ByLabel(Even):
    """Knows the label, and charges a nat for each image of the first class."""

    conditional = True

    def log_likelihood(self, image, label, noise):
        return super().log_likelihood(image, label, noise) - (label == 0).float()


def case(model, tmp_path, images, **more):
    train, test = divided(images)
    model = model(images.info, 4)
    none = first(test, 0, 0, "none")
    return Case(train, test, test, none, lambda c: c.judge, cache=tmp_path, model=model, **more)


def test_a_uniform_model_needs_the_bits_of_its_levels(tmp_path):
    found = likelihood(case(Even, tmp_path, drawn(count=60)))
    assert found["bits_per_dim"].value == pytest.approx(2)
    assert found["bits_per_dim"].error == pytest.approx(0, abs=1e-9)
    assert found["nats"].value == pytest.approx(2 * math.log(2) * DIMS)
    assert found["bits_below_histogram"].value == pytest.approx(
        found["histogram_bits_per_dim"].value - 2
    )


def test_the_histogram_is_that_of_each_value_with_half_a_count():
    images = drawn(count=20)
    table = histogram(images, 4)
    code = to_codes(images.gather(torch.arange(20)).float() / 127.5 - 1, 4).flatten(1)
    for place in (0, 300, DIMS - 1):
        counts = code[:, place].bincount(minlength=4).double() + 0.5
        torch.testing.assert_close(table[place].exp(), counts / 22)


def test_a_conditional_model_pays_for_the_label(tmp_path):
    images = drawn(count=60)
    one = case(ByLabel, tmp_path, images, conditional=True)
    shares = torch.tensor(one.train.info.counts).double() + 0.5
    label = one.real.label
    paid = -(shares / shares.sum()).log()[label] + (label == 0).double()
    nats = likelihood(one)["nats"].value - math.log(4) * DIMS
    assert nats == pytest.approx(float(paid.mean()), abs=1e-3)


def test_a_bound_is_said_to_be_one(tmp_path):
    one = case(Even, tmp_path, drawn(count=60))
    one.model.exact = False
    likelihood(one)
    assert "bound" in one.notes[0]


def test_a_model_without_one_is_told_which_have():
    assert not isinstance(nn.Linear(1, 1), HasLikelihood)
    with pytest.raises(Unfit, match=r"Linear gives none; those that do: .*pixelcnn.*vae"):
        asked_of(nn.Linear(1, 1))


@pytest.fixture(scope="module")
def runs(ganzoo, tmp_path_factory):
    """Return a folder of tiny runs of cgan and pixelcnn."""
    home = tmp_path_factory.mktemp("likelihood")
    for name in ("cgan", "pixelcnn", "vae"):
        few = ("--set", "data.count=64", "--steps", "2")
        done = ganzoo("run", name, "--preset", "tiny", *few, "--out", name, "-q", cwd=home)
        assert done.code == 0, done.err
    return home


def test_evaluate_measures_the_likelihood_without_drawing(ganzoo, runs):
    args = ("--metrics", "likelihood", "--json", "-q")
    found = {name: ganzoo("evaluate", name, *args, cwd=runs) for name in ("pixelcnn", "vae")}
    assert [done.code for done in found.values()] == [0, 0]
    read = {name: json.loads(done.out) for name, done in found.items()}
    stamps = {name: read[name]["results"]["likelihood"]["stamp"] for name in read}
    assert (stamps["pixelcnn"]["levels"], stamps["vae"]["levels"]) == (4, 256)
    assert "n_fake" not in stamps["vae"]
    assert any("bound" in note for note in read["vae"]["notes"]) and not any(
        "bound" in note for note in read["pixelcnn"]["notes"]
    )
    figures = read["pixelcnn"]["results"]["likelihood"]["figures"]
    assert figures["bits_per_dim"]["value"] * 8 * 8 * 3 * math.log(2) == pytest.approx(
        figures["nats"]["value"]
    )


def test_evaluate_refuses_a_model_without_likelihoods(ganzoo, runs):
    done = ganzoo("evaluate", "cgan", "--metrics", "likelihood", "-q", cwd=runs)
    assert done.code == 3
    assert done.error == "ganzoo: likelihood: CGAN gives none; those that do: pixelcnn, vae"
