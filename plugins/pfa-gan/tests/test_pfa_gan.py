"""PFA-GAN against its paper: parameter counts, gates, both directions, losses, resume."""

from collections import Counter

import pytest
import torch
from ganzoo_face_aging.auxiliary_losses import group_log_probs
from ganzoo_face_aging.capabilities import SupportsAgeEditing
from ganzoo_face_aging.testing import StubAgeEstimator
from ganzoo_pfa_gan.config import PAPER_AGE_BINS, REPORT_AGE_BINS, TUNED, PFAGANConfig
from ganzoo_pfa_gan.model import PFAGAN
from PIL import Image
from torch import nn
from training_helpers import make_trainer, num_params, run_steps

from ganzoo_core import config, load, train
from ganzoo_core.data import age_bin_names, pack_images
from ganzoo_core.data.samplers import GroupPairSampler
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import Auxiliaries, DataInfo, SupportsTranslation
from ganzoo_core.losses import LeastSquares
from ganzoo_core.testing.shapes import Shapes, ShapesConfig

MEAN_AGES = (9.0, 24.0, 34.5, 44.5, 54.5, 70.0)
SMALL_OPTIONS = {"g_channels": 4, "age_bins": REPORT_AGE_BINS}


def make_info(age_bins=REPORT_AGE_BINS, image_size=32, num_channels=3):
    names = age_bin_names(age_bins)
    return DataInfo(
        image_size=image_size,
        num_channels=num_channels,
        class_names=names,
        age_bins=age_bins,
        class_counts=(1,) * len(names),
        class_mean_ages=MEAN_AGES[: len(names)],
    )


def build(age_bins=REPORT_AGE_BINS, image_size=32, num_channels=3, **options):
    torch.manual_seed(0)
    config = PFAGANConfig(age_bins=age_bins, **{"g_channels": 4, **options})
    return PFAGAN(config, make_info(age_bins, image_size, num_channels))


class BrightnessAge(StubAgeEstimator):
    """Estimates brightness as age: black is 0, white is 100."""

    def age_logits(self, image):
        years = 50 * (image.mean((1, 2, 3)) + 1)
        return -((torch.arange(101.0) - years[:, None]) ** 2) / 50


def with_auxiliaries(model):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model.auxiliaries = Auxiliaries({"identity": BrightnessAge(), "age": BrightnessAge()})
    return model


def make_shapes(count=48, age_bins=REPORT_AGE_BINS):
    dataset = Shapes(ShapesConfig(name="shapes", count=count, image_size=32, num_identities=8))
    return pack_images(dataset, image_size=32, age_bins=age_bins)


def make_pfa_trainer(images=None, precision="fp32", steps=4, **options):
    images = images or make_shapes()
    tree = config.build_config(
        "pfa-gan", preset="smoke", patches=[{"model": {"g_channels": 4, **options}}]
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = with_auxiliaries(PFAGAN(tree.model, images.info))
    return make_trainer(
        PFAGAN, model=model, images=images, precision=precision, steps=steps, log_every=2
    )


# --- the paper's networks -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_bins", "g_params", "d_params"),
    [(PAPER_AGE_BINS, 4_572_681, 671_169), (REPORT_AGE_BINS, 7_621_135, 675_265)],
)
def test_paper_parameter_counts(age_bins, g_params, d_params):
    model = build(age_bins, 64, g_channels=32)
    assert {num_params(net) for net in model.generator.aging.sub_generators} == {1_524_227}
    assert num_params(model.generator.aging) == g_params
    assert num_params(model.discriminator) == d_params


@pytest.mark.parametrize(("image_size", "d_params"), [(128, 2_772_929), (256, 6_967_745)])
def test_paper_discriminator_parameter_counts(image_size, d_params):
    assert num_params(build(PAPER_AGE_BINS, image_size).discriminator) == d_params


