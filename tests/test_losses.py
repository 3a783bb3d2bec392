"""Each loss against values worked out by hand."""

import json
import math
import sys
from types import ModuleType

import pytest
import torch
from workbench import drawn, make, trainer
from zoo_of_proofs import EncoderGAN
from zoo_of_proofs.parts import Small
from zoo_of_proofs.relative import RelativeGAN

from ganzoo_core.config import GANConfig, LossOptions, merge
from ganzoo_core.config.losses import read_loss
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
from ganzoo_core.zoo import LossSpec, Plugin, Zoo, resolve, zoo

REAL, FAKE = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])


def log_sigmoid(x):
    return -math.log(1 + math.exp(-x))


def mean(f, values):
    return sum(f(x) for x in values.tolist()) / len(values)


SMOOTH = mean(lambda x: -(0.9 * log_sigmoid(x) + 0.1 * log_sigmoid(-x)), REAL)
PAIRS = [2.0 - 0.5, -1.0 + 3.0]
HAND = {
    "bce": (
        BCE(),
        mean(lambda x: -log_sigmoid(x), REAL) + mean(lambda x: -log_sigmoid(-x), FAKE),
        mean(lambda x: -log_sigmoid(x), FAKE),
    ),
    "smooth half": (
        BCE(real_target=0.9, half=True),
        0.5 * (SMOOTH + mean(lambda x: -log_sigmoid(-x), FAKE)),
        mean(lambda x: -log_sigmoid(x), FAKE),
    ),
    "minimax": (
        Minimax(),
        mean(lambda x: -log_sigmoid(x), REAL) + mean(lambda x: -log_sigmoid(-x), FAKE),
        mean(lambda x: log_sigmoid(-x), FAKE),
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
        sum(-log_sigmoid(x) for x in PAIRS) / 2,
        sum(-log_sigmoid(-x) for x in PAIRS) / 2,
    ),
    "relativistic average": (  # the mean real logit is 0.5, the mean fake one -1.25
        RelativisticAverage(),
        mean(lambda x: -log_sigmoid(x + 1.25), REAL) + mean(lambda x: -log_sigmoid(0.5 - x), FAKE),
        mean(lambda x: -log_sigmoid(x - 0.5), FAKE) + mean(lambda x: -log_sigmoid(-1.25 - x), REAL),
    ),
}


@pytest.mark.parametrize("name", HAND)
def test_values_by_hand(name):
    loss, d, g = HAND[name]
    assert loss.d(REAL, FAKE).item() == pytest.approx(d, rel=1e-5)
    assert loss.g(FAKE, REAL).item() == pytest.approx(g, rel=1e-5)


@pytest.mark.parametrize("name", HAND)
def test_gradients_have_the_right_sign_and_reach_their_logits(name):
    loss = HAND[name][0]
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    loss.d(real, fake).backward()
    if not name.startswith("least squares"):  # which pulls logits back that are beyond its targets
        assert (real.grad <= 0).all() and (fake.grad >= 0).all()
    assert real.grad.abs().sum() > 0 and fake.grad.abs().sum() > 0
    lone = FAKE.clone().requires_grad_()
    loss.g(lone, REAL).backward()
    assert (lone.grad < 0).all()


@pytest.mark.parametrize("name", HAND)
def test_half_precision_logits_give_full_precision_losses(name):
    loss = HAND[name][0]
    half = REAL.bfloat16(), FAKE.bfloat16()
    assert loss.d(*half).dtype == torch.float32 == loss.g(half[1], half[0]).dtype
    assert loss.d(*half).ndim == 0


def test_extreme_logits_stay_finite():
    far = torch.tensor([1e4, -1e4])
    for loss, _, _ in HAND.values():
        assert loss.d(far, -far).isfinite() and loss.g(far, -far).isfinite()


def test_only_a_relativistic_loss_asks_for_pairs():
    assert [name for name, (loss, _, _) in HAND.items() if loss.pairs] == [
        "relativistic",
        "relativistic average",
    ]
    with pytest.raises(AssertionError, match="real"):
        Relativistic().g(FAKE)


def test_no_loss_has_a_penalty_by_itself():
    assert Hinge().penalty(lambda x: x.sum(), torch.ones(1), torch.ones(1), torch.rand) == 0


# --- regularisers -------------------------------------------------------------------------------

IMAGES = torch.linspace(-1, 1, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)


def test_r1_of_a_linear_critic_is_half_its_squared_slope():
    slope = torch.full((3, 4, 4), 0.5, requires_grad=True)
    penalty = r1(lambda x: (x * slope).sum((1, 2, 3)), IMAGES)
    assert penalty.item() == pytest.approx(0.5 * 48 * 0.25)
    penalty.backward()
    assert torch.allclose(slope.grad, slope)


def test_r1_of_a_quadratic_critic_is_half_its_squared_input():
    penalty = r1(lambda x: 0.5 * x.square().sum((1, 2, 3)), IMAGES)
    assert penalty.item() == pytest.approx(0.5 * IMAGES.square().sum((1, 2, 3)).mean().item())


