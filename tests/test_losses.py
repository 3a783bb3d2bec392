"""Each loss against values computed by hand."""

import json
import math
import sys
from types import ModuleType

import pytest
import torch
from contract_models import EncoderGAN
from contract_models.networks import SmallGANConfig
from contract_models.relativistic import RelativisticGAN
from training_helpers import build_model, make_images, make_trainer, run_steps

from ganzoo_core.config import GANConfig, LossOptions, merge
from ganzoo_core.config.losses import parse_loss
from ganzoo_core.errors import UsageError
from ganzoo_core.losses import (
    BCE,
    FeatureMatching,
    Hinge,
    LeastSquares,
    Minimax,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
    dragan,
    gradient_penalty,
    input_gradient,
    make_loss,
    r1,
)
from ganzoo_core.losses.terms.feature_matching import feature_matching_loss
from ganzoo_core.zoo import LossSpec, Plugin, Zoo, import_target, zoo

REAL_LOGITS, FAKE_LOGITS = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])


def log_sigmoid(x):
    return -math.log(1 + math.exp(-x))


def mean_of(function, values):
    return sum(function(x) for x in values.tolist()) / len(values)


SMOOTHED_REAL_LOSS = mean_of(lambda x: -(0.9 * log_sigmoid(x) + 0.1 * log_sigmoid(-x)), REAL_LOGITS)
RELATIVISTIC_LOGITS = [2.0 - 0.5, -1.0 + 3.0]
EXPECTED_LOSSES = {
    "bce": (
        BCE(),
        mean_of(lambda x: -log_sigmoid(x), REAL_LOGITS)
        + mean_of(lambda x: -log_sigmoid(-x), FAKE_LOGITS),
        mean_of(lambda x: -log_sigmoid(x), FAKE_LOGITS),
    ),
    "smooth half": (
        BCE(real_target=0.9, halve_d_loss=True),
        0.5 * (SMOOTHED_REAL_LOSS + mean_of(lambda x: -log_sigmoid(-x), FAKE_LOGITS)),
        mean_of(lambda x: -log_sigmoid(x), FAKE_LOGITS),
    ),
    "minimax": (
        Minimax(),
        mean_of(lambda x: -log_sigmoid(x), REAL_LOGITS)
        + mean_of(lambda x: -log_sigmoid(-x), FAKE_LOGITS),
        mean_of(lambda x: log_sigmoid(-x), FAKE_LOGITS),
    ),
    "least squares": (
        LeastSquares(),
        0.5 * (1 + 4) / 2 + 0.5 * (0.25 + 9) / 2,
        0.5 * (0.25 + 16) / 2,
    ),
    "least squares, smooth": (
        LeastSquares(real_target=0.9),
        0.5 * (1.1**2 + 1.9**2) / 2 + 0.5 * (0.25 + 9) / 2,
        0.5 * (0.25 + 16) / 2,
    ),
    "hinge": (Hinge(), (0 + 2) / 2 + (1.5 + 0) / 2, -(0.5 - 3) / 2),
    "wasserstein": (Wasserstein(), (0.5 - 3) / 2 - (2 - 1) / 2, -(0.5 - 3) / 2),
    "relativistic": (
        Relativistic(),
        sum(-log_sigmoid(x) for x in RELATIVISTIC_LOGITS) / 2,
        sum(-log_sigmoid(-x) for x in RELATIVISTIC_LOGITS) / 2,
    ),
    "relativistic average": (  # the mean real logit is 0.5, the mean fake one -1.25
        RelativisticAverage(),
        mean_of(lambda x: -log_sigmoid(x + 1.25), REAL_LOGITS)
        + mean_of(lambda x: -log_sigmoid(0.5 - x), FAKE_LOGITS),
        mean_of(lambda x: -log_sigmoid(x - 0.5), FAKE_LOGITS)
        + mean_of(lambda x: -log_sigmoid(-1.25 - x), REAL_LOGITS),
    ),
}


@pytest.mark.parametrize("name", EXPECTED_LOSSES)
def test_loss_values(name):
    loss, expected_d, expected_g = EXPECTED_LOSSES[name]
    assert loss.discriminator_loss(REAL_LOGITS, FAKE_LOGITS).item() == pytest.approx(
        expected_d, rel=1e-5
    )
    assert loss.generator_loss(FAKE_LOGITS, REAL_LOGITS).item() == pytest.approx(
        expected_g, rel=1e-5
    )