@pytest.mark.parametrize("image_size", [32, 64, 128, 256])
def test_discriminator_has_14_by_14_logits_and_spectral_norm(image_size):
    net = build(PAPER_AGE_BINS, image_size).discriminator
    images, label = torch.zeros(2, 3, image_size, image_size), torch.tensor([0, 3])
    with torch.no_grad():
        first, second = net(images, label)
    assert first.shape == (1, 14, 14) and not torch.equal(first, second)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    has_spectral_norm = [hasattr(conv, "parametrizations") for conv in convs]
    assert has_spectral_norm == [False, *[True] * (len(convs) - 2), False]
    assert [c.stride[0] for c in convs[-2:]] == [1, 1] and all(c.stride[0] == 2 for c in convs[:-2])


# --- gates ----------------------------------------------------------------------------------------


def forward_all_gated(net, image, source, target):
    """Run every sub-network on every row and multiply by its gate, as in the public code."""
    for i, sub_generator in enumerate(net.sub_generators):
        gate = ((source <= i) & (i < target)).float()[:, None, None, None]
        image = image + gate * sub_generator(image)
    return image


def record_batch_sizes(net):
    batch_sizes = []
    for sub_generator in net.sub_generators:
        sub_generator.register_forward_hook(lambda m, i, out: batch_sizes.append(len(out)))
    return batch_sizes


def test_skipping_closed_gates_matches_multiplied_gates():
    net, image = build().generator.aging, torch.rand(36, 3, 32, 32) * 2 - 1
    groups = torch.arange(6)
    source, target = (g.flatten() for g in torch.meshgrid(groups, groups, indexing="ij"))
    batch_sizes = record_batch_sizes(net)
    aged = net(image, source, target)
    assert batch_sizes == [(i + 1) * (5 - i) for i in range(5)]
    with torch.no_grad():
        assert torch.allclose(aged, forward_all_gated(net, image, source, target), atol=1e-4)
    is_equal = torch.stack([torch.eq(a, b).all() for a, b in zip(aged, image, strict=True)])
    assert torch.equal(is_equal, target <= source)


def test_skipping_closed_gates_matches_multiplied_gradients():
    net, image = build().generator.aging, torch.rand(3, 3, 32, 32)
    source, target = torch.tensor([0, 2, 4]), torch.tensor([3, 4, 2])
    grads = []
    for forward in (net, lambda *args: forward_all_gated(net, *args)):
        net.zero_grad()
        forward(image, source, target).square().mean().backward()
        grads.append([p.grad.clone() for p in net.sub_generators[:4].parameters()])
        last_grads = [p.grad for p in net.sub_generators[4].parameters()]
        assert all(grad is None or not grad.any() for grad in last_grads)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*grads, strict=True))


def test_forward_all_groups_matches_single_transitions():
    net, image = build().generator.aging, torch.rand(4, 3, 32, 32)
    source = torch.tensor([0, 2, 5, 0])
    batch_sizes = record_batch_sizes(net)
    aged = net.forward_all_groups(image, source)
    assert batch_sizes == [2, 2, 3, 3, 3] and aged.shape == (6, 4, 3, 32, 32)
    for group in range(6):
        expected = net(image, source, torch.full_like(source, group))
        assert torch.allclose(aged[group], expected, atol=1e-5)


def test_zero_last_conv_init_is_the_identity():
    model, image = build(last_conv_init_std=0.0), torch.rand(2, 3, 32, 32) * 2 - 1
    zero, five = torch.zeros(2).long(), torch.full((2,), 5)
    assert torch.equal(model.generator(image, zero, five), image)
    assert not torch.equal(build().generator(image, zero, five), image)


# --- pairs and directions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "is_allowed"),
    [("aging", int.__lt__), ("rejuvenation", int.__gt__), ("both", int.__ne__)],
)
def test_group_pairs_are_sampled_evenly(direction, is_allowed):
    images = make_shapes()
    (stage,) = build(direction=direction).stages()
    sampler, counts = GroupPairSampler(images, stage.batch, 0, "gan"), Counter()
    for draw in range(5):
        source, target = (images.label[half].tolist() for half in sampler(draw, 24))
        counts.update(zip(source, target, strict=True))
    assert set(counts) == {(s, t) for s in range(6) for t in range(6) if is_allowed(s, t)}
    assert len(set(counts.values())) == 1


