"""What a model promises of its capabilities, and of its weights in a bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.data import to_float
from ganzoo_core.interfaces import CAPABILITIES, DataInfo, Model, log_likelihood
from ganzoo_core.interfaces.sampling import evaluating, sample
from ganzoo_core.testing.checks.kit import check, demand
from ganzoo_core.testing.subject import ModelSubject
from ganzoo_core.weights import fill, read_bundle, write_bundle


@check("model")
def capabilities(subject: ModelSubject) -> None:
    """Has the methods of the capabilities that its spec names, and no others"""
    for word, protocol in CAPABILITIES.items():
        there = all(hasattr(subject.cls, m) for m in methods(protocol))
        if word in subject.spec.can:
            demand(there, f"its spec says can={word!r}: add {', '.join(methods(protocol))}")
        else:
            named = ", ".join(map(repr, (*subject.spec.can, word)))
            demand(not there, f"it has {methods(protocol)[0]}(): let its spec say can=({named})")


def methods(protocol: Any) -> list[str]:
    """Return the methods of a capability."""
    return [
        name
        for name, value in vars(protocol).items()
        if callable(value) and not name.startswith("_")
    ]


@check("model")
def serves(subject: ModelSubject) -> None:
    """Puts networks there are into its bundle, and reads them back to the bit"""
    model = subject.model()
    missing = [name for name in model.serves if not hasattr(model, name)]
    demand(not missing, f"serves = {model.serves} names no network {missing[:1]} of the model")
    with bundled(subject, model) as again:
        mine, yours = model.state_dict(), again.state_dict()
        demand(yours, f"serves = {model.serves} names no network of the model")
        differ = [name for name in yours if not torch.equal(mine[name], yours[name])]
        demand(not differ, f"{differ[:1]} changes on its way through safetensors")


@contextmanager
def bundled(subject: ModelSubject, model: Model) -> Iterator[Model]:
    """Write a model's bundle, and give a model of other weights that was filled from it."""
    with tempfile.TemporaryDirectory() as folder:
        about = {"model": subject.name, "config": subject.config.tree()["model"]}
        write_bundle(Path(folder), model, about)
        yield fill(subject.model(seed=1), read_bundle(Path(folder)))


@check("model")
def works_from_bundle(subject: ModelSubject) -> None:
    """Does from its bundle alone what it can do when trained"""
    model = subject.twice.averaged()
    with bundled(subject, model) as again:
        for word, mine in shown(subject, model).items():
            yours = shown(subject, again)[word]
            demand(
                torch.allclose(mine, yours, atol=1e-5),
                f"{word} differs from a bundle: name every network it needs in `serves`, and keep "
                "what changes in their Parameters and buffers",
            )


@check("model", can="sample")
def samples(subject: ModelSubject) -> None:
    """Draws finite images of the right shape in [-1, 1], before training and after"""
    for model in (subject.model(), subject.twice.averaged()):
        examined(subject, model, subject.images.info)


def examined(subject: ModelSubject, model: Model, info: DataInfo) -> None:
    """Look at what a model draws, where it can sample."""
    if "sample" not in subject.spec.can:
        return
    images, shape = model.sample(4, seed=1), (4, info.channels, info.size, info.size)
    demand(
        tuple(images.shape) == shape,
        f"samples have shape {tuple(images.shape)}, not {shape}: read info.channels and info.size",
    )
    demand(images.isfinite().all(), "samples are not finite")
    demand(images.abs().max() <= 1, "samples leave [-1, 1]: end the generator in tanh")


@check("model", can="sample")
def samples_repeat(subject: ModelSubject) -> None:
    """Draws the same images from the same seed, and others from another"""
    model = subject.model()
    first, again, other = (model.sample(4, seed=seed) for seed in (1, 1, 2))
    demand(torch.equal(first, again), "the same seed gives other samples: draw with `noise` alone")
    demand(not torch.equal(first, other), "every seed gives the same samples: use `noise`")


@check("model", can="sample")
def sampling_changes_nothing(subject: ModelSubject) -> None:
    """Leaves weights, statistics and modes alone while it draws"""
    model = subject.model().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.sample(4)
    changed = [n for n, t in model.state_dict().items() if not torch.equal(t, before[n])]
    demand(not changed, f"sampling changes {changed[:1]}: change state in steps only")
    demand(model.training, "sampling leaves the model in another mode: do not call eval() or train")


@check("model")
def condition(subject: ModelSubject) -> None:
    """Draws something else for another label, if it is asked for one"""
    model, info = subject.twice.averaged(), subject.images.info
    fields = {field for stage in model.stages() for field in stage.draw.fields}
    if "label" not in fields or len(info.present) < 2:
        return
    remedy = "is the same for every label: let the generator read the label"
    if "sample" in subject.spec.can:
        drawn = sample(model, len(info.present), list(info.present), seed=1, distinct=1)
        demand(varies(drawn), f"one latent {remedy}")
    photos = faces(subject).expand(len(info.present), -1, -1, -1)
    with evaluating(model), torch.no_grad():
        if "translate" in subject.spec.can:
            out = model.translate(photos, torch.tensor(info.present))  # type: ignore[operator]
            demand(varies(out), f"translate {remedy}")
    if "edit_age" in subject.spec.can:
        demand(varies(edited(model, faces(subject))[0]), f"age {remedy}")


