"""Data sets, losses, metrics, evaluators and capabilities with one fault each."""

from itertools import count
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from faulty_models import faulty_cgan, installed_entry, register_fault
from pydantic import ConfigDict
from torch import nn
from torch.nn.functional import softplus

from ganzoo_core.config.terms import WeightedTermOptions
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import ImageTransform, Loss, Metadata, Term, UnreadableImage
from ganzoo_core.metrics import MetricValue
from ganzoo_core.testing.other_subjects import (
    DatasetSubject,
    LossSubject,
    MetricSubject,
    TermSubject,
)
from ganzoo_core.testing.shapes import Shapes
from ganzoo_core.testing.subject import Subject
from ganzoo_core.zoo import WeightsSpec

# --- data sets ------------------------------------------------------------------------------------


def faulty_shapes(spec: dict | None = None, **attributes):
    """Return `shapes` as a subject, with a changed spec and changed attributes of its class."""
    subject = DatasetSubject(*installed_entry("dataset", "shapes", **(spec or {})))
    subject.__dict__["target"] = type("Faulty", (Shapes,), attributes)
    return subject


def shapes_checking_path(check_path):
    def init(self, config):
        Shapes.__init__(self, config)
        check_path(config.path)

    return faulty_shapes(__init__=init)


@register_fault("opens-or-refuses", "does not exist")
def accepts_missing_path():
    def check_path(path):
        if not path:
            raise DataError("give a path")

    return shapes_checking_path(check_path)


@register_fault("opens-or-refuses", "does not name the path")
def error_without_path():
    def check_path(path):
        raise DataError("not found")

    return shapes_checking_path(check_path)


@register_fault("metadata-columns", "DatasetSpec.fields")
def undeclared_field():
    return faulty_shapes({"fields": ("image", "label")})


@register_fault("metadata-columns", "class_names")
def labels_out_of_range():
    def metadata(self):
        return Metadata(length=3, labels=np.array([0, 1, 2]), class_names=("a", "b"))

    return faulty_shapes(metadata=metadata)


@register_fault("metadata-columns", "ages must be years")
def ages_in_days():
    def metadata(self):
        return Metadata(length=3, ages=np.array([3650.0, 7300.0, 20.0], np.float32))

    return faulty_shapes(metadata=metadata)


@register_fault("image-format", "return uint8")
def float_images():
    return faulty_shapes(load_image=lambda self, index: np.zeros((8, 8, 3)))


@register_fault("images-are-reproducible", "load_image(i) differs")
def nondeterministic_images():
    counter = count()
    return faulty_shapes(load_image=lambda self, index: np.full((8, 8, 3), next(counter), np.uint8))


@register_fault("images-are-reproducible", "load_images([i]) differs")
def batch_differs_from_single():
    def load_images(self, indices):
        return [
            np.zeros((self.config.image_size, self.config.image_size, 3), np.uint8) for _ in indices
        ]

    return faulty_shapes(load_images=load_images)


@register_fault("packs-into-store", "fingerprint() differs")
def nondeterministic_fingerprint():
    counter = count()
    return faulty_shapes(fingerprint=lambda self: str(next(counter)))


# --- losses ---------------------------------------------------------------------------------------


def faulty_loss(discriminator_loss, generator_loss, **attributes):
    """Return a loss of two functions as a subject."""
    subject = LossSubject(*installed_entry("loss", "hinge"))
    attrs = {
        "discriminator_loss": lambda self, *logits: discriminator_loss(*logits),
        "generator_loss": lambda self, *logits: generator_loss(*logits),
        **attributes,
    }
    loss_class = type("Faulty", (Loss,), attrs)
    subject.build_loss = lambda **values: loss_class()
    return subject


def sound_discriminator_loss(real_logits, fake_logits):
    return softplus(-real_logits.float()).mean() + softplus(fake_logits.float()).mean()


def sound_generator_loss(fake_logits, real_logits=None):
    return softplus(-fake_logits.float()).mean()


@register_fault("losses-are-scalar", "discriminator_loss")
def unreduced_loss():
    return faulty_loss(lambda real, fake: softplus(fake - real), sound_generator_loss)


@register_fault("losses-are-scalar", ".float()")
def half_precision_loss():
    return faulty_loss(sound_discriminator_loss, lambda fake, real=None: softplus(-fake).mean())


@register_fault("gradient-signs", "real_logits")
def wrong_sign_d():
    return faulty_loss(
        lambda real, fake: sound_discriminator_loss(-real, fake), sound_generator_loss
    )


@register_fault("gradient-signs", "generator_loss")
def wrong_sign_g():
    return faulty_loss(
        sound_discriminator_loss, lambda fake, real=None: sound_generator_loss(-fake)
    )