def test_empty_age_bins_raise_before_training():
    age_bins = (18, 29, 85)
    with pytest.raises(DataError, match=r"86\+"):
        make_pfa_trainer(make_shapes(age_bins=age_bins), age_bins=age_bins)


@pytest.mark.parametrize("direction", ["aging", "rejuvenation", "both"])
def test_supported_directions(direction):
    model = build(direction=direction)
    assert isinstance(model, SupportsAgeEditing) and isinstance(model, SupportsTranslation)
    image, ages = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([29.9, 30.0])
    own_group = torch.tensor([[20.0], [39.9]])
    assert torch.equal(model.edit_age(image, ages, own_group).squeeze(1), image)
    for name, target, years in (("aging", 5, 70.0), ("rejuvenation", 0, 5.0)):
        if direction in (name, "both"):
            aged = model.edit_age(image, ages, torch.full((2, 1), years)).squeeze(1)
            assert not torch.equal(aged, image) and aged.abs().max() <= 1
            continue
        with pytest.raises(UsageError, match=r"--set model\.direction=both") as error:
            model.edit_age(image, ages, torch.full((2, 1), years))
        assert "\n" not in str(error.value) and f"{direction} only" in str(error.value)
        translated = with_auxiliaries(model).translate(image, torch.full((2,), target))
        assert torch.equal(translated, image)


def test_edit_age_matches_single_transitions():
    model, faces = build(direction="both"), torch.rand(3, 3, 32, 32)
    source, target = torch.tensor([0, 2, 5]), torch.tensor([[0, 1, 5], [1, 2, 4], [5, 0, 3]])
    target_age = torch.tensor([5.0, 25.0, 35.0, 45.0, 55.0, 65.0])[target]
    aged = model.edit_age(faces, torch.tensor([5.0, 35.0, 70.0]), target_age)
    assert aged.shape == (3, 3, 3, 32, 32)
    for column in range(3):
        expected = model.generator(faces, source, target[:, column]).clamp(-1, 1)
        assert torch.allclose(aged[:, column], expected, atol=1e-5)


def test_rejuvenation_is_the_reversed_model():
    model, image = build(direction="rejuvenation"), torch.rand(1, 3, 32, 32)
    sub_generators = model.generator.rejuvenation.sub_generators
    expected = image + sub_generators[0](image)  # 60+ to 50-59
    expected = expected + sub_generators[1](expected)
    younger = model.generator(image, torch.tensor([5]), torch.tensor([3]))
    assert torch.allclose(younger, expected, atol=1e-6)


def test_missing_source_age_is_estimated():
    model = with_auxiliaries(build(direction="both"))
    dark, light = torch.full((1, 3, 32, 32), -0.9), torch.full((1, 3, 32, 32), 0.9)
    faces, target = torch.cat([dark, light]), torch.tensor([5, 0])
    assert model.source_group(faces, None).tolist() == [0, 5]
    target_age = torch.tensor([[70.0], [5.0]])
    aged = model.edit_age(faces, torch.tensor([5.0, 95.0]), target_age)
    assert torch.equal(model.edit_age(faces, None, target_age), aged)
    assert torch.allclose(model.translate(faces, target), aged.squeeze(1), atol=1e-5)
    with pytest.raises(UsageError, match="--from AGE"):
        build().edit_age(faces, None, target_age)


# --- losses ---------------------------------------------------------------------------------------


def test_group_probability_is_the_sum_over_its_ages():
    logits = torch.randn(4, 101)
    p = logits.softmax(1)
    ranges = [(0, 18), (19, 29), (30, 39), (40, 49), (50, 59), (60, 100)]
    expected = torch.stack([p[:, low : high + 1].sum(1) for low, high in ranges], 1)
    assert torch.allclose(group_log_probs(logits, REPORT_AGE_BINS).exp(), expected, atol=1e-6)


