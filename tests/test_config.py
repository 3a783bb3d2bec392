"""The configuration: presets, --set, files, and errors that name the key."""

import json
import re

import pytest
import tomli_w

from ganzoo_core.config import (
    DataConfig,
    TrainConfig,
    build_config,
    merge,
    parse,
    parse_assignments,
    parse_data_source,
    read_toml,
)
from ganzoo_core.errors import DataError, GanzooError, PluginError, UsageError

SMOKE = {"preset": "smoke"}


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [("shapes", "shapes", ""), ("lfw:x/y", "lfw", "x/y"), ("folder:C:/a", "folder", "C:/a")],
)
def test_parse_data_source(text, name, path):
    assert parse_data_source(text) == {"name": name, "path": path}


def test_config_precedence():
    plain = build_config("cgan", preset="report-notebook").model
    assert (plain.base_channels, plain.latent_dim) == (64, 100)
    smoke = build_config("cgan", **SMOKE)
    assert (smoke.model.base_channels, smoke.data.name) == (8, "shapes")
    assert smoke.train.batch_size == 16
    file, flags = (
        {"model": {"base_channels": 12}, "train": {"batch_size": 4}},
        {"train": {"batch_size": 2}},
    )
    both = build_config("cgan", **SMOKE, patches=[file, flags])
    assert (both.model.base_channels, both.model.latent_dim) == (12, 16)
    assert both.train.batch_size == 2


def test_default_preset_is_quick():
    assert build_config("cgan").preset == "quick"
    assert build_config("cgan", patches=[{"run": {"preset": "smoke"}}]).preset == "smoke"
    both = build_config("cgan", preset="quick", patches=[{"run": {"preset": "smoke"}}])
    assert both.preset == "quick"


def test_config_toml_round_trip(tmp_path):
    first = build_config(
        "cgan",
        **SMOKE,
        patches=[parse_assignments(["model.age_bins=[30, 60]", "train.gan.epochs=2"])],
    )
    path = tmp_path / "config.toml"
    path.write_text(tomli_w.dumps({**first.tree(), "provenance": {"torch": "2"}}))
    second = build_config("cgan", patches=[read_toml(path)])
    assert second == first
    assert second.tree() == first.tree()
    json.dumps(second.tree())


def test_removed_term_round_trip(tmp_path):
    removed = parse_assignments(["model.terms.r1=none", "model.terms.r2.interval=4"])
    first = build_config("r3gan", **SMOKE, patches=[removed])
    assert list(first.model.terms) == ["r2"]
    path = tmp_path / "config.toml"
    path.write_text(tomli_w.dumps(first.tree()))
    for is_resolved in (False, True):
        second = build_config("r3gan", patches=[read_toml(path)], is_resolved=is_resolved)
        assert second == first and second.tree() == first.tree()
    again = parse_assignments(["model.terms.r1.weight=3"])
    back = build_config("r3gan", patches=[first.tree(), again])
    assert back.model.terms["r1"].weight == 3 and back.model.terms["r2"].interval == 4


def test_set_parses_toml_values():
    words = [
        "model.base_channels=32",
        "model.age_bins=[18, 30]",
        "data.path=/a b/c=d",
        "train.seed=1",
        "train.deterministic=true",
        "model.optim_g.lr=1e-4",
        "data.name=shapes",
    ]
    assert parse_assignments(words) == {
        "model": {"base_channels": 32, "age_bins": [18, 30], "optim_g": {"lr": 1e-4}},
        "data": {"path": "/a b/c=d", "name": "shapes"},
        "train": {"seed": 1, "deterministic": True},
    }
    assert parse_assignments(["train.seed=1", "train.seed=2"]) == {"train": {"seed": 2}}


def test_set_none_is_kept():
    average = build_config(
        "age-estimator", patches=[parse_assignments(["model.ema_halflife_images=none"])]
    )
    assert average.model.ema_halflife_images is None
    stored = average.tree()["model"]["ema_halflife_images"]
    assert stored == "none"  # without it the default, 20,000, would replace None
    assert build_config("age-estimator", patches=[average.tree()], is_resolved=True) == average
    assert average.model.model_dump()["ema_halflife_images"] is None
    plain = build_config("cgan", patches=[parse_assignments(["model.ema_halflife_images=none"])])
    assert plain.model.ema_halflife_images is None
    assert "ema_halflife_images" not in plain.tree()["model"]
    with pytest.raises(UsageError, match=r"train\.batch_size"):
        build_config("cgan", patches=[parse_assignments(["train.batch_size=none"])])


