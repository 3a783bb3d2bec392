"""PFA-GAN against its paper: counts, shapes, gates, both directions, losses, resume, refusals."""

from collections import Counter

import pytest
import torch
from ganzoo_pfa_gan.config import PAPER_GROUPS, REPORT_GROUPS, PFAConfig
from ganzoo_pfa_gan.losses import expected_age, group_logits
from ganzoo_pfa_gan.model import PFAGAN
from PIL import Image
from torch import nn

from ganzoo_core import config, load, train
from ganzoo_core.data import group_names, prepare
from ganzoo_core.data.draws import Pairs
from ganzoo_core.engine import Trainer, Watcher, resolve_setup
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import DataInfo, EditsAge, Judges, Translates
from ganzoo_core.losses import LeastSquares
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
from ganzoo_core.testing.standins import StandIn

MEANS = (9.0, 24.0, 34.5, 44.5, 54.5, 70.0)
SMALL = {"width": 4, "groups": REPORT_GROUPS}


def info(groups=REPORT_GROUPS, size=32, channels=3):
    names = group_names(groups)
    return DataInfo(
        size=size,
        channels=channels,
        classes=names,
        groups=groups,
        counts=(1,) * len(names),
        mean_ages=MEANS[: len(names)],
    )


def build(groups=REPORT_GROUPS, size=32, channels=3, **options):
    torch.manual_seed(0)
    return PFAGAN(PFAConfig(groups=groups, **{"width": 4, **options}), info(groups, size, channels))


def count(net):
    return sum(p.numel() for p in net.parameters())


class Brightness(StandIn):
    """Takes brightness for age: black is 0, white is 100."""

    def age_logits(self, image):
        years = 50 * (image.mean((1, 2, 3)) + 1)
        return -((torch.arange(101.0) - years[:, None]) ** 2) / 50


def judged(model):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model.judges = Judges({"identity": Brightness(), "age": Brightness()})
    return model


def shapes(count=48, groups=REPORT_GROUPS):
    dataset = Shapes(ShapesConfig(name="shapes", count=count, size=32, people=8))
    return prepare(dataset, size=32, groups=groups)


class Lines(Watcher):
    def __init__(self):
        self.records = []

    def advanced(self, round, total):
        pass

    def sampled(self, model, round):
        pass

    def saved(self, path):
        pass

    def logged(self, record):
        self.records.append(record)


def trainer(images=None, precision="fp32", steps=4, batch=8, **options):
    images = images or shapes()
    tree = config.build("pfa-gan", preset="tiny", patches=[{"model": {"width": 4, **options}}])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = judged(PFAGAN(tree.model, images.info))
    train = tree.train.model_copy(update={"steps": steps, "batch": batch, "log_every": 2})
    return Trainer(model, images, train, resolve_setup("cpu", precision), Lines())


# --- the paper's networks -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "generator", "at_64"),
    [(PAPER_GROUPS, 4_572_681, 671_169), (REPORT_GROUPS, 7_621_135, 675_265)],
)
def test_the_papers_parameter_counts(groups, generator, at_64):
    model = build(groups, 64, width=32)
    assert {count(hop) for hop in model.ageing.hops} == {1_524_227}
    assert count(model.ageing) == generator
    assert count(model.discriminator) == at_64


@pytest.mark.parametrize(("size", "parameters"), [(128, 2_772_929), (256, 6_967_745)])
def test_the_papers_discriminators(size, parameters):
    assert count(build(PAPER_GROUPS, size).discriminator) == parameters


@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_the_discriminator_judges_14_by_14_patches_under_spectral_norm(size):
    net = build(PAPER_GROUPS, size).discriminator
    images, groups = torch.zeros(2, 3, size, size), torch.tensor([0, 3])
    with torch.no_grad():
        one, other = net(images, groups)
    assert one.shape == (1, 14, 14) and not torch.equal(one, other)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    normed = [hasattr(conv, "parametrizations") for conv in convs]
    assert normed == [False, *[True] * (len(convs) - 2), False]
    assert [c.stride[0] for c in convs[-2:]] == [1, 1] and all(c.stride[0] == 2 for c in convs[:-2])


# --- gates ----------------------------------------------------------------------------------------


