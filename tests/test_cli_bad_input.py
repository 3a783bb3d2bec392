"""Invalid input: one line on stderr and a documented exit code."""

import tarfile

import pytest

SMOKE_RUN = ("run", "cgan", "--preset", "smoke", "--out", "r")


@pytest.fixture
def expect_refused(run_ganzoo, tmp_path):
    """Check that a command fails with an exit code and one line that contains some words."""

    def expect_error(args, code, *words, **options):
        done = run_ganzoo(*args, cwd=tmp_path, **options)
        assert done.code == code, done.err
        assert done.out == ""
        assert done.error.startswith("ganzoo: ")
        assert "Traceback" not in done.err
        for word in words:
            assert word in done.error
        return done

    return expect_error


def test_unknown_names(expect_refused):
    expect_refused(("run", "cgn"), 2, 'Did you mean "cgan"')
    expect_refused(("info", "shaps"), 2, 'Did you mean "shapes"')
    expect_refused(("schema", "cgna"), 2, 'Did you mean "cgan"')
    expect_refused(("check", "cgn"), 2, 'Did you mean "cgan"')
    expect_refused((*SMOKE_RUN, "--data", "shape"), 2, 'Did you mean "shapes"')
    expect_refused(("run", "cgan", "--preset", "smok"), 2, 'Did you mean "smoke"')
    expect_refused(("lst",), 2, 'Did you mean "list"')
    expect_refused(("list", "modle"), 2, 'Did you mean "model"')


def test_invalid_options(expect_refused, tmp_path):
    expect_refused(
        (*SMOKE_RUN, "--set", "model.base_chanels=3"),
        2,
        "model.base_chanels",
        '"model.base_channels"',
    )
    expect_refused((*SMOKE_RUN, "--set", "modle.base_channels=3"), 2, '"model"')
    expect_refused((*SMOKE_RUN, "--set", "model.base_channels"), 2, "--set")
    expect_refused(
        (*SMOKE_RUN, "--set", "model.base_channels=wide"), 2, "model.base_channels", "'wide'"
    )
    expect_refused((*SMOKE_RUN, "--set", "train.gna.steps=3"), 2, "train.gna", '"gan"')
    expect_refused((*SMOKE_RUN, "--set", "model.terms.drgan.weight=1"), 2, '"dragan"')
    expect_refused((*SMOKE_RUN, "--set", "model.terms.r1=1"), 2, "model.terms.r1.weight=1")
    expect_refused((*SMOKE_RUN, "--loss", "hinge"), 2, "--set model.loss.kind=")
    expect_refused((*SMOKE_RUN, "--batch", "3"), 2, "--batch-size")
    expect_refused((*SMOKE_RUN, "--steps", "-1"), 2, "train.steps")
    expect_refused((*SMOKE_RUN, "--device", "tpu"), 2, "train.device")
    expect_refused((*SMOKE_RUN, "--precision", "fp8"), 2, "fp8", "ganzoo run --help")
    expect_refused((*SMOKE_RUN, "--stepz", 3), 2, "--steps")
    expect_refused((*SMOKE_RUN, "--config", "no.toml"), 2, "no.toml", "No such file")
    (tmp_path / "bad.toml").write_text("[train\nbatch_size = 3")
    expect_refused((*SMOKE_RUN, "--config", "bad.toml"), 2, "bad.toml", "line 1")
    expect_refused(("run",), 2, "MODEL")
    assert not (tmp_path / "r").exists()


