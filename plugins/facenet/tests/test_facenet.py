"""FaceNet as a model of the zoo: sizes, objectives, and what its networks may be asked."""

import pytest
import torch
from ganzoo_facenet.config import FaceNetConfig
from ganzoo_facenet.model import FaceNet

import ganzoo_core as gz
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import Embeds, HasFeatures
from ganzoo_core.testing import run_checks


def make(size=64, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        info = gz.DataInfo(size=size, identities=5)
        return FaceNet(FaceNetConfig(**options), info).eval()


def test_it_passes_the_conformance_checks():
    assert [r.message for r in run_checks("facenet") if not r.passed] == []


@pytest.mark.parametrize(("network", "count"), [("plain", 851_328), ("residual", 701_408)])
def test_small_networks_stay_small(network, count):
    assert sum(p.numel() for p in make(network=network).parameters()) == count <= 1_000_000


@pytest.mark.parametrize("network", ["plain", "residual"])
@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 64, 64), (3, 100, 80), (3, 32, 32)])
def test_any_picture_becomes_a_unit_vector(network, shape):
    model = make(network=network, width=8)
    image = (torch.rand(2, *shape) * 2 - 1).requires_grad_()
    points, maps = model.embed(image), model.features(image)
    assert points.shape == (2, 128) and maps.shape == (2, 24, 8, 8)
    assert torch.allclose(points.norm(dim=1), torch.ones(2), atol=1e-5)
    (points[:, 0].sum() + maps.mean()).backward()
    assert image.grad.isfinite().all() and image.grad.abs().sum() > 0
    assert isinstance(model, Embeds) and isinstance(model, HasFeatures)


def test_exposure_and_contrast_change_nothing_and_a_flat_picture_is_finite():
    model, image = make(width=8), torch.rand(1, 3, 64, 64) * 2 - 1
    bright = model.embed(image * 0.5 + 0.3)
    assert (bright @ model.embed(image).T).item() > 0.98
    assert model.embed(torch.zeros(1, 3, 64, 64)).isfinite().all()


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "triplet", "mining": "hard"},
        {"objective": "triplet", "mining": "all"},
        {"objective": "contrast", "network": "residual"},
        {"objective": "instance"},
    ],
)
def test_every_objective_learns(tmp_path, options):
    options = {"data": {"count": 32, "people": 8}, "model": {"pretrain": 0, **options}}
    run = gz.train(
        "facenet",
        preset="tiny",
        options=options,
        steps=3,
        out=tmp_path / "run",
        quiet=True,
        device="cpu",
    )
    assert all(p.isfinite().all() for p in run.model.parameters())
    again = gz.load(run.path, device="cpu")
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(again.embed(image), run.model.eval().embed(image), atol=1e-5)


def test_data_without_people_or_with_one_are_refused(tmp_path):
    one = {"data": {"count": 8, "people": 1}, "model": {"pretrain": 0}}
    with pytest.raises(DataError, match="two people with two photographs"):
        gz.train("facenet", preset="tiny", options=one, out=tmp_path / "a", quiet=True)
    with pytest.raises(ValueError, match="the data name none"):
        FaceNet(FaceNetConfig(pretrain=1), gz.DataInfo(size=64))
    with pytest.raises(UsageError, match="multiples of 16 px, not 40"):
        gz.train(
            "facenet",
            preset="tiny",
            options={"data": {"size": 40, "count": 8}},
            out=tmp_path / "b",
            quiet=True,
        )
