"""Checks of a model's capabilities, and of its weights in a pretrained folder."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.interfaces import (
    DataInfo,
    HasSampleGrid,
    HasSupportedTransitions,
    Model,
    SeededRng,
    log_likelihood,
)
from ganzoo_core.interfaces.sampling import eval_mode, sample
from ganzoo_core.testing.checks.framework import check, require
from ganzoo_core.testing.subject import ModelSubject
from ganzoo_core.training.output_grids import draw_own_grid
from ganzoo_core.weights import load_into, read_pretrained, save_pretrained
from ganzoo_core.zoo import import_target, zoo


@check("model")
def capabilities(subject: ModelSubject) -> None:
    """Has the methods of the capabilities that its spec declares, and no others"""
    for word in zoo().names("capability"):
        protocol = import_target(zoo().capability(word).target)
        has_methods = all(hasattr(subject.model_class, m) for m in protocol_methods(protocol))
        if word in subject.spec.capabilities:
            require(
                has_methods,
                f"its spec declares the capability {word!r}: add the methods "
                f"{', '.join(protocol_methods(protocol))}",
            )
        else:
            declared = ", ".join(map(repr, (*subject.spec.capabilities, word)))
            require(
                not has_methods,
                f"it has {protocol_methods(protocol)[0]}(): set capabilities=({declared}) in its "
                "spec",
            )


def protocol_methods(protocol: Any) -> list[str]:
    """Return the names of the methods of a Protocol."""
    return [
        name
        for name, value in vars(protocol).items()
        if callable(value) and not name.startswith("_")
    ]


@check("model")
def inference_modules(subject: ModelSubject) -> None:
    """Saves the networks of inference_modules, and loads them bit-exact"""
    model = subject.build_model()
    missing = [name for name in model.inference_modules if not hasattr(model, name)]
    require(
        not missing,
        f"inference_modules = {model.inference_modules}: the model has no network {missing[:1]}",
    )
    with _reloaded_from_pretrained(subject, model) as again:
        saved, loaded = model.state_dict(), again.state_dict()
        require(loaded, f"inference_modules = {model.inference_modules} has no network")
        different = [name for name in loaded if not torch.equal(saved[name], loaded[name])]
        require(not different, f"{different[:1]} changes on a round trip through safetensors")


@contextmanager
def _reloaded_from_pretrained(subject: ModelSubject, model: Model) -> Iterator[Model]:
    """Save a model as a pretrained folder; yield a new model with the weights loaded from it."""
    with tempfile.TemporaryDirectory() as folder:
        index_fields = {"model": subject.name, "config": subject.config.tree()["model"]}
        save_pretrained(Path(folder), model, index_fields)
        yield load_into(subject.build_model(seed=1), read_pretrained(Path(folder)))


@check("model")
def works_from_pretrained(subject: ModelSubject) -> None:
    """Gives the same outputs after it was loaded from a pretrained folder"""
    model = subject.two_step_trainer.ema_model()
    with _reloaded_from_pretrained(subject, model) as again:
        for word, expected in _capability_outputs(subject, model).items():
            actual = _capability_outputs(subject, again)[word]
            require(
                torch.allclose(expected, actual, atol=1e-5),
                f"{word} differs after loading: name every network that it needs in "
                "`inference_modules`, and keep their state in Parameters and buffers",
            )


@check("model", capability="sample")
def sample_shape_and_range(subject: ModelSubject) -> None:
    """Samples finite images of the right shape in [-1, 1], before and after training"""
    for model in (subject.build_model(), subject.two_step_trainer.ema_model()):
        check_samples(subject, model, subject.images.info)


def check_samples(subject: ModelSubject, model: Model, info: DataInfo) -> None:
    """Check the samples of a model, if it can sample."""
    if "sample" not in subject.spec.capabilities:
        return
    images = model.sample(4, seed=1)
    shape = (4, info.num_channels, info.image_size, info.image_size)
    require(
        tuple(images.shape) == shape,
        f"samples have shape {tuple(images.shape)}, not {shape}: use info.num_channels and "
        "info.image_size",
    )
    require(images.isfinite().all(), "samples are not finite")
    require(images.abs().max() <= 1, "samples are outside [-1, 1]: end the generator with tanh")


@check("model", capability="sample")
def sampling_is_reproducible(subject: ModelSubject) -> None:
    """Samples the same images for the same seed, and others for another seed"""
    model = subject.build_model()
    first, again, other = (model.sample(4, seed=seed) for seed in (1, 1, 2))
    require(
        torch.equal(first, again),
        "the same seed gives other samples: use no random numbers but `rng`",
    )
    require(not torch.equal(first, other), "every seed gives the same samples: use `rng`")


@check("model", capability="sample")
def sampling_is_stateless(subject: ModelSubject) -> None:
    """Changes no weights, buffers or modes while it samples"""
    model = subject.build_model().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.sample(4)
    changed = [n for n, t in model.state_dict().items() if not torch.equal(t, before[n])]
    require(not changed, f"sampling changes {changed[:1]}: change state only in training")
    require(model.training, "sampling changes the mode of the model: do not call eval() or train()")


@check("model")
def sampling_options(subject: ModelSubject) -> None:
    """Takes each of its sampling options with the default that it declares, and documents it"""
    sampling = getattr(type(subject.config.model), "Sampling", None)
    methods = [
        method
        for word, method in (("sample", "generate"), ("translate", "translate"))
        if word in subject.spec.capabilities
    ]
    if sampling is None or not methods:
        return
    for name, field in sampling.model_fields.items():
        where = f"{sampling.__qualname__}.{name}"
        require(field.description, f"{where} has no docstring: add one below the field")
        require(
            name not in {"n", "label", "seed"}, f"{where} has the name of an argument of sample()"
        )
        for method in methods:
            parameters = inspect.signature(getattr(subject.model_class, method)).parameters
            require(
                name in parameters,
                f"{method}() lacks the argument {name!r}, a sampling option: add it, or declare "
                "the options that it takes, `class Sampling(SamplingOptions)` in the configuration",
            )
            require(
                parameters[name].default == field.default,
                f"{method}() has {name}={parameters[name].default!r}, the option has "
                f"{field.default!r}: use the same default",
            )


@check("model", capability="sample")
def sample_grid(subject: ModelSubject) -> None:
    """Draws its own grid, if it has one, in [-1, 1] and the same for the same seed"""
    model: Any = subject.build_model()
    if not isinstance(model, HasSampleGrid):
        return
    draw_own_grid(model, seed=0)  # checks the shapes
    with eval_mode(model), torch.no_grad():  # type: ignore[arg-type]
        first, again = (
            model.sample_grid(SeededRng(torch.device("cpu"), 1)).images for _ in range(2)
        )
    require(torch.equal(first, again), "sample_grid differs for one seed: use `rng` alone")
    require(
        first.isfinite().all() and first.abs().max() <= 1,
        "sample_grid is outside [-1, 1]: use tanh",
    )


@check("model")
def label_conditioning(subject: ModelSubject) -> None:
    """Depends on the label, if it is trained with labels"""
    model, info = subject.two_step_trainer.ema_model(), subject.images.info
    fields = {field for stage in model.stages() for field in stage.batch.fields}
    if "label" not in fields or len(info.nonempty_classes) < 2:
        return
    remedy = "is the same for every label: use the label in the generator"
    if "sample" in subject.spec.capabilities:
        classes = list(info.nonempty_classes)
        samples = sample(model, len(classes), classes, seed=1, num_latents=1)
        require(_is_not_constant(samples), f"the sample of one latent {remedy}")
    photos = subject.example_images(1).expand(len(info.nonempty_classes), -1, -1, -1)
    with eval_mode(model), torch.no_grad():
        if "translate" in subject.spec.capabilities:
            out = model.translate(photos, torch.tensor(info.nonempty_classes))  # type: ignore[operator]
            require(_is_not_constant(out), f"translate {remedy}")


def _is_not_constant(images: Tensor) -> bool:
    return bool((images - images[:1]).abs().max() > 0)


def _capability_outputs(subject: ModelSubject, model: Any) -> dict[str, Tensor]:
    """Return the outputs of a model by capability."""
    photos, capabilities = subject.example_images(2), subject.spec.capabilities
    out = {}
    if "sample" in capabilities:
        out["sample"] = model.sample(4, seed=1)
    with eval_mode(model), torch.no_grad():
        if "translate" in capabilities:
            out["translate"] = model.translate(
                photos, torch.tensor(model.info.nonempty_classes[-1:] * 2)
            )
        for spec in zoo().capabilities():
            if spec.output and spec.name in capabilities:
                out[spec.name] = getattr(model, spec.name)(photos)
    return out


@check("model", capability="translate")
def translate_output(subject: ModelSubject) -> None:
    """Translates images into images of the same shape in [-1, 1]"""
    out = _capability_outputs(subject, subject.two_step_trainer.ema_model())["translate"]
    require(
        out.shape == subject.example_images(2).shape,
        f"translate returns shape {tuple(out.shape)}",
    )
    require(out.isfinite().all() and out.abs().max() <= 1, "translate is outside [-1, 1]: use tanh")


@check("model", capability="embed")
def embed_output(subject: ModelSubject) -> None:
    """Returns unit vectors for images of any size, independent of the other images"""
    model: Any = subject.two_step_trainer.ema_model()
    photos = subject.example_images(3)
    larger = torch.nn.functional.interpolate(photos, scale_factor=1.5)
    with eval_mode(model), torch.no_grad():
        out, alone, wide = model.embed(photos), model.embed(photos[:1]), model.embed(larger)
    require(out.dim() == 2 and len(out) == 3, f"embed returns {tuple(out.shape)}, not [3, D]")
    require(
        out.shape == wide.shape, "embed returns another length for larger images: resize inside"
    )
    norms = out.float().norm(dim=1)
    require((norms - 1).abs().max() < 1e-3, "embed does not return unit vectors: normalize in fp32")
    require(
        torch.allclose(out[:1], alone, atol=1e-4),
        "an embedding depends on the other images of the batch",
    )
    require(isinstance(getattr(model, "input_size", None), int), "it has no input_size (pixels)")


@check("model", capability="translate")
def supported_transitions(subject: ModelSubject) -> None:
    """Supports some transition between classes, if it says which"""
    model: Any = subject.build_model()
    if not isinstance(model, HasSupportedTransitions):
        return
    labels = torch.arange(len(subject.images.info.class_names))
    supported = model.supported_transitions(labels[:, None], labels[None])
    shape = (len(labels), len(labels))
    require(
        supported.dtype == torch.bool and tuple(supported.shape) == shape,
        f"supported_transitions returns {supported.dtype} {list(supported.shape)} for the pairs of "
        f"{len(labels)} classes, not bool {list(shape)}",
    )
    require(
        supported.any(),
        "supported_transitions is False for every pair of classes: return True where translate "
        "works, or remove it",
    )


@check("model", capability="likelihood")
def likelihood(subject: ModelSubject) -> None:
    """Returns log-likelihoods that are finite, at most 0, and the same for the same seed"""
    model, label = subject.build_model(), subject.images.label
    photos, labels = subject.example_images(4), None if label is None else label[:4].tolist()
    nats = log_likelihood(model, photos, labels, seed=1)
    require(
        nats.shape == (4,), f"log_likelihood returns {tuple(nats.shape)} for four images, not [4]"
    )
    require(
        nats.isfinite().all() and (nats <= 0).all(),
        f"log-likelihoods of quantized images must be finite and at most 0, not {nats.tolist()}",
    )
    same = torch.equal(nats, log_likelihood(model, photos, labels, seed=1))
    require(same, "the same seed gives another likelihood: draw all noise with rng.randn()")
