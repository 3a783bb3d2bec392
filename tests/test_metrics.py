"""FID, KID, PRDC and other metrics against reference implementations and known values."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from training_helpers import make_images

from ganzoo_core.errors import WeightsError
from ganzoo_core.evaluation.feature_networks import load_feature_extractor
from ganzoo_core.metrics import MetricNotApplicableError, classification, distances, neighbors
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.feature_extractor import FeatureExtractor
from ganzoo_core.metrics.image_sets import random_subset, subset, train_test_split
from ganzoo_core.metrics.inception import Inception, load_inception
from ganzoo_core.metrics.resize import resize_images


def correlated_features(n=400, dim=24, shift=0.3, seed=0):
    """Return two sets of features with correlated dimensions."""
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(n, dim, generator=generator) for _ in range(2))
    mix = torch.randn(dim, dim, generator=generator) / dim**0.5
    return a @ mix, (b * 1.2) @ mix + shift


class PooledPixels(nn.Module):
    """Features are pixels pooled to 4 x 4 [N, 48], logits are channel means [N, 3]."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return functional.adaptive_avg_pool2d(images, 4).flatten(1), images.mean((2, 3)) * 9


class ChannelMean(PooledPixels):
    """The feature is the mean of a grayscale image, [N, 1]."""

    def forward(self, images):
        assert images.shape[1] == 1
        return images.mean((2, 3)), None


def make_context(tmp_path, fake_images, *, images=None, **more):
    train, test = train_test_split(images or make_images(num_images=800, num_identities=200))
    network = FeatureExtractor("pooled", PooledPixels(), "c" * 64, 48)
    return EvaluationContext(
        train, test, test, fake_images, lambda c: network, cache_dir=tmp_path, **more
    )


def split_in_half(count=800):
    """Return two disjoint halves of one set."""
    images = make_images(num_images=count, num_identities=200)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return [subset(images, part.sort().values, "half") for part in order.chunk(2)]


def test_fid_matches_torchmetrics():
    image = pytest.importorskip("torchmetrics.image.fid")
    a, b = correlated_features()

    class IdentityFeatures(nn.Module):
        num_features = 24

        def forward(self, x):
            return x

    theirs = image.FrechetInceptionDistance(
        feature=IdentityFeatures(), input_img_size=(1, 1, 24), antialias=False
    )
    theirs.set_dtype(torch.float64)
    theirs.update(a, real=True)
    theirs.update(b, real=False)
    assert distances.frechet_distance(a, b) == pytest.approx(float(theirs.compute()), rel=1e-3)


def test_fid_kid_match_torch_fidelity():
    fid = pytest.importorskip("torch_fidelity.metric_fid")
    from torch_fidelity import metric_kid

    a, b = correlated_features()
    stats = [fid.fid_features_to_statistics(x) for x in (a, b)]
    theirs = fid.fid_statistics_to_metric(*stats, verbose=False)
    assert distances.frechet_distance(a, b) == pytest.approx(
        theirs["frechet_inception_distance"], rel=1e-3
    )
    value, error = distances.kid_with_std_error(a, b)
    kid = metric_kid.kid_features_to_metric(
        a, b, kid_subsets=50, kid_subset_size=200, verbose=False
    )
    assert abs(value - kid["kernel_inception_distance_mean"]) < 2 * error
    with torch.no_grad():  # the same estimator on the same rows
        one = distances.unbiased_mmd2(a.double(), b.double())
    whole = metric_kid.kid_features_to_metric(
        a, b, kid_subsets=1, kid_subset_size=400, verbose=False
    )
    assert float(one) == pytest.approx(whole["kernel_inception_distance_mean"], rel=1e-4)


def test_kid_standard_error():
    found = [distances.kid_with_std_error(*correlated_features(seed=s)) for s in range(30)]
    values, errors = (np.array(column) for column in zip(*found, strict=True))
    assert 0.6 < errors.mean() / values.std(ddof=1) < 1.6


def test_fid_of_gaussians():
    a = torch.tensor([[-1.0, 0], [1, 0], [0, -1], [0, 1]])
    assert distances.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert distances.frechet_distance(a, a + torch.tensor([3.0, 4])) == pytest.approx(25)
    assert distances.frechet_distance(a, 3 * a) == pytest.approx(2 * 2 / 3 * 4)  # tr (3 s - s)^2


def reference_prdc(real, fake, k):
    """The definitions of Naeem et al. 2020."""

    def kth_neighbor_distance(x):
        return np.partition(np.linalg.norm(x[:, None] - x[None], axis=2), k, axis=1)[:, k]

    distances_between = np.linalg.norm(real[:, None] - fake[None], axis=2)
    mine, theirs = kth_neighbor_distance(real), kth_neighbor_distance(fake)
    return {
        "precision": (distances_between < mine[:, None]).any(0).mean(),
        "recall": (distances_between < theirs[None]).any(1).mean(),
        "density": (distances_between < mine[:, None]).sum(0).mean() / k,
        "coverage": (distances_between.min(1) < mine).mean(),
    }


