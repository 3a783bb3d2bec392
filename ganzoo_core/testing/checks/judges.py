"""What a judge that a plugin ships promises."""

from __future__ import annotations

import torch

from ganzoo_core.interfaces import ROLES
from ganzoo_core.testing.checks.kit import check, demand
from ganzoo_core.testing.subject import Subject
from ganzoo_core.weights import find_judge, read_bundle
from ganzoo_core.zoo import package_folder


@check("judge")
def sound_bundle(subject: Subject) -> None:
    """Is a bundle whose every file has the sha256 of its index"""
    bundle = read_bundle(package_folder(subject.spec.target))
    demand(bundle.model, "its index names no model: write it with `ganzoo weights export`")


@check("judge")
def serves_its_role(subject: Subject) -> None:
    """Judges images of any size as its role asks, and passes gradients on to them"""
    model = find_judge(subject.spec.role, subject.name).build()
    method = ROLES.get(subject.spec.role, "")
    if not method:
        return
    for size in (24, 40):
        image = torch.zeros(2, model.info.channels, size, size, requires_grad=True)
        out = getattr(model, method)(image)
        demand(len(out) == 2 and out.isfinite().all(), f"{method} of {size} px is not finite")
        (slope,) = torch.autograd.grad(out.sum(), image, allow_unused=True)
        demand(slope is not None, f"no gradient flows through {method}: use no torch.no_grad()")
