"""`ganzoo translate`: grids and folders of translated images, and one line for each error."""

import json
import shutil

import numpy as np
import pytest
import torch
from contract_models.auxiliary_loss import AuxiliaryLossModel
from docs_runner import write_editable_install
from PIL import Image
from training_helpers import build_model, make_images

import ganzoo_core as gz
from ganzoo_core.report import make_grid
from ganzoo_core.scaffold import create_plugin
from ganzoo_core.training.output_grids import (
    draw_translation_grid,
    supported,
    translate_to_all,
)

ONE_WAY = '''

class OneWay(MyTurns):
    """Translates to class 1 only."""

    def translate(self, image, label, strength=1.0):
        """Return images, of which `strength` moves them from the input."""
        return image + strength * (super().translate(image, label) - image)

    def supported_transitions(self, source, target):
        """Return whether the target is class 1."""
        return (target == 1) & (source != 1)
'''
ONE_WAY_OPTIONS = '''

class OneWayConfig(MyTurnsConfig):
    """The options of `one-way`."""

    class Sampling(SamplingOptions):
        """The options of `ganzoo translate --set`."""

        strength: float = Field(1.0, ge=0, le=1)
        """How far the images move."""
'''


@pytest.fixture(scope="module")
def turns(run_ganzoo, tmp_path_factory):
    """The folder with the runs of an image-to-image plugin, and its environment."""
    home = tmp_path_factory.mktemp("turns")
    create_plugin("my-turns", "image-to-image", home / "my-turns")
    package = home / "my-turns" / "ganzoo_my_turns"
    with (package / "model.py").open("a") as file:
        file.write(ONE_WAY)
    options = (package / "config.py").read_text()
    options = options.replace(
        "import Adam, ModelConfig", "import Adam, ModelConfig, SamplingOptions"
    )
    (package / "config.py").write_text(options + ONE_WAY_OPTIONS)
    plugin = (package / "plugin.py").read_text()
    start = plugin.index("    zoo.add(")
    other = plugin[start:].replace('"my-turns"', '"one-way"')
    other = other.replace(":MyTurns", ":OneWay")
    (package / "plugin.py").write_text(plugin + other)
    paths = write_editable_install(home / "my-turns", home / ".site")
    env = {"PYTHONPATH": ":".join(map(str, paths))}
    for name in ("my-turns", "one-way"):
        command = ("run", name, "--preset", "smoke", "--steps", 2, "--out", name[-5:], "-q")
        done = run_ganzoo(*command, cwd=home, env=env)
        assert done.code == 0, done.err
    done = run_ganzoo(
        "data", "export", "shapes", "--count", 3, "--size", 40, "--out", "in", cwd=home
    )
    assert done.code == 0, done.err
    return home, env


@pytest.fixture
def translate(run_ganzoo, turns, tmp_path):
    home, env = turns

    def call(run, *args):
        return run_ganzoo("translate", home / run, *args, cwd=tmp_path, env=env)

    return call


def test_translate_grid(translate, turns, tmp_path):
    (photo, *_) = sorted((turns[0] / "in").rglob("*.jpg"))
    done = translate("turns", photo, "--out", "one.png")
    assert (done.code, done.out) == (0, "one.png\n"), done.err
    done = translate(
        "turns", turns[0] / "in", "--to", "cap", "--to", "0", "--out", "all.jpg", "-q", "--json"
    )
    assert (done.code, done.err) == (0, ""), done.err
    assert json.loads(done.out) == {"path": "all.jpg"}
    one, several = Image.open(tmp_path / "one.png"), Image.open(tmp_path / "all.jpg")
    assert one.width > 2 * one.height and several.height > 2 * one.height


