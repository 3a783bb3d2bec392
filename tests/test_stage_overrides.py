"""Options that hold in one stage, stages that the options add, and schedules per optimizer."""

from dataclasses import replace

import pytest
import torch
from contract_models.networks import SmallGANConfig
from contract_models.plain_gan import PlainGAN
from training_helpers import (
    SMALL_RUN_OPTIONS,
    build_model,
    differing_keys,
    last_checkpoint_state,
    make_images,
    make_trainer,
    read_metrics,
    run_steps,
    train_run,
)

import ganzoo_core as gz
from ganzoo_core import GAN, Adam, BatchSpec
from ganzoo_core.config import TrainConfig, build_config
from ganzoo_core.data import pack_images
from ganzoo_core.data.image_hashes import hash_images
from ganzoo_core.engine.plan import configured_stages
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
from ganzoo_core.weights.training_images import read_training_images


class RecipeGAN(PlainGAN):
    """Reads its optimizers from its options."""

    Config = SmallGANConfig
    configure_optimizers = GAN.configure_optimizers


class OwnStagesGAN(RecipeGAN):
    """A model whose own stages have overrides."""

    def stages(self):
        """Return two parts with the same phases."""
        (stage,) = super().stages()
        fine_tuning = {"model": {"optim_g": {"lr": 1e-3}}, "train": {"batch_size": 4}}
        return (
            replace(stage, name="gan", epochs=None, steps=3),
            replace(stage, name="fine", epochs=None, steps=3, overrides=fine_tuning),
        )


R1 = {"terms": {"r1": {"weight": 2.0}}}
PARTS = {
    "gan": {"steps": 3},
    "part-2": {
        "phases_of": "gan",
        "steps": 4,
        "overrides": {
            "model": {
                "terms": {"r1": {"weight": 0.5}},
                "optim_g": {"lr": 1e-3},
                "d_updates": 2,
                "class_balanced": True,
            },
            "train": {"batch_size": 4, "lr_scheduler": "linear", "warmup_steps": 2},
        },
    },
    "part-3": {
        "phases_of": "gan",
        "steps": 2,
        "overrides": {"model": {"optim_d": {"lr": 5e-3, "lr_scheduler": "cosine"}}},
    },
}


def recipe_trainer(model_class=RecipeGAN, options=R1, log_every=100, **train_options):
    model = build_model(model_class, make_images().info, config=model_class.Config(**options))
    return make_trainer(model_class, model=model, log_every=log_every, **train_options)


def learning_rates(trainer, num_steps):
    """Return the rates of G and D, and R1's weight, in each step."""
    found = []
    for _ in range(num_steps):
        run_steps(trainer)
        rates = [trainer.optimizers[n].optimizer.param_groups[0]["lr"] for n in ("g", "d")]
        found.append((*rates, trainer.model.active_terms()["r1"].weight))
    return found


def test_options_hold_in_their_stage():
    trainer = recipe_trainer(**PARTS)
    assert [(s.stage.name, s.start, s.end, s.batch_size) for s in trainer.plan.stages] == [
        ("gan", 0, 3, 8),
        ("part-2", 3, 7, 4),
        ("part-3", 7, 9, 8),
    ]
    second = trainer.plan.stages[1]
    assert second.batches_per_step == 2 and second.stage.batch.sampler == "class_balanced"
    assert trainer.plan.stages[2].stage.batch.sampler == "random"
    found = learning_rates(trainer, 9)
    assert found[:3] == [(1e-2, 1e-2, 2.0)] * 3
    decay = [0.5, 0.75, 0.5, 0.25]  # linear over the four steps of the stage, with warm-up
    assert found[3:7] == [pytest.approx((1e-3 * f, 1e-2 * f, 0.5)) for f in decay]
    assert found[7:] == [
        pytest.approx((1e-2, 5e-3, 2.0)),
        pytest.approx((1e-2, 2.5e-3, 2.0)),
    ]
    assert trainer.images_seen == 3 * 8 + 4 * 4 + 2 * 8


