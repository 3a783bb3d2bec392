"""The VAE: likelihoods sum to one, the ELBO in closed form, bounds of a known likelihood."""

import json
import math

import pytest
import torch
from click.testing import CliRunner
from ganzoo_vae.commands import vae
from ganzoo_vae.config import VAEConfig
from ganzoo_vae.likelihoods import LIKELIHOODS, standard_normal_log_prob
from ganzoo_vae.model import VAE
from ganzoo_vae.visualization import draw_interpolations, slerp
from PIL import Image
from torch.distributions import Independent, Normal, kl_divergence

from ganzoo_core import config, train
from ganzoo_core.data.quantization import dequantize, quantize
from ganzoo_core.errors import OutputError, UsageError
from ganzoo_core.interfaces import Batch, DataInfo, SeededRng

CPU = torch.device("cpu")


def build_vae(image_size=8, num_channels=1, **options):
    small = {
        "latent_dim": 3,
        "hidden_dim": 12,
        "base_channels": 4,
        "num_importance_samples": 5,
        **options,
    }
    torch.manual_seed(5)
    info = DataInfo(image_size=image_size, num_channels=num_channels)
    return VAE(VAEConfig(**small), info)


def random_images(n=4, num_channels=1, image_size=8):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, num_channels, image_size, image_size, generator=generator) * 2 - 1


class FakeStepContext(SeededRng):
    """A batch, random numbers, and what was logged."""

    def __init__(self, image):
        super().__init__(CPU, 0)
        self.batch = Batch(size=len(image), image=image)
        self.logged = {}

    def log(self, values):
        self.logged |= values


# --- levels and likelihoods -----------------------------------------------------------------------


def test_quantize_levels_of_bytes():
    byte = torch.arange(256)
    image = byte / 127.5 - 1
    assert torch.equal(quantize(image, 256), byte)
    assert torch.equal(quantize(image, 2), (byte >= 128).long())
    for levels in range(2, 257):
        codes = torch.arange(levels)
        assert torch.equal(quantize(dequantize(codes, levels), levels), codes), levels
        quantized = quantize(image, levels)
        assert quantized.min() == 0 and quantized.max() == levels - 1
        assert (quantized.diff() >= 0).all()


@pytest.mark.parametrize(
    ("kind", "levels"), [("bernoulli", 2), ("gaussian", 256), ("logistic", 256), ("logistic", 5)]
)
def test_probabilities_of_all_levels_sum_to_one(kind, levels):
    likelihood = LIKELIHOODS[kind](levels)
    generator = torch.Generator().manual_seed(2)
    params = torch.randn(50, 1, likelihood.num_params, generator=generator) * 2
    codes = torch.arange(levels).expand(50, levels)
    log_prob = likelihood.log_prob(params.double(), codes).double()
    assert (log_prob <= 1e-6).all()
    ones = torch.ones(50).double()
    torch.testing.assert_close(log_prob.exp().sum(1), ones, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["gaussian", "logistic"])
def test_log_prob_of_extreme_parameters_is_finite(kind):
    likelihood = LIKELIHOODS[kind](256)
    params = torch.tensor([[5.0, -9.0], [-30.0, -7.0], [0.0, 9.0], [1.0, -7.0]])
    params = params[:, None].expand(-1, 256, -1).clone().requires_grad_()
    log_prob = likelihood.log_prob(params, torch.arange(256).expand(4, 256))
    log_prob.sum().backward()
    assert log_prob.isfinite().all() and params.grad.isfinite().all()


def test_logistic_probability_is_difference_of_sigmoids():
    codes = torch.tensor([0, 100, 255])
    params = torch.tensor([0.1, math.log(0.3)]).expand(3, 2).double()
    x, half_bin = dequantize(codes, 256).double(), 1 / 255
    upper, lower = (((x + sign * half_bin - 0.1) / 0.3).sigmoid() for sign in (1, -1))
    expected = torch.stack([upper[0], upper[1] - lower[1], 1 - lower[2]])
    log_prob = LIKELIHOODS["logistic"](256).log_prob(params, codes).double()
    torch.testing.assert_close(log_prob.exp(), expected, rtol=1e-5, atol=1e-9)


# --- the ELBO -------------------------------------------------------------------------------------


def test_loss_is_elbo_with_closed_form_kl():
    model, image = build_vae(), random_images()
    ctx = FakeStepContext(image)
    bits_per_dim = model.bits_per_dim_loss(ctx)
    mean, log_var = model.encoder(dequantize(quantize(image, 256), 256))
    q = Independent(Normal(mean, (log_var / 2).exp()), 1)
    p = Independent(Normal(torch.zeros(3), torch.ones(3)), 1)
    torch.testing.assert_close(ctx.logged["nats/kl"], kl_divergence(q, p).mean())
    nats = ctx.logged["nats/kl"] + ctx.logged["nats/reconstruction"]
    torch.testing.assert_close(bits_per_dim, nats / (64 * math.log(2)))
    z = torch.randn(4, 3)
    torch.testing.assert_close(standard_normal_log_prob(z), p.log_prob(z))


