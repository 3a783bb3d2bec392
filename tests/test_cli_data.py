"""The data commands: info, show, prepare, export, and their errors."""

import csv
import io
import json
import re
import tarfile

from PIL import Image

SHAPES_ARGS = ("shapes", "--set", "data.count=40")


def test_data_info_counts(run_ganzoo, tmp_path):
    done = run_ganzoo("data", "info", *SHAPES_ARGS, "--json", "--age-bins", "30", cwd=tmp_path)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["images"] == sum(found["age_bins"].values()) == sum(found["labels"].values()) == 40
    assert list(found["age_bins"]) == ["0-30", "31+"]
    assert sum(found["ages"]["decades"].values()) == 40
    assert found["sizes"] == {
        "num_sampled": 40,
        "unreadable": 0,
        "min": 64,
        "median": 64.0,
        "max": 64,
    }
    plain = run_ganzoo("data", "info", *SHAPES_ARGS, cwd=tmp_path)
    assert plain.code == 0
    assert all(len(line) < 120 for line in plain.out.splitlines())


def test_data_info_published_age_bins(run_ganzoo, tmp_path):
    words = ("data", "export", "people", "--count", 40, "--size", 32, "--out", "p")
    assert run_ganzoo(*words, cwd=tmp_path).code == 0
    found = {}
    for age_bins in ("0", "pfa-4", "pfa-5", "pfa-7", "report"):
        done = run_ganzoo(
            "data", "info", "table:p/labels.csv", "--age-bins", age_bins, "--json", cwd=tmp_path
        )
        assert done.code == 0, done.err
        found[age_bins] = json.loads(done.out)
    ages = [float(row["age"]) for row in csv.DictReader((tmp_path / "p" / "labels.csv").open())]
    young = sum(age < 16 for age in ages)
    assert young > 0
    for name, count in (("pfa-4", 4), ("pfa-5", 5)):
        assert len(found[name]["age_bins"]) == count
        assert found[name]["excluded"]["age below 16"] == young
        assert sum(found[name]["age_bins"].values()) == 40 - young
    assert list(found["pfa-4"]["age_bins"]) == ["0-30", "31-40", "41-50", "51+"]
    assert len(found["pfa-7"]["age_bins"]) == 7 and len(found["report"]["age_bins"]) == 6
    assert found["pfa-7"]["images"] == 40 and found["pfa-7"]["excluded"]["age below 0"] == 0
    chosen = run_ganzoo(
        "data",
        "info",
        "table:p/labels.csv",
        "--age-bins",
        "pfa-4",
        "--set",
        "data.min_age=30",
        "--json",
        cwd=tmp_path,
    )
    assert json.loads(chosen.out)["excluded"]["age below 30"] == sum(age < 30 for age in ages)