@pytest.mark.parametrize("stop", [1, 3, 5, 7, 8])
def test_recipe_resumes_bit_exactly(stop, tmp_path):
    straight = recipe_trainer(**PARTS)
    straight.run(tmp_path / "straight")
    first = recipe_trainer(**PARTS)
    run_steps(first, stop)
    first.save(tmp_path / "parts")
    second = recipe_trainer(**PARTS)
    second.restore(tmp_path / "parts")
    assert second.images_seen == first.images_seen
    second.run(tmp_path / "parts")
    assert second.images_seen == straight.images_seen
    assert differing_keys(straight.state_dict(), second.state_dict()) == []


def test_each_override_changes_training():
    def weights(part):
        trainer = recipe_trainer(gan={"steps": 1}, part={"phases_of": "gan", "steps": 2, **part})
        run_steps(trainer, 3)
        return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])

    plain = weights({})
    for overrides in (
        {"model": {"terms": {"r1": {"weight": 9.0}}}},
        {"model": {"optim_d": {"lr": 1e-3}}},
        {"train": {"batch_size": 4}},
        {"train": {"grad_clip_norm": 1e-3}},
    ):
        assert not torch.equal(plain, weights({"overrides": overrides})), overrides


def test_overrides_of_the_models_own_stages(tmp_path):
    run = train_run(OwnStagesGAN, tmp_path, {"train": {"log_every": 1}})
    images = [line["images_seen"] for line in read_metrics(run.path)]
    assert images == [8, 16, 24, 28, 32, 36]
    stored = gz.config.read_toml(run.path / "config.toml")
    assert stored["train"]["batch_size"] == 8
    stages = configured_stages(
        run.model, TrainConfig(fine={"overrides": {"train": {"batch_size": 6}}})
    )
    assert stages[1].overrides["train"] == {"batch_size": 6}
    assert stages[1].overrides["model"] == {"optim_g": {"lr": 1e-3}}


def test_recipe_is_one_run_folder(tmp_path):
    parts = {"gan": {"steps": 2}, "part-2": {**PARTS["part-2"], "steps": 2}}
    options = {"model": R1, "train": {**parts, "log_every": 1, "checkpoint_every": 1}}
    run = train_run(RecipeGAN, tmp_path / "run", options)
    assert [line["stage"] for line in read_metrics(run.path)] == ["gan"] * 2 + ["part-2"] * 2
    again = gz.resume(run.path, steps=5, model=RecipeGAN, quiet=True)
    assert read_metrics(again.path)[-1]["stage"] == "part-2" and again.steps == 5
    with pytest.raises(UsageError, match=r"--steps 4: .* has 5 steps already"):
        gz.resume(run.path, steps=4, model=RecipeGAN, quiet=True)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"overrides": {"model": {"latent_dim": 3}}}, r"cannot override 'model\.latent_dim'"),
        ({"overrides": {"model": {"terms": {"r2": {"weight": 1}}}}}, r"model\.terms\.r2\.weight"),
        ({"overrides": {"train": {"seed": 1}}}, r"cannot override 'train\.seed'"),
        ({"overrides": {"model": {"optim_g": {"lr": -1}}}}, r"overrides\.model\.optim_g\.lr"),
        ({"overrides": {"train": {"batch_size": 0}}}, r"overrides\.train\.batch_size"),
        ({"overrides": {"data": {"image_size": 32}}}, r"cannot override 'data\.image_size'"),
        ({"overrides": {"data": {"splt": "test"}}}, r"cannot override 'data\.splt'"),
    ],
)
def test_invalid_override_refused_before_data_are_opened(stage, message):
    with pytest.raises(UsageError, match=message) as error:
        build_config("dcgan", preset="smoke", patches=[{"train": {"gan": stage}}])
    assert str(error.value).startswith("train.gan.overrides") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "phases_of", "message"),
    [("more", "gam", r"more\.phases_of.*'gam'.*\"gan\""), ("gan", "gan", "another name")],
)
def test_invalid_phases_of_refused(name, phases_of, message):
    with pytest.raises(UsageError, match=message):
        recipe_trainer(**{name: {"phases_of": phases_of, "steps": 1}})


