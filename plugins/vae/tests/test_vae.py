"""The VAE: masses that add up, the ELBO's closed form, and bounds of a likelihood that is known."""

import math

import pytest
import torch
from click.testing import CliRunner
from ganzoo_vae.config import VAEConfig
from ganzoo_vae.likelihoods import LIKELIHOODS, log_normal
from ganzoo_vae.model import VAE
from ganzoo_vae.pictures import arc, walks
from ganzoo_vae.verbs import vae
from PIL import Image
from torch.distributions import Independent, Normal, kl_divergence

from ganzoo_core import config, train
from ganzoo_core.data.levels import from_codes, to_codes
from ganzoo_core.errors import GanzooError, UsageError
from ganzoo_core.interfaces import Batch, DataInfo, SeededNoise
from ganzoo_core.testing import run_checks

CPU = torch.device("cpu")


def build(size=8, channels=1, **options):
    small = {"latent": 3, "hidden": 12, "width": 4, "importance": 5, **options}
    torch.manual_seed(5)
    return VAE(VAEConfig(**small), DataInfo(size=size, channels=channels))


def pictures(n=4, channels=1, size=8):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


class Turn:
    """One step's view: a batch, noise, and what was logged."""

    def __init__(self, image):
        self.batch, self.noise = Batch(size=len(image), image=image), SeededNoise(CPU, 0)
        self.logged = {}

    def log(self, **values):
        self.logged |= values


# --- levels and masses ----------------------------------------------------------------------------


def test_levels_are_those_of_bytes():
    byte = torch.arange(256)
    image = byte / 127.5 - 1
    assert torch.equal(to_codes(image, 256), byte)
    assert torch.equal(to_codes(image, 2), (byte >= 128).long())
    for levels in range(2, 257):
        code = torch.arange(levels)
        assert torch.equal(to_codes(from_codes(code, levels), levels), code), levels
        found = to_codes(image, levels)
        assert found.min() == 0 and found.max() == levels - 1 and (found.diff() >= 0).all()


