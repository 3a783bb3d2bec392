"""What the networks of a model promise, before any training."""

from __future__ import annotations

import json
from dataclasses import replace

import torch

from ganzoo_core.errors import GanzooError
from ganzoo_core.interfaces import DataInfo, Model
from ganzoo_core.testing.checks.kit import check, demand
from ganzoo_core.testing.checks.sampling import examined
from ganzoo_core.testing.subject import ModelSubject


@check("model")
def players_cover(subject: ModelSubject) -> None:
    """Gives every trainable parameter to a player"""
    model = subject.model()
    nets = {net for player in model.players().values() for net in player.nets}
    lost = [
        n for n, p in model.named_parameters() if p.requires_grad and n.split(".")[0] not in nets
    ]
    demand(not lost, f"no player trains {lost[:1]}: name its network in players(), or freeze it")


@check("model")
def stages(subject: ModelSubject) -> None:
    """Has stages with names of their own, a length, and steps of players there are"""
    model = subject.model()
    players, found = model.players(), model.stages()
    demand(found, "stages() is empty: return at least one Stage")
    names = [stage.name for stage in found]
    demand(len({*names}) == len(names), f"two stages are called alike: {', '.join(names)}")
    for stage in found:
        strange = [step.player for step in stage.steps if step.player not in players]
        demand(
            not strange, f"stage {stage.name!r} names the player {strange[:1]}, players() does not"
        )
        lengths = [x for x in (stage.epochs, stage.images, stage.rounds) if x is not None]
        demand(len(lengths) == 1, f"stage {stage.name!r}: give epochs, images or rounds, one")
        steps = [step.name for step in stage.steps]
        demand(len({*steps}) == len(steps), f"two steps of {stage.name!r} are called alike")


@check("model")
def repeatable_build(subject: ModelSubject) -> None:
    """Is built with the same weights from the same seed, and with others from another"""
    first, second, other = (subject.model(seed=seed).state_dict() for seed in (0, 0, 1))
    differ = [name for name in first if not torch.equal(first[name], second[name])]
    demand(not differ, f"{differ[:1]} differs: initialise with torch's own generator alone")
    demand(
        any(not torch.equal(first[name], other[name]) for name in first),
        "every seed gives the same weights: do not call torch.manual_seed() in the constructor",
    )


@check("model")
def rebuilds_without_data(subject: ModelSubject) -> None:
    """Is built the same from the facts of the data alone, as they lie in a bundle"""
    info = subject.images.info
    again = subject.model(DataInfo.from_json(json.loads(json.dumps(info.to_json()))))
    mine, yours = shapes(subject.model()), shapes(again)
    demand(mine == yours, "its networks change when DataInfo went through JSON")


def shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a model's state."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@check("model")
def other_data(subject: ModelSubject) -> None:
    """Draws images of any size and channels, or refuses them in one line"""
    info = subject.images.info
    others = (replace(info, channels=4 - info.channels), replace(info, size=info.size * 3 // 4))
    for other in others:
        what = f"{other.channels} x {other.size} x {other.size}"
        try:
            model = subject.model(other)
        except (ValueError, GanzooError) as error:
            line = str(error)
            demand(line and "\n" not in line, f"at {what} its refusal is no single line: {line!r}")
            continue
        except Exception as error:
            demand(
                False,
                f"at {what} it raises {type(error).__name__}: raise a ValueError that "
                "says which sizes do, or read info.size and info.channels",
            )
        examined(subject, model, other)


@check("model")
def keeps_options(subject: ModelSubject) -> None:
    """Leaves its options and the facts of the data as they were"""
    before = subject.config.model.model_dump_json()
    model = subject.model()
    demand(
        model.config is subject.config.model and isinstance(model.info, DataInfo),
        "self.config or self.info is not what it was given: call super().__init__(config, info)",
    )
    demand(subject.config.model.model_dump_json() == before, "it changes its options: copy them")


@check("model")
def judges_apart(subject: ModelSubject) -> None:
    """Keeps its frozen judges out of its own state"""
    model = subject.trainer().model
    own = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    for role, judge in model.judges.items():
        inside = any(id(tensor) in own for tensor in judge.module.parameters())
        demand(
            not inside,
            f"the judge of {role!r} became a part of the model: ask self.judges[...]"
            " where it is needed, and keep no reference to it",
        )
