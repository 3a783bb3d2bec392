"""Checks of evaluators and of shipped weights."""

from __future__ import annotations

import torch

from ganzoo_core.errors import WeightsError
from ganzoo_core.testing.checks.framework import CheckSkipped, check, require
from ganzoo_core.testing.subject import Subject
from ganzoo_core.weights import (
    PretrainedAuxiliary,
    find_auxiliary,
    load_model,
    read_pretrained,
)
from ganzoo_core.zoo import package_folder, zoo


@check("evaluator", "weights")
def pretrained_hashes(subject: Subject) -> None:
    """Has a model, and every file has the recorded sha256"""
    if subject.kind == "weights" or subject.spec.is_shipped:
        pretrained = read_pretrained(package_folder(subject.spec.target))
    else:
        pretrained = _find_installed(subject).pretrained
    require(pretrained.model_name, "its index has no model: write it with `ganzoo weights export`")


@check("weights")
def weights_load(subject: Subject) -> None:
    """Loads into the model that its spec names, and names the license and the command"""
    pretrained = read_pretrained(package_folder(subject.spec.target))
    require(pretrained.model_name == subject.spec.model, "its spec names another model")
    require(subject.spec.license, "no license: publish a run whose data set states one")
    load_model(pretrained)


def _find_installed(subject: Subject) -> PretrainedAuxiliary:
    """Return the weights; skip the check if they are in a package that is not installed."""
    try:
        return find_auxiliary(subject.spec.role, subject.name)
    except WeightsError as error:
        if subject.spec.is_shipped:
            raise
        raise CheckSkipped(str(error)) from None


@check("evaluator")
def evaluator_interface(subject: Subject) -> None:
    """Predicts for images of any size as its role requires, and is differentiable"""
    model = _find_installed(subject).build()
    capability = zoo().role_capability(subject.spec.role)
    if capability is None or not capability.output:
        return
    method = capability.name
    for size in (24, 40):
        image = torch.zeros(2, model.info.num_channels, size, size, requires_grad=True)
        out = getattr(model, method)(image)
        require(len(out) == 2 and out.isfinite().all(), f"{method} of {size} px is not finite")
        (gradient,) = torch.autograd.grad(out.sum(), image, allow_unused=True)
        require(
            gradient is not None, f"{method} has no gradient: remove torch.no_grad() or .detach()"
        )
