"""The terms of a GAN's losses: options, values by hand, lazy intervals, resume, plugins."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from contract_models import EncoderGAN
from contract_models.all_terms_gan import AllTermsGAN
from contract_models.networks import SmallGANConfig
from contract_models.per_image_terms_gan import PerImageTermsGAN
from torch.nn.functional import softplus
from training_helpers import (
    FakeStepContext,
    assert_resume_is_bit_exact,
    build_model,
    make_images,
    make_trainer,
    run_steps,
)

from ganzoo_core import GAN, Batch, Discriminator, Term, TermSpec, WeightedTermOptions
from ganzoo_core.cli.entry_info import entry_facts
from ganzoo_core.config import GANConfig, build_config, parse_assignments
from ganzoo_core.config.terms import parse_terms, term_options_class
from ganzoo_core.data.ada import AdaptiveAugment
from ganzoo_core.errors import UsageError
from ganzoo_core.losses.terms.wrong_labels import adjacent_label
from ganzoo_core.zoo import Plugin, Zoo, import_target, zoo
from ganzoo_core.zoo.terms import TERMS

OPTIONS_BY_TERM = {
    "2c": {"temperature": 0.5},
    "ac": {"on_fakes": False},
    "adc": {"weight": 0.7},
    "apa": {"initial_p": 0.5, "ramp_images": 100.0},
    "bcr": {"weight": 2.0},
    "cr": {"weight": 2.0},
    "d-freeze": {"above_accuracy": 0.55},
    "d-reset": {"every_epochs": 0.8},
    "d2d-ce": {"margin": 0.9, "temperature": 0.4},
    "dragan": {"weight": 2.0},
    "feature-matching": {"weight": 3.0},
    "gradient-penalty": {"weight": 2.0},
    "info": {"categories": 3, "continuous": 1, "continuous_weight": 0.5},
    "latent-optimization": {"step_size": 0.5, "damping": 0.2, "share": 0.5},
    "lecam": {"start": 2, "decay": 0.5},
    "lipschitz": {"weight": 2.0},
    "mode-seeking": {"weight": 0.5},
    "multi-hinge": {"g_weight": 0.5},
    "orthogonal": {"weight": 0.01},
    "r1": {"weight": 2.0},
    "r2": {"weight": 0.5},
    "tac": {"weight": 0.5},
    "top-k": {"gamma": 0.5, "floor": 0.25},
    "weight-clip": {"value": 0.1},
    "wrong-labels": {"weight": 0.25, "epochs": 0.8},
    "zcr": {"noise_std": 0.1, "d_weight": 2.0},
}
LAZY_TERMS = [
    name for name in OPTIONS_BY_TERM if issubclass(term_options_class(name), WeightedTermOptions)
]
INPUT_GRADIENT_TERMS = ["r1", "r2", "gradient-penalty", "dragan"]
INTERVAL = 3


def small_config(terms, kind="bce", epochs=1.6):
    """Return options; an epoch of `make_images` has 5 steps."""
    return SmallGANConfig(loss={"kind": kind}, terms=terms, epochs=epochs)


def class_with_terms(terms):
    """Return an AllTermsGAN class with these terms."""
    return type("GANWithTerms", (AllTermsGAN,), {"Config": lambda: small_config(terms)})


def build_with_terms(terms, model_class=AllTermsGAN, **options):
    return build_model(model_class, make_images().info, config=small_config(terms, **options))


# --- the terms of the zoo -------------------------------------------------------------------------


def test_every_term_of_the_core_is_tested():
    assert {spec.name for spec in TERMS} == set(OPTIONS_BY_TERM)


@pytest.mark.parametrize("name", OPTIONS_BY_TERM)
def test_term_builds_from_its_options(name):
    options = OPTIONS_BY_TERM[name]
    parsed = parse_terms({name: options})[name]
    term = parsed.build(name)
    assert isinstance(term, Term) and type(term) is import_target(zoo().term(name).target)
    for option, value in options.items():
        assert getattr(term, option) == value
    assert isinstance(parsed, WeightedTermOptions) == (name in LAZY_TERMS)
    if name in LAZY_TERMS:
        lazy = parse_terms({name: {"interval": 4}})[name].build(name)
        assert lazy.interval == 4 and term.interval == 1


@pytest.mark.parametrize("name", OPTIONS_BY_TERM)
def test_term_refuses_unknown_option(name):
    with pytest.raises(UsageError, match=rf"model\.terms\.{name}\.wieght") as error:
        parse_terms({name: {**OPTIONS_BY_TERM[name], "wieght": 1}})
    assert "\n" not in str(error.value)


def test_every_term_is_listed_with_description(run_ganzoo, tmp_path):
    records = json.loads(run_ganzoo("list", "terms", "--json", cwd=tmp_path).out)
    assert {record["name"] for record in records} >= set(OPTIONS_BY_TERM)
    assert all(record["kind"] == "term" and record["summary"] for record in records)
    assert all(record["paper"] for record in records)
    for name in OPTIONS_BY_TERM:
        facts = entry_facts(zoo().term(name))
        assert facts["kind"] == "term" and facts["docstring"]
        assert facts["use"].startswith(f"--set model.terms.{name}.")
        for option in facts["options"]:
            assert option["name"].startswith(f"model.terms.{name}.") and option["description"]


@pytest.mark.parametrize("stop", [3, 5])
@pytest.mark.parametrize("name", OPTIONS_BY_TERM)
def test_term_resume_is_bit_exact(name, stop, tmp_path):
    """Lazy terms too: with the interval, step 3 has the term, and steps 4 and 5 do not."""
    interval = {"interval": INTERVAL} if name in LAZY_TERMS else {}
    cls = class_with_terms({name: {**OPTIONS_BY_TERM[name], **interval}})
    straight, resumed = assert_resume_is_bit_exact(cls, tmp_path, (stop,), log_every=1)
    assert straight.step == 8
    assert straight.callback.records[stop:] == resumed.callback.records


# --- options --------------------------------------------------------------------------------------


def test_set_none_removes_term_of_preset():
    def terms(*assignments):
        patches = [parse_assignments(assignments)]
        return build_config("r3gan", preset="smoke", patches=patches).model.terms

    assert set(terms()) == {"r1", "r2"}
    assert set(terms("model.terms.r1=none")) == {"r2"}
    assert terms("model.terms.r1.weight=3")["r1"].weight == 3


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("gradient-penalty", "dragan"),
        ("gradient-penalty", "weight-clip"),
        ("dragan", "weight-clip"),
    ],
)
def test_exclusive_terms_are_refused(first, second):
    for names in ((first, second), (second, first)):
        with pytest.raises(UsageError, match=r"model\.terms") as error:
            parse_terms({name: {} for name in names})
        message = str(error.value)
        assert first in message and second in message and "\n" not in message
        assert f"{first}=none" in message or f"{second}=none" in message
        assert len(parse_terms({names[0]: {}, names[1]: "none"})) == 1


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("drgan", "dragan"),
        ("wrong-lables", "wrong-labels"),
    ],
)
def test_unknown_term_suggests_the_closest(name, closest):
    with pytest.raises(UsageError, match=closest) as error:
        GANConfig(terms={name: {"weight": 1}})
    assert name in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("terms", "option"),
    [
        ({"r1": {"weight": -1}}, r"model\.terms\.r1\.weight"),
        ({"r1": {"weight": 0}}, r"model\.terms\.r1\.weight"),
        ({"r1": {"weight": float("nan")}}, r"model\.terms\.r1\.weight"),
        ({"r1": {"interval": 0}}, r"model\.terms\.r1\.interval"),
        ({"r1": 1}, r"model\.terms\.r1\.weight=1"),
        ({"weight-clip": 0.01}, r"model\.terms\.weight-clip\.value=0\.01"),
        ({"weight-clip": {"value": 0}}, r"model\.terms\.weight-clip\.value"),
        ({"wrong-labels": {"weight": 1}}, r"model\.terms\.wrong-labels\.weight"),
        ({"wrong-labels": {"epochs": -1}}, r"model\.terms\.wrong-labels\.epochs"),
        ({"d2d-ce": {"margin": 2}}, r"model\.terms\.d2d-ce\.margin"),
        ({"d2d-ce": {"temperature": 0}}, r"model\.terms\.d2d-ce\.temperature"),
        (3, r"model\.terms"),
    ],
)
def test_invalid_options_are_refused(terms, option):
    with pytest.raises(UsageError, match=option) as error:
        GANConfig(terms=terms)
    assert "\n" not in str(error.value)


def test_terms_config_round_trip():
    excluded = dict.fromkeys(("dragan", "weight-clip", "lipschitz", "tac", "cr"), "none")
    config = GANConfig(terms=OPTIONS_BY_TERM | excluded)
    again = GANConfig.model_validate(json.loads(config.model_dump_json()))
    assert again == config and len(again.terms) == len(OPTIONS_BY_TERM) - len(excluded)
    assert all(type(again.terms[name]) is type(config.terms[name]) for name in config.terms)
    schema = GANConfig.model_json_schema()["properties"]["terms"]
    assert sorted(schema["properties"]) == zoo().names("term")


@pytest.mark.parametrize("name", INPUT_GRADIENT_TERMS)
def test_gradient_penalty_refuses_batch_norm(name):
    with pytest.raises(UsageError, match=r"model\.discriminator\.norm=instance") as error:
        build_with_terms({name: {}}, EncoderGAN).stages()
    assert f"model.terms.{name}" in str(error.value)


@pytest.mark.parametrize(
    "name", ["feature-matching", "adc", "d2d-ce", "ac", "tac", "2c", "multi-hinge", "info"]
)
def test_term_refuses_discriminator_without_its_method(name):
    with pytest.raises(UsageError, match=rf"model\.terms\.{name}") as error:
        build_with_terms({name: {}}, EncoderGAN).stages()
    message = str(error.value)
    assert "SmallDiscriminator" in message or "needs labels" in message
    options = OPTIONS_BY_TERM[name] if name == "info" else {}
    assert build_with_terms({name: options}).stages()


def test_wrong_labels_refuse_discriminator_without_labels():
    model = build_with_terms({"wrong-labels": {}})
    assert model.stages()
    model.discriminator.uses_label = False
    with pytest.raises(UsageError, match=r"model\.terms\.wrong-labels=none"):
        model.stages()


# --- values by hand -------------------------------------------------------------------------------

IMAGES = torch.linspace(-1, 1, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
FAKES = 2 * IMAGES.flip(0)


class QuadraticDiscriminator(Discriminator):
    """D(x) = scale |x|^2 / 2, whose gradient at x is scale x."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, image, label=None):
        return self.scale * 0.5 * image.square().sum((1, 2, 3))

    def features(self, image, label=None):
        return [image, 2 * image]