@register_fault("finite-at-large-logits", "softplus")
def unstable_log_sigmoid():
    return faulty_loss(
        sound_discriminator_loss,
        lambda fake, real=None: -torch.sigmoid(fake.float() * 2).log().mean(),
    )


# --- terms ----------------------------------------------------------------------------------------


class _FaultyTermOptions(WeightedTermOptions):
    """Options that build another term than that of the zoo."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    make_term: Any

    def build(self, name):
        return self.make_term()


def faulty_term(discriminator):
    """Return r1 as a subject, with another loss of D."""
    subject = TermSubject(*installed_entry("term", "r1"))
    term_class = type("Faulty", (Term,), {"discriminator": discriminator})
    subject.option_values = lambda: _FaultyTermOptions(make_term=term_class)
    return subject


@register_fault("term-trains", "is NaN")
def term_is_nan():
    return faulty_term(lambda self, gan, ctx, out: out.real_logits.mean() * float("nan"))


@register_fault("term-changes-training", "the weights are the same without it")
def term_has_no_effect():
    return faulty_term(lambda self, gan, ctx, out: None)


@register_fault("term-is-reproducible", "take random numbers from ctx only")
def term_uses_own_generator():
    generator = torch.Generator().manual_seed(0)
    return faulty_term(
        lambda self, gan, ctx, out: out.real_logits.mean() * torch.rand((), generator=generator)
    )


@register_fault("term-keeps-state-in-buffers", "'calls'")
def term_counts_in_attribute():
    def discriminator(self, gan, ctx, out):
        self.calls = getattr(self, "calls", 0) + 1
        return out.real_logits.mean() / self.calls

    return faulty_term(discriminator)


# --- metrics --------------------------------------------------------------------------------------


def faulty_metric(function, **spec):
    """Return a function as a subject."""
    subject = MetricSubject(*installed_entry("metric", "memorization", **spec))
    subject.__dict__["target"] = function
    return subject


@register_fault("values-are-finite", "not a finite number")
def nan_metric():
    return faulty_metric(lambda ctx: {"x": MetricValue(value=float("nan"))})


@register_fault("values-are-finite", "is not a MetricValue")
def metric_returns_float():
    return faulty_metric(lambda ctx: {"x": 1.0})


@register_fault("few-images", "MetricNotApplicableError")
def nan_for_one_image():
    def std_over_batch(ctx):
        pixels = ctx.fake.gather(torch.arange(len(ctx.fake))).float()
        return {"x": MetricValue(value=float(pixels.mean()) / (len(pixels) - 1 or float("nan")))}

    return faulty_metric(std_over_batch)


@register_fault("values-are-reproducible", "ctx.seed")
def nondeterministic_metric():
    return faulty_metric(lambda ctx: {"x": MetricValue(value=float(torch.rand(())))})


@register_fault("requires-is-declared", "requires=('features',)")
def undeclared_feature_extractor():
    return faulty_metric(
        lambda ctx: {"x": MetricValue(value=float(ctx.network_outputs("fake").features.mean()))}
    )


@register_fault("images-unchanged", "'fake'")
def metric_mutates_images():
    def darken(ctx):
        ctx.fake.pixels.zero_()
        return {"x": MetricValue(value=0.0)}

    return faulty_metric(darken)


# --- evaluators -----------------------------------------------------------------------------------


def faulty_evaluator(**spec):
    """Return a shipped evaluator as a subject, with a changed spec."""
    return Subject(*installed_entry("evaluator", "people-age", **spec))


@register_fault("pretrained-hashes", "")
def not_a_pretrained_folder():
    return faulty_evaluator(target="ganzoo_core:testing")


@register_fault("evaluator-interface", "people-age")
def wrong_role():
    return faulty_evaluator(role="identity")


@register_fault("weights-load", "another model")
def weights_of_another_model():
    _, evaluator, plugin = installed_entry("evaluator", "people-age")
    spec = WeightsSpec(
        name="x", summary="s", target=evaluator.target, model="cgan", license="Apache-2.0"
    )
    return Subject("weights", spec, plugin)


# --- capabilities ---------------------------------------------------------------------------------


def cgan_with_capability(capability, **methods):
    """Return cgan with one more capability."""
    return faulty_cgan({"capabilities": ("sample", capability)}, **methods)


@register_fault("translate-output", "shape")
def translate_drops_channels():
    return cgan_with_capability("translate", translate=lambda self, image, label: image[:, :1])


@register_fault("label-conditioning", "translate")
def translate_ignores_label():
    return cgan_with_capability("translate", translate=lambda self, image, label: image)


@register_fault("embed-output", "unit vectors")
def unnormalized_embedding():
    return cgan_with_capability("embed", embed=lambda self, image: image.mean((2, 3)) + 3)


@register_fault("embed-output", "resize inside")
def embedding_needs_fixed_size():
    return cgan_with_capability(
        "embed", embed=lambda self, image: nn.functional.normalize(image.flatten(1))
    )


@register_fault("embed-output", "other images")
def embedding_depends_on_batch():
    def embed(self, image):
        means = image.mean((2, 3))
        return nn.functional.normalize(means - means.mean(0) + 1)

    return cgan_with_capability("embed", embed=embed)


@register_fault("estimate-age-output", "not [3]")
def age_estimate_per_channel():
    return cgan_with_capability("estimate_age", estimate_age=lambda self, image: image.mean((2, 3)))


@register_fault("edit-age-output", "edit_age returns")
def edit_age_wrong_shape():
    return cgan_with_capability(
        "edit_age", edit_age=lambda self, images, source_age, target_age: images
    )


@register_fault("likelihood", "at most 0")
def positive_log_likelihood():
    return cgan_with_capability(
        "likelihood",
        num_levels=256,
        is_exact=True,
        log_likelihood=lambda self, image, label, rng: image[:, 0, 0, 0] + 2,
    )


@register_fault("spec-is-complete", "'mammals'")
def unknown_family():
    return faulty_cgan({"family": "mammals"})


# --- image transforms -----------------------------------------------------------------------------


def faulty_transform(call=lambda image: image, settings=dict):
    """Return a transform of two functions as a subject."""
    subject = Subject(*installed_entry("transform", "face-align"))
    attrs = {
        "__call__": lambda self, image, keypoints, image_size: call(image),
        "settings": lambda self: settings(),
    }
    subject.__dict__["target"] = type("Faulty", (ImageTransform,), attrs)
    return subject


@register_fault("transform-output", "return uint8")
def transform_to_floats():
    return faulty_transform(lambda image: image / 255)


@register_fault("transform-output", "changes the image")
def transform_in_place():
    def darken(image):
        image //= 2
        return image

    return faulty_transform(darken)


@register_fault("transform-output", "lines")
def transform_reason_of_two_lines():
    def refuse(image):
        raise UnreadableImage("no heart\nfound")

    return faulty_transform(refuse)


@register_fault("transform-is-reproducible", "random numbers")
def transform_counts_calls():
    counter = count()
    return faulty_transform(lambda image: np.full_like(image, next(counter)))


@register_fault("transform-settings", "plain JSON")
def transform_settings_array():
    return faulty_transform(settings=lambda: {"center": np.zeros(2)})


@register_fault("transform-settings", "plain JSON")
def transform_settings_tuple():
    return faulty_transform(settings=lambda: {"center": (0.5, 0.5)})


@register_fault("transform-settings", "the key 'transform'")
def transform_settings_name():
    return faulty_transform(settings=lambda: {"transform": "heart"})


@register_fault("transform-settings", "two instances")
def transform_settings_differ():
    counter = count()
    return faulty_transform(settings=lambda: {"center": next(counter)})


# --- capabilities ---------------------------------------------------------------------------------


class PlainClass:
    """Not a Protocol."""

    def embed(self, image):
        """Return vectors."""


@runtime_checkable
class UndocumentedMethod(Protocol):
    """A capability whose method has no docstring."""

    def embed(self, image): ...


@runtime_checkable
class OtherMethod(Protocol):
    """A capability whose method has another name."""

    def encode(self, image):
        """Return vectors."""


def faulty_capability(target=None, **changes):
    """Return `embed` as a subject, with another Protocol or changes of its spec."""
    subject = Subject(*installed_entry("capability", "embed", **changes))
    if target is not None:
        subject.__dict__["target"] = target
    return subject


@register_fault("capability-protocol", "@runtime_checkable")
def capability_without_protocol():
    return faulty_capability(PlainClass)


@register_fault("capability-protocol", "no docstring")
def capability_without_docstring():
    return faulty_capability(UndocumentedMethod)


@register_fault("capability-protocol", "needs a method embed")
def capability_with_other_method():
    return faulty_capability(OtherMethod)


@register_fault("capability-targets", "lacks ganzoo_core.interfaces")
def capability_with_unfit_stub():
    return faulty_capability(stub="torch.nn:Identity")


@register_fault("capability-targets", "no docstring")
def capability_with_undocumented_check():
    return faulty_capability(checks=("faulty_entries:undocumented_check",))


def undocumented_check(subject):
    pass