def test_importance_samples_tighten_the_bound():
    model, image = build_vae(num_importance_samples=1), random_images(n=64)
    with torch.no_grad():
        one = model.log_likelihood(image, None, SeededRng(CPU, 4))
        codes = quantize(image, 256)
        mean, log_var = model.encoder(dequantize(codes, 256))
        eps = SeededRng(CPU, 4).randn(64, 1, 3)[:, 0]
        z = mean + (log_var / 2).exp() * eps
        q = Independent(Normal(mean, (log_var / 2).exp()), 1)
        elbo = model.decoder_log_prob(z, codes) + standard_normal_log_prob(z) - q.log_prob(z)
        torch.testing.assert_close(one, elbo)
        many = build_vae(num_importance_samples=50)
        tighter = many.log_likelihood(image, None, SeededRng(CPU, 4))
    assert tighter.mean() > one.mean()


def test_bound_reaches_known_likelihood():
    """A decoder that ignores z has log p(x) in closed form, whatever q is."""
    model, image = build_vae(num_importance_samples=400), random_images(n=2)
    codes = quantize(image, 256)
    with torch.no_grad():
        for p in model.encoder.layers[-1].parameters():
            p.mul_(0.2)  # q near the prior
        for p in model.decoder.layers[-1].parameters():
            p.zero_()
        exact = model.decoder_log_prob(torch.zeros(2, 3), codes)
        bound = model.log_likelihood(image, None, SeededRng(CPU, 0))
    torch.testing.assert_close(bound, exact, rtol=0, atol=0.1)


# --- networks and options -------------------------------------------------------------------------


def test_paper_perceptrons():
    tree = config.build_config("vae", preset="paper", patches=[{"data": {"path": "x"}}])
    model = VAE(tree.model, DataInfo(image_size=28, num_channels=1))
    counts = [sum(p.numel() for p in net.parameters()) for net in (model.encoder, model.decoder)]
    assert counts == [784 * 500 + 500 + 500 * 40 + 40, 20 * 500 + 500 + 500 * 784 + 784]
    assert any(isinstance(m, torch.nn.Tanh) for m in model.decoder.modules())


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("num_channels", [1, 3])
def test_shapes(network, num_channels):
    model = build_vae(network=network, num_channels=num_channels)
    image = random_images(num_channels=num_channels)
    assert model.encode(image).shape == (4, 3)
    assert model.decoder(torch.zeros(4, 3)).shape == (4, num_channels, 8, 8, 2)
    assert model.decode(model.encode(image)).shape == image.shape
    assert model.sample(3).abs().max() <= 1


def test_bernoulli_with_256_levels_is_refused():
    with pytest.raises(UsageError, match=r"model\.levels"):
        config.build_config("vae", preset="smoke", patches=[{"model": {"likelihood": "bernoulli"}}])


def test_image_size_not_multiple_of_4_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"--set data\.image_size=16"):
        train("vae", preset="smoke", options={"data": {"image_size": 18}}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert build_vae(image_size=9, network="mlp").sample(1).shape == (1, 1, 9, 9)


# --- commands -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smoke_run(tmp_path_factory):
    """Return the folder of a run of 2 steps."""
    path = tmp_path_factory.mktemp("vae") / "run"
    options = {"data": {"count": 64}}
    return train("vae", preset="smoke", options=options, steps=2, out=path, quiet=True).path


@pytest.mark.parametrize(
    ("command", "args", "num_columns"),
    [
        ("interpolate", ["--rows", "2", "--points", "3"], 3),
        ("reconstruct", ["--rows", "1"], 10),
    ],
)
def test_command_writes_image_grid(smoke_run, tmp_path, command, args, num_columns):
    out = tmp_path / "grid.png"
    result = CliRunner().invoke(vae, [command, str(smoke_run), "--out", str(out), *args, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"path": str(out)}
    cell = 16 * round(96 / 16) + 4
    assert Image.open(out).size == (4 + num_columns * cell, 4 + 2 * cell)


def test_slerp_keeps_the_length_of_the_prior():
    z0, z1 = SeededRng(CPU, 0).randn(2, 3, 1, 200)
    path = slerp(z0, z1, torch.linspace(0, 1, 5)[:, None])
    torch.testing.assert_close(path[:, 0], z0[:, 0])
    torch.testing.assert_close(path[:, 4], z1[:, 0])
    assert (path.norm(dim=2) > 12).all() and ((z0 + z1) / 2).norm(dim=2).max() < 12


def test_interpolation_of_2d_latents_is_a_grid():
    model = build_vae(latent_dim=2)
    images = draw_interpolations(model, 3, 4, seed=0)
    assert images.shape == (12, 1, 8, 8)
    middle = model.decode(torch.tensor([[0.0, Normal(0, 1).icdf(torch.tensor(0.125))]]))
    torch.testing.assert_close(images[4:5], middle)


@pytest.mark.parametrize(("out", "error"), [("a.txt", UsageError), ("no/a.png", OutputError)])
def test_bad_out_is_refused(smoke_run, tmp_path, out, error):
    args = ["interpolate", str(smoke_run), "--out", str(tmp_path / out)]
    assert type(CliRunner().invoke(vae, args).exception) is error