def test_translate_folder(translate, turns, tmp_path):
    done = translate("turns", turns[0] / "in", "--to", "cap", "--to", "cone", "--out", "d")
    assert done.code == 0 and "translating 3/3" in done.err
    files = sorted((tmp_path / "d").iterdir())
    assert len(files) == 6 and files[0].name.endswith("-cap.png")
    assert {Image.open(file).size for file in files} == {(32, 32)}
    assert translate("turns", turns[0] / "in", "--out", "d").code == 5  # never overwritten
    same = [tmp_path / name / "x.jpg" for name in "ab"]
    for path in same:
        path.parent.mkdir()
        shutil.copy(next((turns[0] / "in").rglob("*.jpg")), path)
    assert translate("turns", *same, "--to", "cap", "--out", "e", "-q").code == 0
    assert sorted(p.name for p in (tmp_path / "e").iterdir()) == ["x-2-cap.png", "x-cap.png"]


def test_translate_options_and_reach(translate, turns, tmp_path):
    photos = turns[0] / "in"
    assert translate("e-way", photos, "--set", "strength=0", "--out", "zero", "-q").code == 0
    assert len(list((tmp_path / "zero").iterdir())) == 3  # class 1 alone
    photo = next(photos.rglob("*.jpg"))
    expected = np.asarray(Image.open(photo).resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    image = np.asarray(Image.open(next((tmp_path / "zero").glob(f"{photo.stem}-*")))).astype(int)
    assert np.abs(image - expected).mean() < 3
    for args, words in (
        (("--set", "strenght=1"), 'Did you mean "strength"'),
        (("--set", "strength=2"), "strength: must be less than or equal to 1"),
        (("--to", "0"), "does not translate to"),
        (("--from", "1", "--to", "1"), "does not translate from"),
    ):
        done = translate("e-way", photos, *args, "--out", "x.png")
        assert done.code == 2 and words in done.error, done.err
    done = translate("e-way", photos, "--to", "1", "--to", "2", "--out", "y.png", "-q")
    assert done.code == 0 and "left out" in done.err


def test_translate_errors_are_one_line(translate, turns, trained_run, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty").mkdir()
    photos = turns[0] / "in"
    cases = {
        ("turns", "nowhere.png", "--out", "x.png"): (3, "nowhere.png"),
        ("turns", "text.png", "--out", "x.png"): (3, "text.png"),
        ("turns", "empty", "--out", "x.png"): (3, "contains no images"),
        ("turns", photos, "--out", "x.gif"): (2, ".png"),
        ("turns", photos, "--out", "no/x.png"): (5, "no"),
        ("turns", photos, "--to", "cup", "--out", "x.png"): (2, 'Did you mean "cap"'),
        ("nothing", photos, "--out", "x.png"): (6, "nothing"),
        (trained_run, photos, "--out", "x.png"): (2, "use ganzoo sample"),
    }
    for args, (code, words) in cases.items():
        done = translate(*args)
        assert (done.code, done.out) == (code, "") and words in done.err, (args, done.err)
        assert done.err.count("\n") == 1, done.err
    assert not (tmp_path / "x.png").exists()
    done = translate("turns", "text.png", photos, "--out", "x.png")
    assert done.code == 0 and "left out text.png" in done.err


def test_sample_names_translate(run_ganzoo, turns, tmp_path):
    done = run_ganzoo("sample", turns[0] / "turns", "--out", "x.png", cwd=tmp_path, env=turns[1])
    assert done.code == 2 and "use ganzoo translate" in done.error


def test_unsupported_cells_of_the_training_grid_are_empty():
    images = make_images()
    model = build_model(AuxiliaryLossModel, images.info)
    full = np.asarray(draw_translation_grid(model, images))
    model.supported_transitions = lambda source, target: target > source
    partial = np.asarray(draw_translation_grid(model, images))
    assert partial.shape == full.shape and (partial != full).any()
    white = (partial != full).any(-1)
    assert (partial[white] == 255).all()
    sources = torch.tensor([0, 2])
    assert supported(model, sources, [0, 1, 2]).tolist() == [[False, True, True], [False] * 3]
    assert supported(model, None, [0, 1]).tolist() == [[False, True]]


def test_translate_to_all_shapes():
    images = make_images()
    model = build_model(AuxiliaryLossModel, images.info).eval()
    photos = torch.zeros(2, 3, 16, 16)
    assert translate_to_all(model, photos, [0, 2, 1]).shape == (2, 3, 3, 16, 16)
    assert make_grid(photos, 2).mode == "RGB" and gz.SamplingOptions.model_fields == {}
