"""Age-cGAN: networks to the paper's layout, exact continuation in both stages, latents found."""

import math

import pytest
import torch
from ganzoo_age_cgan.config import AgeCGANConfig
from ganzoo_age_cgan.model import AgeCGAN
from workbench import differences, drawn, trainer

import ganzoo_core as gz
from ganzoo_core.config.losses import read_loss
from ganzoo_core.files import load_tensors
from ganzoo_core.interfaces import EditsAge, Judges
from ganzoo_core.testing.standins import StandIn

GROUPS = (18, 29, 39, 49, 59)
TINY = AgeCGANConfig(
    groups=GROUPS,
    width=8,
    latent=16,
    pairs=24,
    rounds=8,
    optim_d=gz.Adam(lr=1e-3),
    optim_g=gz.Adam(lr=1e-3),
    optim_e=gz.Adam(lr=1e-3),
    ema=50.0,
)


@pytest.fixture(scope="module")
def images():
    return drawn(40, 32, groups=GROUPS)


def built(info, config=TINY):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AgeCGAN(config, info)
        model.judges = Judges({"identity": StandIn()})
    return model


def count(net):
    return sum(p.numel() for p in net.parameters())


def test_networks_at_the_papers_size():
    info = gz.DataInfo(size=64, classes=tuple("abcdef"), counts=(1,) * 6, groups=GROUPS)
    model = AgeCGAN(AgeCGANConfig(), info)
    assert count(model.generator) == 3_625_856  # (100 + 6) -> 512 256 128 64 -> 3
    assert count(model.discriminator) == 2_777_856  # 64 maps and 6 of the label
    kernels = [m.kernel_size for m in model.encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    linears = [m for m in model.encoder.modules() if isinstance(m, torch.nn.Linear)]
    assert kernels == [(5, 5)] * 4 and len(linears) == 2
    image = model.generator(torch.zeros(2, 100), torch.zeros(2))
    assert image.shape == (2, 3, 64, 64) and model.encoder(image).shape == (2, 100)


def test_a_layer_norm_keeps_the_images_of_a_batch_apart():
    info = gz.DataInfo(size=32, classes=tuple("abcdef"), counts=(1,) * 6, groups=GROUPS)
    image, label = torch.randn(4, 3, 32, 32), torch.arange(4)
    for norm, alone in (("layer", True), ("batch", False)):
        config = TINY.model_copy(update={"discriminator": gz.NormedConfig(norm=norm)})
        d = built(info, config).discriminator.train()
        assert torch.allclose(d(image, label)[:2], d(image[:2], label[:2]), atol=1e-5) == alone


@pytest.mark.parametrize("size", [16, 48, 100])
def test_sizes_it_cannot_draw_are_refused(size):
    with pytest.raises(ValueError, match=r"data\.size=64"):
        AgeCGAN(TINY, gz.DataInfo(size=size, classes=("a",), counts=(1,)))


def test_each_stage_resumes_bit_by_bit(images, tmp_path):
    def fresh():
        return {"model": built(images.info), "images": images, "gan": {"rounds": 3}}

    straight = trainer(AgeCGAN, **fresh())
    straight.run(tmp_path / "straight")
    assert straight.round == 3 + 3  # 24 pairs in batches of 8
    for stop in (2, 4):  # in the GAN, in the encoder
        folder = tmp_path / str(stop)
        worker = trainer(AgeCGAN, **fresh(), steps=stop)
        worker.run(folder)
        again = trainer(AgeCGAN, **fresh())
        again.restore(folder)
        again.run(folder)
        assert differences(straight.state(), again.state()) == []


def trained(out, **more):
    options = {
        "data": {"count": 48, "size": 32},
        "train": {
            "gan": {"rounds": 4},
            "encoder": {"rounds": 4},
            "batch": 8,
            "device": "cpu",
            "precision": "fp32",
        },
    }
    steps = more.pop("steps", None)
    options = gz.config.merge(options, {"train": more})
    return gz.train("age-cgan", preset="tiny", options=options, out=out, steps=steps, quiet=True)


def stored(run, part="weights/model"):
    return load_tensors(run.path / f"{part}.safetensors")[0]


@pytest.mark.parametrize(
    ("skipped", "kept", "learned"),
    [("gan", "generator", "encoder"), ("encoder", "encoder", "generator")],
)
def test_a_stage_is_skipped_where_its_weights_are_given(skipped, kept, learned, tmp_path):
    first = trained(tmp_path / "first", seed=1)
    given = {"init": str(first.path), skipped: {"rounds": 0}}
    run = trained(tmp_path / "run", **given)
    assert run.rounds == 4
    names = set(differences(stored(first), stored(run)))
    assert not any(name.startswith(f"{kept}.") for name in names)
    moved = {f"{learned}.{name}" for name, _ in getattr(run.model, learned).named_parameters()}
    assert moved <= names
    trained(tmp_path / "parts", **given, steps=2)
    again = gz.resume(tmp_path / "parts", steps=4, quiet=True)
    last = "checkpoints/00000004"
    assert differences(stored(run, last), stored(again, last)) == []
    assert differences(stored(run), stored(again)) == []


@pytest.mark.parametrize("kind", ["lsgan", "relativistic"])
def test_ten_finite_rounds(kind, images, tmp_path):
    model = built(images.info, TINY.model_copy(update={"loss": read_loss(kind)}))
    run = trainer(AgeCGAN, model=model, images=images, gan={"rounds": 10}, steps=10, log_every=1)
    run.run(tmp_path)
    assert len(run.watcher.records) == 10
    assert all(math.isfinite(r[key]) for r in run.watcher.records for key in ("d", "g"))


def test_the_encoder_learns_from_the_averaged_generator_alone(images, tmp_path):
    run = trainer(AgeCGAN, model=built(images.info), images=images, gan={"rounds": 2}, steps=2)
    run.run(tmp_path)
    longer = trainer(AgeCGAN, model=built(images.info), images=images, gan={"rounds": 2})
    longer.restore(tmp_path)
    before = {k: v.clone() for k, v in longer.averaged().generator.state_dict().items()}
    longer.run(tmp_path)
    assert differences(before, longer.model.generator.state_dict()) == []
    moved = differences(
        dict(run.model.encoder.named_parameters()), dict(longer.model.encoder.named_parameters())
    )
    assert len(moved) == len(list(longer.model.encoder.parameters()))


@pytest.mark.parametrize("objective", ["identity", "pixels", "both"])
def test_latents_of_many_faces_are_those_of_each_alone(images, objective):
    model = built(images.info).eval()
    label = torch.tensor([0, 1, 2, 3, 4, 5])
    true = torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        faces = model.generator(true, label)
    many = model.invert(faces, label, objective=objective)
    goal = model.distance(faces, label, objective)
    begun = goal(many.start, torch.arange(6))
    assert (many.value <= begun).all() and many.value.mean() < 0.7 * begun.mean()
    assert many.sound.all()
    assert torch.allclose(goal(many.z, torch.arange(6)), many.value, atol=1e-6)
    for i in (0, 3):
        one = model.invert(faces[i : i + 1], label[i : i + 1], objective=objective)
        assert torch.allclose(one.value, many.value[i], atol=1e-3)


def test_a_face_that_is_not_finite_keeps_the_encoders_guess(images):
    model = built(images.info).eval()
    faces = torch.rand(3, 3, 32, 32)
    faces[1] = torch.nan
    found = model.invert(faces, torch.zeros(3, dtype=torch.int64), objective="pixels")
    assert found.sound.tolist() == [True, False, True]
    assert found.z[[0, 2]].isfinite().all() and found.rounds[1] == 0


def test_ageing_draws_every_target_from_one_latent(images):
    model = built(images.info).eval()
    assert isinstance(model, EditsAge)
    faces, age = torch.rand(2, 3, 32, 32), torch.tensor([18.9, 60.0])
    targets = torch.arange(6).expand(2, -1)
    told = []
    aged = model.age(faces, age, targets, advance=lambda done, of: told.append((done, of)))
    assert aged.shape == (2, 6, 3, 32, 32) and aged.abs().max() <= 1
    assert told[-1] == (16, 16) and told == sorted(told)  # 2 faces, 8 steps
    label = model.group_of(age)
    with torch.no_grad():
        seen = model.generator(model.invert(faces, label).z, label)
    assert torch.allclose(aged[0, 0], seen[0], atol=1e-5)  # its own group
    assert torch.allclose(aged[1, 5], seen[1], atol=1e-5)
    assert not torch.allclose(aged[0, 0], aged[0, 5], atol=1e-3)


def test_ages_on_an_edge_belong_below_it(images):
    ages = torch.tensor([0.0, 18.0, 18.9, 19.0, 59.9, 60.0, 90.0])
    assert built(images.info).group_of(ages).tolist() == [0, 0, 0, 1, 4, 5, 5]


def test_a_search_that_loses_itself_is_said(images):
    model = built(images.info).eval()
    faces = torch.rand(3, 3, 32, 32)
    faces[1] = torch.nan
    with pytest.warns(UserWarning, match="1 of 3 faces: the search met values that are not finite"):
        aged = model.age(faces, torch.tensor([10.0, 30.0, 70.0]), torch.zeros(3, 1).long())
    assert aged.isfinite().all()


def test_the_recogniser_says_at_which_size_and_scale_it_reads(images):
    class Other(StandIn):  # wants 24 px in [0, 255], and brings that along as a bundle does
        input_size = 24

        def embed(self, image):
            image = torch.nn.functional.interpolate(image, (24, 24), mode="bilinear")
            seen.append((image.shape[-1], float(image.detach().max())))
            return super().embed((image + 1) * 127.5)

    seen, model = [], built(images.info).eval()
    model.judges = Judges({"identity": Other()})
    found = model.invert(torch.rand(2, 3, 32, 32), torch.tensor([0, 5]), objective="both")
    assert found.sound.all() and {size for size, _ in seen} == {24}
    assert all(top <= 1 for _, top in seen)  # images come in [-1, 1], whatever the network wants


def test_a_source_age_is_needed(images):
    with pytest.raises(ValueError, match="--from AGE"):
        built(images.info).age(torch.rand(1, 3, 32, 32), None, torch.zeros(1, 1).long())