class ZerosContext(FakeStepContext):
    """Every uniform random number is 0."""

    def rand(self, *shape):
        return torch.zeros(shape)


def quadratic_gan(terms):
    model = build_with_terms(terms)
    model.discriminator = QuadraticDiscriminator()
    return model


def image_context(step=0, context_class=ZerosContext):
    batch = SimpleNamespace(image=IMAGES, label=torch.tensor([0, 1]))
    return context_class(batch, step, {"fake": FAKES})


def squared_norm(images):
    return images.square().sum((1, 2, 3))


PENALTIES_BY_HAND = {
    "r1": 0.5 * squared_norm(IMAGES).mean(),
    "r2": 0.5 * squared_norm(FAKES).mean(),
    "gradient-penalty": (squared_norm(IMAGES).sqrt() - 1).square().mean(),  # alpha is 0
    "dragan": (squared_norm(IMAGES).sqrt() - 1).square().mean(),
}


@pytest.mark.parametrize("name", INPUT_GRADIENT_TERMS)
def test_penalty_value_and_gradient_by_hand(name):
    model, ctx = quadratic_gan({name: {"weight": 10}}), image_context()
    loss, plain_loss = (m.discriminator_loss(image_context()) for m in (model, quadratic_gan({})))
    expected = 10 * PENALTIES_BY_HAND[name].item()
    assert (loss - plain_loss).item() == pytest.approx(expected, rel=1e-4)
    model.discriminator_loss(ctx)
    assert ctx.logged[f"loss/d_{name}"].item() == pytest.approx(expected, rel=1e-5)
    ctx.logged[f"loss/d_{name}"].backward()
    norms = squared_norm(FAKES if name == "r2" else IMAGES).sqrt()
    # the derivatives of (scale |x|)^2 / 2 and of (scale |x| - 1)^2 at scale 1
    derivative = norms.square() if name in {"r1", "r2"} else 2 * (norms - 1) * norms
    assert model.discriminator.scale.grad.item() == pytest.approx(10 * derivative.mean().item())
    generator_ctx = image_context()
    assert model.generator_loss(generator_ctx) == quadratic_gan({}).generator_loss(image_context())
    assert f"loss/g_{name}" not in generator_ctx.logged


