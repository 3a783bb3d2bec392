"""Age-cGAN: parameter counts, exact resume in both stages, latent optimization, aging."""

import math

import pytest
import torch
from ganzoo_age_cgan.config import AgeCGANConfig
from ganzoo_age_cgan.model import AgeCGAN
from ganzoo_face_aging.capabilities import SupportsAgeEditing
from training_helpers import differing_keys, make_images, make_trainer, num_params, write_utkface

import ganzoo_core as gz
from ganzoo_core.config.losses import parse_loss
from ganzoo_core.files import load_tensors
from ganzoo_core.interfaces import Auxiliaries
from ganzoo_core.testing.stubs import StubAuxiliary
from ganzoo_core.training.dry_run import planned_stages

AGE_BINS = (18, 29, 39, 49, 59)
SMALL_CONFIG = AgeCGANConfig(
    age_bins=AGE_BINS,
    base_channels=8,
    latent_dim=16,
    encoder_pairs=24,
    inversion_steps=8,
    optim_d=gz.Adam(lr=1e-3),
    optim_g=gz.Adam(lr=1e-3),
    optim_e=gz.Adam(lr=1e-3),
    ema_halflife_images=50.0,
)


@pytest.fixture(scope="module")
def images():
    return make_images(num_images=40, image_size=32, age_bins=AGE_BINS)


def build_model(info, config=SMALL_CONFIG):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AgeCGAN(config, info)
        model.auxiliaries = Auxiliaries({"identity": StubAuxiliary()})
    return model