@pytest.mark.parametrize(("slope", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.5, 0.25)])
def test_the_gradient_penalty_wants_a_norm_of_one(slope, penalty):
    mix = torch.tensor([0.0, 0.3])[:, None, None, None]
    value = gradient_penalty(lambda x: slope * x[:, 0, 0, 0], IMAGES, -IMAGES, mix)
    assert value.item() == pytest.approx(penalty, abs=1e-6)


def test_the_gradient_penalty_looks_between_real_and_fake():
    seen = []
    mix = torch.tensor([0.0, 0.25])[:, None, None, None]
    gradient_penalty(lambda x: (seen.append(x), x.sum((1, 2, 3)))[1], IMAGES, -IMAGES, mix)
    assert torch.allclose(seen[0][0], IMAGES[0]) and torch.allclose(seen[0][1], IMAGES[1] / 2)


@pytest.mark.parametrize(("slope", "penalty"), [(1.0, 0.0), (3.0, 4.0)])
def test_dragan_looks_around_real_images(slope, penalty):
    seen = []
    step = torch.full_like(IMAGES, 0.5)
    value = dragan(lambda x: (seen.append(x), slope * x[:, 0, 0, 0])[1], IMAGES, step)
    assert value.item() == pytest.approx(penalty, abs=1e-6)
    assert torch.allclose(seen[0], IMAGES + 0.25 * IMAGES.std())


def test_feature_matching_is_the_squared_gap_of_the_means():
    real = [torch.tensor([[1.0, 3.0], [3.0, 5.0]]), torch.tensor([[2.0], [4.0]])]
    fake = [torch.tensor([[2.0, 1.0]]), torch.tensor([[0.0]])]
    # means 2, 4 against 2, 1: (0 + 9) / 2; and 3 against 0: 9
    assert BCE().matching(real, fake).item() == pytest.approx((4.5 + 9) / 2)
    assert FeatureMatching().g(FAKE) == 0


def test_accuracy_counts_both_kinds_alike():
    assert BCE().accuracy(REAL, FAKE).item() == pytest.approx(0.5)  # 1 of 2 real, 1 of 2 fake
    assert LeastSquares().accuracy(torch.tensor([0.6]), torch.tensor([0.4])).item() == 1
    assert Wasserstein().accuracy(torch.tensor([9.0, 8.0]), torch.tensor([5.0])).item() == 1


# --- model.loss -----------------------------------------------------------------------------------


def made(**values):
    return make_loss(read_loss(values))


@pytest.mark.parametrize("kind", zoo().names("loss"))
def test_every_loss_of_the_zoo_is_made_from_its_name(kind):
    loss = made(kind=kind)
    assert type(loss) is resolve(zoo().loss(kind).target) and not loss.regularizers
    assert loss.clip == (0.01 if kind == "wasserstein" else 0)
    assert loss.feature_matching == (kind == "feature-matching")


def test_options_reach_the_loss():
    smooth = made(kind="bce", real_target=0.9, half=True)
    assert smooth.d(REAL, FAKE).item() == pytest.approx(HAND["smooth half"][1], rel=1e-5)
    assert read_loss("hinge").kind == "hinge" and read_loss({}).kind == "bce"


