"""FID, KID, PRDC and the rest: against reference code, by hand, and on known answers."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from workbench import drawn

from ganzoo_core.errors import WeightsError
from ganzoo_core.metrics import Unfit, agreement, distances, manifold
from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.inception import Inception, inception
from ganzoo_core.metrics.networks import Network
from ganzoo_core.metrics.resize import resized
from ganzoo_core.metrics.sides import divided, first, subset
from ganzoo_core.runs.networks import feature_network


def clouds(n=400, dim=24, shift=0.3, seed=0):
    """Return two clouds of features whose covariances are not round."""
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(n, dim, generator=generator) for _ in range(2))
    mix = torch.randn(dim, dim, generator=generator) / dim**0.5
    return a @ mix, (b * 1.2) @ mix + shift


class Pooled(nn.Module):
    """Pixels pooled to 4 x 4 as features, their channel means as logits."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        """Return features [N, 48] and logits [N, 3]."""
        return functional.adaptive_avg_pool2d(images, 4).flatten(1), images.mean((2, 3)) * 9


class Mean(Pooled):
    """The mean of the one channel there is."""

    def forward(self, images):
        """Return features [N, 1]."""
        assert images.shape[1] == 1
        return images.mean((2, 3)), None


def case(tmp_path, fake, *, images=None, **more):
    """Return a case whose feature network is a plain one."""
    train, test = divided(images or drawn(count=800, people=200))
    network = Network("pooled", Pooled(), "c" * 64, 48)
    return Case(train, test, test, fake, lambda c: network, cache=tmp_path, **more)


def halves(count=800):
    """Return two disjoint halves of one set."""
    images = drawn(count=count, people=200)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return [subset(images, part.sort().values, "half") for part in order.chunk(2)]


def test_fid_agrees_with_torchmetrics():
    image = pytest.importorskip("torchmetrics.image.fid")
    a, b = clouds()

    class Features(nn.Module):
        num_features = 24

        def forward(self, x):
            return x

    theirs = image.FrechetInceptionDistance(
        feature=Features(), input_img_size=(1, 1, 24), antialias=False
    )
    theirs.set_dtype(torch.float64)
    theirs.update(a, real=True)
    theirs.update(b, real=False)
    assert distances.frechet(a, b) == pytest.approx(float(theirs.compute()), rel=1e-3)


def test_fid_and_kid_agree_with_torch_fidelity():
    fid = pytest.importorskip("torch_fidelity.metric_fid")
    from torch_fidelity import metric_kid

    a, b = clouds()
    stats = [fid.fid_features_to_statistics(x) for x in (a, b)]
    theirs = fid.fid_statistics_to_metric(*stats, verbose=False)
    assert distances.frechet(a, b) == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
    value, error = distances.kernel_distance(a, b)
    kid = metric_kid.kid_features_to_metric(
        a, b, kid_subsets=50, kid_subset_size=200, verbose=False
    )
    assert abs(value - kid["kernel_inception_distance_mean"]) < 2 * error
    with torch.no_grad():  # the same estimator on the same rows
        one = distances.unbiased_mmd(a.double(), b.double())
    whole = metric_kid.kid_features_to_metric(
        a, b, kid_subsets=1, kid_subset_size=400, verbose=False
    )
    assert float(one) == pytest.approx(whole["kernel_inception_distance_mean"], rel=1e-4)


def test_the_error_of_kid_is_its_spread_over_samples():
    found = [distances.kernel_distance(*clouds(seed=s)) for s in range(30)]
    values, errors = (np.array(column) for column in zip(*found, strict=True))
    assert 0.6 < errors.mean() / values.std(ddof=1) < 1.6


def test_fid_of_gaussians_by_hand():
    a = torch.tensor([[-1.0, 0], [1, 0], [0, -1], [0, 1]])
    assert distances.frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert distances.frechet(a, a + torch.tensor([3.0, 4])) == pytest.approx(25)
    assert distances.frechet(a, 3 * a) == pytest.approx(2 * 2 / 3 * 4)  # tr (3 s - s)^2


def reference_prdc(real, fake, k):
    """The definitions of Naeem et al., with whole matrices."""

    def ball(x):
        return np.partition(np.linalg.norm(x[:, None] - x[None], axis=2), k, axis=1)[:, k]

    apart = np.linalg.norm(real[:, None] - fake[None], axis=2)
    mine, theirs = ball(real), ball(fake)
    return {
        "precision": (apart < mine[:, None]).any(0).mean(),
        "recall": (apart < theirs[None]).any(1).mean(),
        "density": (apart < mine[:, None]).sum(0).mean() / k,
        "coverage": (apart.min(1) < mine).mean(),
    }


def test_prdc_against_its_definition(monkeypatch):
    monkeypatch.setattr(manifold, "CELLS", 37 * 90)
    a, b = clouds(n=120, dim=4)
    for k in (3, 5):
        ours = manifold.manifold(a, b[:90], k)
        theirs = reference_prdc(a.double().numpy(), b[:90].double().numpy(), k)
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_prdc_by_hand():
    line = torch.arange(10.0)[:, None]
    assert manifold.manifold(line, line, 1) == pytest.approx(
        {"precision": 1, "recall": 1, "density": 1, "coverage": 1}
    )
    found = manifold.manifold(line, torch.full((10, 1), 4.2), 1)  # one image, again and again
    assert found == pytest.approx({"precision": 1, "recall": 0, "density": 2, "coverage": 0.2})
    far = manifold.manifold(line, line + 100, 1)
    assert far == pytest.approx(dict.fromkeys(far, 0))


def test_real_against_real_is_near_zero_and_noise_is_far(tmp_path):
    a, b = halves()
    noise = type(a)(torch.randint(0, 256, (400, 3, 16, 16), dtype=torch.uint8), a.info)
    near, far = (
        Case(a, a, a, x, case(tmp_path, x).make_network, cache=tmp_path) for x in (b, noise)
    )
    small, large = distances.fid(near)["fid"].value, distances.fid(far)["fid"].value
    assert large > 20 * small
    found = distances.kid(near)["kid"]
    assert abs(found.value) < 4 * found.error
    assert distances.kid(far)["kid"].value > 10 * abs(found.value)
    good, bad = manifold.prdc(near), manifold.prdc(far)
    assert good["precision"].value > 0.7 and good["coverage"].value > 0.7
    assert bad["precision"].value == bad["coverage"].value == 0
    assert 0.9 < manifold.diversity(near)["diversity"].value < 1.1


def test_a_copy_of_the_training_set_is_caught(tmp_path):
    images = drawn(count=800, people=200)
    train, test = divided(images)
    copied = manifold.memorisation(case(tmp_path, first(train, 100, 0, "")))
    honest = manifold.memorisation(case(tmp_path, test))
    assert copied["copies"].value == 1 and copied["nearest_ratio"].value == 0
    assert honest["copies"].value < 0.05 and honest["nearest_ratio"].value == pytest.approx(1)


def test_fid_within_classes(tmp_path):
    a, b = halves(count=1200)
    near = Case(a, a, a, b, case(tmp_path, b).make_network, conditional=True, cache=tmp_path)
    found = distances.intra_fid(near)["intra_fid"]
    assert set(found.parts) == {"bare", "cap", "cone"}
    assert found.value == pytest.approx(sum(found.parts.values()) / 3)
    swapped = type(b)(b.pixels, b.info, b.rows, (b.label + 1) % 3)
    far = Case(a, a, a, swapped, near.make_network, conditional=True, cache=tmp_path)
    assert distances.intra_fid(far)["intra_fid"].value > 2 * found.value


def test_the_inception_score_by_hand():
    sure = torch.eye(4).repeat(10, 1) * 50
    assert float(agreement.score(sure)) == pytest.approx(4, rel=1e-4)
    assert float(agreement.score(sure[:1].repeat(9, 1))) == pytest.approx(1)
    assert float(agreement.score(torch.zeros(9, 4))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        (
            distances.fid,
            "needs 48 real images and as many samples, and has .* and 20: give a larger -n",
        ),
        (distances.kid, "kid needs 100"),
        (agreement.inception_score, "needs 100 samples"),
        (distances.intra_fid, "asked for a label"),
    ],
)
def test_too_few_images_are_refused_with_what_would_do(tmp_path, metric, says):
    few = first(drawn(count=800, people=200), 20, 0, "")
    with pytest.raises(Unfit, match=says) as error:
        metric(case(tmp_path, few))
    assert metric is not distances.fid or "take kid" in str(error.value)


def test_what_is_seen_in_real_images_is_kept(tmp_path):
    fake = first(drawn(count=800, people=200), 50, 0, "")
    one = case(tmp_path, fake)
    features = one.seen("real").features
    other = case(tmp_path, fake)
    other.network.module.forward = None
    assert torch.equal(other.seen("real").features, features)
    assert len(list((tmp_path / "features").iterdir())) == 1  # samples are not kept


def stripes(size=128):
    """Return fine stripes [1, 3, S, S] in [-1, 1] that no small image can show."""
    x = torch.arange(size, dtype=torch.float32)
    wave = torch.sin(x[None] * 2.6 + 0.02 * x[:, None] ** 1.5)
    return wave.expand(1, 3, size, size).contiguous()


def test_resizing_is_antialiased():
    from PIL import Image

    image = stripes()
    pixels = ((image[0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
    small = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)
    truth = torch.from_numpy(np.array(small)).permute(2, 0, 1) / 127.5 - 1
    ours = resized(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1, 32)[0]
    assert (ours - truth).abs().max() < 0.02
    careless = functional.interpolate(image, (32, 32), mode="bilinear", align_corners=False)[0]
    assert (careless - truth).abs().mean() > 0.1  # the known error: aliased stripes


def test_careless_resizing_changes_the_fid():
    images = torch.stack([stripes()[0].roll(i, 2) for i in range(80)])
    images = images + 0.3 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    careless = functional.interpolate(images, (8, 8), mode="bilinear", align_corners=False)
    a, b = (x.mean(1).flatten(1) for x in (resized(images, 8), careless))
    assert distances.frechet(a, b) > 10 * distances.frechet(a[::2], a[1::2])


@pytest.fixture(scope="module")
def fid_weights(tmp_path_factory):
    """A file in torch-fidelity's layout with small random weights."""
    theirs = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    path = tmp_path_factory.mktemp("weights") / "pt_inception.pth"
    torch.manual_seed(0)
    net = Inception(fid=True).net
    for name, value in net.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2)
        elif name.endswith("running_mean"):
            value.normal_(0, 0.1)
    tensors = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save(net.state_dict(), path.with_name("whole.pth"))
    torch.save(tensors, path)
    return theirs, path