@pytest.mark.parametrize("embedding", [0.0, 1.5])
def test_generator_loss_is_the_weighted_sum_of_logged_terms(embedding):
    weights = {
        "adversarial": 3.0,
        "age": 0.5,
        "identity": 0.7,
        "feature": 2.0,
        "embedding": embedding,
    }
    trainer = make_pfa_trainer(steps=2, ssim_weight=0.25, loss_weights=weights, d_warmup_steps=0)
    run_steps(trainer, 2)
    logged = trainer.log.means(trainer.world)
    terms = {k.removeprefix("loss/g_"): v for k, v in logged.items() if k.startswith("loss/g_")}
    names = {"adversarial", "age_mse", "age_ce", "pixel", "ssim", "feature"}
    assert set(terms) == names | ({"embedding"} if embedding else set())
    identity = 0.75 * terms["pixel"] + 0.25 * terms["ssim"] + 2.0 * terms["feature"]
    identity += embedding * terms.get("embedding", 0.0)
    age = terms["age_mse"] + terms["age_ce"]
    expected = 3 * terms["adversarial"] + 0.5 * age + 0.7 * identity
    assert logged["loss/g"] == pytest.approx(expected, rel=1e-4)


def test_adversarial_loss_is_halved():
    loss = build().adversarial_loss
    real, fake = torch.full((2, 1, 14, 14), 0.5), torch.full((2, 1, 14, 14), 0.25)
    assert loss.discriminator_loss(real, fake).item() == pytest.approx((0.25 + 0.0625) / 2)
    assert loss.generator_loss(fake).item() == pytest.approx(0.5625 / 2)


def test_age_loss_gradient_points_to_the_target_age():
    model = with_auxiliaries(build())
    image = torch.full((6, 3, 32, 32), -0.5, requires_grad=True)  # 25 years old
    terms = model.age_losses(image, torch.arange(6))
    terms["age_mse"].backward()
    direction = -image.grad.mean((1, 2, 3)).sign()
    assert direction.tolist() == [-1, -1, 1, 1, 1, 1]
    expected = sum((25 - mean) ** 2 for mean in MEAN_AGES) / 6
    assert terms["age_mse"].item() == pytest.approx(expected, rel=0.02)


# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "precision"), [("aging", "fp32"), ("both", "bf16")])
def test_resume_is_bit_exact(tmp_path, direction, precision):
    uninterrupted = make_pfa_trainer(direction=direction, precision=precision)
    uninterrupted.run(tmp_path / "uninterrupted")
    interrupted = make_pfa_trainer(direction=direction, precision=precision)
    run_steps(interrupted, 2)
    interrupted.save(tmp_path / "interrupted")
    resumed = make_pfa_trainer(direction=direction, precision=precision)
    resumed.restore(tmp_path / "interrupted")
    resumed.run(tmp_path / "interrupted")
    expected, state = uninterrupted.state_dict(), resumed.state_dict()
    assert set(expected) == set(state)
    assert not any("auxiliar" in name or "age_head" in name for name in state)
    assert [name for name in state if not torch.equal(state[name], expected[name])] == []


def test_run_saves_strips_and_loadable_weights(tmp_path):
    options = {"data": {"name": "shapes", "count": 32, "image_size": 32}}
    options["train"] = {"batch_size": 6, "device": "cpu", "precision": "fp32", "sample_every": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = PFAGANConfig(age_bins=PAPER_AGE_BINS, direction="both", g_channels=4)
        model = with_auxiliaries(PFAGAN(config, make_shapes(32, PAPER_AGE_BINS).info))
    run = train(model, options=options, steps=2, out=tmp_path / "run", quiet=True)
    with Image.open(run.path / "samples" / "00000002.png") as strips:  # input and four groups
        assert strips.width > 5 * 96 and strips.height > 8 * 96
    loaded = load(run.path, device="cpu", model=PFAGANWithConfig)
    assert {name.split(".")[0] for name in loaded.state_dict()} == {"generator"}
    faces, ages = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([20.0, 60.0])
    target_age = torch.tensor([[35.0, 60.0], [45.0, 10.0]])
    aged, expected = (m.edit_age(faces, ages, target_age) for m in (loaded, run.model))
    assert torch.allclose(aged, expected, atol=1e-3)  # another memory format, another sum order


class PFAGANWithConfig(PFAGAN):
    Config = PFAGANConfig


def test_d_warmup_steps():
    trainer = make_pfa_trainer(d_warmup_steps=2)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}

    def changed_networks():
        state = trainer.model.state_dict()
        return {k.split(".")[0] for k, v in state.items() if not torch.equal(v, before[k])}

    run_steps(trainer, 2)
    assert changed_networks() == {"discriminator"}
    run_steps(trainer)
    assert changed_networks() == {"discriminator", "generator"}