@pytest.mark.parametrize("name", EXPECTED_LOSSES)
def test_loss_gradient_signs(name):
    loss = EXPECTED_LOSSES[name][0]
    real, fake = REAL_LOGITS.clone().requires_grad_(), FAKE_LOGITS.clone().requires_grad_()
    loss.discriminator_loss(real, fake).backward()
    if not name.startswith("least squares"):  # its gradient changes sign beyond the targets
        assert (real.grad <= 0).all() and (fake.grad >= 0).all()
    assert real.grad.abs().sum() > 0 and fake.grad.abs().sum() > 0
    lone = FAKE_LOGITS.clone().requires_grad_()
    loss.generator_loss(lone, REAL_LOGITS).backward()
    assert (lone.grad < 0).all()


@pytest.mark.parametrize("name", EXPECTED_LOSSES)
def test_loss_is_fp32_for_half_logits(name):
    loss = EXPECTED_LOSSES[name][0]
    half = REAL_LOGITS.bfloat16(), FAKE_LOGITS.bfloat16()
    assert (
        loss.discriminator_loss(*half).dtype
        == torch.float32
        == loss.generator_loss(half[1], half[0]).dtype
    )
    assert loss.discriminator_loss(*half).ndim == 0


def test_extreme_logits_stay_finite():
    far = torch.tensor([1e4, -1e4])
    for loss, _, _ in EXPECTED_LOSSES.values():
        assert (
            loss.discriminator_loss(far, -far).isfinite()
            and loss.generator_loss(far, -far).isfinite()
        )


def test_only_relativistic_needs_real_logits():
    assert [name for name, (loss, _, _) in EXPECTED_LOSSES.items() if loss.needs_real_logits] == [
        "relativistic",
        "relativistic average",
    ]
    with pytest.raises(AssertionError):
        Relativistic().generator_loss(FAKE_LOGITS)


# --- regularizers -------------------------------------------------------------------------------

IMAGES = torch.linspace(-1, 1, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)


def test_r1_of_linear_critic():
    slope = torch.full((3, 4, 4), 0.5, requires_grad=True)
    penalty = r1(lambda x: (x * slope).sum((1, 2, 3)), IMAGES)
    assert penalty.item() == pytest.approx(0.5 * 48 * 0.25)
    penalty.backward()
    assert torch.allclose(slope.grad, slope)


def test_r1_of_quadratic_critic():
    penalty = r1(lambda x: 0.5 * x.square().sum((1, 2, 3)), IMAGES)
    assert penalty.item() == pytest.approx(0.5 * IMAGES.square().sum((1, 2, 3)).mean().item())


@pytest.mark.parametrize(("slope", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.5, 0.25)])
def test_gradient_penalty_targets_unit_norm(slope, penalty):
    mix = torch.tensor([0.0, 0.3])[:, None, None, None]
    value = gradient_penalty(lambda x: slope * x[:, 0, 0, 0], IMAGES, -IMAGES, mix)
    assert value.item() == pytest.approx(penalty, abs=1e-6)


def test_gradient_penalty_interpolates():
    inputs = []
    mix = torch.tensor([0.0, 0.25])[:, None, None, None]
    gradient_penalty(lambda x: (inputs.append(x), x.sum((1, 2, 3)))[1], IMAGES, -IMAGES, mix)
    assert torch.allclose(inputs[0][0], IMAGES[0]) and torch.allclose(inputs[0][1], IMAGES[1] / 2)


@pytest.mark.parametrize(("slope", "penalty"), [(1.0, 0.0), (3.0, 4.0)])
def test_dragan_perturbs_real_images(slope, penalty):
    inputs = []
    noise, alpha = torch.full_like(IMAGES, 0.5), torch.tensor([1.0, 0.5]).view(2, 1, 1, 1)
    value = dragan(lambda x: (inputs.append(x), slope * x[:, 0, 0, 0])[1], IMAGES, noise, alpha)
    assert value.item() == pytest.approx(penalty, abs=1e-6)
    assert torch.allclose(inputs[0], IMAGES + alpha * 0.25 * IMAGES.std(correction=0))


