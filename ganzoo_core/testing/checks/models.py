"""Checks of a model's networks, optimizers and stages, before any training."""

from __future__ import annotations

import json
from dataclasses import replace

import torch

from ganzoo_core.errors import GanzooError
from ganzoo_core.interfaces import DataInfo, Model
from ganzoo_core.testing.checks.framework import check, require
from ganzoo_core.testing.checks.sampling import check_samples
from ganzoo_core.testing.subject import ModelSubject


@check("model")
def optimizers_cover_parameters(subject: ModelSubject) -> None:
    """Assigns every trainable parameter to an optimizer"""
    model = subject.build_model()
    modules = {name for spec in model.configure_optimizers().values() for name in spec.modules}
    untrained = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and name.split(".")[0] not in modules
    ]
    require(
        not untrained,
        f"no optimizer trains {untrained[:1]}: name its network in configure_optimizers(), or "
        "freeze it",
    )


@check("model")
def stages_are_valid(subject: ModelSubject) -> None:
    """Has stages with unique names, one length each, and phases of known optimizers"""
    model = subject.build_model()
    optimizers, stages = model.configure_optimizers(), model.stages()
    require(stages, "stages() is empty: return at least one Stage")
    names = [stage.name for stage in stages]
    require(len({*names}) == len(names), f"two stages have the same name: {', '.join(names)}")
    for stage in stages:
        unknown = [phase.optimizer for phase in stage.phases if phase.optimizer not in optimizers]
        require(
            not unknown,
            f"stage {stage.name!r}: configure_optimizers() has no optimizer {unknown[:1]}",
        )
        lengths = [x for x in (stage.epochs, stage.images, stage.steps) if x is not None]
        require(
            len(lengths) == 1, f"stage {stage.name!r}: give exactly one of epochs, images and steps"
        )
        phase_names = [phase.name for phase in stage.phases]
        require(
            len({*phase_names}) == len(phase_names),
            f"stage {stage.name!r}: two phases have the same name",
        )


@check("model")
def build_is_reproducible(subject: ModelSubject) -> None:
    """Has the same initial weights for the same seed, and others for another seed"""
    first, second, other = (subject.build_model(seed=seed).state_dict() for seed in (0, 0, 1))
    different = [name for name in first if not torch.equal(first[name], second[name])]
    require(
        not different, f"{different[:1]} differs: initialize with torch's global generator only"
    )
    require(
        any(not torch.equal(first[name], other[name]) for name in first),
        "every seed gives the same weights: do not call torch.manual_seed() in the constructor",
    )


@check("model")
def builds_from_data_info(subject: ModelSubject) -> None:
    """Builds the same networks from a DataInfo that was saved as JSON"""
    info = subject.images.info
    again = subject.build_model(DataInfo.from_json(json.loads(json.dumps(info.to_json()))))
    require(
        _state_shapes(subject.build_model()) == _state_shapes(again),
        "its networks change after a round trip of DataInfo through JSON",
    )


def _state_shapes(model: Model) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@check("model")
def other_image_sizes(subject: ModelSubject) -> None:
    """Supports any image size and number of channels, or rejects them with one line"""
    info = subject.images.info
    others = (
        replace(info, num_channels=4 - info.num_channels),
        replace(info, image_size=info.image_size * 3 // 4),
    )
    for other in others:
        shape = f"{other.num_channels} x {other.image_size} x {other.image_size}"
        try:
            model = subject.build_model(other)
        except (ValueError, GanzooError) as error:
            message = str(error)
            require(
                message and "\n" not in message,
                f"at {shape} its message is not one line: {message!r}",
            )
            continue
        except Exception as error:
            require(
                False,
                f"at {shape} it raises {type(error).__name__}: raise a ValueError that names the "
                "supported sizes, or use info.image_size and info.num_channels",
            )
        check_samples(subject, model, other)


@check("model")
def config_unchanged(subject: ModelSubject) -> None:
    """Does not modify its options or DataInfo"""
    before = subject.config.model.model_dump_json()
    model = subject.build_model()
    require(
        model.config is subject.config.model and isinstance(model.info, DataInfo),
        "self.config or self.info was replaced: call super().__init__(config, info)",
    )
    require(subject.config.model.model_dump_json() == before, "it modifies its options: copy them")


@check("model")
def auxiliaries_not_in_state(subject: ModelSubject) -> None:
    """Keeps its frozen auxiliary networks out of its own parameters and buffers"""
    model = subject.build_trainer().model
    own_tensors = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    for role, auxiliary in model.auxiliaries.items():
        is_registered = any(id(tensor) in own_tensors for tensor in auxiliary.module.parameters())
        require(
            not is_registered,
            f"the auxiliary network for {role!r} is registered as a submodule: use "
            "self.auxiliaries[...] in the loss, and store no reference to the module",
        )