def test_source_as_negative():
    trainer, d_inputs = make_pfa_trainer(steps=1, source_as_negative=True), []
    d_losses = record_d_losses(trainer.model)
    trainer.model.discriminator.register_forward_pre_hook(lambda net, args: d_inputs.append(args))
    run_steps(trainer)
    (real_images, _), (fake_images, fake_label), (source_images, source_label) = d_inputs[:3]
    _, fake_logits = d_losses[0]
    assert len(fake_logits) == len(fake_images) + len(source_images)
    assert torch.equal(source_images, fake_images)  # the initial sub-networks return their input
    assert torch.equal(source_label, fake_label) and not torch.equal(source_images, real_images)


def test_d_receives_real_faces_of_all_groups_equally():
    images, d_inputs = make_shapes(), []
    trainer = make_pfa_trainer(images, steps=45, d_warmup_steps=45)
    trainer.model.discriminator.register_forward_pre_hook(lambda net, args: d_inputs.append(args))
    run_steps(trainer, 45)
    real_images, real_labels = (torch.cat(column) for column in zip(*d_inputs[::2], strict=True))
    counts = real_labels.bincount(minlength=6).tolist()
    assert sum(counts) == 360 and all(45 <= count <= 75 for count in counts)  # 60 in the mean
    for image, label in zip(real_images[:40], real_labels[:40], strict=True):
        faces = images.pixels[images.label == label] / 127.5 - 1
        assert (faces - image).abs().amax((1, 2, 3)).min() < 1e-4


def test_pixels_out_of_range_recover():
    """With clipping before D, L1 and SSIM they have no gradient, and 9 in 10 are still outside."""
    images = make_shapes(age_bins=(40,))
    options = {"last_conv_init_std": 0.02, "g_channels": 16, "optim_g": {"lr": 1e-3}}
    options |= {"age_bins": (40,), "loss_weights": TUNED["loss_weights"]}
    trainer = make_pfa_trainer(images, steps=60, **options)
    (sub_generator,) = trainer.model.generator.aging.sub_generators
    nn.init.constant_(sub_generator.layers[-1].bias, 4.0)
    faces, zero = images.pixels[:16] / 127.5 - 1, torch.zeros(16).long()

    def share_out_of_range():
        with torch.no_grad():
            return (trainer.model.generator(faces, zero, zero + 1).abs() > 1).float().mean()

    assert share_out_of_range() == 1
    run_steps(trainer, 60)
    assert share_out_of_range() < 0.1


def test_each_d_update_has_its_own_batch():
    trainer = make_pfa_trainer(steps=1, d_updates=3)
    d_losses = record_d_losses(trainer.model)
    run_steps(trainer)
    assert len(d_losses) == 3
    assert not torch.equal(d_losses[0][0], d_losses[1][0])


def record_d_losses(model):
    """Return a list that receives the (real, fake) logits of each discriminator loss."""
    calls = []

    class RecordingLoss(LeastSquares):
        def discriminator_loss(self, real_logits, fake_logits):
            calls.append((real_logits, fake_logits))
            return super().discriminator_loss(real_logits, fake_logits)

    model.adversarial_loss = RecordingLoss()
    return calls


def test_auxiliaries_get_no_gradient():
    trainer = make_pfa_trainer(steps=1, d_warmup_steps=0)
    identity_network = trainer.model.auxiliaries["identity"].module
    before = identity_network.layers[0].weight.clone()
    run_steps(trainer)
    weight = identity_network.layers[0].weight
    assert weight.grad is None and torch.equal(weight, before)