def gated(net, image, source, target):
    """Every sub-network runs on every row, its gate multiplied in, as in the public code."""
    for i, hop in enumerate(net.hops):
        gate = ((source <= i) & (i < target)).float()[:, None, None, None]
        image = image + gate * hop(image)
    return image


def test_skipping_closed_gates_changes_nothing_but_the_cost():
    net, image = build().ageing, torch.rand(36, 3, 32, 32) * 2 - 1
    source, target = (
        g.flatten() for g in torch.meshgrid(torch.arange(6), torch.arange(6), indexing="ij")
    )
    ran = []
    for hop in net.hops:
        hop.register_forward_hook(lambda m, i, out: ran.append(len(out)))
    moved = net(image, source, target)
    assert ran == [(i + 1) * (5 - i) for i in range(5)]
    with torch.no_grad():
        assert torch.allclose(moved, gated(net, image, source, target), atol=1e-4)
    still = target <= source
    assert torch.equal(moved[still], image[still])
    assert all(not torch.equal(a, b) for a, b in zip(moved[~still], image[~still], strict=True))


def test_gradients_are_those_of_the_gates():
    net, image = build().ageing, torch.rand(3, 3, 32, 32)
    source, target = torch.tensor([0, 2, 4]), torch.tensor([3, 4, 2])
    found = []
    for move in (net, lambda *a: gated(net, *a)):
        net.zero_grad()
        move(image, source, target).square().mean().backward()
        found.append([p.grad.clone() for hop in net.hops[:4] for p in hop.parameters()])
        last = [p.grad for p in net.hops[4].parameters()]
        assert all(g is None or not g.any() for g in last)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*found, strict=True))


def test_intermediate_ages_come_out_of_the_same_pass():
    net, image = build().ageing, torch.rand(4, 3, 32, 32)
    source = torch.tensor([0, 2, 5, 0])
    ran = []
    for hop in net.hops:
        hop.register_forward_hook(lambda m, i, out: ran.append(len(out)))
    ages = net.stages(image, source)
    assert ran == [2, 2, 3, 3, 3] and ages.shape == (6, 4, 3, 32, 32)
    for group in range(6):
        assert torch.allclose(
            ages[group], net(image, source, torch.full_like(source, group)), atol=1e-5
        )


def test_a_start_of_zero_is_the_identity():
    model, image = build(start=0.0), torch.rand(2, 3, 32, 32) * 2 - 1
    zero, five = torch.zeros(2).long(), torch.full((2,), 5)
    assert torch.equal(model.move(image, zero, five), image)
    assert not torch.equal(build().move(image, zero, five), image)


# --- pairs and directions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "allowed"),
    [("ageing", int.__lt__), ("rejuvenation", int.__gt__), ("both", int.__ne__)],
)
def test_every_pair_of_groups_is_seen_evenly(direction, allowed):
    images = shapes()
    (stage,) = build(direction=direction).stages()
    rows, seen = Pairs(images, stage.draw, 0, "gan"), Counter()
    for number in range(5):
        source, target = (images.label[half].tolist() for half in rows(number, 24))
        seen.update(zip(source, target, strict=True))
    assert set(seen) == {(s, t) for s in range(6) for t in range(6) if allowed(s, t)}
    assert len(set(seen.values())) == 1


def test_groups_without_images_are_refused_before_training():
    groups = (18, 29, 85)  # nobody of 86 or more
    with pytest.raises(DataError, match=r"no image of 86\+"):
        trainer(shapes(groups=groups), groups=groups)


@pytest.mark.parametrize("direction", ["ageing", "rejuvenation", "both"])
def test_it_goes_the_directions_it_was_built_for(direction):
    model = build(direction=direction)
    assert isinstance(model, EditsAge) and isinstance(model, Translates)
    image, ages = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([29.9, 30.0])
    own = model.age(image, ages, torch.tensor([[1], [2]])).squeeze(1)
    assert torch.equal(own, image)
    for name, target in (("ageing", 5), ("rejuvenation", 0)):
        if direction in (name, "both"):
            moved = model.age(image, ages, torch.full((2, 1), target)).squeeze(1)
            assert not torch.equal(moved, image) and moved.abs().max() <= 1
            continue
        with pytest.raises(UsageError, match=r"--set model.direction=both") as error:
            model.age(image, ages, torch.full((2, 1), target)).squeeze(1)
        assert "\n" not in str(error.value) and f"{direction} only" in str(error.value)
        assert torch.equal(judged(model).translate(image, torch.full((2,), target)), image)