def varies(images: Tensor) -> bool:
    """Tell whether images [N, ...] are not all the same."""
    return bool((images - images[:1]).abs().max() > 0)


def faces(subject: ModelSubject, n: int = 1) -> Tensor:
    """Return drawn pictures [n, C, S, S] in [-1, 1]."""
    return to_float(subject.images.gather(torch.arange(n)))


def edited(model: Any, photos: Tensor) -> Tensor:
    """Return photographs [N, C, S, S] at every age, [N, T, C, S, S]; of a child of one year, since
    a model may know one direction only."""
    n, groups = len(photos), len(model.info.classes)
    with evaluating(model):
        out: Tensor = model.age(photos, torch.ones(n), torch.arange(groups).expand(n, -1))
    return out.detach()


def shown(subject: ModelSubject, model: Any) -> dict[str, Tensor]:
    """Return what a model makes, by capability."""
    photos, can, out = faces(subject, 2), subject.spec.can, {}
    if "sample" in can:
        out["sample"] = model.sample(4, seed=1)
    with evaluating(model), torch.no_grad():
        if "translate" in can:
            out["translate"] = model.translate(photos, torch.tensor(model.info.present[-1:] * 2))
        if "embed" in can:
            out["embed"] = model.embed(photos)
        if "estimate_age" in can:
            out["estimate_age"] = model.estimate_age(photos)
    return out


@check("model", can="translate")
def translates(subject: ModelSubject) -> None:
    """Turns images into images of the same shape in [-1, 1]"""
    out = shown(subject, subject.twice.averaged())["translate"]
    demand(out.shape == faces(subject, 2).shape, f"translate gives shape {tuple(out.shape)}")
    demand(out.isfinite().all() and out.abs().max() <= 1, "translate leaves [-1, 1]: clip or tanh")


@check("model", can="embed")
def embeds(subject: ModelSubject) -> None:
    """Gives unit vectors for images of any size, each by itself"""
    model: Any = subject.twice.averaged()
    photos = faces(subject, 3)
    larger = torch.nn.functional.interpolate(photos, scale_factor=1.5)
    with evaluating(model), torch.no_grad():
        out, alone, wide = model.embed(photos), model.embed(photos[:1]), model.embed(larger)
    demand(out.dim() == 2 and len(out) == 3, f"embed gives shape {tuple(out.shape)}, not [3, D]")
    demand(out.shape == wide.shape, "embed gives another length for a larger image: resize inside")
    norms = out.float().norm(dim=1)
    demand((norms - 1).abs().max() < 1e-3, "embed gives no unit vectors: normalise in fp32")
    demand(torch.allclose(out[:1], alone, atol=1e-4), "an image's vector depends on its neighbours")
    demand(isinstance(getattr(model, "input_size", None), int), "it has no input_size (pixels)")


@check("model", can="estimate_age")
def estimates_age(subject: ModelSubject) -> None:
    """Gives one age in years for each image of any size"""
    model: Any = subject.twice.averaged()
    photos = faces(subject, 3)
    larger = torch.nn.functional.interpolate(photos, scale_factor=1.5)
    with evaluating(model), torch.no_grad():
        years, wide = model.estimate_age(photos), model.estimate_age(larger)
    demand(years.shape == (3,) == wide.shape, f"estimate_age gives {tuple(years.shape)}, not [3]")
    demand(years.isfinite().all() and years.abs().max() < 200, "ages are in years, 0 to 120")
    demand(isinstance(getattr(model, "input_size", None), int), "it has no input_size (pixels)")


@check("model", can="edit_age")
def edits_age(subject: ModelSubject) -> None:
    """Gives each face at each of its target ages, in [-1, 1]"""
    photos, model = faces(subject, 2), subject.twice.averaged()
    out = edited(model, photos)
    shape = (2, len(model.info.classes), *photos.shape[1:])
    demand(tuple(out.shape) == shape, f"age gives shape {tuple(out.shape)}, not {shape}")
    demand(out.isfinite().all() and out.abs().max() <= 1, "age leaves [-1, 1]: clip it")


@check("model", can="likelihood")
def likelihood(subject: ModelSubject) -> None:
    """Gives images log-likelihoods that are finite, at most 0, and the same for the same seed"""
    model, label = subject.model(), subject.images.label
    photos, labels = faces(subject, 4), None if label is None else label[:4].tolist()
    nats = log_likelihood(model, photos, labels, seed=1)
    demand(nats.shape == (4,), f"log_likelihood gives {tuple(nats.shape)} for four images, not [4]")
    demand(
        nats.isfinite().all() and (nats <= 0).all(),
        f"log-likelihoods of quantised images are finite and at most 0, not {nats.tolist()}",
    )
    same = torch.equal(nats, log_likelihood(model, photos, labels, seed=1))
    demand(same, "the same seed gives another likelihood: draw all noise with noise()")