def test_penalties_are_a_weighted_sum():
    ctx = image_context()
    loss = quadratic_gan({"r1": {"weight": 1}, "r2": {"weight": 0.5}}).discriminator_loss(ctx)
    plain_loss = quadratic_gan({}).discriminator_loss(image_context())
    by_hand = PENALTIES_BY_HAND["r1"] + 0.5 * PENALTIES_BY_HAND["r2"]
    assert (loss - plain_loss).item() == pytest.approx(by_hand.item(), rel=1e-5)
    logged = ctx.logged["loss/d_r1"] + ctx.logged["loss/d_r2"]
    assert logged.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_feature_matching_by_hand():
    model, ctx = quadratic_gan({"feature-matching": {"weight": 3}}), image_context()
    fake = FAKES.clone().requires_grad_()
    ctx.cache["fake"] = fake
    loss = model.generator_loss(ctx)
    difference = (IMAGES.mean(0) - FAKES.mean(0)).square().mean()
    by_hand = 3 * (difference + 4 * difference) / 2  # the second map is twice the first
    adversarial = softplus(-0.5 * squared_norm(FAKES)).mean()
    assert loss.item() == pytest.approx((by_hand + adversarial).item(), rel=1e-5)
    assert ctx.logged["loss/g_feature-matching"].item() == pytest.approx(by_hand.item(), rel=1e-5)
    ctx.logged["loss/g_feature-matching"].backward()
    assert fake.grad.any()
    assert "loss/d_feature-matching" not in ctx.logged


