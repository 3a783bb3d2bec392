"""The data verbs: look, prepare, write to disk, and what can go wrong."""

import csv
import io
import json
import re
import tarfile

from PIL import Image

SHAPES = ("shapes", "--set", "data.count=40")


def test_info_counts(ganzoo, tmp_path):
    done = ganzoo("data", "info", *SHAPES, "--json", "--groups", "30", cwd=tmp_path)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["images"] == sum(found["groups"].values()) == sum(found["labels"].values()) == 40
    assert list(found["groups"]) == ["0-30", "31+"]
    assert sum(found["ages"]["decades"].values()) == 40
    assert found["sizes"] == {
        "looked_at": 40,
        "unreadable": 0,
        "min": 64,
        "median": 64.0,
        "max": 64,
    }
    plain = ganzoo("data", "info", *SHAPES, cwd=tmp_path)
    assert plain.code == 0
    assert all(len(line) < 120 for line in plain.out.splitlines())


def test_published_groups_leave_out_who_is_too_young(ganzoo, tmp_path):
    words = ("data", "make", "people", "--count", 40, "--size", 32, "--out", "p")
    assert ganzoo(*words, cwd=tmp_path).code == 0
    found = {}
    for groups in ("0", "pfa-4", "pfa-5", "pfa-7", "report"):
        done = ganzoo(
            "data", "info", "table:p/labels.csv", "--groups", groups, "--json", cwd=tmp_path
        )
        assert done.code == 0, done.err
        found[groups] = json.loads(done.out)
    ages = [float(row["age"]) for row in csv.DictReader((tmp_path / "p" / "labels.csv").open())]
    young = sum(age < 16 for age in ages)
    assert young > 0
    for name, count in (("pfa-4", 4), ("pfa-5", 5)):
        assert len(found[name]["groups"]) == count
        assert found[name]["left_out"]["age below 16"] == young
        assert sum(found[name]["groups"].values()) == 40 - young
    assert list(found["pfa-4"]["groups"]) == ["0-30", "31-40", "41-50", "51+"]
    assert len(found["pfa-7"]["groups"]) == 7 and len(found["report"]["groups"]) == 6
    assert found["pfa-7"]["images"] == 40 and found["pfa-7"]["left_out"]["age below 0"] == 0
    chosen = ganzoo(
        "data",
        "info",
        "table:p/labels.csv",
        "--groups",
        "pfa-4",
        "--set",
        "data.min_age=30",
        "--json",
        cwd=tmp_path,
    )
    assert json.loads(chosen.out)["left_out"]["age below 30"] == sum(age < 30 for age in ages)


