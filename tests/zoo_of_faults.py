"""Plugins that are wrong, one fault each, and the check that must catch it: see test_checks.py."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from ganzoo_cgan.config import CGANConfig
from ganzoo_cgan.model import CGAN
from pydantic import ConfigDict, field_serializer
from torch import nn

from ganzoo_core import JudgeConfig, Player
from ganzoo_core.testing.subject import ModelSubject, Subject
from ganzoo_core.zoo import zoo


@dataclass(frozen=True)
class Fault:
    """A wrong plugin, and what its check says."""

    check: str
    words: str
    make: Callable[[], Subject]


FAULTS: list[Fault] = []


def caught(check: str, words: str):
    """Add a function that makes a wrong plugin, with the check that catches it."""

    def add(make):
        FAULTS.append(Fault(check, words, make))
        return make

    return add


def entry(kind: str, name: str, **changes: Any):
    """Return the spec of an installed entry, changed, and its plugin."""
    found = [(s, p) for p in zoo().plugins for s in p.specs if s.name == name]
    spec, plugin = found[0]
    return kind, replace(spec, **changes), plugin


def cgan(spec: dict | None = None, **attributes: Any) -> ModelSubject:
    """Return cgan as the subject of checks, with a changed spec and attributes of its class."""
    subject = ModelSubject(*entry("model", "cgan", **(spec or {})))
    known = {"__doc__": "A model with a fault.", **attributes}
    subject.__dict__["target"] = type("Faulty", (CGAN,), known)
    return subject


# --- what it says of itself -----------------------------------------------------------------------


@caught("spec", "summary is empty")
def without_summary():
    return cgan({"summary": ""})


@caught("spec", "paper is empty")
def without_paper():
    return cgan({"paper": ""})


@caught("spec", "license is empty")
def without_licence():
    return cgan({"license": ""})


@caught("spec", "there is sample, likelihood")
def strange_capability():
    return cgan({"can": ("sample", "sing")})


@caught("spec", "no single line")
def long_summary():
    return cgan({"summary": "so\nmuch"})


@caught("documented", "no docstring")
def silent():
    return cgan(__doc__=None)


# --- options --------------------------------------------------------------------------------------


class Drifting(CGANConfig):
    @field_serializer("width")
    def wider(self, width):
        return width + 1


class Loose(CGANConfig):
    model_config = ConfigDict(extra="ignore")


class Unready(CGANConfig):
    presets: ClassVar = {"tiny": {}}


class Misspelt(CGANConfig):
    presets: ClassVar = {"tiny": {}, "quick": {"train": {"btach": 3}}}


@caught("config-round-trip", "changes on its way through JSON")
def drifting():
    return cgan({"config": "zoo_of_faults:Drifting"})


@caught("unknown-option", "takes any option")
def loose():
    return cgan({"config": "zoo_of_faults:Loose"})


@caught("presets", "lacks 'quick'")
def unready():
    return cgan({"config": "zoo_of_faults:Unready"})


@caught("judges-have-options", "identity: JudgeConfig")
def unnamed_judge():
    return cgan({"uses": ("identity",)})


# --- networks -------------------------------------------------------------------------------------


@caught("players-cover", "no player trains")
def lost_player():
    def players(self):
        return {"g": CGAN.players(self)["g"], "d": Player((), self.config.optim_d)}

    return cgan(players=players)


@caught("stages", "names the player ['x']")
def strange_player():
    def stages(self):
        (stage,) = CGAN.stages(self)
        return (replace(stage, steps=(*stage.steps, replace(stage.steps[0], player="x"))),)

    return cgan(stages=stages)


@caught("stages", "epochs, images or rounds")
def endless():
    def stages(self):
        return tuple(replace(stage, epochs=None) for stage in CGAN.stages(self))

    return cgan(stages=stages)


@caught("repeatable-build", "torch's own generator alone")
def built_by_chance():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        chance = torch.Generator()
        chance.seed()
        nn.init.normal_(self.discriminator.last.weight, generator=chance)

    return cgan(__init__=init)


@caught("repeatable-build", "every seed gives the same")
def built_alike():
    def init(self, config, info):
        torch.manual_seed(1)
        CGAN.__init__(self, config, info)

    return cgan(__init__=init)


@caught("rebuilds-without-data", "DataInfo went through JSON")
def clings_to_its_data():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        first = vars(type(self)).get("first") or info
        type(self).first = first
        self.generator.more = nn.Linear(1 if info is first else 2, 1)

    subject = cgan(__init__=init)
    subject.model()
    return subject


@caught("other-data", "read info.channels and info.size")
def colour_only():
    def generate(self, n, label, noise):
        return CGAN.generate(self, n, label, noise)[:, :1].expand(-1, 3, 32, 32)

    return cgan(generate=generate)


@caught("other-data", "raise a ValueError")
def abrupt():
    def init(self, config, info):
        if info.channels == 1:
            raise RuntimeError("shapes cannot be multiplied")
        CGAN.__init__(self, config, info)

    return cgan(__init__=init)


@caught("keeps-options", "super().__init__(config, info)")
def options_replaced():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        self.config = config.model_copy()

    return cgan(__init__=init)


class Judged(CGANConfig):
    identity: JudgeConfig = JudgeConfig()


@caught("judges-apart", "became a part of the model")
def judge_inside():
    def stages(self):
        self.generator.judge = self.judges["identity"].module
        return CGAN.stages(self)

    return cgan({"uses": ("identity",), "config": "zoo_of_faults:Judged"}, stages=stages)


# --- training -------------------------------------------------------------------------------------


def with_loss(change):
    """Return cgan whose generator's loss is changed."""
    return cgan(generator_loss=lambda self, t: change(self, t, CGAN.generator_loss(self, t)))


