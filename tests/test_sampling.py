"""Sampling options, a model's own grid, single images by seed, and runs that are not finished."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from contract_models import VAE
from contract_models.plain_gan import PlainGAN
from PIL import Image
from training_helpers import build_model, make_images, train_run

import ganzoo_core as gz
from ganzoo_core.config import parse_options
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.interfaces import Generator, SampleGrid
from ganzoo_core.interfaces.sampling import sample_seeds
from ganzoo_core.report import make_grid, to_uint8
from ganzoo_core.training.loading import unfinished_steps
from ganzoo_core.training.output_grids import draw_own_grid, draw_sample_grid

SMOKE_RUN = ("run", "cgan", "--preset", "smoke", "--set", "data.count=64")


class Prior(Generator):
    """A generator that is its prior."""

    latent_dim = 4

    def __init__(self, prior):
        super().__init__()
        self.prior = prior

    def forward(self, z, label=None):
        """Return z."""
        return z


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_truncate_samples_the_truncated_prior(prior):
    z = torch.randn(200_000) if prior == "normal" else torch.rand(200_000) * 2 - 1
    kept = z[z.abs() < 0.7]
    out = Prior(prior).truncate(z, 0.7)
    assert out.dtype == torch.float32 and out.abs().max() <= 0.7
    quantiles = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    torch.testing.assert_close(
        out.quantile(quantiles), kept[:100_000].quantile(quantiles), atol=0.02, rtol=0
    )
    order = z.argsort()
    assert (out[order].diff() >= 0).all()  # monotone in z
    torch.testing.assert_close(Prior(prior).truncate(z, 50.0), z, atol=1e-4, rtol=1e-4)


def test_truncate_refuses_another_prior():
    class Other(Prior):
        def sample_latent(self, n, rng):
            return rng.rand(n, 4)

    with pytest.raises(UsageError, match="prior of its own"):
        Other("normal").truncate(torch.zeros(1, 4), 0.5)


def test_options_reach_generate():
    model = build_model(PlainGAN, make_images().info).eval()
    plain = model.sample(3, seed=1)
    assert torch.equal(plain, model.sample(3, seed=1, truncation=None))
    assert torch.equal(plain, model.sample(3, seed=1, truncation="none"))
    assert not torch.equal(plain, model.sample(3, seed=1, truncation=0.1))
    for options, words in (
        ({"truncaton": 1}, 'Did you mean "truncation"'),
        ({"truncation": 0}, "truncation: must be greater than 0"),
        ({"truncation": "much"}, "truncation: "),
    ):
        with pytest.raises(UsageError, match=words):
            model.sample(3, **options)
    with pytest.raises(UsageError, match="VAE has no sampling options, so no 'truncation'"):
        build_model(VAE, make_images().info).sample(1, truncation=0.5)


def test_parse_options():
    parsed = parse_options(["code=3", "style = photo", "mix=[1, 2]"])
    assert parsed == {"code": 3, "style": " photo", "mix": [1, 2]}
    for word in ("code", "=3"):
        with pytest.raises(UsageError, match="OPTION=VALUE"):
            parse_options([word])


class GridGAN(PlainGAN):
    """A GAN with a grid of two rows of three columns."""

    def sample_grid(self, rng):
        """Return the grid."""
        label = torch.arange(2).repeat_interleave(3)
        images = self.generator(self.generator.sample_latent(6, rng), label)
        return SampleGrid(images.unflatten(0, (2, 3)), ("up", "down"), ("a", "b", "c"))


def test_own_grid_is_drawn(tmp_path):
    model = build_model(GridGAN, make_images().info)
    grid, other = draw_sample_grid(model, seed=1), draw_sample_grid(model, seed=2)
    assert grid.size == draw_own_grid(model, 1).size and grid.tobytes() != other.tobytes()
    assert model.training  # its mode is restored
    run = train_run(GridGAN, tmp_path / "run", {"train": {"sample_every": 5}}, steps=5)
    saved = Image.open(run.folder.samples / "00000005.png")
    assert saved.size == grid.size
    assert saved.tobytes() == draw_sample_grid(run.model).tobytes()


def test_own_grid_with_wrong_shape_is_refused():
    model = build_model(GridGAN, make_images().info)
    model.sample_grid = lambda rng: SampleGrid(rng.rand(6, 3, 16, 16))
    with pytest.raises(UsageError, match=r"sample_grid returns images of shape \[6, 3, 16, 16\]"):
        draw_own_grid(model, 0)


def test_make_grid_with_column_names_and_empty_cells():
    images = torch.full((4, 3, 8, 8), -1.0)
    plain, named = make_grid(images, 2), make_grid(images, 2, column_names=("a", "b"))
    assert named.width == plain.width and named.height > plain.height
    offset = named.height - plain.height
    below = np.asarray(named)[offset + 4 :]
    assert (below == np.asarray(plain)[4:]).all()
    empty = np.asarray(make_grid(images, 2, empty_cells=(1,)))
    right, left = empty[: empty.shape[0] // 2, empty.shape[1] // 2 + 2 :], empty[:, :50]
    assert (right == 255).all() and (left[4:-4, 4:] == 0).any()
    wide = make_grid(images, 2, column_names=("x" * 200, "b"))
    assert wide.size == named.size


def test_sample_seeds_are_those_of_single_samples():
    model = build_model(PlainGAN, make_images().info).eval()
    images = torch.cat(list(sample_seeds(model, range(60, 130))))
    assert images.shape[0] == 70  # more than a batch
    for row, seed in ((0, 60), (69, 129)):
        torch.testing.assert_close(
            images[row : row + 1], model.sample(1, seed=seed), atol=1e-5, rtol=0
        )


# --- the command line ---------------------------------------------------------------------------


def test_sample_each(run_ganzoo, trained_run, tmp_path):
    args = ("--each", "one", "--seeds", "8-11", "--label", "60+", "-q")
    done = run_ganzoo("sample", trained_run, *args, cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "one\n", "")
    files = sorted((tmp_path / "one").iterdir())
    assert [file.name for file in files] == [f"{seed:06d}.png" for seed in range(8, 12)]
    model = gz.load(trained_run)
    expected = to_uint8(model.sample(1, label="60+", seed=9))[0].astype(int)
    assert np.abs(np.asarray(Image.open(files[1])).astype(int) - expected).max() <= 1
    assert run_ganzoo("sample", trained_run, *args, cwd=tmp_path).code == 5  # never overwritten


def test_sample_option_errors(run_ganzoo, trained_run, tmp_path):
    cases = {
        (): "--out FILE.png",
        ("--out", "x.png", "--each", "d"): "--out FILE.png",
        ("--each", "d"): "--seeds",
        ("--each", "d", "--seeds", "3-1"): "3-1",
        ("--each", "d", "--seeds", "a"): "0-99",
        ("--each", "d", "--seeds", "0-3", "-n", 2): "-n",
        ("--out", "x.png", "--set", "truncate=1"): 'Did you mean "truncation"?',
        ("--out", "x.png", "--set", "truncation=-1"): "truncation: must be greater than 0",
        ("--out", "x.png", "--set", "truncation"): "OPTION=VALUE",
    }
    for args, words in cases.items():
        done = run_ganzoo("sample", trained_run, *args, cwd=tmp_path)
        assert (done.code, done.out) == (2, "") and words in done.err, (args, done.err)
        assert done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_sample_set_changes_the_images(run_ganzoo, trained_run, tmp_path):
    for name, args in {
        "a": (),
        "b": ("--set", "truncation=none"),
        "c": ("--set", "truncation=0.2"),
    }.items():
        done = run_ganzoo("sample", trained_run, *args, "--out", f"{name}.png", cwd=tmp_path)
        assert done.code == 0, done.err
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_options_are_checked_without_torch(trained_run):
    code = (
        "import sys; from pathlib import Path; from ganzoo_core.cli import stored_model\n"
        "from ganzoo_core.errors import UsageError\n"
        f"run = Path({str(trained_run)!r})\n"
        "assert stored_model.parse_sampling_options(run, ['truncation=0.5'])\n"
        "for call in (lambda: stored_model.parse_sampling_options(run, ['zoom=3']),\n"
        "             lambda: stored_model.check_capability(run, 'translate')):\n"
        "    try:\n        call()\n    except UsageError as error:\n        print(error)\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    unknown, capability = done.stdout.splitlines()
    assert "'zoom'" in unknown and f"use ganzoo sample {trained_run}" in capability


def test_info_lists_sampling_options(run_ganzoo, tmp_path):
    facts = json.loads(run_ganzoo("info", "dcgan", "--json", cwd=tmp_path).out)
    option, code = facts["sampling"]
    assert code["name"] == "code"
    assert option["name"] == "truncation" and option["range"] == "> 0"
    assert option["default"] == "none" and "BigGAN" in option["description"]
    assert "truncation" in run_ganzoo("info", "dcgan", cwd=tmp_path).out
    assert "Sampling options" not in run_ganzoo("info", "vae", cwd=tmp_path).out


# --- runs that are not finished -------------------------------------------------------------------


def test_sample_of_a_stopped_run(run_ganzoo, extra_plugin_path, tmp_path):
    env = {"PYTHONPATH": extra_plugin_path, "GANZOO_TEST_SIGNAL": str(int(signal.SIGINT))}
    assert run_ganzoo(*SMOKE_RUN, "--out", "r", cwd=tmp_path, env=env).code == 130
    done = run_ganzoo("sample", "r", "--out", "x.png", cwd=tmp_path)
    assert (done.code, done.out) == (0, "x.png\n"), done.err
    assert done.err.count("\n") == 1 and "r is at step 5 of 20" in done.err


def test_checkpoint_has_the_weights_of_the_pretrained_folder(trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    assert unfinished_steps(run) is None and unfinished_steps(run / "weights") is None
    expected = gz.load(run)
    shutil.rmtree(run / "weights")
    assert unfinished_steps(run) == (20, 20)
    model = gz.load(run)
    assert [name for name, _ in model.named_children()] == ["generator"]
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert torch.equal(model.sample(4, seed=1), expected.sample(4, seed=1))
    assert hasattr(gz.load(run, include_training_modules=True), "discriminator")
    newest = run / "checkpoints" / "00000020.safetensors"
    newest.write_bytes(newest.read_bytes()[:-10])
    assert not torch.equal(gz.load(run).sample(4, seed=1), expected.sample(4, seed=1))


def test_older_weights_give_way_to_the_newest_checkpoint(trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    path = run / "weights" / "ganzoo.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "steps": 10}))
    assert unfinished_steps(run) == (20, 20)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": "cgan", "config": {}, "data": 3}'])
def test_damaged_checkpoint_index(trained_run, tmp_path, text):
    run = shutil.copytree(trained_run, tmp_path / "run")
    shutil.rmtree(run / "weights")
    (run / "checkpoints" / "index.json").write_text(text)
    with pytest.raises(WeightsError, match=r"index.json is damaged .* ganzoo resume"):
        gz.load(run)