def test_prdc_matches_reference(monkeypatch):
    monkeypatch.setattr(neighbors, "MAX_DISTANCES_PER_CHUNK", 37 * 90)
    a, b = correlated_features(n=120, dim=4)
    for k in (3, 5):
        ours = neighbors.compute_prdc(a, b[:90], k)
        theirs = reference_prdc(a.double().numpy(), b[:90].double().numpy(), k)
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_prdc_values():
    line = torch.arange(10.0)[:, None]
    assert neighbors.compute_prdc(line, line, 1) == pytest.approx(
        {"precision": 1, "recall": 1, "density": 1, "coverage": 1}
    )
    found = neighbors.compute_prdc(line, torch.full((10, 1), 4.2), 1)  # mode collapse
    assert found == pytest.approx({"precision": 1, "recall": 0, "density": 2, "coverage": 0.2})
    far = neighbors.compute_prdc(line, line + 100, 1)
    assert far == pytest.approx(dict.fromkeys(far, 0))


def test_metrics_of_real_and_noise(tmp_path):
    a, b = split_in_half()
    noise = type(a)(torch.randint(0, 256, (400, 3, 16, 16), dtype=torch.uint8), a.info)
    near, far = (
        EvaluationContext(
            a, a, a, x, make_context(tmp_path, x).make_feature_extractor, cache_dir=tmp_path
        )
        for x in (b, noise)
    )
    small, large = distances.fid(near)["fid"].value, distances.fid(far)["fid"].value
    assert large > 20 * small
    found = distances.kid(near)["kid"]
    assert abs(found.value) < 4 * found.std_error
    assert distances.kid(far)["kid"].value > 10 * abs(found.value)
    good, bad = neighbors.prdc(near), neighbors.prdc(far)
    assert good["precision"].value > 0.7 and good["coverage"].value > 0.7
    assert bad["precision"].value == bad["coverage"].value == 0
    assert 0.9 < neighbors.diversity(near)["diversity"].value < 1.1


def test_memorization_detects_copies(tmp_path):
    images = make_images(num_images=800, num_identities=200)
    train, test = train_test_split(images)
    copied = neighbors.memorization(make_context(tmp_path, random_subset(train, 100, 0, "")))
    unseen = neighbors.memorization(make_context(tmp_path, test))
    assert copied["near_duplicate_rate"].value == 1 and copied["nearest_distance_ratio"].value == 0
    assert unseen["near_duplicate_rate"].value < 0.05
    assert unseen["nearest_distance_ratio"].value == pytest.approx(1)


def test_intra_fid(tmp_path):
    a, b = split_in_half(count=1200)
    near = EvaluationContext(
        a,
        a,
        a,
        b,
        make_context(tmp_path, b).make_feature_extractor,
        conditional=True,
        cache_dir=tmp_path,
    )
    found = distances.intra_fid(near)["intra_fid"]
    assert set(found.breakdown) == {"bare", "cap", "cone"}
    assert found.value == pytest.approx(sum(found.breakdown.values()) / 3)
    swapped = type(b)(b.pixels, b.info, b.row_indices, (b.label + 1) % 3)
    far = EvaluationContext(
        a, a, a, swapped, near.make_feature_extractor, conditional=True, cache_dir=tmp_path
    )
    assert distances.intra_fid(far)["intra_fid"].value > 2 * found.value


def test_inception_score_values():
    sure = torch.eye(4).repeat(10, 1) * 50
    assert float(classification.split_inception_score(sure)) == pytest.approx(4, rel=1e-4)
    assert float(classification.split_inception_score(sure[:1].repeat(9, 1))) == pytest.approx(1)
    assert float(classification.split_inception_score(torch.zeros(9, 4))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("metric", "remedy"),
    [
        (distances.fid, "-n, or take kid"),
        (distances.kid, "-n"),
        (classification.inception_score, "-n"),
        (distances.intra_fid, "conditional"),
    ],
)
def test_too_few_images_refused(tmp_path, metric, remedy):
    few = random_subset(make_images(num_images=800, num_identities=200), 20, 0, "")
    with pytest.raises(MetricNotApplicableError, match=remedy):
        metric(make_context(tmp_path, few))


def test_real_features_are_cached(tmp_path):
    fake = random_subset(make_images(num_images=800, num_identities=200), 50, 0, "")
    one = make_context(tmp_path, fake)
    features = one.network_outputs("real").features
    other = make_context(tmp_path, fake)
    other.feature_extractor.module.forward = None
    assert torch.equal(other.network_outputs("real").features, features)
    assert len(list((tmp_path / "features").iterdir())) == 1  # samples are not cached