@caught("losses", "no finite 0-d tensor")
def loss_of_each():
    return with_loss(lambda self, t, loss: loss.expand(3))


@caught("losses", "log its mean")
def logs_many():
    return with_loss(lambda self, t, loss: t.log(many=torch.zeros(3)) or loss)


@caught("stays-on-device", "calls item")
def waits():
    return with_loss(lambda self, t, loss: loss * 2 if loss.item() > 1 else loss)


@caught("stays-on-device", "calls __bool__")
def branches():
    return with_loss(lambda self, t, loss: loss * 2 if loss > 1 else loss)


@caught("noise", "calls randn")
def noise_of_torch():
    return with_loss(lambda self, t, loss: loss + torch.randn(()))


@caught("gradients", "generator.unused")
def dead_parameter():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        self.generator.unused = nn.Parameter(torch.zeros(3))

    return cgan(__init__=init)


@caught("gradients", "not finite")
def infinite_gradient():
    return with_loss(lambda self, t, loss: loss * float("inf"))


@caught("learns", "learns nothing")
def idle():
    return with_loss(lambda self, t, loss: loss * 0)


@caught("accumulates", "")
def one_batch_only():
    def labels(self, t):
        return t.batch.label.reshape(16)

    return cgan(labels=labels)


@caught("half-precision", "x.float()")
def overflows():
    def change(self, t, loss):
        return loss * float("inf") if torch.is_autocast_enabled("cpu") else loss

    return with_loss(change)


@caught("repeats", "t.noise()")
def noise_of_its_own():
    state = torch.Generator().manual_seed(0)
    return with_loss(lambda self, t, loss: loss * torch.rand((), generator=state))


@caught("resumes", "a Parameter or a buffer")
def counts_in_python():
    def change(self, t, loss):
        self.rounds = getattr(self, "rounds", 0) + 1
        return loss * self.rounds**4

    return with_loss(change)


# --- capabilities and weights ---------------------------------------------------------------------


@caught("capabilities", "it has generate()")
def says_too_little():
    return cgan({"can": ()})


@caught("capabilities", "add embed")
def says_too_much():
    return cgan({"can": ("sample", "embed")})


@caught("serves", "names no network")
def serves_nothing():
    return cgan(serves=("critic",))


@caught("works-from-bundle", "every network it needs")
def needs_more():
    def generate(self, n, label, noise):
        return CGAN.generate(self, n, label, noise) * getattr(self, "grown", 0.5)

    def loss(self, t):
        self.grown = 0.9
        return CGAN.generator_loss(self, t)

    return cgan(generate=generate, generator_loss=loss)


@caught("samples", "end the generator in tanh")
def out_of_range():
    def generate(self, n, label, noise):
        return 3 * CGAN.generate(self, n, label, noise) + 2

    return cgan(generate=generate)


@caught("samples-repeat", "the same seed gives other")
def samples_by_chance():
    def generate(self, n, label, noise):
        return self.generator(torch.rand(n, self.generator.latent_dim), label)

    return cgan(generate=generate)


@caught("samples-repeat", "every seed gives the same")
def one_image():
    def generate(self, n, label, noise):
        return self.generator(torch.ones(n, self.generator.latent_dim), label)

    return cgan(generate=generate)


@caught("sampling-changes-nothing", "sampling changes ['calls']")
def counts_samples():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        self.register_buffer("calls", torch.zeros(()))

    def generate(self, n, label, noise):
        self.calls += 1
        return CGAN.generate(self, n, label, noise)

    return cgan(__init__=init, generate=generate)


@caught("condition", "let the generator read the label")
def deaf():
    def generate(self, n, label, noise):
        return CGAN.generate(self, n, label * 0, noise)

    return cgan(generate=generate)
