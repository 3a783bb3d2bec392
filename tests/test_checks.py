"""The conformance checks: the models of the house pass, and each check catches what it is for."""

import pytest
import torch
from torch import nn

import ganzoo_core.testing.subject as subjects
from ganzoo_core import ModelSpec
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import Player
from ganzoo_core.testing import run_checks
from ganzoo_core.testing.checks import CHECKS
from ganzoo_core.zoo import zoo


@pytest.mark.parametrize("name", zoo().names("model"))
def test_models_of_the_house_pass(name):
    failed = [(result.name, result.message) for result in run_checks(name) if not result.passed]
    assert not failed


def test_there_are_ten_checks_with_a_purpose():
    assert len(CHECKS) >= 10
    assert all(function.__doc__ for function in CHECKS.values())


def test_unknown_check():
    with pytest.raises(UsageError, match='Did you mean "gradients"'):
        list(run_checks("cgan", ["gradient"]))


def broken(monkeypatch, **changes):
    """Make `cgan` a model with a fault: attributes of its class replaced."""
    from ganzoo_cgan.model import CGAN

    fault = type("Faulty", (CGAN,), {"__doc__": "A model with a fault.", **changes})
    monkeypatch.setattr(subjects.Subject, "cls", fault)


def verdicts(*names):
    return {result.name: result for result in run_checks("cgan", names)}


def test_lost_player(monkeypatch):
    from ganzoo_cgan.model import CGAN

    def players(self):
        return {"g": CGAN.players(self)["g"], "d": Player((), self.config.optim_d)}

    broken(monkeypatch, players=players)
    result = verdicts("players-cover")["players-cover"]
    assert not result.passed
    assert "no player trains" in result.message


def test_dead_parameter(monkeypatch):
    from ganzoo_cgan.model import CGAN

    def init(self, config, info):
        CGAN.__init__(self, config, info)
        self.generator.unused = nn.Parameter(torch.zeros(3))

    broken(monkeypatch, __init__=init)
    assert "generator.unused" in verdicts("gradients")["gradients"].message


def test_infinite_gradient(monkeypatch):
    from ganzoo_cgan.model import CGAN

    def loss(self, t):
        return CGAN.generator_loss(self, t) * float("inf")

    broken(monkeypatch, generator_loss=loss)
    assert "not finite" in verdicts("gradients")["gradients"].message


def test_player_that_learns_nothing(monkeypatch):
    from ganzoo_cgan.model import CGAN

    broken(monkeypatch, generator_loss=lambda self, t: CGAN.generator_loss(self, t) * 0)
    assert "learns nothing" in verdicts("learns")["learns"].message


def test_noise_of_its_own(monkeypatch):
    state = torch.Generator().manual_seed(0)

    def generate(self, n, label, noise):
        return self.generator(torch.rand(n, self.generator.latent_dim, generator=state), label)

    broken(monkeypatch, generate=generate)
    assert "t.noise()" in verdicts("repeats")["repeats"].message


def test_state_outside_parameters(monkeypatch):
    from ganzoo_cgan.model import CGAN

    def loss(self, t):
        self.rounds = getattr(self, "rounds", 0) + 1
        return CGAN.generator_loss(self, t) * self.rounds**4

    broken(monkeypatch, generator_loss=loss)
    result = verdicts("resumes")["resumes"]
    assert not result.passed
    assert "buffer" in result.message


def test_served_network_that_is_not_there(monkeypatch):
    broken(monkeypatch, serves=("critic",))
    assert "names no network" in verdicts("bundle")["bundle"].message


def test_samples_out_of_range(monkeypatch):
    from ganzoo_cgan.model import CGAN

    def generate(self, n, label, noise):
        return 3 * CGAN.generate(self, n, label, noise) + 2

    broken(monkeypatch, generate=generate)
    assert "tanh" in verdicts("bundle")["bundle"].message


@pytest.mark.parametrize("field", ["summary", "paper", "license"])
def test_empty_spec(monkeypatch, field):
    import dataclasses

    known = zoo().model("cgan")
    monkeypatch.setattr(
        type(zoo()), "model", lambda self, name: dataclasses.replace(known, **{field: ""})
    )
    assert isinstance(zoo().model("cgan"), ModelSpec)
    assert field in verdicts("spec")["spec"].message