# --- the data of a stage ------------------------------------------------------------------------

OTHER_DATA = {"data": {"seed": 5, "count": 24}}
DATA_PARTS = {
    "gan": {"steps": 2},
    "other": {"phases_of": "gan", "epochs": 1, "overrides": OTHER_DATA},
    "again": {"phases_of": "gan", "steps": 2},
}


class RecordingGAN(RecipeGAN):
    """Records the hashes of the images that its discriminator is trained on."""

    hashes = []

    def discriminator_loss(self, ctx):
        """Record the batch."""
        pixels = (ctx.batch.image * 127.5 + 127.5).round().to(torch.uint8)
        self.hashes.append(hash_images(pixels.permute(0, 2, 3, 1).numpy(), range(len(pixels))))
        return super().discriminator_loss(ctx)


def test_stage_is_trained_on_its_own_data(tmp_path, monkeypatch):
    monkeypatch.setattr(RecordingGAN, "hashes", [])
    run = train_run(RecordingGAN, tmp_path / "run", {"train": DATA_PARTS})
    assert run.steps == 2 + 24 // 8 + 2
    config = ShapesConfig(name="shapes", count=40, image_size=16, num_identities=6)
    own, other = (
        set(pack_images(Shapes(c), image_size=16).image_hashes().tolist())
        for c in (config, config.model_copy(update=OTHER_DATA["data"]))
    )
    assert not own & other
    expected = [own] * 2 + [other] * 3 + [own] * 2
    for found, images in zip(RecordingGAN.hashes, expected, strict=True):
        assert set(found.tolist()) <= images
    assert {h for batch in RecordingGAN.hashes[2:5] for h in batch.tolist()} == other
    recorded = read_training_images(run.path)
    assert set(recorded.hashes.tolist()) == own | other


@pytest.mark.parametrize("stop", [1, 3, 5, 6])
def test_stage_with_its_own_data_resumes_bit_exactly(stop, tmp_path):
    options = {"train": {**DATA_PARTS, "checkpoint_every": 1}}
    straight = train_run(RecipeGAN, tmp_path / "straight", options)
    first = train_run(RecipeGAN, tmp_path / "parts", options, steps=stop)
    second = gz.resume(first.path, steps=7, model=RecipeGAN, quiet=True)
    assert second.steps == straight.steps == 7
    states = [last_checkpoint_state(run.path) for run in (straight, second)]
    assert differing_keys(*states) == []
    plain = train_run(RecipeGAN, tmp_path / "plain", {"train": {"gan": {"steps": 7}}})
    assert differing_keys(states[0], last_checkpoint_state(plain.path))


def test_changed_data_of_a_stage_are_refused_at_resume(tmp_path):
    run = train_run(RecipeGAN, tmp_path / "run", {"train": DATA_PARTS}, steps=3)
    text = run.folder.config.read_text()
    fingerprint = gz.config.read_toml(run.folder.config)["provenance"]["stage_data"]["other"]
    run.folder.config.write_text(text.replace(fingerprint, "0" * 64))
    with pytest.raises(DataError, match="fingerprint of the data differs"):
        gz.resume(run.path, steps=7, model=RecipeGAN, quiet=True)


class OtherClasses(Shapes):
    """Its classes have other names with another seed."""

    def metadata(self):
        """Return the metadata."""
        names = ("x", "y", "z") if self.config.seed else ("a", "b", "c")
        return replace(super().metadata(), class_names=names)