def test_term_of_d_gives_no_gradient_to_g():
    names = ["r1", "r2", "gradient-penalty", "adc", "d2d-ce", "wrong-labels"]
    model = build_with_terms({name: {} for name in names})
    model.discriminator_loss(random_context()).backward()
    assert all(parameter.grad is None for parameter in model.generator.parameters())
    parameters = model.discriminator.named_parameters()
    assert not [name for name, parameter in parameters if parameter.grad is None]


def random_context(step=0):
    label = torch.tensor([0, 1, 2, 1])
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(4, 3, 16, 16, generator=generator)
    return FakeStepContext(Batch(size=4, image=image, label=label), step)


def test_embedding_and_wrong_labels_together():
    """D2D-CE takes the embeddings of the same forward pass; wrong labels need further ones."""
    contexts, losses = {}, {}
    for names in (("wrong-labels",), ("d2d-ce",), ("d2d-ce", "wrong-labels"), ()):
        contexts[names] = random_context()
        model = build_with_terms({name: {} for name in names})
        losses[names] = model.discriminator_loss(contexts[names]).item()
    both = contexts["d2d-ce", "wrong-labels"].logged
    d2d_ce = contexts["d2d-ce",].logged["loss/d_d2d-ce"].item()
    assert both["loss/d_d2d-ce"].item() == pytest.approx(d2d_ce)
    assert losses["d2d-ce",] - losses[()] == pytest.approx(d2d_ce, rel=1e-4)
    assert "logits/wrong_label" in both and "logits/wrong_label" not in contexts[()].logged
    difference = losses["d2d-ce", "wrong-labels"] - losses["wrong-labels",]
    assert difference == pytest.approx(d2d_ce, rel=1e-2)


def test_adjacent_label_stays_in_range():
    label = torch.tensor([0, 1, 2, 3])
    assert adjacent_label(label, 1, 4).tolist() == [1, 2, 3, 2]
    assert adjacent_label(label, -1, 4).tolist() == [1, 0, 1, 2]


def test_weight_clip_after_each_update_of_d():
    model = build_with_terms({"weight-clip": {"value": 0.02}})
    trainer = make_trainer(AllTermsGAN, model=model)
    for _ in range(3):
        run_steps(trainer)
        assert all(p.abs().max() <= 0.02 for p in model.discriminator.parameters())
    assert max(p.abs().max() for p in model.generator.parameters()) > 0.02


# --- R1 through an augmentation -------------------------------------------------------------------


def linear_augmentation(images, rng):
    """Return a linear map of each image: a shifted copy is added."""
    return 0.5 * images + 0.25 * images.roll(1, 3)


UNIT_IMAGES = torch.eye(3 * 4 * 4).reshape(-1, 3, 4, 4)
AUGMENTATION_MATRIX = linear_augmentation(UNIT_IMAGES, None).flatten(1).T