def test_feature_matching_value():
    real = [torch.tensor([[1.0, 3.0], [3.0, 5.0]]), torch.tensor([[2.0], [4.0]])]
    fake = [torch.tensor([[2.0, 1.0]]), torch.tensor([[0.0]])]
    # means 2, 4 against 2, 1: (0 + 9) / 2; and 3 against 0: 9
    assert feature_matching_loss(real, fake).item() == pytest.approx((4.5 + 9) / 2)
    assert FeatureMatching().generator_loss(FAKE_LOGITS) == 0


def test_accuracy_is_balanced():
    one_of_two_each = BCE().accuracy(REAL_LOGITS, FAKE_LOGITS)
    assert one_of_two_each.item() == pytest.approx(0.5)
    assert LeastSquares().accuracy(torch.tensor([0.6]), torch.tensor([0.4])).item() == 1
    assert Wasserstein().accuracy(torch.tensor([9.0, 8.0]), torch.tensor([5.0])).item() == 1


# --- model.loss -----------------------------------------------------------------------------------


def loss_from_options(**values):
    return make_loss(parse_loss(values))


@pytest.mark.parametrize("kind", zoo().names("loss"))
def test_make_loss_by_name(kind):
    assert type(loss_from_options(kind=kind)) is import_target(zoo().loss(kind).target)
    needed = {"wasserstein": ["weight-clip"], "feature-matching": ["feature-matching"]}
    assert list(GANConfig(loss=kind).terms) == needed.get(kind, [])
    with_r1 = GANConfig(loss={"kind": kind}, terms={"r1": {"weight": 2.0}}).terms
    assert with_r1["r1"].weight == 2 and "weight-clip" not in with_r1


def test_loss_options():
    smooth = loss_from_options(kind="bce", real_target=0.9, halve_d_loss=True)
    assert smooth.discriminator_loss(REAL_LOGITS, FAKE_LOGITS).item() == pytest.approx(
        EXPECTED_LOSSES["smooth half"][1], rel=1e-5
    )
    assert parse_loss("hinge").kind == "hinge" and parse_loss({}).kind == "bce"


@pytest.mark.parametrize(
    ("kind", "terms", "named"),
    [
        ("wasserstein", {"weight-clip": "none"}, "model.terms.weight-clip"),
        ("feature-matching", {"feature-matching": "none"}, "model.terms.feature-matching"),
    ],
)
def test_loss_refuses_missing_term(kind, terms, named):
    with pytest.raises(UsageError, match=named) as error:
        GANConfig(loss={"kind": kind}, terms=terms)
    assert "\n" not in str(error.value)


def test_wasserstein_without_other_constraint_is_clipped():
    assert list(GANConfig(loss="wasserstein", terms={"r1": "none"}).terms) == ["weight-clip"]
    assert GANConfig(loss="wasserstein").terms["weight-clip"].value == 0.01


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"kind": "hing"}, '"hinge"'),
        ({"kind": "hinge", "real_target": 0.9}, "model.loss.kind=bce"),
        ({"kind": "wasserstein", "real_target": 0.9}, "model.loss.real_target"),
        ({"weight_clip": 0.01}, "model.terms.weight-clip.value"),
        ({"gradient_penalty": 10, "dragan": 10}, "model.terms.dragan.weight"),
        ({"r1": 1}, "model.terms.r1.weight"),
        ({"kind": "hinge", "r2": 1}, "model.terms.r2.weight"),
        ({"real_target": 0.5}, "model.loss.real_target"),
        (
            {"kind": "feature-matching", "feature_matching": 0},
            "model.terms.feature-matching.weight",
        ),
        ({"wrong_label_epochs": 4}, "model.terms.wrong-labels.epochs"),
        ({"mismatch": 0.5}, "model.terms.wrong-labels.weight"),
        ({"gama": 1}, "'model.loss.gama'"),
        ({"kind": 3}, "model.loss"),
        (3, "model.loss: 3"),
    ],
)
def test_loss_config_errors(values, named):
    with pytest.raises(UsageError, match=named) as error:
        parse_loss(values)
    assert "\n" not in str(error.value)