@pytest.mark.parametrize(
    ("kind", "levels"), [("bernoulli", 2), ("gaussian", 256), ("logistic", 256), ("logistic", 5)]
)
def test_masses_of_all_levels_add_up_to_one(kind, levels):
    likelihood = LIKELIHOODS[kind](levels)
    numbers = torch.randn(50, 1, likelihood.numbers, generator=torch.Generator().manual_seed(2)) * 2
    code = torch.arange(levels).expand(50, levels)
    found = likelihood.log_prob(numbers.double(), code).double()
    assert (found <= 1e-6).all()
    torch.testing.assert_close(found.exp().sum(1), torch.ones(50).double(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["gaussian", "logistic"])
def test_masses_are_finite_with_finite_gradients_far_out(kind):
    likelihood = LIKELIHOODS[kind](256)
    numbers = torch.tensor([[5.0, -9.0], [-30.0, -7.0], [0.0, 9.0], [1.0, -7.0]])
    numbers = numbers[:, None].expand(-1, 256, -1).clone().requires_grad_()
    found = likelihood.log_prob(numbers, torch.arange(256).expand(4, 256))
    found.sum().backward()
    assert found.isfinite().all() and numbers.grad.isfinite().all()


def test_the_logistic_mass_is_the_difference_of_sigmoids():
    code = torch.tensor([0, 100, 255])
    numbers = torch.tensor([0.1, math.log(0.3)]).expand(3, 2).double()
    x, half = from_codes(code, 256).double(), 1 / 255
    upper, lower = (((x + s * half - 0.1) / 0.3).sigmoid() for s in (1, -1))
    wanted = torch.stack([upper[0], upper[1] - lower[1], 1 - lower[2]])
    found = LIKELIHOODS["logistic"](256).log_prob(numbers, code).double()
    torch.testing.assert_close(found.exp(), wanted, rtol=1e-5, atol=1e-9)


# --- the ELBO -------------------------------------------------------------------------------------


def test_the_loss_is_the_elbo_with_the_closed_kl():
    model, image = build(), pictures()
    t = Turn(image)
    bits = model.bits_loss(t)
    mean, log_var = model.encoder(from_codes(to_codes(image, 256), 256))
    q = Independent(Normal(mean, (log_var / 2).exp()), 1)
    p = Independent(Normal(torch.zeros(3), torch.ones(3)), 1)
    torch.testing.assert_close(t.logged["kl_nats"], kl_divergence(q, p).mean())
    nats = t.logged["kl_nats"] + t.logged["rebuild_nats"]
    torch.testing.assert_close(bits, nats / (64 * math.log(2)))
    z = torch.randn(4, 3)
    torch.testing.assert_close(log_normal(z), p.log_prob(z))


def test_one_importance_sample_is_the_elbo_of_that_sample_and_more_are_tighter():
    model, image = build(importance=1), pictures(n=64)
    with torch.no_grad():
        one = model.log_likelihood(image, None, SeededNoise(CPU, 4))
        code = to_codes(image, 256)
        mean, log_var = model.encoder(from_codes(code, 256))
        drawn = SeededNoise(CPU, 4)(64, 1, 3)[:, 0]
        z = mean + (log_var / 2).exp() * drawn
        q = Independent(Normal(mean, (log_var / 2).exp()), 1)
        torch.testing.assert_close(one, model.rebuilt(z, code) + log_normal(z) - q.log_prob(z))
        many = build(importance=50)
        more = many.log_likelihood(image, None, SeededNoise(CPU, 4))
    assert more.mean() > one.mean()


def test_the_bound_reaches_a_likelihood_that_is_known():
    """A decoder that ignores z has log p(x) in closed form, whatever q is."""
    model, image = build(importance=400), pictures(n=2)
    code = to_codes(image, 256)
    with torch.no_grad():
        for p in model.encoder.layers[-1].parameters():
            p.mul_(0.2)  # q near the prior
        for p in model.decoder.layers[-1].parameters():
            p.zero_()
        known = model.rebuilt(torch.zeros(2, 3), code)
        found = model.log_likelihood(image, None, SeededNoise(CPU, 0))
    torch.testing.assert_close(found, known, rtol=0, atol=0.1)


# --- networks and options -------------------------------------------------------------------------


def test_the_papers_perceptrons():
    tree = config.build("vae", preset="paper", patches=[{"data": {"path": "x"}}])
    model = VAE(tree.model, DataInfo(size=28, channels=1))
    count = [sum(p.numel() for p in net.parameters()) for net in (model.encoder, model.decoder)]
    assert count == [784 * 500 + 500 + 500 * 40 + 40, 20 * 500 + 500 + 500 * 784 + 784]
    assert any(isinstance(m, torch.nn.Tanh) for m in model.decoder.modules())


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(network, channels):
    model = build(network=network, channels=channels)
    image = pictures(channels=channels)
    assert model.encoded(image).shape == (4, 3)
    assert model.decoder(torch.zeros(4, 3)).shape == (4, channels, 8, 8, 2)
    assert model.decoded(model.encoded(image)).shape == image.shape
    assert model.sample(3).abs().max() <= 1


def test_a_bernoulli_of_grey_levels_is_refused():
    with pytest.raises(UsageError, match="bernoulli has 2 levels, not 256"):
        config.build("vae", preset="tiny", patches=[{"model": {"likelihood": "bernoulli"}}])


def test_a_size_that_does_not_halve_twice_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no multiple of 4: --set data\.size=16"):
        train("vae", preset="tiny", options={"data": {"size": 18}}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert build(size=9, network="mlp").sample(1).shape == (1, 1, 9, 9)


# --- pictures -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a tiny run."""
    path = tmp_path_factory.mktemp("vae") / "run"
    options = {"data": {"count": 64}}
    return train("vae", preset="tiny", options=options, steps=2, out=path, quiet=True).path


def test_the_verb_draws_walks_and_rebuilt_images(run, tmp_path):
    for verb, size in (("walk", (3, 2)), ("rebuild", (10, 2))):
        args = ["--rows", "2", "--steps", "3"] if verb == "walk" else ["--rows", "1"]
        out = tmp_path / f"{verb}.png"
        done = CliRunner().invoke(vae, [verb, str(run), "--out", str(out), *args])
        assert done.exit_code == 0, done.output
        cell = 16 * round(96 / 16) + 4
        assert Image.open(out).size == (4 + size[0] * cell, 4 + size[1] * cell)


def test_a_walk_goes_from_one_latent_to_the_other_at_the_priors_length():
    a, b = SeededNoise(CPU, 0)(2, 3, 1, 200)
    path = arc(a, b, torch.linspace(0, 1, 5)[:, None])
    torch.testing.assert_close(path[:, 0], a[:, 0])
    torch.testing.assert_close(path[:, 4], b[:, 0])
    assert (path.norm(dim=2) > 12).all() and ((a + b) / 2).norm(dim=2).max() < 12


def test_a_plane_of_latents_is_laid_out_as_it_is():
    model = build(latent=2)
    images = walks(model, 3, 4, seed=0)
    assert images.shape == (12, 1, 8, 8)
    middle = model.decoded(torch.tensor([[0.0, Normal(0, 1).icdf(torch.tensor(0.125))]]))
    torch.testing.assert_close(images[4:5], middle)


def test_what_is_no_vae_and_no_picture_is_refused(run, tmp_path):
    for args, said in (
        (["walk", str(run), "--out", str(tmp_path / "a.txt")], "must end in"),
        (["walk", str(run), "--out", str(tmp_path / "no" / "a.png")], "make it first"),
    ):
        done = CliRunner().invoke(vae, args)
        assert isinstance(done.exception, GanzooError) and said in str(done.exception)


def test_it_conforms():
    assert not [result for result in run_checks("vae") if not result.passed]