@pytest.mark.parametrize(("name", "images"), [("r1", IMAGES), ("r2", FAKES)])
@pytest.mark.parametrize("through_augment", [True, False])
def test_r1_through_linear_augmentation_by_hand(name, images, through_augment):
    model, ctx = quadratic_gan({name: {"through_augment": through_augment}}), image_context()
    model.augment = linear_augmentation
    model.discriminator_loss(ctx)
    # the gradient of |A x|^2 / 2 with respect to x is A^T A x, and with respect to A x it is A x
    gradient = images.flatten(1) @ AUGMENTATION_MATRIX.T
    if through_augment:
        gradient = gradient @ AUGMENTATION_MATRIX
    by_hand = 0.5 * gradient.square().sum(1).mean()
    assert ctx.logged[f"loss/d_{name}"].item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_r1_draws_its_own_augmentation():
    drawn_scales = []

    def scale(images, rng):
        drawn_scales.append(1 + rng.rand(len(images), 1, 1, 1))
        return drawn_scales[-1] * images

    model, ctx = quadratic_gan({"r1": {}}), image_context(context_class=FakeStepContext)
    model.augment = scale
    model.discriminator_loss(ctx)
    real, _, own = drawn_scales
    assert not torch.equal(real, own)
    by_hand = 0.5 * squared_norm(own.square() * IMAGES).mean()
    assert ctx.logged["loss/d_r1"].item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_r1_trains_with_adaptive_augmentation(tmp_path):
    class AdaptiveR1GAN(class_with_terms({"r1": {"interval": 2}})):
        def __init__(self, config, info):
            super().__init__(config, info)
            self.augment = AdaptiveAugment(target=-2, ramp_images=100, initial_p=0.2)

    straight, _ = assert_resume_is_bit_exact(AdaptiveR1GAN, tmp_path, (5,), log_every=1)
    assert straight.callback.records[-1]["augment/p"] > 0.2
    assert all(torch.isfinite(p).all() for p in straight.model.parameters())


# --- lazy terms -----------------------------------------------------------------------------------


STATELESS_LAZY_TERMS = [
    name for name in LAZY_TERMS if name not in {"info", "latent-optimization", "lecam"}
]
"""Those that change nothing in the steps without them: neither the fakes nor a running mean."""


@pytest.mark.parametrize("name", STATELESS_LAZY_TERMS)
def test_lazy_term_runs_in_every_kth_step_with_k_times_the_weight(name):
    options = OPTIONS_BY_TERM[name]
    lazy = build_with_terms({name: {**options, "interval": INTERVAL}})
    every_step, without = build_with_terms({name: options}), build_with_terms({})
    found = set()
    for phase in ("discriminator", "generator"):
        key = f"loss/{phase[0]}_{name}"
        for step in range(2 * INTERVAL):
            contexts = {model: random_context(step) for model in (lazy, every_step, without)}
            losses = {m: getattr(m, f"{phase}_loss")(ctx).item() for m, ctx in contexts.items()}
            value = contexts[every_step].logged.get(key)
            if value is None:  # this term has no part in this phase
                assert key not in contexts[lazy].logged and losses[lazy] == losses[without]
                continue
            found.add(phase)
            if step % INTERVAL:
                assert key not in contexts[lazy].logged and losses[lazy] == losses[without]
            else:
                expected = INTERVAL * value.item()
                assert contexts[lazy].logged[key].item() == pytest.approx(expected, rel=1e-5)
                difference = losses[lazy] - losses[without]
                assert difference == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert found


def test_lazy_term_is_logged_in_its_steps_only():
    trainer = make_trainer(class_with_terms({"r1": {"interval": INTERVAL}}))
    run_steps(trainer, 7)
    log = trainer.log.values
    assert len(log["loss/d"]) == 7 and len(log["loss/d_r1"]) == 3  # steps 0, 3 and 6


@pytest.mark.parametrize("num_micro_batches", [2, 4])
def test_terms_do_not_depend_on_micro_batches(num_micro_batches, tmp_path):
    whole = make_trainer(PerImageTermsGAN, steps=6)
    whole.run(tmp_path / "whole")
    options = {"steps": 6, "grad_accum_steps": num_micro_batches}
    parts, _ = assert_resume_is_bit_exact(PerImageTermsGAN, tmp_path, (3,), **options)
    pairs = zip(whole.model.parameters(), parts.model.parameters(), strict=True)
    assert max((a - b).detach().abs().max().item() for a, b in pairs) < 1e-5


# --- the models of the zoo ------------------------------------------------------------------------