@pytest.mark.parametrize(
    "word", ["model.latent_dim", "latent_dim=3", "=3", "model.=3", "model..x=3", ""]
)
def test_set_refuses_malformed_assignment(word):
    with pytest.raises(UsageError, match="BRANCH"):
        parse_assignments([word])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("mdel.latent_dim=3", "'mdel'.*\"model\""),
        ("model.base_chanels=3", '"model.base_channels"'),
        ("model.ema=3", '"model.ema_halflife_images"'),
        ("train.batch=3", '"train.batch_size"'),
        ("data.size=32", '"data.image_size"'),
        ("model.optim_d.clip=1", "model.optim_d.clip"),
        ("model.optim_g.rl=3", "'model.optim_g.rl'.*\"model.optim_g.lr\""),
        ("model.optim_g.lr=-1", r"model.optim_g.lr: .*\(got -1\)"),
        ("model.prior=cauchy", "model.prior: .*'uniform' or 'normal'"),
        ("model.terms.drgan.weight=1", '"dragan"'),
        ("model.terms.r1.wieght=1", "'model.terms.r1.wieght'.*\"model.terms.r1.weight\""),
        ("model.terms.r1.weight=-1", r"model.terms.r1.weight: .*\(got -1\)"),
        ("model.terms.r1=1", "model.terms.r1.weight=1"),
        ("model.terms=1", "model.terms"),
        ("model.loss.dragan=1", "model.terms.dragan.weight"),
        ("model.d_control.freeze_epochs=1", "'model.d_control'.*\"model.terms\""),
        ("data.contu=3", "'data.contu'.*\"data.count\""),
        ("data.image_size=4", "data.image_size: .*8"),
        ("train.bacth_size=3", "'train.bacth_size'.*\"train.batch_size\""),
        ("train.device=tpu", "train.device"),
        ("train.gan=3", "train.gan"),
        ("train.gan.rounds=3", "'train.gan.rounds'.*\"train.gan.steps\""),
        ("train.gan.steps=-3", "train.gan.steps"),
    ],
)
def test_config_errors_name_key(word, message):
    with pytest.raises(UsageError, match=message) as caught:
        build_config("cgan", **SMOKE, patches=[parse_assignments([word])])
    assert "\n" not in str(caught.value)


def test_stage_length_is_steps_or_epochs():
    train = parse(TrainConfig, {"gan": {"steps": 3}, "warm": {"epochs": 0.5}}, "train")
    assert train.stages["gan"].steps == 3
    assert train.stages["warm"].epochs == 0.5
    with pytest.raises(UsageError, match="steps or epochs"):
        parse(TrainConfig, {"gan": {"steps": 3, "epochs": 1}}, "train")


def test_unknown_names_are_suggested():
    for call, words in (
        (lambda: build_config("cgn"), '"cgan"'),
        (lambda: build_config("cgan", preset="smok"), '"smoke"'),
        (lambda: build_config("cgan", preset="tiny"), '"smoke"'),
        (lambda: build_config("cgan", preset="good"), '"people-64"'),
        (lambda: build_config("cgan", patches=[{"data": {"name": "shaps"}}]), '"shapes"'),
        (lambda: build_config("cgan", patches=[{"modle": {}}]), '"model"'),
    ):
        with pytest.raises(GanzooError, match=words) as caught:
            call()
        assert caught.value.exit_code == 2


def test_unreadable_config_files(tmp_path):
    with pytest.raises(UsageError, match=r"no\.toml"):
        read_toml(tmp_path / "no.toml")
    with pytest.raises(UsageError, match=re.escape(str(tmp_path))):
        read_toml(tmp_path)
    (tmp_path / "bad.toml").write_text("[train]\nbatch_size = ]\n")
    with pytest.raises(UsageError, match=r"bad\.toml.*line 2"):
        read_toml(tmp_path / "bad.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"bytes\.toml"):
        read_toml(tmp_path / "bytes.toml")


def test_config_section_must_be_table():
    for tree in ({"model": 3}, {"data": 3}, {"train": 3}, {"run": 3}):
        with pytest.raises(UsageError) as caught:
            build_config("cgan", patches=[tree])
        assert "\n" not in str(caught.value)


def test_merge_does_not_mutate():
    base, patch = {"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}, "c": [2]}
    assert merge(base, patch) == {"a": {"b": 1, "d": 2}, "c": [2]}
    assert base == {"a": {"b": 1}, "c": [1]}


def test_configs_are_frozen():
    with pytest.raises(ValueError):
        DataConfig().image_size = 3
    assert [e.exit_code for e in (UsageError, DataError, PluginError)] == [2, 3, 4]


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.batch_size=0", "train.batch_size: must be greater than or equal to 1 (got 0)"),
        ("train.batch_size=x", "train.batch_size: must be a valid integer (got 'x')"),
        (
            "train.precision=fp8",
            "train.precision: must be 'auto', 'fp32', 'bf16' or 'fp16' (got 'fp8')",
        ),
        ("train.device=tpu", "train.device: must be auto, cpu, cuda, cuda:N or mps (got 'tpu')"),
    ],
)
def test_invalid_value_names_key_range_and_value(assignment, message):
    with pytest.raises(UsageError) as error:
        build_config("dcgan", preset="smoke", patches=[parse_assignments([assignment])])
    assert str(error.value) == message


def test_another_loss_decides_about_the_terms_of_the_former_one():
    words = parse_assignments(["model.loss.kind=wasserstein"])
    stored = build_config("dcgan", preset="smoke", patches=[words]).tree()

    def terms(*assignments):
        patch = parse_assignments(["model.loss.kind=hinge", *assignments])
        return list(build_config("dcgan", patches=[stored, patch], is_resolved=True).model.terms)

    with pytest.raises(UsageError, match=r"weight-clip=none removes it"):
        terms()
    assert terms("model.terms.weight-clip=none") == []
    assert terms("model.terms.weight-clip={}") == ["weight-clip"]