def test_what_cannot_be_read_is_counted_by_reason_and_listed(ganzoo, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, size in (("a.jpg", 40), ("b.jpg", 12), ("c.jpg", 10)):
        Image.new("RGB", (size, size), "red").save(folder / name)
    (folder / "empty.jpg").touch()
    (folder / "é\n.jpg").write_bytes(b"no picture")
    words = ("folder:photos", "--set", "data.min_size=20", "--size", 16)
    done = ganzoo("data", "prepare", *words, cwd=tmp_path, env={"GANZOO_CACHE": "c"})
    assert done.code == 0, done.err
    for line in (
        "left out 2 images: smaller than 20 px",
        "left out 1 image: empty file",
        "left out 1 image: not a JPEG, PNG, WebP, BMP, PGM or PPM; convert it to one of these",
        "left out b.jpg: smaller than 20 px: 12x12",
        "left out é\\n.jpg: not a JPEG",
        "1 images of 16 x 16 px are ready",
    ):
        assert line in done.err, done.err
    assert "Traceback" not in done.err


def test_names_that_no_terminal_can_show(ganzoo, tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(picture, "JPEG")
    names = ["caf\udce9", "a\x1b[31m", "b\nc", "日本"]
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            for file, data in (("\udcff.jpg", picture.getvalue()), ("\udcfe.jpg", b"")):
                info = tarfile.TarInfo(f"{name}/{file}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    with tarfile.open(tmp_path / "a.tar") as tar:
        tar.extractall(tmp_path / "folder", filter="data")
    for source in ("class-folder:a.tar", "class-folder:folder"):
        done = ganzoo("data", "info", source, "--json", cwd=tmp_path)
        assert done.code == 0, done.err
        classes = ["a\\x1b[31m", "b\\nc", "caf\\udce9", "日本"]
        assert json.loads(done.out)["labels"] == dict.fromkeys(classes, 2)
        words = ("run", "cgan", "--preset", "tiny", "--steps", 1, "--set", "model.groups=[]")
        out = source.partition(":")[2] + "-run"
        env = {"GANZOO_CACHE": "c"}
        done = ganzoo(*words, "--data", source, "--out", out, cwd=tmp_path, env=env)
        assert done.code == 0, done.err
        assert "\x1b" not in done.err and "left out 4 images: empty file" in done.err
        about = json.loads((tmp_path / out / "weights" / "ganzoo.json").read_text())
        assert about["data"]["classes"] == classes


def test_show_draws_a_sheet(ganzoo, tmp_path):
    done = ganzoo("data", "show", *SHAPES, "--size", 16, "--out", "sheet.png", cwd=tmp_path)
    assert (done.code, done.out) == (0, "sheet.png\n"), done.err
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.width > 8 * 96
    assert len(sheet.getcolors(1_000_000)) > 100


def test_prepare_names_the_store_and_is_quick_the_second_time(ganzoo, tmp_path):
    words = ("data", "prepare", *SHAPES, "--size", 16)
    first, second = (ganzoo(*words, cwd=tmp_path, env={"GANZOO_CACHE": "c"}) for _ in range(2))
    assert first.code == second.code == 0
    assert first.out == second.out
    folder = tmp_path / first.out.strip()
    assert (folder / "pixels.u8").stat().st_size == 40 * 16 * 16 * 3
    assert "40 images of 16 x 16 px" in second.err


def test_make_writes_a_folder_with_its_table(ganzoo, tmp_path):
    done = ganzoo("data", "make", "people", "--count", 5, "--size", 32, "--out", "p", cwd=tmp_path)
    assert done.code == 0, done.err
    rows = list(csv.DictReader((tmp_path / "p" / "labels.csv").open()))
    assert [row["path"] for row in rows] == [f"{i:06d}.jpg" for i in range(5)]
    assert all(0 <= float(row["age"]) <= 90 for row in rows)
    assert [row["identity"] for row in rows] == ["0", "0", "0", "0", "1"]
    assert Image.open(tmp_path / "p" / "000004.jpg").size == (32, 32)


def test_imdb_wiki_layout_is_read_back(ganzoo, tmp_path):
    words = ("--count", 30, "--size", 32, "--layout", "imdb-wiki", "--out", "archive")
    assert ganzoo("data", "make", "people", *words, cwd=tmp_path).code == 0
    truth = json.loads(
        ganzoo("data", "info", "people", "--set", "data.count=30", "--json", cwd=tmp_path).out
    )
    done = ganzoo(
        "data", "info", "imdb-wiki:archive", "--set", "data.filters=none", "--json", cwd=tmp_path
    )
    found = json.loads(done.out)
    assert found["images"] == 30
    assert found["groups"] == truth["groups"]
    assert found["ages"]["decades"] == truth["ages"]["decades"]


def test_mistakes_are_one_line(ganzoo, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    mistakes = [
        (("make", "people", "--count", 3, "--out", "taken"), 5, "exists already"),
        (("make", "people", "--count", 0, "--out", "x"), 2, "--count"),
        (("make", "people", "--count", -4, "--out", "x"), 2, "--count"),
        (("make", "people", "--size", 900, "--out", "x"), 2, "data.size"),
        (("make", "people", "--size", 16, "--out", "x"), 2, "data.size"),
        (("make", "people", "--set", "data.max_age=120", "--out", "x"), 2, "data.max_age"),
        (
            (
                "make",
                "people",
                "--set",
                "data.min_age=50",
                "--set",
                "data.max_age=40",
                "--out",
                "x",
            ),
            2,
            "above",
        ),
        (("make", "people", "--layout", "imdb-wki", "--out", "x"), 2, 'Did you mean "imdb-wiki"?'),
        (("make", "peple", "--out", "x"), 2, 'Did you mean "people"?'),
        (("info", "people", "--set", "train.batch=3"), 2, "only options of data"),
        (("info", "people", "--groups", "30,20"), 2, "rising"),
        (("info", "people", "--groups", "a"), 2, "whole years"),
        (("info", "imdb-wiki:nowhere.tar"), 3, "nowhere.tar"),
        (("show", *SHAPES, "--out", "no/folder.png"), 5, "no folder"),
    ]
    for words, code, part in mistakes:
        done = ganzoo("data", *words, cwd=tmp_path)
        assert done.code == code, (words, done)
        assert part in done.error, (words, done.error)
        assert "Traceback" not in done.err
    assert not (tmp_path / "x").exists()


def test_a_run_on_another_render_version_is_refused(ganzoo, tmp_path):
    data = ("--set", "data.name=people", "--set", "data.count=60")
    words = ("cgan", "--preset", "tiny", *data, "--steps", 2, "--out", "run")
    assert ganzoo("run", *words, cwd=tmp_path).code == 0
    config = tmp_path / "run" / "config.toml"
    found = re.search(r'data_version = "(render \d+)"', config.read_text())
    assert found
    index = json.loads((tmp_path / "run" / "weights" / "ganzoo.json").read_text())
    assert index["data"]["version"] == found[1]
    config.write_text(config.read_text().replace(found[1], "render 1"))
    done = ganzoo("resume", "run", "--steps", 3, cwd=tmp_path)
    assert done.code == 3
    assert f"render 1, this is {found[1]}" in done.error
    assert "Traceback" not in done.err


def test_a_full_disk_is_one_line(ganzoo, tmp_path):
    words = ("people", "--count", 3, "--size", 256, "--out", "full")
    done = ganzoo("data", "make", *words, cwd=tmp_path, file_limit=4000)
    assert done.code == 5
    assert "cannot write full" in done.error
    assert "Traceback" not in done.err