def test_the_fid_network_is_torch_fidelitys(fid_weights):
    theirs, path = fid_weights
    reference = theirs.FeatureExtractorInceptionV3(
        "x", ["2048", "logits_unbiased"], feature_extractor_weights_path=path.with_name("whole.pth")
    )
    pixels = torch.randint(0, 256, (2, 3, 299, 299), dtype=torch.uint8)
    network = inception(path, torch.device("cpu"))
    features, logits = network(pixels.float() / 127.5 - 1)
    with torch.no_grad():
        expected = reference(pixels)
    assert (network.dim, len(network.sha256)) == (2048, 64)
    torch.testing.assert_close(features, expected[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(logits, expected[1], rtol=1e-3, atol=1e-3)


def test_torchvisions_layout_is_read(tmp_path):
    from torchvision.models import Inception3

    net = Inception3(init_weights=False).eval()
    path = tmp_path / "inception_v3_google.pth"
    torch.save(net.state_dict(), path)
    images = torch.rand(1, 3, 299, 299) * 2 - 1
    network = feature_network(str(path))(case(tmp_path, drawn(count=20)))
    with torch.no_grad():
        torch.testing.assert_close(network(images)[1], net(images))
    assert network.name == "inception (torchvision)"
    grey = network(images[:, :1, :40, :40])[0]
    assert grey.shape == (1, 2048)


def test_files_that_are_no_inception_are_refused(tmp_path):
    bad = tmp_path / "bad.pth"
    bad.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="no file of weights"):
        inception(bad, torch.device("cpu"))
    torch.save({"fc.weight": torch.zeros(10, 4)}, bad)
    with pytest.raises(WeightsError, match="no Inception V3"):
        inception(bad, torch.device("cpu"))
    torch.save({"fc.weight": torch.zeros(1000, 2048)}, bad)
    with pytest.raises(WeightsError, match="lacks"):
        inception(bad, torch.device("cpu"))
    with pytest.raises(WeightsError, match="No such file"):
        inception(tmp_path / "none.pth", torch.device("cpu"))


def test_a_pickle_in_place_of_weights_runs_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"fc.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="more than tensors"):
        inception(tmp_path / "evil.pth", torch.device("cpu"))
    assert not (tmp_path / "ran").exists()


def test_grey_and_colour_meet():
    pooled = Network("pooled", Pooled(), "c" * 64, 48, size=8, channels=3)
    assert pooled(torch.rand(2, 1, 16, 16))[0].shape == (2, 48)
    grey = Network("mean", Mean(), "d" * 64, 1, channels=1)
    colour = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(grey(colour)[0][:, 0], colour.mean((1, 2, 3)))
