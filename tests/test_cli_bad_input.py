"""Bad input: each is one clear line on stderr and a documented exit code."""

import tarfile

import pytest

TINY = ("run", "cgan", "--preset", "tiny", "--out", "r")


@pytest.fixture
def refused(ganzoo, tmp_path):
    """Check that a command ends with a code and one line that holds some words."""

    def check(args, code, *words, **options):
        done = ganzoo(*args, cwd=tmp_path, **options)
        assert done.code == code, done.err
        assert done.out == ""
        assert done.error.startswith("ganzoo: ")
        assert "Traceback" not in done.err
        for word in words:
            assert word in done.error
        return done

    return check


def test_names_that_do_not_exist(refused):
    refused(("run", "cgn"), 2, 'Did you mean "cgan"')
    refused(("info", "shaps"), 2, 'Did you mean "shapes"')
    refused(("schema", "cgna"), 2, 'Did you mean "cgan"')
    refused(("check", "cgn"), 2, 'Did you mean "cgan"')
    refused((*TINY, "--data", "shape"), 2, 'Did you mean "shapes"')
    refused(("run", "cgan", "--preset", "tini"), 2, 'Did you mean "tiny"')
    refused(("lst",), 2, 'Did you mean "list"')
    refused(("list", "modle"), 2, 'Did you mean "model"')


def test_options_that_do_not_exist_or_fit(refused, tmp_path):
    refused((*TINY, "--set", "model.widht=3"), 2, "model.widht", '"width"')
    refused((*TINY, "--set", "modle.width=3"), 2, '"model"')
    refused((*TINY, "--set", "model.width"), 2, "--set", "BRANCH.OPTION=VALUE")
    refused((*TINY, "--set", "model.width=wide"), 2, "model.width", "'wide'")
    refused((*TINY, "--set", "train.gna.rounds=3"), 2, "train.gna", '"gan"')
    refused((*TINY, "--steps", "-1"), 2, "train.steps")
    refused((*TINY, "--device", "tpu"), 2, "train.device")
    refused((*TINY, "--precision", "fp8"), 2, "fp8", "ganzoo run --help")
    refused((*TINY, "--stepz", 3), 2, "--steps")
    refused((*TINY, "--config", "no.toml"), 2, "no.toml", "No such file")
    (tmp_path / "bad.toml").write_text("[train\nbatch = 3")
    refused((*TINY, "--config", "bad.toml"), 2, "bad.toml", "line 1")
    refused(("run",), 2, "MODEL")
    assert not (tmp_path / "r").exists()


def test_a_size_the_model_cannot_draw(refused, tmp_path):
    refused((*TINY, "--set", "data.size=48"), 2, "data.size", "not 48")
    assert not (tmp_path / "r").exists()


def test_data_that_are_not_there(refused, extra, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tar").write_text("no archive")
    (tmp_path / "nothing.tar").write_bytes(b"")
    options = {"env": {"PYTHONPATH": extra}}
    for path in ("missing", "empty", "text.tar", "nothing.tar"):
        refused((*TINY, "--data", f"album:{path}"), 3, path, **options)
    assert not (tmp_path / "r").exists()


def test_data_that_lack_what_the_model_needs(refused, extra, tmp_path):
    (tmp_path / "one.txt").write_text("a picture")
    with tarfile.open(tmp_path / "ok.tar", "w") as tar:
        tar.add(tmp_path / "one.txt", "one.txt")
    env = {"PYTHONPATH": extra}
    refused((*TINY, "--data", "album:ok.tar"), 3, "'label'", "album", env=env)
    assert not (tmp_path / "r").exists()


def test_a_folder_that_exists_or_cannot_be_made(refused, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("keep me")
    done = refused(("run", "cgan", "--preset", "tiny", "--out", "taken"), 5, "taken", "exists")
    assert "preparing" not in done.err
    refused(("run", "cgan", "--preset", "tiny", "--out", "taken/mine.txt"), 5, "exists")
    refused(("run", "cgan", "--preset", "tiny", "--out", "taken/mine.txt/r"), 5, "mine.txt/r")
    assert [p.read_text() for p in (tmp_path / "taken").iterdir()] == ["keep me"]


def test_runs_and_bundles_that_are_none(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        refused(("resume", name), 2, name, "no run")
        refused(("sample", name, "--out", "x.png"), 6, name)


def test_too_little_memory_and_a_bug(refused, extra):
    env = {"PYTHONPATH": extra}
    refused(("run", "heavy", "--out", "r"), 8, "not enough memory", env=env)
    refused(("run", "buggy", "--out", "r"), 1, "internal error", "GANZOO_DEBUG=1", env=env)


def test_debug_shows_the_traceback(ganzoo, extra, tmp_path):
    env = {"PYTHONPATH": extra, "GANZOO_DEBUG": "1"}
    done = ganzoo("run", "buggy", "--out", "r", cwd=tmp_path, env=env)
    assert done.code == 1
    assert "Traceback" in done.err and "models.py" in done.err


def test_code_that_is_not_there(refused, extra):
    env = {"PYTHONPATH": extra}
    refused(
        ("run", "hollow", "--data", "shapes"),
        4,
        "ganzoo_extra.no:Model",
        "cannot be imported",
        env=env,
    )
    refused(("mute",), 4, "ganzoo_extra.no:mute", env=env)