MODELS_WITH_OWN_LOSSES = {
    *("caae", "cyclegan", "fran", "idcgan", "ipcgan", "pfa-gan", "pix2pix", "stargan"),
}


def test_models_leave_the_losses_to_gan():
    """Whatever a GAN adds is a term, except in the models that translate images."""
    classes = {name: import_target(zoo().model(name).target) for name in zoo().names("model")}
    overriding = {
        name
        for name, cls in classes.items()
        for method in ("discriminator_loss", "generator_loss")
        if getattr(cls, method, getattr(GAN, method)) is not getattr(GAN, method)
    }
    assert overriding == MODELS_WITH_OWN_LOSSES
    assert len([cls for cls in classes.values() if issubclass(cls, GAN)]) >= 8


# --- a term of a plugin ---------------------------------------------------------------------------


class ConsistencyOptions(WeightedTermOptions):
    """The options of the term of a plugin."""

    decay: float = 0.9
    """Decay of the running mean."""


class Consistency(Term):
    """|D(x) - D(flipped x)|^2 on real images, with a running mean that resumes."""

    def __init__(self, *, decay):
        super().__init__()
        self.decay = decay
        self.register_buffer("running_mean", torch.zeros(()))

    def discriminator(self, gan, ctx, out):
        """Return the distance, 0-d."""
        flipped_logits = gan.discriminator(out.real_images.flip(3), out.label)
        distance = (out.real_logits - flipped_logits).float().square().mean()
        self.running_mean.lerp_(ctx.all_reduce_mean(distance.detach()), 1 - self.decay)
        ctx.log({"consistency": self.running_mean})
        return distance


@pytest.fixture
def plugin_term(monkeypatch):
    """Register the term above as an installed plugin would."""
    spec = TermSpec(
        name="consistency",
        summary="D is invariant to flips",
        target=f"{__name__}:Consistency",
        config=f"{__name__}:ConsistencyOptions",
    )
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or sys)
    for thing in (Consistency, ConsistencyOptions):
        monkeypatch.setattr(sys.modules[__name__], thing.__name__, thing, raising=False)
    core = Plugin("terms", "ganzoo-core", "1", specs=[*TERMS])
    ours = Zoo([core, Plugin("p", "ganzoo-p", "1", specs=[spec])])
    monkeypatch.setattr("ganzoo_core.config.terms.zoo", lambda: ours)


@pytest.mark.parametrize("model_name", ["dcgan", "sngan", "r3gan"])
def test_plugin_term_works_on_every_gan(model_name, plugin_term, tmp_path):
    words = ["model.terms.consistency.weight=2", "model.terms.consistency.interval=2"]
    patches = [parse_assignments(words)]
    model_config = build_config(model_name, preset="smoke", patches=patches).model
    model_class = import_target(zoo().model(model_name).target)
    cls = type("WithTerm", (model_class,), {"Config": lambda: model_config})
    images = make_images(image_size=32)
    straight, resumed = assert_resume_is_bit_exact(
        cls, tmp_path, (2,), images=images, steps=4, log_every=1
    )
    term = resumed.model.terms["consistency"]
    assert (term.weight, term.interval, term.decay) == (2, 2, 0.9) and term.running_mean > 0
    records = straight.callback.records
    assert all(record["loss/d_consistency"] > 0 for record in records[::2])
    preset_terms = {"r1", "r2"} if model_name == "r3gan" else set()
    assert set(straight.model.terms) == {"consistency", *preset_terms}


def test_unknown_term_suggests_term_of_plugin(plugin_term):
    with pytest.raises(UsageError, match="consistency"):
        parse_terms({"consistensy": {}})
    with pytest.raises(UsageError, match=r"model\.terms\.consistency\.decay"):
        parse_terms({"consistency": {"decay": "slow"}})


def test_term_overrides_only_what_it_needs():
    term = Consistency(decay=0.5)
    assert term.overrides("discriminator") and not term.overrides("generator")
    expected_hooks = {
        "r1": (False, False, False),
        "d-freeze": (True, False, False),
        "weight-clip": (False, True, False),
        "d-reset": (False, False, True),
    }
    for name, hooks in expected_hooks.items():
        (stage,) = build_with_terms({name: OPTIONS_BY_TERM[name]}).stages()
        d, g = stage.phases
        has_hooks = tuple(hook is not None for hook in (d.condition, d.after_step, g.after_step))
        assert has_hooks == hooks