def test_regularisers_add_up_by_their_weights():
    def critic(x):
        return 0.5 * x.square().sum((1, 2, 3))  # whose slope at x is x

    def noise(*shape, kind):
        assert kind == "unit"
        return torch.zeros(shape)

    squares = IMAGES.square().sum((1, 2, 3))
    half, norm = squares.mean() / 2, squares.sqrt()
    fake = 2 * IMAGES
    by_hand = {
        "r1": half,
        "r2": 4 * half,
        "gradient_penalty": (norm - 1).square().mean(),
        "dragan": (norm - 1).square().mean(),
    }
    for name, value in by_hand.items():
        penalty = made(kind="hinge", **{name: 10}).penalty(critic, IMAGES, fake, noise)
        assert penalty.item() == pytest.approx(10 * value.item(), rel=1e-5), name
    both = made(kind="relativistic", r1=1, r2=0.5).penalty(critic, IMAGES, fake, noise)
    assert both.item() == pytest.approx(3 * half.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "hing"}, "no loss 'hing'.*\"hinge\""),
        ({"kind": "hinge", "real_target": 0.9}, "no labels to smooth.*kind=bce"),
        ({"kind": "wasserstein", "real_target": 0.9}, "no labels to smooth"),
        ({"kind": "wasserstein", "clip": 0}, "needs a bound.*clip=0.01.*gradient_penalty=10"),
        ({"clip": 0.01, "gradient_penalty": 10}, "rival bounds.*model.loss.clip=0"),
        ({"gradient_penalty": 10, "dragan": 10}, "rival bounds"),
        ({"r1": -1}, "model.loss.r1: .*got -1"),
        ({"r1": float("nan")}, "model.loss.r1"),
        ({"real_target": 0.5}, "model.loss.real_target"),
        ({"kind": "feature-matching", "feature_matching": 0}, "model.loss.feature_matching"),
        ({"mismatch_epochs": 4}, "no mismatch to end.*model.loss.mismatch=0.5"),
        ({"gama": 1}, "'model.loss.gama'"),
        ({"kind": 3}, "is no loss"),
        (3, "3 is no loss"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_remedy(values, words):
    with pytest.raises(UsageError, match=words) as error:
        read_loss(values)
    assert "\n" not in str(error.value)


def test_another_kind_begins_anew_and_the_same_kind_does_not():
    base = {"loss": {"kind": "bce", "real_target": 0.9}}
    assert merge(base, {"loss": {"kind": "hinge"}}) == {"loss": {"kind": "hinge"}}
    assert merge(base, {"loss": {"r1": 1}})["loss"] == {**base["loss"], "r1": 1}
    assert merge(base, {"loss": {"kind": "bce", "half": True}})["loss"]["real_target"] == 0.9
    assert merge({"loss": {"r1": 1}}, {"loss": {"kind": "hinge"}})["loss"]["r1"] == 1


class Exponential(Hinge):
    """A loss of a plugin."""

    def __init__(self, scale):
        self.scale = scale

    def g(self, fake, real=None):
        return self.scale * torch.exp(-fake.float()).mean()


class ExponentialOptions(LossOptions):
    """Its options."""

    scale: float = 2.0


def test_a_plugin_adds_a_loss(monkeypatch):
    spec = LossSpec(
        name="exponential",
        summary="s",
        target=f"{__name__}:Exponential",
        config=f"{__name__}:ExponentialOptions",
    )
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or ModuleType(__name__))
    for thing in (Exponential, ExponentialOptions):
        monkeypatch.setattr(sys.modules[__name__], thing.__name__, thing, raising=False)
    ours = Zoo([Plugin("p", "ganzoo-p", "1", specs=[spec])])
    monkeypatch.setattr("ganzoo_core.config.losses.zoo", lambda: ours)
    loss = make_loss(GANConfig(loss={"kind": "exponential", "r1": 1}).loss)
    assert loss.g(FAKE).item() == pytest.approx(2 * mean(lambda x: math.exp(-x), FAKE))
    assert len(loss.regularizers) == 1
    with pytest.raises(UsageError, match="no loss 'exponent'") as error:
        read_loss("exponent")
    assert '"exponential"' in str(error.value)


def test_a_stored_loss_reads_back():
    config = GANConfig(loss={"kind": "relativistic", "r1": 1, "r2": 1}, optim_d={"kind": "sgd"})
    again = GANConfig.model_validate(json.loads(config.model_dump_json()))
    assert again == config and type(again.loss) is type(config.loss)
    kinds = [
        s["properties"]["kind"].get("const")
        for s in GANConfig.model_json_schema()["properties"]["loss"]["anyOf"]
    ]
    assert sorted(kinds) == zoo().names("loss")


# --- in a GAN -------------------------------------------------------------------------------------


class Judged(EncoderGAN):
    """A GAN with BatchNorm in D and labels, whose loss is to be set."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.loss = make_loss(config.loss)


def judged(**values):
    return make(Judged, drawn().info, config=Small(loss=values))


@pytest.mark.parametrize("name", ["r1", "r2", "gradient_penalty", "dragan"])
def test_a_penalty_through_batch_norm_is_refused_with_the_remedy(name):
    with pytest.raises(UsageError, match=r"model.discriminator.norm=instance \(or layer, or none"):
        judged(**{name: 1}).stages()


def test_features_that_are_not_offered_are_refused():
    with pytest.raises(UsageError, match="SmallD offers no features"):
        judged(kind="feature-matching").stages()


def test_weights_are_clipped_after_each_step(tmp_path):
    run = trainer(Judged, model=judged(kind="wasserstein", clip=0.02), steps=3)
    run.run(tmp_path)
    assert all(p.abs().max() <= 0.02 for p in run.model.discriminator.parameters())
    assert max(p.abs().max() for p in run.model.generator.parameters()) > 0.02


def test_relativistic_pairs_share_their_labels():
    model = make(RelativeGAN, drawn().info)
    model.loss = Relativistic()
    run = trainer(RelativeGAN, model=model)
    asked = []
    model.discriminator.register_forward_pre_hook(lambda net, args: asked.append(args[1]))
    run.play(run.plan.legs[0])
    assert len(asked) == 4  # real and fake, for D and for G
    assert all(torch.equal(label, asked[0]) for label in asked)


def test_input_gradients_are_full_precision_under_autocast():
    layer = torch.nn.Linear(48, 1)
    with torch.autocast("cpu", torch.bfloat16):
        gradient = input_gradient(lambda x: layer(x.flatten(1)), IMAGES)
    assert gradient.dtype == torch.float32
    assert torch.equal(gradient[0].flatten(), layer.weight[0])