def test_prepare_lists_unreadable_images(run_ganzoo, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, size in (("a.jpg", 40), ("b.jpg", 12), ("c.jpg", 10)):
        Image.new("RGB", (size, size), "red").save(folder / name)
    (folder / "empty.jpg").touch()
    (folder / "é\n.jpg").write_bytes(b"no picture")
    words = ("folder:photos", "--set", "data.min_size=20", "--size", 16)
    done = run_ganzoo("data", "prepare", *words, cwd=tmp_path, env={"GANZOO_CACHE": "c"})
    assert done.code == 0, done.err
    for line in (
        "2 images: smaller than 20 px",
        "1 image: empty file",
        "1 image: not a JPEG, PNG, WebP, BMP, PGM or PPM",
        "b.jpg: smaller than 20 px: 12x12",
        "é\\n.jpg: not a JPEG",
        "1 images of 16 x 16 px",
    ):
        assert line in done.err, done.err
    assert "Traceback" not in done.err


def test_unprintable_file_names(run_ganzoo, tmp_path):
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
        done = run_ganzoo("data", "info", source, "--json", cwd=tmp_path)
        assert done.code == 0, done.err
        classes = ["a\\x1b[31m", "b\\nc", "caf\\udce9", "日本"]
        assert json.loads(done.out)["labels"] == dict.fromkeys(classes, 2)
        words = ("run", "cgan", "--preset", "smoke", "--steps", 1, "--set", "model.age_bins=[]")
        out = source.partition(":")[2] + "-run"
        env = {"GANZOO_CACHE": "c"}
        done = run_ganzoo(*words, "--data", source, "--out", out, cwd=tmp_path, env=env)
        assert done.code == 0, done.err
        assert "\x1b" not in done.err and "4 images: empty file" in done.err
        index = json.loads((tmp_path / out / "weights" / "ganzoo.json").read_text())
        assert index["data"]["class_names"] == classes


def test_data_show(run_ganzoo, tmp_path):
    done = run_ganzoo(
        "data", "show", *SHAPES_ARGS, "--size", 16, "--out", "sheet.png", cwd=tmp_path
    )
    assert (done.code, done.out) == (0, "sheet.png\n"), done.err
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.width > 8 * 96
    assert len(sheet.getcolors(1_000_000)) > 100


def test_prepare_uses_cache(run_ganzoo, tmp_path):
    words = ("data", "prepare", *SHAPES_ARGS, "--size", 16)
    first, second = (run_ganzoo(*words, cwd=tmp_path, env={"GANZOO_CACHE": "c"}) for _ in range(2))
    assert first.code == second.code == 0
    assert first.out == second.out
    folder = tmp_path / first.out.strip()
    assert (folder / "pixels.u8").stat().st_size == 40 * 16 * 16 * 3
    assert "40 images of 16 x 16 px" in second.err


def test_data_export(run_ganzoo, tmp_path):
    done = run_ganzoo(
        "data", "export", "people", "--count", 5, "--size", 32, "--out", "p", cwd=tmp_path
    )
    assert done.code == 0, done.err
    rows = list(csv.DictReader((tmp_path / "p" / "labels.csv").open()))
    assert [row["path"] for row in rows] == [f"{i:06d}.jpg" for i in range(5)]
    assert all(0 <= float(row["age"]) <= 90 for row in rows)
    assert [row["identity"] for row in rows] == ["0", "0", "0", "0", "1"]
    assert Image.open(tmp_path / "p" / "000004.jpg").size == (32, 32)


def test_data_export_imdb_wiki(run_ganzoo, tmp_path):
    words = ("--count", 30, "--size", 32, "--exporter", "imdb-wiki", "--out", "archive")
    assert run_ganzoo("data", "export", "people", *words, cwd=tmp_path).code == 0
    truth = json.loads(
        run_ganzoo("data", "info", "people", "--set", "data.count=30", "--json", cwd=tmp_path).out
    )
    everything = ("--set", "data.filters=none", "--set", "data.split=all")
    done = run_ganzoo("data", "info", "imdb-wiki:archive", *everything, "--json", cwd=tmp_path)
    found = json.loads(done.out)
    assert found["images"] == 30
    assert found["age_bins"] == truth["age_bins"]
    assert found["ages"]["decades"] == truth["ages"]["decades"]


def test_data_errors_are_one_line(run_ganzoo, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    mistakes = [
        (("export", "people", "--count", 3, "--out", "taken"), 5, "taken"),
        (("export", "people", "--count", 0, "--out", "x"), 2, "--count"),
        (("export", "people", "--count", -4, "--out", "x"), 2, "--count"),
        (("export", "people", "--size", 900, "--out", "x"), 2, "data.image_size"),
        (("export", "people", "--size", 16, "--out", "x"), 2, "data.image_size"),
        (("export", "people", "--set", "data.max_age=120", "--out", "x"), 2, "data.max_age"),
        (
            (
                "export",
                "people",
                "--set",
                "data.min_age=50",
                "--set",
                "data.max_age=40",
                "--out",
                "x",
            ),
            2,
            "data.max_age",
        ),
        (
            ("export", "people", "--exporter", "imdb-wki", "--out", "x"),
            2,
            'Did you mean "imdb-wiki"?',
        ),
        (("export", "peple", "--out", "x"), 2, 'Did you mean "people"?'),
        (("info", "people", "--set", "train.batch_size=3"), 2, "--set train"),
        (("info", "people", "--age-bins", "30,20"), 2, "--age-bins"),
        (("info", "people", "--age-bins", "a"), 2, "--age-bins"),
        (("info", "imdb-wiki:nowhere.tar"), 3, "nowhere.tar"),
        (("show", *SHAPES_ARGS, "--out", "no/folder.png"), 5, "no"),
    ]
    for words, code, part in mistakes:
        done = run_ganzoo("data", *words, cwd=tmp_path)
        assert done.code == code, (words, done)
        assert part in done.error, (words, done.error)
        assert "Traceback" not in done.err
    assert not (tmp_path / "x").exists()


def test_resume_refuses_other_render_version(run_ganzoo, tmp_path):
    data = ("--set", "data.name=people", "--set", "data.count=60")
    words = ("cgan", "--preset", "smoke", *data, "--steps", 2, "--out", "run")
    assert run_ganzoo("run", *words, cwd=tmp_path).code == 0
    config = tmp_path / "run" / "config.toml"
    found = re.search(r'data_version = "(render \d+)"', config.read_text())
    assert found
    index = json.loads((tmp_path / "run" / "weights" / "ganzoo.json").read_text())
    assert index["data"]["version"] == found[1]
    config.write_text(config.read_text().replace(found[1], "render 1"))
    done = run_ganzoo("resume", "run", "--steps", 3, cwd=tmp_path)
    assert done.code == 3
    assert "render 1" in done.error and found[1] in done.error
    assert "Traceback" not in done.err


def test_disk_full_is_one_line(run_ganzoo, tmp_path):
    words = ("people", "--count", 3, "--size", 256, "--out", "full")
    done = run_ganzoo("data", "export", *words, cwd=tmp_path, file_limit=4000)
    assert done.code == 5
    assert "cannot write full" in done.error
    assert "Traceback" not in done.err
