"""Presets in several parts: their options, and a resume in each part."""

import pytest
import torch
from ganzoo_face_aging.testing import StubAgeEstimator
from ganzoo_pfa_gan.model import PFAGAN
from training_helpers import differing_keys, make_images, make_trainer, run_steps, write_utkface

from ganzoo_core.config import build_config
from ganzoo_core.config.overrides import stage_options
from ganzoo_core.interfaces import Auxiliaries
from ganzoo_core.training.dry_run import planned_stages

RECIPES = {
    "people-64": [
        (1200, {"age": 1.2e-5}),
        (330, {"age": 2.4e-5}),
        (300, {"age": 9.6e-5}),
        (280, {"age": 1.5e-4, "identity": 0.6}),
        (200, {"age": 3e-4, "identity": 0.6}),
    ],
    "people-64-younger": [
        (1200, {"age": 1.2e-5}),
        (500, {"age": 7e-5}),
        (330, {"age": 3e-4, "identity": 0.6}),
        (230, {"age": 6e-4, "identity": 0.6}),
    ],
    "utkface-64": [
        (1000, {"age": 2e-5}),
        (400, {"age": 8e-6, "identity": 0.6}),
        (140, {"age": 9e-6, "identity": 0.6}),
    ],
}
"""The steps and loss weights of plugins/pfa-gan/README.md."""


@pytest.mark.parametrize("preset", RECIPES)
def test_parts_have_the_options_of_the_documented_recipe(preset):
    config = build_config("pfa-gan", preset=preset)
    assert config.train.steps is None
    assert [stage.steps for stage in config.train.stages.values()] == [
        steps for steps, _ in RECIPES[preset]
    ]
    for number, (stage, (_, weights)) in enumerate(
        zip(config.train.stages.values(), RECIPES[preset], strict=True)
    ):
        model, train = stage_options(config.model, config.train, stage.overrides, "train")
        expected = config.model.loss_weights.model_copy(update=weights)
        assert model.loss_weights == expected
        assert (expected.identity, expected.embedding) == (weights.get("identity", 0.3), 0.3)
        assert model.d_warmup_steps == (0 if number else 100)
        assert (train.lr_scheduler, train.warmup_steps) == ("cosine", 20 if number else 200)
        assert train.batch_size == 24
        unchanged = {"loss_weights": None, "d_warmup_steps": None}
        assert model.model_copy(update=unchanged) == config.model.model_copy(update=unchanged)


def small_trainer(preset):
    """Return a Trainer with the stages of a preset, each two steps long."""
    options = {"g_channels": 4, "direction": "aging"}
    tree = build_config("pfa-gan", preset=preset, patches=[{"model": options}])
    stages = {
        name: stage.model_copy(update={"steps": 2}) for name, stage in tree.train.stages.items()
    }
    images = make_images(image_size=32, age_bins=tree.model.age_bins)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = PFAGAN(tree.model, images.info)
        roles = {role: StubAgeEstimator() for role in model.auxiliary_roles}
    model.auxiliaries = Auxiliaries(roles)
    return make_trainer(PFAGAN, model=model, images=images, steps=None, log_every=1, **stages)


@pytest.fixture(scope="module")
def straight_state(tmp_path_factory):
    trainer = small_trainer("people-64")
    trainer.run(tmp_path_factory.mktemp("straight"))
    assert trainer.step == 10
    return trainer.state_dict()


@pytest.mark.parametrize("stop", [1, 2, 3, 5, 7, 9])
def test_recipe_resumes_bit_exactly_in_each_part(stop, straight_state, tmp_path):
    first, second = small_trainer("people-64"), small_trainer("people-64")
    run_steps(first, stop)
    first.save(tmp_path)
    second.restore(tmp_path)
    second.run(tmp_path)
    assert differing_keys(straight_state, second.state_dict()) == []


def test_loss_weights_of_a_part_change_the_generator_only_from_there_on(straight_state):
    trainer = small_trainer("people-64")
    run_steps(trainer, 3)  # G is not trained in the first 100 steps of the first part
    state = trainer.state_dict()
    untrained = small_trainer("people-64").state_dict()
    changed = differing_keys(untrained, state)
    assert any("generator" in key for key in changed)
    trainer = small_trainer("people-64")
    run_steps(trainer, 2)
    changed = differing_keys(untrained, trainer.state_dict())
    assert not any("generator" in key and "ema" not in key for key in changed)


def test_photographs_train_their_auxiliary_networks_first(tmp_path):
    write_utkface(tmp_path)
    data = {"data": {"path": str(tmp_path)}}
    rows = planned_stages(build_config("pfa-gan", preset="utkface-64", patches=[data]))
    jobs = ["identity", "age", "pfa-gan", "pfa-gan", "pfa-gan"]
    assert [row["job"] for row in rows] == jobs
    assert [row["stage"] for row in rows[2:]] == ["gan", "part-2", "part-3"]
    for name, epochs in (("age-estimator", 16), ("facenet", 4)):
        config = build_config(name, preset="utkface-64", patches=[data])
        assert (config.model.epochs, config.data.split) == (epochs, "train")
        assert config.data.transform == "face-align"