def test_merge_resets_options_of_other_kind():
    base = {"loss": {"kind": "bce", "real_target": 0.9}}
    assert merge(base, {"loss": {"kind": "hinge"}}) == {"loss": {"kind": "hinge"}}
    halved = {"loss": {"halve_d_loss": True}}
    assert merge(base, halved)["loss"] == {**base["loss"], "halve_d_loss": True}
    assert (
        merge(base, {"loss": {"kind": "bce", "halve_d_loss": True}})["loss"]["real_target"] == 0.9
    )
    assert merge({"loss": {"a": 1}}, {"loss": {"kind": "hinge"}})["loss"]["a"] == 1


class ExponentialLoss(Hinge):
    """A loss of a plugin."""

    def __init__(self, scale):
        self.scale = scale

    def generator_loss(self, fake_logits, real_logits=None):
        return self.scale * torch.exp(-fake_logits.float()).mean()


class ExponentialOptions(LossOptions):
    """Its options."""

    scale: float = 2.0


def test_plugin_loss(monkeypatch):
    spec = LossSpec(
        name="exponential",
        summary="s",
        target=f"{__name__}:ExponentialLoss",
        config=f"{__name__}:ExponentialOptions",
    )
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or ModuleType(__name__))
    for thing in (ExponentialLoss, ExponentialOptions):
        monkeypatch.setattr(sys.modules[__name__], thing.__name__, thing, raising=False)
    ours = Zoo([Plugin("p", "ganzoo-p", "1", specs=[spec])])
    monkeypatch.setattr("ganzoo_core.config.losses.zoo", lambda: ours)
    loss = make_loss(GANConfig(loss={"kind": "exponential"}, terms={"r1": {}}).loss)
    assert loss.generator_loss(FAKE_LOGITS).item() == pytest.approx(
        2 * mean_of(lambda x: math.exp(-x), FAKE_LOGITS)
    )
    with pytest.raises(UsageError) as error:
        parse_loss("exponent")
    assert '"exponential"' in str(error.value)


def test_loss_config_round_trip():
    config = GANConfig(loss={"kind": "relativistic"}, optim_d={"kind": "sgd"})
    again = GANConfig.model_validate(json.loads(config.model_dump_json()))
    assert again == config and type(again.loss) is type(config.loss)
    kinds = [
        s["properties"]["kind"].get("const")
        for s in GANConfig.model_json_schema()["properties"]["loss"]["anyOf"]
    ]
    assert sorted(kinds) == zoo().names("loss")


# --- in a GAN -------------------------------------------------------------------------------------


class ConfigurableLossGAN(EncoderGAN):
    """A GAN with BatchNorm in D and labels, and a loss from its options."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.loss = make_loss(config.loss)


def gan_with_loss(kind, **terms):
    config = SmallGANConfig(loss={"kind": kind}, terms=terms)
    return build_model(ConfigurableLossGAN, make_images().info, config=config)


def test_feature_matching_loss_needs_features():
    with pytest.raises(UsageError, match=r"model\.terms\.feature-matching"):
        gan_with_loss("feature-matching").stages()


def test_wasserstein_clips_weights(tmp_path):
    model = gan_with_loss("wasserstein", **{"weight-clip": {"value": 0.02}})
    run = make_trainer(ConfigurableLossGAN, model=model, steps=3)
    run.run(tmp_path)
    assert all(p.abs().max() <= 0.02 for p in run.model.discriminator.parameters())
    assert max(p.abs().max() for p in run.model.generator.parameters()) > 0.02


def test_relativistic_shares_labels():
    model = build_model(RelativisticGAN, make_images().info)
    model.loss = Relativistic()
    run = make_trainer(RelativisticGAN, model=model)
    labels = []
    model.discriminator.register_forward_pre_hook(lambda net, args: labels.append(args[1]))
    run_steps(run)
    assert len(labels) == 4  # real and fake, for D and for G
    assert all(torch.equal(label, labels[0]) for label in labels)


def test_input_gradient_is_fp32_under_autocast():
    layer = torch.nn.Linear(48, 1)
    with torch.autocast("cpu", torch.bfloat16):
        gradient = input_gradient(lambda x: layer(x.flatten(1)), IMAGES)
    assert gradient.dtype == torch.float32
    assert torch.equal(gradient[0].flatten(), layer.weight[0])
