"""FaceNet as a model of the zoo: sizes, objectives, embeddings."""

import pytest
import torch
from ganzoo_facenet.config import FaceNetConfig
from ganzoo_facenet.model import FaceNet

import ganzoo_core as gz
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import HasFeatures, SupportsEmbedding


def build_facenet(image_size=64, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        info = gz.DataInfo(image_size=image_size, num_identities=5)
        return FaceNet(FaceNetConfig(**options), info).eval()


@pytest.mark.parametrize(("network", "count"), [("plain", 851_328), ("residual", 701_408)])
def test_small_network_size(network, count):
    model = build_facenet(network=network)
    assert sum(p.numel() for p in model.parameters()) == count <= 1_000_000


@pytest.mark.parametrize("network", ["plain", "residual"])
@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 64, 64), (3, 100, 80), (3, 32, 32)])
def test_embed_any_image_shape(network, shape):
    model = build_facenet(network=network, base_channels=8)
    image = (torch.rand(2, *shape) * 2 - 1).requires_grad_()
    embeddings, maps = model.embed(image), model.features(image)
    assert embeddings.shape == (2, 128) and maps.shape == (2, 24, 8, 8)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(2), atol=1e-5)
    (embeddings[:, 0].sum() + maps.mean()).backward()
    assert image.grad.isfinite().all() and image.grad.abs().sum() > 0
    assert isinstance(model, SupportsEmbedding) and isinstance(model, HasFeatures)


def test_embedding_ignores_exposure_and_contrast():
    model, image = build_facenet(base_channels=8), torch.rand(1, 3, 64, 64) * 2 - 1
    brighter = model.embed(image * 0.5 + 0.3)
    assert (brighter @ model.embed(image).T).item() > 0.98
    assert model.embed(torch.zeros(1, 3, 64, 64)).isfinite().all()


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "triplet", "mining": "hard"},
        {"objective": "triplet", "mining": "all"},
        {"objective": "supcon", "network": "residual"},
        {"objective": "instance"},
    ],
)
def test_train_each_objective(tmp_path, options):
    options = {
        "data": {"count": 32, "num_identities": 8},
        "model": {"pretrain_epochs": 0, **options},
    }
    run = gz.train(
        "facenet",
        preset="smoke",
        options=options,
        steps=3,
        out=tmp_path / "run",
        quiet=True,
        device="cpu",
    )
    assert all(p.isfinite().all() for p in run.model.parameters())
    loaded = gz.load(run.path, device="cpu")
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(loaded.embed(image), run.model.eval().embed(image), atol=1e-5)


def test_data_with_one_identity_are_refused(tmp_path):
    options = {"data": {"count": 8, "num_identities": 1}, "model": {"pretrain_epochs": 0}}
    with pytest.raises(DataError):
        gz.train("facenet", preset="smoke", options=options, out=tmp_path / "run", quiet=True)


def test_pretraining_without_identities_is_refused():
    with pytest.raises(ValueError, match=r"model\.pretrain_epochs"):
        FaceNet(FaceNetConfig(pretrain_epochs=1), gz.DataInfo(image_size=64))


def test_image_size_not_multiple_of_16_is_refused(tmp_path):
    options = {"data": {"image_size": 40, "count": 8}}
    with pytest.raises(UsageError, match=r"--set data\.image_size=32"):
        gz.train("facenet", preset="smoke", options=options, out=tmp_path / "run", quiet=True)