def test_all_ages_of_a_face_come_in_one_call():
    model, faces = build(direction="both"), torch.rand(3, 3, 32, 32)
    source, target = torch.tensor([0, 2, 5]), torch.tensor([[0, 1, 5], [1, 2, 4], [5, 0, 3]])
    found = model.age(faces, torch.tensor([5.0, 35.0, 70.0]), target)
    assert found.shape == (3, 3, 3, 32, 32)
    for column in range(3):
        alone = model.move(faces, source, target[:, column]).clamp(-1, 1)
        assert torch.allclose(found[:, column], alone, atol=1e-5)


def test_rejuvenation_is_the_reversed_model():
    model, image = build(direction="rejuvenation"), torch.rand(1, 3, 32, 32)
    hop = model.rejuvenation.hops
    by_hand = image + hop[0](image)  # 60+ to 50-59
    by_hand = by_hand + hop[1](by_hand)
    moved = model.move(image, torch.tensor([5]), torch.tensor([3]))
    assert torch.allclose(moved, by_hand, atol=1e-6)


def test_the_judge_supplies_a_missing_age():
    model = judged(build(direction="both"))
    dark, light = torch.full((1, 3, 32, 32), -0.9), torch.full((1, 3, 32, 32), 0.9)
    faces, target = torch.cat([dark, light]), torch.tensor([5, 0])
    assert model.source(faces, None).tolist() == [0, 5]
    known = model.age(faces, torch.tensor([5.0, 95.0]), target[:, None])
    assert torch.equal(model.age(faces, None, target[:, None]), known)
    assert torch.allclose(model.translate(faces, target), known.squeeze(1), atol=1e-5)
    with pytest.raises(UsageError, match="--from AGE"):
        build().age(faces, None, target[:, None])


# --- losses ---------------------------------------------------------------------------------------


def test_a_groups_probability_is_the_sum_over_its_ages():
    logits = torch.randn(4, 101)
    p = logits.softmax(1)
    parts = [(0, 18), (19, 29), (30, 39), (40, 49), (50, 59), (60, 100)]
    by_hand = torch.stack([p[:, low : high + 1].sum(1) for low, high in parts], 1)
    assert torch.allclose(group_logits(logits, REPORT_GROUPS).exp(), by_hand, atol=1e-6)
    assert torch.allclose(expected_age(logits), (p * torch.arange(101)).sum(1), atol=1e-4)


@pytest.mark.parametrize("embedding", [0.0, 1.5])
def test_every_term_is_logged_and_the_weights_add_them_up(embedding):
    weights = {
        "adversarial": 3.0,
        "age": 0.5,
        "identity": 0.7,
        "feature": 2.0,
        "embedding": embedding,
    }
    worker = trainer(steps=2, alpha=0.25, weights=weights, head=0)
    while worker.round < 2:
        worker.play(worker.plan.at(worker.round))
    got = worker.log.means(worker.world)
    terms = {k[2:]: v for k, v in got.items() if k.startswith("g_")}
    del terms["grad"]  # the norm of G's gradient, which the Trainer logs
    known = {"adversarial", "years", "group", "pixel", "ssim", "feature"}
    assert set(terms) == known | ({"embedding"} if embedding else set())
    identity = 0.75 * terms["pixel"] + 0.25 * terms["ssim"] + 2.0 * terms["feature"]
    identity += embedding * terms.get("embedding", 0.0)
    age = terms["years"] + terms["group"]
    assert got["g"] == pytest.approx(
        3 * terms["adversarial"] + 0.5 * age + 0.7 * identity, rel=1e-4
    )


def test_the_adversarial_loss_has_the_papers_half():
    model = build()
    real, fake = torch.full((2, 1, 14, 14), 0.5), torch.full((2, 1, 14, 14), 0.25)
    assert model.adversarial.d(real, fake).item() == pytest.approx((0.25 + 0.0625) / 2)
    assert model.adversarial.g(fake).item() == pytest.approx(0.5625 / 2)


