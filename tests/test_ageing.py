"""The ageing protocol: chosen faces, contenders with known answers, figures by hand, the verb."""

import json

import numpy as np
import pytest
import torch

from ganzoo_core.data.part import Elsewhen, Part
from ganzoo_core.metrics.ageing.figures import People
from ganzoo_core.metrics.similarity import ssim
from ganzoo_core.runs.unseen import parted
from ganzoo_core.testing.shapes import Shapes, ShapesConfig


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
    done = ganzoo(*words, "--set", "data.count=300", "-n", 30, "--json", "-q", "--out", "b",
                  cwd=home)  # fmt: skip
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
