"""The conformance checks: what every model of the zoo must be able to do.

`ganzoo check NAME` runs them; so can a plugin's own tests:

    from ganzoo_core.testing import run_checks
    failed = [result for result in run_checks("my-gan") if not result.passed]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.config.base import parse
from ganzoo_core.config.tree import model_config_class
from ganzoo_core.errors import GanzooError, UsageError, suggest
from ganzoo_core.interfaces import CAPABILITIES, HasLikelihood, Samples, log_likelihood
from ganzoo_core.testing.subject import Subject
from ganzoo_core.weights import fill, read_bundle, write_bundle
from ganzoo_core.zoo import FAMILIES

Check = Callable[[Subject], None]
CHECKS: dict[str, Check] = {}


@dataclass(frozen=True)
class Result:
    """The outcome of one check."""

    name: str
    purpose: str
    """One line: what a model that passes can do."""
    passed: bool
    message: str
    """What is wrong and how to mend it; empty for a pass."""
    seconds: float


class Failed(AssertionError):
    """A check's verdict, with the remedy."""


def check(function: Check) -> Check:
    """Add a function to the checks; its docstring is the purpose."""
    CHECKS[function.__name__.replace("_", "-")] = function
    return function


def demand(condition: object, message: str) -> None:
    """Fail a check unless the condition holds."""
    if not condition:
        raise Failed(message)


def run_checks(name: str, only: Sequence[str] = ()) -> Iterator[Result]:
    """Examine a model of the zoo; yield one result a check.

    Raises:
        UsageError: there is no such model or check. PluginError: its plugin is broken.
    """
    for wanted in only:
        if wanted not in CHECKS:
            raise UsageError(f"there is no check {wanted!r}.{suggest(wanted, CHECKS)}")
    subject = Subject(name)
    for title, function in CHECKS.items():
        if only and title not in only:
            continue
        begun, message = time.perf_counter(), ""
        try:
            function(subject)
        except (Failed, GanzooError) as error:
            message = str(error)
        except Exception as error:  # the plugin's own bug: name it, go on to the next check
            message = f"{type(error).__name__}: {error}".splitlines()[0]
        purpose = (function.__doc__ or "").strip().rstrip(".")
        yield Result(title, purpose, not message, message, time.perf_counter() - begun)


@check
def spec(subject: Subject) -> None:
    """Says what it is, where it comes from and under which licence."""
    for field in ("summary", "paper", "license"):
        demand(getattr(subject.spec, field), f"ModelSpec.{field} is empty: fill it in plugin.py")
    demand(subject.cls.__doc__, f"{subject.spec.target} has no docstring: say what it is")
    fields = model_config_class(subject.spec).model_fields
    for role in subject.spec.uses:
        demand(
            role in fields,
            f"it uses a judge of {role!r}: give its options `{role}: JudgeConfig = JudgeConfig()`",
        )
    family = subject.spec.family
    demand(
        not family or family in FAMILIES,
        f"there is no family {family!r}: ModelSpec.family is empty, or {', '.join(FAMILIES)}",
    )
    strange = [c for c in subject.spec.can if c not in CAPABILITIES]
    demand(not strange, f"ModelSpec.can has {strange}; there is {', '.join(CAPABILITIES)}")


@check
def lazy_plugin(subject: Subject) -> None:
    """Registers without importing torch or pydantic."""
    package = subject.spec.target.split(":")[0].split(".")[0]
    code = (
        "import sys; from ganzoo_core.zoo import zoo; zoo();"
        "print([m for m in ('torch', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    demand(
        done.stdout.strip() == "[]",
        f"listing the zoo imports {done.stdout.strip()}: keep {package}/plugin.py to specs, and "
        "name classes as 'package.module:Class'",
    )


@check
def config_round_trip(subject: Subject) -> None:
    """Writes its options as JSON and reads the same options back, for every preset."""
    cls = model_config_class(subject.spec)
    for preset in ("tiny", "quick"):
        demand(preset in cls.presets, f"{cls.__name__}.presets lacks {preset!r}")
    for name, patch in cls.presets.items():
        config = parse(cls, patch.get("model", {}), f"preset {name}: model")
        again = cls.model_validate(json.loads(config.model_dump_json()))
        demand(again == config, f"preset {name!r} changes on its way through JSON")


@check
def unknown_option(subject: Subject) -> None:
    """Refuses an option it does not know."""
    cls = model_config_class(subject.spec)
    try:
        parse(cls, {"no_such_option": 1}, "model")
    except UsageError:
        return
    raise Failed(f"{cls.__name__} takes any option: derive it from ganzoo_core.ModelConfig")


