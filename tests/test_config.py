"""The tree of options: presets, --set, files, and errors that name the key."""

import json

import pytest
import tomli_w

from ganzoo_core.config import DataConfig, TrainConfig, assign, build, merge, parse, read_toml
from ganzoo_core.errors import DataError, GanzooError, PluginError, UsageError

TINY = {"preset": "tiny"}


def test_order_is_defaults_preset_file_set():
    plain = build("cgan", preset="report-notebook").model
    assert (plain.width, plain.latent) == (64, 100)
    tiny = build("cgan", **TINY)
    assert (tiny.model.width, tiny.data.name, tiny.train.batch) == (8, "shapes", 16)
    file, flags = {"model": {"width": 12}, "train": {"batch": 4}}, {"train": {"batch": 2}}
    both = build("cgan", **TINY, patches=[file, flags])
    assert (both.model.width, both.model.latent, both.train.batch) == (12, 16, 2)


def test_quick_is_the_default_and_a_file_may_name_a_preset():
    assert build("cgan").preset == "quick"
    assert build("cgan", patches=[{"run": {"preset": "tiny"}}]).preset == "tiny"
    both = build("cgan", preset="quick", patches=[{"run": {"preset": "tiny"}}])
    assert both.preset == "quick"


def test_a_written_tree_builds_the_same_run(tmp_path):
    first = build("cgan", **TINY, patches=[assign(["model.groups=[30, 60]", "train.gan.epochs=2"])])
    path = tmp_path / "config.toml"
    path.write_text(tomli_w.dumps({**first.tree(), "made": {"torch": "2"}}))
    second = build("cgan", patches=[read_toml(path)])
    assert second == first
    assert second.tree() == first.tree()
    json.dumps(second.tree())


def test_set_reads_toml_values_and_plain_text():
    words = [
        "model.width=32",
        "model.groups=[18, 30]",
        "data.path=/a b/c=d",
        "train.seed=1",
        "train.deterministic=true",
        "model.optim_g.lr=1e-4",
        "data.name=shapes",
    ]
    assert assign(words) == {
        "model": {"width": 32, "groups": [18, 30], "optim_g": {"lr": 1e-4}},
        "data": {"path": "/a b/c=d", "name": "shapes"},
        "train": {"seed": 1, "deterministic": True},
    }
    assert assign(["train.seed=1", "train.seed=2"]) == {"train": {"seed": 2}}


def test_none_takes_a_value_away_and_is_kept():
    average = build("age-estimator", patches=[assign(["model.ema=none"])])
    assert average.model.ema is None
    assert average.tree()["model"]["ema"] == "none"  # or the default, 20,000, would come back
    assert build("age-estimator", patches=[average.tree()], resolved=True) == average
    assert average.model.model_dump()["ema"] is None  # a name only where it is written down
    plain = build("cgan", patches=[assign(["model.ema=none"])])
    assert plain.model.ema is None and "ema" not in plain.tree()["model"]
    with pytest.raises(UsageError, match=r"train.batch: .* \(got 'none'\)"):
        build("cgan", patches=[assign(["train.batch=none"])])


@pytest.mark.parametrize("word", ["model.width", "width=3", "=3", "model.=3", "model..x=3", ""])
def test_set_refuses_what_is_no_assignment(word):
    with pytest.raises(UsageError, match=r"BRANCH\.OPTION=VALUE"):
        assign([word])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("mdel.width=3", "'mdel'.*\"model\""),
        ("model.widht=3", "'model.widht'.*\"width\""),
        ("model.optim_g.rl=3", "'model.optim_g.rl'.*\"lr\""),
        ("model.optim_g.lr=-1", r"model.optim_g.lr: .*\(got -1\)"),
        ("model.prior=cauchy", "model.prior: .*'uniform' or 'normal'"),
        ("data.contu=3", "'data.contu'.*\"count\""),
        ("data.size=4", "data.size: .*8"),
        ("train.bacth=3", "'train.bacth'.*\"batch\""),
        ("train.device=tpu", "train.device"),
        ("train.gan=3", "train.gan"),
        ("train.gan.ronds=3", "'train.gan.ronds'.*\"rounds\""),
        ("train.gan.rounds=-3", "train.gan.rounds"),
    ],
)
def test_errors_name_the_key_in_one_line(word, message):
    with pytest.raises(UsageError, match=message) as caught:
        build("cgan", **TINY, patches=[assign([word])])
    assert "\n" not in str(caught.value)


def test_stages_have_one_length():
    train = parse(TrainConfig, {"gan": {"rounds": 3}, "warm": {"epochs": 0.5}}, "train")
    assert train.stages["gan"].rounds == 3
    assert train.stages["warm"].epochs == 0.5
    with pytest.raises(UsageError, match="rounds or epochs, not both"):
        parse(TrainConfig, {"gan": {"rounds": 3, "epochs": 1}}, "train")


def test_names_that_do_not_exist():
    for call, words in (
        (lambda: build("cgn"), '"cgan"'),
        (lambda: build("cgan", preset="tni"), '"tiny"'),
        (lambda: build("cgan", patches=[{"data": {"name": "shaps"}}]), '"shapes"'),
        (lambda: build("cgan", patches=[{"modle": {}}]), '"model"'),
    ):
        with pytest.raises(GanzooError, match=words) as caught:
            call()
        assert caught.value.exit_code == 2


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match=r"no\.toml: No such file"):
        read_toml(tmp_path / "no.toml")
    with pytest.raises(UsageError, match="directory"):
        read_toml(tmp_path)
    (tmp_path / "bad.toml").write_text("[train]\nbatch = ]\n")
    with pytest.raises(UsageError, match=r"bad\.toml is not TOML: .*line 2"):
        read_toml(tmp_path / "bad.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_toml(tmp_path / "bytes.toml")


def test_a_branch_that_is_no_table_is_one_line():
    for tree in ({"model": 3}, {"data": 3}, {"train": 3}, {"run": 3}):
        with pytest.raises(UsageError) as caught:
            build("cgan", patches=[tree])
        assert "\n" not in str(caught.value)


def test_merge_leaves_its_arguments_alone():
    base, patch = {"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}, "c": [2]}
    assert merge(base, patch) == {"a": {"b": 1, "d": 2}, "c": [2]}
    assert base == {"a": {"b": 1}, "c": [1]}


def test_configurations_are_frozen_and_exit_codes_documented():
    with pytest.raises(ValueError, match="frozen"):
        DataConfig().size = 3
    assert [e.exit_code for e in (UsageError, DataError, PluginError)] == [2, 3, 4]