def test_former_names_are_suggested(expect_refused):
    expect_refused((*SMOKE_RUN, "--set", "train.batch=8"), 2, '"train.batch_size"')
    expect_refused((*SMOKE_RUN, "--set", "model.ema=100"), 2, '"model.ema_halflife_images"')
    expect_refused((*SMOKE_RUN, "--set", "model.width=8"), 2, '"model.base_channels"')
    expect_refused((*SMOKE_RUN, "--set", "data.size=32"), 2, '"data.image_size"')
    expect_refused((*SMOKE_RUN, "--set", "model.loss.clip=1"), 2, "model.terms.weight-clip.value")
    expect_refused((*SMOKE_RUN, "--set", "model.loss.r1=1"), 2, "model.terms.r1.weight")
    expect_refused((*SMOKE_RUN, "--set", "model.class_loss_weight=1"), 2, '"model.terms"')
    expect_refused((*SMOKE_RUN, "--set", "model.d_control.freeze_epochs=1"), 2, '"model.terms"')
    expect_refused(("run", "cgan", "--preset", "tiny"), 2, '"smoke"')
    expect_refused(("run", "cgan", "--preset", "good"), 2, '"people-64"')
    expect_refused((*SMOKE_RUN, "--init", "r"), 2, "--init-from")
    expect_refused(("evaluate", "r", "--features", "inception"), 2, "--feature-extractor")


def test_unsupported_image_size(expect_refused, tmp_path):
    expect_refused((*SMOKE_RUN, "--set", "data.image_size=48"), 2, "data.image_size", "not 48")
    assert not (tmp_path / "r").exists()


def test_missing_data(expect_refused, extra_plugin_path, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tar").write_text("no archive")
    (tmp_path / "nothing.tar").write_bytes(b"")
    options = {"env": {"PYTHONPATH": extra_plugin_path}}
    for path in ("missing", "empty", "text.tar", "nothing.tar"):
        expect_refused((*SMOKE_RUN, "--data", f"gray:{path}"), 3, path, **options)
    assert not (tmp_path / "r").exists()


def test_data_without_required_field(expect_refused, extra_plugin_path, tmp_path):
    (tmp_path / "one.txt").write_text("a picture")
    with tarfile.open(tmp_path / "ok.tar", "w") as tar:
        tar.add(tmp_path / "one.txt", "one.txt")
    env = {"PYTHONPATH": extra_plugin_path}
    expect_refused((*SMOKE_RUN, "--data", "gray:ok.tar"), 3, "'label'", "gray", env=env)
    assert not (tmp_path / "r").exists()


def test_output_folder_exists_or_unwritable(expect_refused, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("keep me")
    done = expect_refused(
        ("run", "cgan", "--preset", "smoke", "--out", "taken"), 5, "taken", "exists"
    )
    assert "preparing" not in done.err
    expect_refused(("run", "cgan", "--preset", "smoke", "--out", "taken/mine.txt"), 5, "exists")
    expect_refused(
        ("run", "cgan", "--preset", "smoke", "--out", "taken/mine.txt/r"), 5, "mine.txt/r"
    )
    assert [p.read_text() for p in (tmp_path / "taken").iterdir()] == ["keep me"]


def test_not_a_run_or_weights(expect_refused, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        expect_refused(("resume", name), 2, name)
        expect_refused(("sample", name, "--out", "x.png"), 6, name)


def test_out_of_memory_and_internal_error(expect_refused, extra_plugin_path):
    env = {"PYTHONPATH": extra_plugin_path}
    expect_refused(("run", "heavy", "--out", "r"), 8, "train.batch_size", env=env)
    expect_refused(("run", "buggy", "--out", "r"), 1, "GANZOO_DEBUG=1", env=env)


def test_debug_shows_traceback(run_ganzoo, extra_plugin_path, tmp_path):
    env = {"PYTHONPATH": extra_plugin_path, "GANZOO_DEBUG": "1"}
    done = run_ganzoo("run", "buggy", "--out", "r", cwd=tmp_path, env=env)
    assert done.code == 1
    assert "Traceback" in done.err and "models.py" in done.err


def test_missing_plugin_code(expect_refused, extra_plugin_path):
    env = {"PYTHONPATH": extra_plugin_path}
    expect_refused(("run", "missing", "--data", "shapes"), 4, "ganzoo_extra.no:Model", env=env)
    expect_refused(("mute",), 4, "ganzoo_extra.no:mute", env=env)
