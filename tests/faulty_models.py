"""Models with one fault each, and the check that must catch it: see test_conformance_checks.py."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from ganzoo_cgan.config import CGANConfig
from ganzoo_cgan.model import CGAN
from pydantic import ConfigDict, field_serializer
from torch import nn

from ganzoo_core import AuxiliaryConfig, Config, OptimizerSpec, Phase, SampleGrid
from ganzoo_core.losses import BCE
from ganzoo_core.testing.subject import ModelSubject, Subject
from ganzoo_core.zoo import zoo


@dataclass(frozen=True)
class Fault:
    """A subject with a fault, and the check that fails."""

    check: str
    message: str
    """An identifier or phrase that the message must contain."""
    make_subject: Callable[[], Subject]


FAULTS: list[Fault] = []


def register_fault(check: str, message: str):
    """Register a function that makes a faulty subject, and the check that must catch it."""

    def register(make):
        FAULTS.append(Fault(check, message, make))
        return make

    return register


def installed_entry(kind: str, name: str, **changes: Any):
    """Return the kind, the changed spec and the plugin of an installed entry."""
    matches = [(s, p) for p in zoo().plugins for s in p.specs if s.name == name]
    spec, plugin = matches[0]
    return kind, replace(spec, **changes), plugin


def faulty_model(name: str, spec: dict | None = None, **attributes: Any) -> ModelSubject:
    """Return a model as a subject, with a changed spec and changed attributes of its class."""
    subject = ModelSubject(*installed_entry("model", name, **(spec or {})))
    attrs = {"__doc__": "A model with a fault.", **attributes}
    subject.__dict__["target"] = type("Faulty", (subject.target,), attrs)
    return subject


def faulty_cgan(spec: dict | None = None, **attributes: Any) -> ModelSubject:
    """Return cgan as a subject with a fault; see `faulty_model`."""
    return faulty_model("cgan", spec, **attributes)


# --- spec -----------------------------------------------------------------------


@register_fault("spec-is-complete", "summary is empty")
def empty_summary():
    return faulty_cgan({"summary": ""})


@register_fault("spec-is-complete", "paper is empty")
def empty_paper():
    return faulty_cgan({"paper": ""})


@register_fault("spec-is-complete", "license is empty")
def empty_license():
    return faulty_cgan({"license": ""})


@register_fault("spec-is-complete", "likelihood, sample, translate")
def unknown_capability():
    return faulty_cgan({"capabilities": ("sample", "sing")})


@register_fault("spec-is-complete", "summary is not one line")
def multiline_summary():
    return faulty_cgan({"summary": "so\nmuch"})


@register_fault("has-docstrings", "no docstring")
def missing_docstring():
    return faulty_cgan(__doc__=None)


# --- options --------------------------------------------------------------------------------------


class DriftingConfig(CGANConfig):
    @field_serializer("base_channels")
    def increment(self, base_channels):
        return base_channels + 1


class ExtraAllowedConfig(CGANConfig):
    model_config = ConfigDict(extra="ignore")


class UndocumentedConfig(CGANConfig):
    growth: int = 2


class NoQuickPresetConfig(CGANConfig):
    presets: ClassVar = {"smoke": {}}


class MisspelledPresetConfig(CGANConfig):
    presets: ClassVar = {"smoke": {}, "quick": {"train": {"btach": 3}}}


@register_fault("config-round-trip", "round trip through JSON")
def config_changes_on_round_trip():
    return faulty_cgan({"config": "faulty_models:DriftingConfig"})


@register_fault("rejects-unknown-option", "accepts unknown options")
def config_allows_extra():
    return faulty_cgan({"config": "faulty_models:ExtraAllowedConfig"})


@register_fault("options-are-documented", "UndocumentedConfig.growth")
def option_without_docstring():
    return faulty_cgan({"config": "faulty_models:UndocumentedConfig"})


@register_fault("presets-are-valid", "lacks 'quick'")
def missing_quick_preset():
    return faulty_cgan({"config": "faulty_models:NoQuickPresetConfig"})


@register_fault("auxiliaries-have-config", "model.auxiliaries.identity")
def auxiliary_without_option():
    return faulty_cgan({"auxiliaries": ("identity",)})


# --- networks -------------------------------------------------------------------------------------


@register_fault("optimizers-cover-parameters", "discriminator.")
def untrained_network():
    def configure_optimizers(self):
        return {
            "g": CGAN.configure_optimizers(self)["g"],
            "d": OptimizerSpec((), self.config.optim_d),
        }

    return faulty_cgan(configure_optimizers=configure_optimizers)


@register_fault("stages-are-valid", "no optimizer ['x']")
def unknown_optimizer_name():
    def stages(self):
        (stage,) = CGAN.stages(self)
        return (replace(stage, phases=(*stage.phases, replace(stage.phases[0], optimizer="x"))),)

    return faulty_cgan(stages=stages)


@register_fault("stages-are-valid", "epochs, images and steps")
def stage_without_length():
    def stages(self):
        return tuple(replace(stage, epochs=None) for stage in CGAN.stages(self))

    return faulty_cgan(stages=stages)


@register_fault("build-is-reproducible", "torch's global generator")
def init_from_own_generator():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        generator = torch.Generator()
        generator.seed()
        nn.init.normal_(self.discriminator.head.weight, generator=generator)

    return faulty_cgan(__init__=init)


@register_fault("build-is-reproducible", "every seed gives the same")
def init_ignores_seed():
    def init(self, config, info):
        torch.manual_seed(1)
        CGAN.__init__(self, config, info)

    return faulty_cgan(__init__=init)


@register_fault("builds-from-data-info", "DataInfo")
def needs_original_data_info():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        first = vars(type(self)).get("first") or info
        type(self).first = first
        self.generator.more = nn.Linear(1 if info is first else 2, 1)

    subject = faulty_cgan(__init__=init)
    subject.build_model()
    return subject


@register_fault("other-image-sizes", "info.num_channels and info.image_size")
def ignores_num_channels():
    def generate(self, n, label, rng):
        return CGAN.generate(self, n, label, rng)[:, :1].expand(-1, 3, 32, 32)

    return faulty_cgan(generate=generate)


@register_fault("other-image-sizes", "raise a ValueError")
def raises_runtime_error():
    def init(self, config, info):
        if info.num_channels == 1:
            raise RuntimeError("shapes cannot be multiplied")
        CGAN.__init__(self, config, info)

    return faulty_cgan(__init__=init)


@register_fault("config-unchanged", "super().__init__(config, info)")
def config_copied():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        self.config = config.model_copy()

    return faulty_cgan(__init__=init)


class AuxiliariesConfig(Config):
    identity: AuxiliaryConfig = AuxiliaryConfig()


class AuxiliaryCGANConfig(CGANConfig):
    auxiliaries: AuxiliariesConfig = AuxiliariesConfig()


@register_fault("auxiliaries-not-in-state", "self.auxiliaries")
def auxiliary_registered_as_module():
    def stages(self):
        self.generator.identity = self.auxiliaries["identity"].module
        return CGAN.stages(self)

    return faulty_cgan(
        {"auxiliaries": ("identity",), "config": "faulty_models:AuxiliaryCGANConfig"}, stages=stages
    )


# --- training -------------------------------------------------------------------------------------


def cgan_with_loss(change):
    """Return cgan with a changed generator loss."""
    return faulty_cgan(
        generator_loss=lambda self, ctx: change(self, ctx, CGAN.generator_loss(self, ctx))
    )


@register_fault("losses-are-finite", "the loss has shape [3], it must be 0-d")
def per_sample_loss():
    return cgan_with_loss(lambda self, ctx, loss: loss.expand(3))


@register_fault("losses-are-finite", "'many'")
def logs_vector():
    return cgan_with_loss(lambda self, ctx, loss: ctx.log(many=torch.zeros(3)) or loss)


@register_fault("no-device-sync", "calls item")
def loss_calls_item():
    return cgan_with_loss(lambda self, ctx, loss: loss * 2 if loss.item() > 1 else loss)


@register_fault("no-device-sync", "calls __bool__")
def loss_branches_on_tensor():
    return cgan_with_loss(lambda self, ctx, loss: loss * 2 if loss > 1 else loss)


@register_fault("no-global-rng", "(faulty_models.py:{line}) calls torch.randn")
def loss_uses_torch_randn():
    return cgan_with_loss(lambda self, ctx, loss: loss + torch.randn(()))


@register_fault("gradients-reach-parameters", "generator.unused")
def unused_parameter():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        self.generator.unused = nn.Parameter(torch.zeros(3))

    return faulty_cgan(__init__=init)


@register_fault("gradients-reach-parameters", "not finite")
def infinite_gradient():
    return cgan_with_loss(lambda self, ctx, loss: loss * float("inf"))


@register_fault("weights-change", "optimizer 'g'")
def zero_loss():
    return cgan_with_loss(lambda self, ctx, loss: loss * 0)


@register_fault("gradient-accumulation", "micro-batch of 5, support any batch size: phase 'd'")
def fixed_batch_size():
    def fake_labels(self, ctx):
        return ctx.batch.label.reshape(16)

    return faulty_cgan(fake_labels=fake_labels)


@register_fault("bf16-autocast", "x.float()")
def overflows_in_half_precision():
    def change(self, ctx, loss):
        return loss * float("inf") if torch.is_autocast_enabled("cpu") else loss

    return cgan_with_loss(change)


@register_fault("training-is-reproducible", "ctx.randn()")
def loss_uses_own_generator():
    state = torch.Generator().manual_seed(0)
    return cgan_with_loss(lambda self, ctx, loss: loss * torch.rand((), generator=state))


@register_fault("resume-is-exact", "attribute 'calls' of 'Faulty'")
def python_counter():
    def change(self, ctx, loss):
        self.calls = getattr(self, "calls", 0) + 1
        return loss * self.calls**4

    return cgan_with_loss(change)


def cgan_with_state(init, change, **attributes):
    """Return cgan with more state, and a generator loss that changes it."""

    def initialize(self, config, info):
        CGAN.__init__(self, config, info)
        init(self)

    def generator_loss(self, ctx):
        return change(self, ctx, CGAN.generator_loss(self, ctx))

    return faulty_cgan(__init__=initialize, generator_loss=generator_loss, **attributes)


@register_fault("resume-is-exact", "attribute 'pool'")
def image_pool_in_list():
    """Former fakes as in CycleGAN, in a Python list."""

    def change(self, ctx, loss):
        self.pool = [*self.pool, *self.fake_images(ctx).detach()][-50:]
        return loss + 0 * self.pool[0].mean()

    return cgan_with_state(lambda self: setattr(self, "pool", []), change)


@register_fault("resume-is-exact", "buffer 'mean_fake'")
def non_persistent_buffer():
    def init(self):
        self.register_buffer("mean_fake", torch.zeros(()), persistent=False)

    def change(self, ctx, loss):
        self.mean_fake.lerp_(self.fake_images(ctx).detach().mean(), 0.1)
        return loss

    return cgan_with_state(init, change)


@register_fault("resume-is-exact", "attribute 'path_mean'")
def path_length_mean_as_attribute():
    """Path length regularization of StyleGAN2 in every fourth step."""

    def init(self):
        self.path_mean = torch.zeros(())

    def path_length(self, ctx):
        length = self.generate(len(ctx.batch), ctx.batch.label, ctx).square().mean()
        self.path_mean = self.path_mean.lerp(length.detach(), 0.1)
        return (length - self.path_mean).square()

    def stages(self):
        (stage,) = CGAN.stages(self)
        phase = Phase("path", "g", self.path_length, interval=4)
        return (replace(stage, phases=(*stage.phases, phase)),)

    return cgan_with_state(
        init, lambda self, ctx, loss: loss, path_length=path_length, stages=stages
    )


@register_fault("resume-is-exact", "attribute 'num_steps'")
def python_counter_for_lazy_r1():
    def init(self):
        self.num_steps = 0

    def change(self, ctx, loss):
        self.num_steps += 1
        if self.num_steps % 16:
            return loss
        return loss + sum(p.square().sum() for p in self.generator.parameters())

    return cgan_with_state(init, change)


@register_fault("resume-is-exact", "discriminator.updates['count']")
def state_in_step_hook():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        self.discriminator.updates = {"count": 0}

    def count(self, ctx):
        self.discriminator.updates["count"] += 1

    def stages(self):
        (stage,) = CGAN.stages(self)
        phases = tuple(replace(phase, after_step=self.count) for phase in stage.phases)
        return (replace(stage, phases=phases),)

    return faulty_cgan(__init__=init, count=count, stages=stages)


@register_fault(
    "gradient-accumulation", "(faulty_models.py:{line}): RuntimeError at faulty_models.py:{line}"
)
def minibatch_stddev_in_groups_of_four():
    def generator_loss(self, ctx):
        images = self.fake_images(ctx)
        groups = images.reshape(4, -1, *images.shape[1:])
        return CGAN.generator_loss(self, ctx) + 0 * groups.std(0).mean()

    return faulty_cgan(generator_loss=generator_loss)


@register_fault("no-global-rng", "(faulty_models.py:{line}) calls random")
def loss_uses_python_random():
    return cgan_with_loss(lambda self, ctx, loss: loss * (1 + random.random()))


@register_fault("no-global-rng", "(faulty_models.py:{line}) calls numpy.random")
def loss_uses_numpy_random():
    return cgan_with_loss(lambda self, ctx, loss: loss * (1 + float(np.random.rand())))


@register_fault("no-global-rng", "calls random")
def step_hook_uses_python_random():
    def stages(self):
        (stage,) = CGAN.stages(self)
        d, g = stage.phases
        return (replace(stage, phases=(d, replace(g, after_step=lambda ctx: random.random()))),)

    return faulty_cgan(stages=stages)


@register_fault("ranks-agree", "buffer 'mean_real'")
def buffer_differs_by_rank():
    def init(self):
        self.register_buffer("mean_real", torch.zeros(()))

    def change(self, ctx, loss):
        self.mean_real.copy_(ctx.batch.image.mean())
        return loss

    return cgan_with_state(init, change)


@register_fault("ranks-agree", "['generator.")
def weights_differ_by_rank():
    def stages(self):
        (stage,) = CGAN.stages(self)
        d, g = stage.phases
        return (replace(stage, phases=(d, replace(g, after_step=self.shift))),)

    def shift(self, ctx):
        next(self.generator.parameters()).add_(ctx.batch.image.mean())

    return faulty_cgan(stages=stages, shift=shift)


@register_fault("loss-option-is-used", "make_loss(config.loss)")
def ignores_loss_option():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        self.loss = BCE()

    return faulty_cgan(__init__=init)


@register_fault("batch-unchanged", "(faulty_models.py:{line}) changes ctx.batch.image")
def loss_changes_batch():
    def generator_loss(self, ctx):
        ctx.batch.image.mul_(0.5)
        return CGAN.generator_loss(self, ctx)

    return faulty_cgan(generator_loss=generator_loss)


@register_fault("supported-transitions", "False for every pair")
def supports_no_transition():
    def supported_transitions(self, source, target):
        return (source > target) & (source < target)

    return faulty_model("pfa-gan", supported_transitions=supported_transitions)


# --- capabilities and weights ---------------------------------------------------------------------


@register_fault("capabilities", "it has generate()")
def undeclared_capability():
    return faulty_cgan({"capabilities": ()})


@register_fault("capabilities", "methods embed")
def unimplemented_capability():
    return faulty_cgan({"capabilities": ("sample", "embed")})


@register_fault("inference-modules", "critic")
def unknown_inference_module():
    return faulty_cgan(inference_modules=("critic",))


@register_fault("works-from-pretrained", "inference_modules")
def needs_training_state():
    def generate(self, n, label, rng):
        return CGAN.generate(self, n, label, rng) * getattr(self, "grown", 0.5)

    def loss(self, ctx):
        self.grown = 0.9
        return CGAN.generator_loss(self, ctx)

    return faulty_cgan(generate=generate, generator_loss=loss)


@register_fault("sample-shape-and-range", "tanh")
def samples_out_of_range():
    def generate(self, n, label, rng):
        return 3 * CGAN.generate(self, n, label, rng) + 2

    return faulty_cgan(generate=generate)


@register_fault("sampling-is-reproducible", "the same seed gives other")
def samples_ignore_seed():
    def generate(self, n, label, rng):
        return self.generator(torch.rand(n, self.generator.latent_dim), label)

    return faulty_cgan(generate=generate)


@register_fault("sampling-is-reproducible", "every seed gives the same")
def samples_constant():
    def generate(self, n, label, rng):
        return self.generator(torch.ones(n, self.generator.latent_dim), label)

    return faulty_cgan(generate=generate)


@register_fault("sampling-is-stateless", "sampling changes ['calls']")
def sampling_changes_buffer():
    def init(self, config, info):
        CGAN.__init__(self, config, info)
        self.register_buffer("calls", torch.zeros(()))

    def generate(self, n, label, rng):
        self.calls += 1
        return CGAN.generate(self, n, label, rng)

    return faulty_cgan(__init__=init, generate=generate)


@register_fault("sampling-options", "generate() lacks the argument 'truncation'")
def generate_lacks_option():
    def generate(self, n, label, rng):
        return CGAN.generate(self, n, label, rng)

    return faulty_cgan(generate=generate)


@register_fault("sampling-options", "use the same default")
def generate_has_other_default():
    def generate(self, n, label, rng, truncation=0.7):
        return CGAN.generate(self, n, label, rng, truncation)

    return faulty_cgan(generate=generate)


@register_fault("sample-grid", "use `rng` alone")
def grid_ignores_rng():
    def sample_grid(self, rng):
        size = self.info.image_size
        return SampleGrid(torch.rand(2, 3, self.info.num_channels, size, size))

    return faulty_cgan(sample_grid=sample_grid)


@register_fault("sample-grid", "2 row_names for 3")
def grid_has_other_names():
    def sample_grid(self, rng):
        images = rng.rand(3, 2, self.info.num_channels, *[self.info.image_size] * 2)
        return SampleGrid(images, row_names=("a", "b"))

    return faulty_cgan(sample_grid=sample_grid)


@register_fault("label-conditioning", "every label")
def ignores_label():
    def generate(self, n, label, rng):
        return CGAN.generate(self, n, label * 0, rng)

    return faulty_cgan(generate=generate)