@check
def players_cover(subject: Subject) -> None:
    """Gives every trainable parameter to a player, and every step a player there is."""
    model = subject.model()
    players = model.players()
    nets = {net for player in players.values() for net in player.nets}
    lost = [
        n for n, p in model.named_parameters() if p.requires_grad and n.split(".")[0] not in nets
    ]
    demand(not lost, f"no player trains {lost[:1]}: name its network in players(), or freeze it")
    for stage in model.stages():
        strange = [step.player for step in stage.steps if step.player not in players]
        demand(
            not strange, f"stage {stage.name!r} names the player {strange[:1]}, players() does not"
        )


@check
def gradients(subject: Subject) -> None:
    """Gets a finite gradient to every trainable parameter."""
    trainer = subject.trainer()
    reached: set[str] = set()
    names = {id(p): n for n, p in trainer.model.named_parameters()}

    def note(parameter: Tensor) -> None:
        assert parameter.grad is not None
        name = names[id(parameter)]
        demand(parameter.grad.isfinite().all(), f"the gradient of {name} is not finite")
        reached.add(name)

    wanted = {name for player in trainer.players.values() for name in player.params}
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            hook: Any = parameter.register_post_accumulate_grad_hook
            hook(note)
    while trainer.round < trainer.plan.total:
        trainer.play(trainer.plan.at(trainer.round))
    missed = sorted(wanted - reached)
    demand(not missed, f"no gradient reaches {missed[:1]}: is it used in forward?")


@check
def learns(subject: Subject) -> None:
    """Changes the weights of every player in one round."""
    before, after = subject.trainer(), subject.trained()
    for name, player in before.players.items():
        moved = any(not torch.equal(p, after[f"model.{n}"]) for n, p in player.params.items())
        demand(moved, f"player {name!r} learns nothing in a round: does a step name it?")


@check
def repeats(subject: Subject) -> None:
    """Trains to the same bits from the same seed."""
    first, second = subject.trained(2), subject.trained(2)
    differ = [name for name in first if not torch.equal(first[name], second[name])]
    demand(not differ, f"{differ[:1]} differs: draw all noise with t.noise(), never torch.randn()")


@check
def resumes(subject: Subject) -> None:
    """Continues from a checkpoint to the same bits as without the stop."""
    whole = subject.trained(2)
    with tempfile.TemporaryDirectory() as folder:
        for stop in range(1, subject.trainer(2).plan.total):
            path = Path(folder) / str(stop)
            first = subject.trainer(2)
            while first.round < stop:
                first.play(first.plan.at(first.round))
            first.save(path)
            second = subject.trainer(2)
            second.restore(path)
            second.run(path)
            state = second.state()
            differ = [name for name in whole if not torch.equal(whole[name], state[name])]
            demand(
                not differ, f"{differ[:1]} is lost at round {stop}: make it a Parameter or a buffer"
            )


@check
def bundle(subject: Subject) -> None:
    """Comes back from its bundle exactly, and samples images of the right shape and range."""
    model = subject.model()
    with tempfile.TemporaryDirectory() as folder:
        about = {"model": subject.name, "config": subject.config.tree()["model"]}
        write_bundle(Path(folder), model, about)
        again = fill(subject.model(), read_bundle(Path(folder)))
    mine, yours = model.state_dict(), again.state_dict()
    demand(yours, f"serves = {model.serves} names no network of the model")
    differ = [name for name in yours if not torch.equal(mine[name], yours[name])]
    demand(not differ, f"{differ[:1]} changes on its way through safetensors")
    if "sample" in subject.spec.can:
        demand(isinstance(again, Samples), "it says it can sample and has no generate()")
        images = again.sample(4, seed=1)
        info = subject.images.info
        shape = (4, info.channels, info.size, info.size)
        demand(
            tuple(images.shape) == shape, f"samples have shape {tuple(images.shape)}, not {shape}"
        )
        demand(images.abs().max() <= 1, "samples leave [-1, 1]: end the generator in tanh")
        demand(torch.equal(images, model.sample(4, seed=1)), "the same seed gives other samples")


@check
def likelihood(subject: Subject) -> None:
    """Gives images log-likelihoods that are finite, at most 0, and the same for the same seed."""
    if "likelihood" not in subject.spec.can:
        return
    model, images = subject.model(), subject.images
    demand(isinstance(model, HasLikelihood), "it says it has a likelihood and no log_likelihood()")
    rows = torch.arange(4)
    image = images.gather(rows).float() / 127.5 - 1
    label = None if images.label is None else images.label[rows].tolist()
    nats = log_likelihood(model, image, label, seed=1)
    demand(nats.shape == (4,), f"log_likelihood gives {tuple(nats.shape)} for four images")
    demand(
        nats.isfinite().all() and (nats <= 0).all(),
        f"log-likelihoods of quantised images are finite and at most 0, not {nats.tolist()}",
    )
    same = torch.equal(nats, log_likelihood(model, image, label, seed=1))
    demand(same, "the same seed gives another likelihood: draw all noise with noise()")