def fine_stripes(size=128):
    """Return stripes [1, 3, S, S] in [-1, 1] above the Nyquist frequency of a small image."""
    x = torch.arange(size, dtype=torch.float32)
    wave = torch.sin(x[None] * 2.6 + 0.02 * x[:, None] ** 1.5)
    return wave.expand(1, 3, size, size).contiguous()


def test_resize_is_antialiased():
    from PIL import Image

    image = fine_stripes()
    pixels = ((image[0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
    small = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)
    expected = torch.from_numpy(np.array(small)).permute(2, 0, 1) / 127.5 - 1
    ours = resize_images(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1, 32)[0]
    assert (ours - expected).abs().max() < 0.02
    aliased = functional.interpolate(image, (32, 32), mode="bilinear", align_corners=False)[0]
    assert (aliased - expected).abs().mean() > 0.1


def test_aliased_resize_changes_fid():
    images = torch.stack([fine_stripes()[0].roll(i, 2) for i in range(80)])
    images = images + 0.3 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    aliased = functional.interpolate(images, (8, 8), mode="bilinear", align_corners=False)
    a, b = (x.mean(1).flatten(1) for x in (resize_images(images, 8), aliased))
    assert distances.frechet_distance(a, b) > 10 * distances.frechet_distance(a[::2], a[1::2])


@pytest.fixture(scope="module")
def fid_weights(tmp_path_factory):
    """(reference module, path): random weights in torch-fidelity's layout."""
    theirs = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    path = tmp_path_factory.mktemp("weights") / "pt_inception.pth"
    torch.manual_seed(0)
    net = Inception(is_fid=True).net
    for name, value in net.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2)
        elif name.endswith("running_mean"):
            value.normal_(0, 0.1)
    tensors = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save(net.state_dict(), path.with_name("whole.pth"))
    torch.save(tensors, path)
    return theirs, path


def test_fid_inception_matches_torch_fidelity(fid_weights):
    theirs, path = fid_weights
    reference = theirs.FeatureExtractorInceptionV3(
        "x", ["2048", "logits_unbiased"], feature_extractor_weights_path=path.with_name("whole.pth")
    )
    pixels = torch.randint(0, 256, (2, 3, 299, 299), dtype=torch.uint8)
    network = load_inception(path, torch.device("cpu"))
    features, logits = network(pixels.float() / 127.5 - 1)
    with torch.no_grad():
        expected = reference(pixels)
    assert (network.feature_dim, len(network.sha256)) == (2048, 64)
    torch.testing.assert_close(features, expected[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(logits, expected[1], rtol=1e-3, atol=1e-3)


def test_torchvision_inception_layout(tmp_path):
    from torchvision.models import Inception3

    net = Inception3(init_weights=False).eval()
    path = tmp_path / "inception_v3_google.pth"
    torch.save(net.state_dict(), path)
    images = torch.rand(1, 3, 299, 299) * 2 - 1
    network = load_feature_extractor(str(path), torch.device("cpu"))
    with torch.no_grad():
        torch.testing.assert_close(network(images)[1], net(images))
    assert network.name == "inception (torchvision)"
    grayscale = network(images[:, :1, :40, :40])[0]
    assert grayscale.shape == (1, 2048)


def test_non_inception_files_refused(tmp_path):
    bad = tmp_path / "bad.pth"
    bad.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"bad\.pth"):
        load_inception(bad, torch.device("cpu"))
    torch.save({"fc.weight": torch.zeros(10, 4)}, bad)
    with pytest.raises(WeightsError, match=r"fc\.weight"):
        load_inception(bad, torch.device("cpu"))
    torch.save({"fc.weight": torch.zeros(1000, 2048)}, bad)
    with pytest.raises(WeightsError, match=r"bad\.pth"):
        load_inception(bad, torch.device("cpu"))
    with pytest.raises(WeightsError, match=r"none\.pth"):
        load_inception(tmp_path / "none.pth", torch.device("cpu"))


def test_inception_refuses_malicious_pickle(tmp_path):
    class MaliciousPickle:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"fc.weight": MaliciousPickle()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match=r"evil\.pth"):
        load_inception(tmp_path / "evil.pth", torch.device("cpu"))
    assert not (tmp_path / "ran").exists()


def test_feature_extractor_channel_conversion():
    pooled = FeatureExtractor("pooled", PooledPixels(), "c" * 64, 48, image_size=8, num_channels=3)
    assert pooled(torch.rand(2, 1, 16, 16))[0].shape == (2, 48)
    grayscale = FeatureExtractor("mean", ChannelMean(), "d" * 64, 1, num_channels=1)
    rgb = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(grayscale(rgb)[0][:, 0], rgb.mean((1, 2, 3)))
