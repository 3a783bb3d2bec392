"""`--data PATH` finds out what the images at a path are, and says it."""

import tarfile

import numpy as np
import pytest
from PIL import Image

from ganzoo_core.cli.main import main
from ganzoo_core.config import parse_data_source
from ganzoo_core.errors import DataError
from ganzoo_core.zoo.detect import detect_dataset


def save_images(folder, count=3):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(np.full((16, 16, 3), 40 * i, np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def paths(tmp_path):
    """Return the path of one example of each kind."""
    plain = save_images(tmp_path / "plain")
    classes = tmp_path / "classes"
    for name in ("cat", "dog"):
        save_images(classes / name)
    table = save_images(tmp_path / "table")
    (table / "labels.csv").write_text("path,label\n0.png,a\n1.png,b\n")
    splits = tmp_path / "splits"
    for name in ("train", "test"):
        save_images(splits / name)
    out = {"plain": plain, "classes": classes, "table": table, "splits": splits}
    out["labels.csv"] = table / "labels.csv"
    for name in ("plain", "classes"):
        out[f"{name}.tar"] = tmp_path / f"{name}.tar"
        with tarfile.open(out[f"{name}.tar"], "w") as tar:
            tar.add(out[name], name)
    return out


EXPECTED = {
    "plain": ("folder", "a folder of images, without classes"),
    "splits": ("folder", "a folder of images, without classes"),
    "plain.tar": ("folder", "an archive of images, without classes"),
    "classes": ("class-folder", "a folder with 2 class folders (cat, dog)"),
    "classes.tar": ("class-folder", "an archive with 2 class folders (cat, dog)"),
    "table": ("table", "a folder with the table labels.csv"),
    "labels.csv": ("table", "a table of images"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_detection(paths, name):
    assert detect_dataset(str(paths[name])) == EXPECTED[name]
    source = parse_data_source(str(paths[name]))
    assert source == {"name": EXPECTED[name][0], "path": str(paths[name])}


def test_names_come_before_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_images(tmp_path / "people")
    assert parse_data_source("people") == {"name": "people", "path": ""}
    assert parse_data_source("./people")["name"] == "folder"
    assert parse_data_source("FOLDER:people") == {"name": "folder", "path": "people"}


def test_refused_paths(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no image")
    for name in ("empty", "notes.txt"):
        with pytest.raises(DataError, match="no images found"):
            parse_data_source(str(tmp_path / name))
    with pytest.raises(DataError, match="no such file or folder"):
        parse_data_source(str(tmp_path / "missing"))


def test_commands_say_what_they_took_the_path_for(paths, tmp_path, capsys):
    flags = ["--preset", "smoke", "--steps", "1", "--out", str(tmp_path / "r")]
    flags += ["--set", "data.split=all"]
    with pytest.raises(SystemExit) as end:
        main(["run", "cgan", "--data", str(paths["classes"]), *flags])
    assert not end.value.code
    err = capsys.readouterr().err
    assert f"data {paths['classes']}: a folder with 2 class folders (cat, dog), read as" in err
    assert "class-folder: 6 images, split all: no image is held out for an evaluation, " in err
    assert "classes cat, dog by label" in err
    with pytest.raises(SystemExit):
        main(["data", "info", str(paths["plain"]), "--json"])
    out, err = capsys.readouterr()
    assert '"images": 3' in out and "without classes" in err