class IdentityGAN(RecipeGAN):
    """Reads identities."""

    def stages(self):
        """Return the stage with another batch."""
        (stage,) = super().stages()
        return (replace(stage, batch=BatchSpec(fields=("image", "identity"))),)


class OwnDataGAN(RecipeGAN):
    """A model that overrides the data."""

    def stages(self):
        """Return the stage with overrides."""
        (stage,) = super().stages()
        return (replace(stage, overrides=OTHER_DATA),)


def test_data_of_a_stage_that_do_not_fit_are_refused_before_decoding(tmp_path, monkeypatch):
    def refused(model_class, match, data="shapes"):
        with pytest.raises(UsageError, match=match) as error:
            gz.train(
                model_class,
                data,
                options=gz.config.merge(SMALL_RUN_OPTIONS, {"train": DATA_PARTS}),
                out=tmp_path / "run",
                quiet=True,
            )
        assert "\n" not in str(error.value) and not (tmp_path / "run").exists()

    monkeypatch.setattr(Shapes, "load_image", None)  # nothing is decoded
    refused(IdentityGAN, r"train\.other\.overrides\.data: the stage uses identities")
    refused(OwnDataGAN, r"stage 'gan': a model cannot override \[data\]")
    monkeypatch.setattr("ganzoo_core.testing.shapes.Shapes", OtherClasses)
    refused(RecipeGAN, r"the classes are x, y, z, and those of the run a, b, c")


class ComputingGAN(IdentityGAN):
    """Its constructor reads a weight, so it cannot be built without memory."""

    def __init__(self, config, info):
        super().__init__(config, info)
        float(next(self.parameters()).detach().sum())


def test_data_of_a_stage_are_checked_for_a_model_that_needs_memory(tmp_path):
    with pytest.raises(UsageError, match="the stage uses identities"):
        train_run(ComputingGAN, tmp_path / "run", {"train": DATA_PARTS})
    assert not (tmp_path / "run").exists()


# --- schedules per optimizer ---------------------------------------------------------------------


def test_schedule_per_optimizer():
    optim_d = {"lr": 1e-2, "lr_scheduler": "linear"}
    optim_g = {"lr": 1e-2, "warmup_steps": 4}
    options = {**R1, "optim_d": optim_d, "optim_g": optim_g}
    trainer = recipe_trainer(options=options, steps=4, lr_scheduler="constant", warmup_steps=2)
    found = learning_rates(trainer, 4)
    assert [g for g, _, _ in found] == pytest.approx([0.0025, 0.005, 0.0075, 0.01])
    # linear decay times the warm-up of the run over two steps
    assert [d for _, d, _ in found] == pytest.approx([0.005, 0.0075, 0.005, 0.0025])


def test_schedule_per_optimizer_resumes_and_says_that_a_longer_run_is_another(tmp_path):
    options = {**R1, "optim_d": {"lr_scheduler": "cosine", "warmup_steps": 2}}
    straight, first, second = (recipe_trainer(options=options, steps=6) for _ in range(3))
    straight.run(tmp_path / "straight")
    run_steps(first, 4)
    first.save(tmp_path / "parts")
    second.restore(tmp_path / "parts")
    assert second.notice == ""
    second.run(tmp_path / "parts")
    assert differing_keys(straight.state_dict(), second.state_dict()) == []
    longer = recipe_trainer(options=options, steps=9)
    longer.restore(tmp_path / "parts")
    assert "optimizer 'd'" in longer.notice and "another run" in longer.notice


def test_own_scheduler_may_be_none():
    assert Adam(lr_scheduler="none").lr_scheduler is None
    words = gz.config.parse_assignments(["model.optim_d.lr_scheduler=cosine"])
    config = build_config("dcgan", preset="smoke", patches=[words])
    assert config.model.optim_d.lr_scheduler == "cosine"
    again = build_config("dcgan", patches=[config.tree()], is_resolved=True)
    assert again.model == config.model