def test_paper_networks():
    info = gz.DataInfo(
        image_size=64, class_names=tuple("abcdef"), class_counts=(1,) * 6, age_bins=AGE_BINS
    )
    model = AgeCGAN(AgeCGANConfig(), info)
    assert num_params(model.generator) == 3_625_856  # 100 + 6 -> 512 256 128 64 -> 3
    assert num_params(model.discriminator) == 2_777_856  # 64 maps and 6 label maps
    kernels = [m.kernel_size for m in model.encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    linears = [m for m in model.encoder.modules() if isinstance(m, torch.nn.Linear)]
    assert kernels == [(5, 5)] * 4 and len(linears) == 2
    image = model.generator(torch.zeros(2, 100), torch.zeros(2))
    assert image.shape == (2, 3, 64, 64) and model.encoder(image).shape == (2, 100)


def test_layer_norm_makes_logits_independent_of_the_batch():
    info = gz.DataInfo(
        image_size=32, class_names=tuple("abcdef"), class_counts=(1,) * 6, age_bins=AGE_BINS
    )
    image, label = torch.randn(4, 3, 32, 32), torch.arange(4)
    for norm, is_independent in (("layer", True), ("batch", False)):
        config = SMALL_CONFIG.model_copy(update={"discriminator": gz.NormConfig(norm=norm)})
        d = build_model(info, config).discriminator.train()
        logits, first_two = d(image, label)[:2], d(image[:2], label[:2])
        assert torch.allclose(logits, first_two, atol=1e-5) == is_independent


@pytest.mark.parametrize("image_size", [16, 48, 100])
def test_unsupported_sizes_raise(image_size):
    info = gz.DataInfo(image_size=image_size, class_names=("a",), class_counts=(1,))
    with pytest.raises(ValueError, match=r"data\.image_size=64"):
        AgeCGAN(SMALL_CONFIG, info)


def test_each_stage_resumes_bit_exact(images, tmp_path):
    def fresh_options():
        return {"model": build_model(images.info), "images": images, "gan": {"steps": 3}}

    uninterrupted = make_trainer(AgeCGAN, **fresh_options())
    uninterrupted.run(tmp_path / "uninterrupted")
    assert uninterrupted.step == 3 + 3  # 24 pairs in batches of 8
    for stop_step in (2, 4):  # in stage gan, in stage encoder
        folder = tmp_path / str(stop_step)
        make_trainer(AgeCGAN, **fresh_options(), steps=stop_step).run(folder)
        resumed = make_trainer(AgeCGAN, **fresh_options())
        resumed.restore(folder)
        resumed.run(folder)
        assert differing_keys(uninterrupted.state_dict(), resumed.state_dict()) == []


def train_run(out, **train_options):
    options = {
        "data": {"count": 48, "image_size": 32},
        "train": {
            "gan": {"steps": 4},
            "encoder": {"steps": 4},
            "batch_size": 8,
            "device": "cpu",
            "precision": "fp32",
        },
    }
    steps = train_options.pop("steps", None)
    options = gz.config.merge(options, {"train": train_options})
    return gz.train("age-cgan", preset="smoke", options=options, out=out, steps=steps, quiet=True)


def load_weights(run, file="weights/model"):
    return load_tensors(run.path / f"{file}.safetensors")[0]


@pytest.mark.parametrize(
    ("skipped", "unchanged_net", "trained_net"),
    [("gan", "generator", "encoder"), ("encoder", "encoder", "generator")],
)
def test_stage_with_zero_steps_is_skipped(skipped, unchanged_net, trained_net, tmp_path):
    first = train_run(tmp_path / "first", seed=1)
    train_options = {"init_from": str(first.path), skipped: {"steps": 0}}
    run = train_run(tmp_path / "run", **train_options)
    assert run.steps == 4
    changed = set(differing_keys(load_weights(first), load_weights(run)))
    assert not any(name.startswith(f"{unchanged_net}.") for name in changed)
    parameters = getattr(run.model, trained_net).named_parameters()
    assert {f"{trained_net}.{name}" for name, _ in parameters} <= changed
    train_run(tmp_path / "interrupted", **train_options, steps=2)
    resumed = gz.resume(tmp_path / "interrupted", steps=4, quiet=True)
    for file in ("checkpoints/00000004", "weights/model"):
        assert differing_keys(load_weights(run, file), load_weights(resumed, file)) == []


@pytest.mark.parametrize("kind", ["lsgan", "relativistic"])
def test_losses_stay_finite(kind, images, tmp_path):
    model = build_model(images.info, SMALL_CONFIG.model_copy(update={"loss": parse_loss(kind)}))
    trainer = make_trainer(
        AgeCGAN, model=model, images=images, gan={"steps": 10}, steps=10, log_every=1
    )
    trainer.run(tmp_path)
    records = trainer.callback.records
    assert len(records) == 10
    assert all(math.isfinite(r[key]) for r in records for key in ("loss/d", "loss/g"))


def test_encoder_stage_uses_averaged_generator(images, tmp_path):
    def fresh_options():
        return {"model": build_model(images.info), "images": images, "gan": {"steps": 2}}

    gan_trainer = make_trainer(AgeCGAN, **fresh_options(), steps=2)
    gan_trainer.run(tmp_path)
    trainer = make_trainer(AgeCGAN, **fresh_options())
    trainer.restore(tmp_path)
    averaged = {k: v.clone() for k, v in trainer.ema_model().generator.state_dict().items()}
    trainer.run(tmp_path)
    assert differing_keys(averaged, trainer.model.generator.state_dict()) == []
    before, after = (dict(t.model.encoder.named_parameters()) for t in (gan_trainer, trainer))
    assert len(differing_keys(before, after)) == len(after)


@pytest.mark.parametrize("objective", ["identity", "pixels", "both"])
def test_inversion_of_each_face_is_independent(images, objective):
    model = build_model(images.info).eval()
    label = torch.tensor([0, 1, 2, 3, 4, 5])
    true_z = torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        faces = model.generator(true_z, label)
    batch = model.invert(faces, label, objective=objective)
    objective_fn = model.make_objective(faces, label, objective)
    initial_value, value = objective_fn(batch.initial_z, torch.arange(6)), batch.objective_value
    assert (value <= initial_value).all() and value.mean() < 0.7 * initial_value.mean()
    assert batch.is_finite.all()
    assert torch.allclose(objective_fn(batch.z, torch.arange(6)), value, atol=1e-6)
    for i in (0, 3):
        single = model.invert(faces[i : i + 1], label[i : i + 1], objective=objective)
        assert torch.allclose(single.objective_value, value[i], atol=1e-3)


def test_nonfinite_face_keeps_initial_latent(images):
    model = build_model(images.info).eval()
    faces = torch.rand(3, 3, 32, 32)
    faces[1] = torch.nan
    inversion = model.invert(faces, torch.zeros(3, dtype=torch.int64), objective="pixels")
    assert inversion.is_finite.tolist() == [True, False, True]
    assert inversion.z[[0, 2]].isfinite().all() and inversion.num_steps[1] == 0


def test_edit_age_uses_one_latent_for_all_targets(images):
    model = build_model(images.info).eval()
    assert isinstance(model, SupportsAgeEditing)
    faces, age = torch.rand(2, 3, 32, 32), torch.tensor([18.9, 60.0])
    target_age = torch.tensor([5.0, 25.0, 35.0, 45.0, 55.0, 65.0]).expand(2, -1)
    calls = []
    aged = model.edit_age(faces, age, target_age, progress=lambda *args: calls.append(args))
    assert aged.shape == (2, 6, 3, 32, 32) and aged.abs().max() <= 1
    assert calls[-1] == (16, 16) and calls == sorted(calls)  # 2 faces, 8 steps
    label = model.age_to_label(age)
    with torch.no_grad():
        reconstruction = model.generator(model.invert(faces, label).z, label)
    assert torch.allclose(aged[0, 0], reconstruction[0], atol=1e-5)
    assert torch.allclose(aged[1, 5], reconstruction[1], atol=1e-5)
    assert not torch.allclose(aged[0, 0], aged[0, 5], atol=1e-3)


def test_age_bin_edges_are_inclusive(images):
    ages = torch.tensor([0.0, 18.0, 18.9, 19.0, 59.9, 60.0, 90.0])
    assert build_model(images.info).age_to_label(ages).tolist() == [0, 0, 0, 1, 4, 5, 5]


def test_nonfinite_inversion_warns(images):
    model = build_model(images.info).eval()
    faces = torch.rand(3, 3, 32, 32)
    faces[1] = torch.nan
    with pytest.warns(UserWarning, match="1 of 3 faces"):
        aged = model.edit_age(faces, torch.tensor([10.0, 30.0, 70.0]), torch.zeros(3, 1))
    assert aged.isfinite().all()


def test_identity_network_defines_input_size_and_scale(images):
    class IdentityNetwork(StubAuxiliary):  # converts to 24 px in [0, 255] itself
        input_size = 24

        def embed(self, image):
            image = torch.nn.functional.interpolate(image, (24, 24), mode="bilinear")
            inputs.append((image.shape[-1], float(image.detach().max())))
            return super().embed((image + 1) * 127.5)

    inputs, model = [], build_model(images.info).eval()
    model.auxiliaries = Auxiliaries({"identity": IdentityNetwork()})
    inversion = model.invert(torch.rand(2, 3, 32, 32), torch.tensor([0, 5]), objective="both")
    assert inversion.is_finite.all() and {size for size, _ in inputs} == {24}
    assert all(maximum <= 1 for _, maximum in inputs)  # the model passes images in [-1, 1]


def test_source_age_is_required(images):
    with pytest.raises(ValueError, match="--from AGE"):
        build_model(images.info).edit_age(torch.rand(1, 3, 32, 32), None, torch.zeros(1, 1))


def test_photographs_train_the_identity_network_first(tmp_path):
    write_utkface(tmp_path)
    data = {"data": {"path": str(tmp_path)}}
    tree = gz.config.build_config("age-cgan", preset="utkface-64", patches=[data])
    assert (tree.data.split, tree.data.transform) == ("train", "face-align")
    rows = planned_stages(tree)
    assert [(row["job"], row["stage"]) for row in rows[-2:]] == [
        ("age-cgan", "gan"),
        ("age-cgan", "encoder"),
    ]
    assert [row["job"] for row in rows[:-2]] == ["identity"]
    assert [row["images"] for row in rows[-2:]] == [192_000, 30_016]


def test_d_receives_augmented_images(images, tmp_path):
    config = SMALL_CONFIG.model_copy(update={"augment": "grayscale"})
    model, received = build_model(images.info, config), []
    model.discriminator.register_forward_pre_hook(lambda _, args: received.append(args[0]))
    trainer = make_trainer(AgeCGAN, model=model, images=images, gan={"steps": 1}, steps=1)
    trainer.run(tmp_path)
    assert len(received) == 3  # real and fake images of D's phase, the fakes of G's
    assert all(torch.equal(image[:, :1].expand_as(image), image) for image in received)