def test_the_age_term_pulls_towards_the_target_group():
    model = judged(build())
    image = torch.full((6, 3, 32, 32), -0.5, requires_grad=True)  # 25 years old
    terms = model.age_terms(image, torch.arange(6))
    terms["years"].backward()
    pull = -image.grad.mean((1, 2, 3)).sign()
    assert pull.tolist() == [-1, -1, 1, 1, 1, 1]
    assert terms["years"].item() == pytest.approx(
        sum((25 - mean) ** 2 for mean in MEANS) / 6, rel=0.02
    )


# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "precision"), [("ageing", "fp32"), ("both", "bf16")])
def test_a_resumed_run_has_the_same_bits(tmp_path, direction, precision):
    whole = trainer(direction=direction, precision=precision)
    whole.run(tmp_path / "whole")
    first = trainer(direction=direction, precision=precision)
    while first.round < 2:
        first.play(first.plan.at(first.round))
    first.save(tmp_path / "part")
    second = trainer(direction=direction, precision=precision)
    second.restore(tmp_path / "part")
    second.run(tmp_path / "part")
    one, other = whole.state(), second.state()
    assert set(one) == set(other) and not any("judge" in name for name in one)
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_run_draws_strips_and_its_weights_age_a_face(tmp_path):
    options = {"data": {"name": "shapes", "count": 32, "size": 32}}
    options["train"] = {"batch": 6, "device": "cpu", "precision": "fp32", "sample_every": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        asked = PFAConfig(groups=PAPER_GROUPS, direction="both", width=4)
        model = judged(PFAGAN(asked, shapes(32, PAPER_GROUPS).info))
    run = train(model, options=options, steps=2, out=tmp_path / "run", quiet=True)
    with Image.open(run.path / "samples" / "00000002.png") as strips:  # input and four groups
        assert strips.width > 5 * 96 and strips.height > 8 * 96
    again = load(run.path, device="cpu", model=ObjectPFAGAN)
    assert {name.split(".")[0] for name in again.state_dict()} == {"ageing", "rejuvenation"}
    faces, ages = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([20.0, 60.0])
    target = torch.tensor([[1, 3], [2, 0]])
    one, other = (m.age(faces, ages, target) for m in (again, run.model))
    assert torch.allclose(one, other, atol=1e-3)  # another memory format, another order of sums


class ObjectPFAGAN(PFAGAN):
    Config = PFAConfig


def test_d_learns_alone_at_first():
    worker = trainer(head=2)
    before = {name: value.clone() for name, value in worker.model.state_dict().items()}

    def moved():
        now = worker.model.state_dict()
        return {k.split(".")[0] for k, v in now.items() if not torch.equal(v, before[k])}

    for _ in range(2):
        worker.play(worker.plan.at(worker.round))
    assert moved() == {"discriminator"}
    worker.play(worker.plan.at(worker.round))
    assert moved() == {"discriminator", "ageing"}


def test_with_mismatch_d_is_shown_the_sources_too():
    worker = trainer(steps=1, mismatch=True)
    losses = worker.model.adversarial = LeastSquares()
    judge, shown = worker.model.discriminator, []
    judge.register_forward_pre_hook(lambda net, args: shown.append(args))
    losses.d = lambda real, fake: (shown.append(len(fake)), LeastSquares.d(losses, real, fake))[1]
    worker.play(worker.plan.at(0))
    real, fake, wrong, negatives = shown[:4]
    assert negatives == len(fake[0]) + len(wrong[0])
    assert torch.equal(wrong[0], fake[0])  # nothing has aged at the start
    assert torch.equal(wrong[1], real[1]) and not torch.equal(wrong[0], real[0])


def test_each_d_step_has_a_batch_of_its_own():
    worker, seen = trainer(steps=1, d_steps=3), []
    losses = worker.model.adversarial = LeastSquares()
    losses.d = lambda real, fake: (seen.append(real), LeastSquares.d(losses, real, fake))[1]
    worker.play(worker.plan.at(0))
    assert len(seen) == 3
    assert not torch.equal(seen[0], seen[1])


def test_the_judges_get_no_gradient_and_stay():
    worker = trainer(steps=1, head=0)
    judge = worker.model.judges["identity"].module
    before = judge.layers[0].weight.clone()
    worker.play(worker.plan.at(0))
    weight = judge.layers[0].weight
    assert weight.grad is None and torch.equal(weight, before)
