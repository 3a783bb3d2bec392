"""CSV and JSONL: formats, missing values, and errors with line numbers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganzoo_faces.config import TableConfig
from ganzoo_faces.table_dataset import TableDataset
from PIL import Image

from ganzoo_core.data import pack_images
from ganzoo_core.data.export import write_image_folder
from ganzoo_core.errors import DataError

CSV = """path,age,identity,label
p/1.jpg,31,ana,in
p/2.jpg,47.5,ana,out
p/ü.jpg,0,Bo,out
"""


def write_table(root: Path, kit: Any, text: str | bytes = CSV, name: str = "labels.csv") -> Path:
    kit.write_images(root, "p/1.jpg", "p/2.jpg", "p/ü.jpg")
    data = text.encode() if isinstance(text, str) else text
    (root / name).write_bytes(data)
    return root / name


def check_dataset(data: Any) -> None:
    metadata = data.metadata()
    assert metadata.ages.tolist() == [31, 47.5, 0] and metadata.ages.dtype == np.float32
    assert metadata.identities.tolist() == [1, 1, 0] and data.identity_names == ("Bo", "ana")
    assert metadata.labels.tolist() == [0, 1, 1] and metadata.class_names == ("in", "out")
    assert pack_images(data, image_size=16).info.num_images == 3


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_delimiters(tmp_path: Path, kit: Any, delimiter: str) -> None:
    text = "\ufeff" + CSV.replace(",", delimiter).replace("\n", "\r\n").replace("path", " Path ")
    check_dataset(kit.open_dataset("table", write_table(tmp_path, kit, text + "\r\n")))


def test_jsonl(tmp_path: Path, kit: Any) -> None:
    rows = [
        {"path": "p/1.jpg", "age": 31, "identity": "ana", "label": "in", "more": [1]},
        {"path": "p/2.jpg", "age": "47.5", "identity": "ana", "label": "out"},
        {"path": "p/ü.jpg", "age": 0.0, "identity": "Bo", "label": "out"},
    ]
    text = "\n\n".join(json.dumps(row) for row in rows)
    check_dataset(kit.open_dataset("table", write_table(tmp_path, kit, text, "x.jsonl")))


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_table_in_folder_or_tar(tmp_path: Path, kit: Any, kind: str) -> None:
    root = tmp_path / "set"
    write_table(root / "inner", kit)
    check_dataset(kit.open_dataset("table", root if kind == "folder" else kit.make_tar(root)))
    (root / "inner" / "b.csv").write_text("path\np/1.jpg\n")
    path = root if kind == "folder" else kit.make_tar(root)
    text = kit.error_message("table", path)
    inner = "inner" if kind == "folder" else "set/inner"
    assert f"{inner}/b.csv, {inner}/labels.csv" in text and "data.table" in text
    data = kit.open_dataset("table", path, table=f"{inner}/b.csv")
    assert data.metadata().length == 1 and data.metadata().ages is None
    assert "c.csv" in kit.error_message("table", path, table="c.csv")
    (root / "p").mkdir()
    assert "no .csv or .jsonl" in kit.error_message("table", root / "inner" / "p")


def test_optional_columns_and_numeric_labels(tmp_path: Path, kit: Any) -> None:
    text = "label,path\n10,p/1.jpg\n9,p/2.jpg\n"
    metadata = kit.open_dataset("table", write_table(tmp_path, kit, text)).metadata()
    assert metadata.class_names == ("9", "10") and metadata.labels.tolist() == [1, 0]
    assert metadata.ages is None and metadata.identities is None


def test_missing_values_are_counted(tmp_path: Path, kit: Any) -> None:
    text = CSV + "p/gone.jpg,3,a,in\np/1.png,,a,in\nx,1,,in\ny,1,a,\n,,,\np/2.png,130,a,in\n"
    kit.write_images(tmp_path, "p/1.png", "p/2.png")
    data = kit.open_dataset("table", write_table(tmp_path, kit, text))
    assert dict(data.metadata().removed) == {
        "file missing": 1,
        "no age in the table": 1,
        "no identity in the table": 1,
        "no label in the table": 1,
        "age below 0": 0,
        "age above 120": 1,
    }
    assert data.metadata().length == 3


INVALID_LINES = {
    "p/1.jpg,old,a,in": "line 5: the age 'old'",
    'p/3.jpg,"25,5",a,in': "the age '25,5'",
    "p/3.jpg,nan,a,in": "the age 'nan'",
    "p/3.jpg,1e999,a,in": "the age '1e999'",
    "p/3.jpg,5,a": "line 5: 3 fields",
    "p/3.jpg,5,a,in,5": "line 5: 5 fields",
    ",5,a,in": "line 5: no path",
    "/etc/passwd,5,a,in": "line 5: the path '/etc/passwd'",
    "../x.jpg,5,a,in": "line 5: the path",
    "p/../../x.jpg,5,a,in": "line 5: the path",
    "..\\x.jpg,5,a,in": "line 5: the path",
    "C:\\x.jpg,5,a,in": "line 5: the path",
    "\\\\host\\x.jpg,5,a,in": "line 5: the path",
    "p/1.jpg,5,a,in": "line 5: 'p/1.jpg'",
    "./p//1.jpg,5,a,in": "line 2;",
    '"p/3.jpg,5,a,in': "line 5: ",
}


@pytest.mark.parametrize("line", INVALID_LINES)
def test_invalid_csv_line(tmp_path: Path, kit: Any, line: str) -> None:
    assert INVALID_LINES[line] in kit.error_message(
        "table", write_table(tmp_path, kit, CSV + line + "\n")
    )


INVALID_JSON_LINES = {
    "{": "line 2: ",
    "[1]": "line 2: ",
    '{"path": ["a"]}': "line 2: 'path'",
    '{"path": "p/2.jpg", "age": true}': "'age' is true",
    '{"path": "p/2.jpg", "age": NaN}': "the age 'nan'",
    '{"path": "p/2.jpg", "age": 1' + "0" * 5000 + "}": "line 2",
    "[" * 100000: "line 2: ",
}


@pytest.mark.parametrize("line", INVALID_JSON_LINES, ids=lambda line: line[:30])
def test_invalid_jsonl_line(tmp_path: Path, kit: Any, line: str) -> None:
    text = '{"path": "p/1.jpg", "age": 3}\n' + line
    assert INVALID_JSON_LINES[line] in kit.error_message(
        "table", write_table(tmp_path, kit, text, "a.jsonl")
    )


def test_invalid_tables(tmp_path: Path, kit: Any) -> None:
    def text(table: str | bytes) -> str:
        return str(kit.error_message("table", write_table(tmp_path, kit, table)))

    assert "labels.csv" in text("")
    assert "labels.csv" in text("path,age\n")
    assert "column 'path'" in text("p/1.jpg,31\np/2.jpg,32\n")
    assert "column 'ages' must be named 'age'" in text("path,ages\np/1.jpg,3\n")
    assert "column 'age'" in text("path,age,age\np/1.jpg,3,3\n")
    assert "line 3: not UTF-8" in text(b"path\np/1.jpg\np/\xfc.jpg\n")
    assert "file missing: 1" in text("path\ngone.jpg\n")
    assert "no.csv" in kit.error_message("table", tmp_path / "no.csv")
    assert "--data table:" in kit.error_message("table", "")


def test_windows_paths_and_nfd_names(tmp_path: Path, kit: Any) -> None:
    text = "path\np\\1.jpg\np/u\u0308.jpg\n"
    data = kit.open_dataset("table", write_table(tmp_path, kit, text))
    assert [data.sample_name(i) for i in range(2)] == ["p/1.jpg", "p/ü.jpg"]


def test_escaping_link_is_not_followed(tmp_path: Path, kit: Any) -> None:
    root = tmp_path / "set"
    table = write_table(root, kit, "path\np/1.jpg\np/out.jpg\nloop\n")
    kit.write_images(tmp_path, "out.jpg")
    (root / "p" / "out.jpg").symlink_to(tmp_path / "out.jpg")
    (root / "loop").symlink_to(root / "loop")
    assert kit.open_dataset("table", table).metadata().removed == (("file missing", 2),)


def test_folder_of_table_is_not_listed(tmp_path: Path, kit: Any, monkeypatch: Any) -> None:
    table = write_table(tmp_path, kit)
    monkeypatch.setattr("os.scandir", None)
    check_dataset(kit.open_dataset("table", table))


def test_split_by_person(tmp_path: Path, kit: Any) -> None:
    names = [f"{n}.jpg" for n in range(60)]
    kit.write_images(tmp_path, *names)
    (tmp_path / "a.csv").write_text(
        "path,identity\n" + "".join(f"{n}.jpg,{n % 20}\n" for n in range(60))
    )
    sides = [
        kit.open_dataset("table", tmp_path / "a.csv", split=s, test_share=0.4)
        for s in ("train", "test")
    ]
    people = [set(side.metadata().identities.tolist()) for side in sides]
    assert people[1] and not people[0] & people[1] and len(people[0] | people[1]) == 20


def test_fingerprint_covers_table_and_images(tmp_path: Path, kit: Any) -> None:
    table = write_table(tmp_path, kit)
    first = kit.open_dataset("table", table).fingerprint()
    assert kit.open_dataset("table", table).fingerprint() == first
    kit.write_images(tmp_path, "unrelated.jpg")
    assert kit.open_dataset("table", table).fingerprint() == first
    kit.write_images(tmp_path, "p/2.jpg", data=kit.image_bytes(size=(9, 9)))
    assert kit.open_dataset("table", table).fingerprint() != first


def test_reads_exported_folder(tmp_path: Path, kit: Any) -> None:
    data = kit.open_dataset("table", write_table(tmp_path, kit), image_size=16)
    out = tmp_path / "out"
    out.mkdir()
    write_image_folder(data, out, lambda done, total: None)
    again = kit.open_dataset("table", out).metadata()
    assert again.ages.tolist() == [31, 47.5, 0] and again.labels.tolist() == [0, 1, 1]


def test_mutated_tables(tmp_path: Path, kit: Any) -> None:
    rng, good, read = random.Random(5), CSV.encode(), 0
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.choice([1, 2, 6])):
            data[rng.randrange(len(data))] = rng.choice(b'\0\n\r",;\t/.\\\xff\xc3a9-')
        try:
            kit.open_dataset("table", write_table(tmp_path, kit, bytes(data)))
        except DataError as error:
            assert "\n" not in str(error)
        else:
            read += 1
    assert 0 < read < 300


def test_columns_root_and_labels_from_folders(tmp_path):
    """A table of ages elsewhere, with headers of its own, joins the class folders of the images."""
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(2):
            image = Image.new("RGB", (16, 16), (60 * i, 0, 0))
            image.save(tmp_path / "images" / name / f"{i}.png")
    table = tmp_path / "tables" / "ages.csv"
    table.parent.mkdir()
    rows = ["FileName,path,years", "cat/0.png,x,3", "cat/1.png,x,4", "dog/1.png,x,9"]
    table.write_text("\n".join(rows))
    lines = table.with_suffix(".jsonl")
    lines.write_text('{"FileName": "dog/0.png", "years": 5}\n')
    options = {
        "columns": {"path": "FileName", "age": "years"},
        "root": str(tmp_path / "images"),
        "label_from": "folder",
    }
    dataset = TableDataset(TableConfig(name="table", path=str(table), **options))
    metadata = dataset.metadata()
    assert metadata.ages.tolist() == [3, 4, 9]
    assert [metadata.class_names[i] for i in metadata.labels] == ["cat", "cat", "dog"]
    assert dataset.load_image(1).getpixel((0, 0)) == (60, 0, 0)
    before = dataset.fingerprint()
    table.write_text("\n".join(rows[:3]))
    changed = TableDataset(TableConfig(name="table", path=str(table), **options))
    assert changed.fingerprint() != before
    one = TableDataset(TableConfig(name="table", path=str(lines), **options))
    assert one.metadata().ages.tolist() == [5]
    with pytest.raises(DataError, match=r"data\.columns\.age: no column 'born', only filename"):
        TableDataset(TableConfig(path=str(table), columns={"age": "born"}))
    with pytest.raises(DataError, match=r"data\.root: there is no folder"):
        TableDataset(TableConfig(path=str(table), root=str(tmp_path / "no")))
    with pytest.raises(DataError, match=r"data\.root needs the path of a table file"):
        TableDataset(TableConfig(path=str(tmp_path), root=str(tmp_path)))


def test_stylegan_dataset_json(tmp_path, kit):
    kit.write_images(tmp_path, "00000/a.png", "00000/b.png", "00001/c.png")
    table = tmp_path / "dataset.json"
    labels = [["00000/a.png", 2], ["00000/b.png", 10], ["00001/c.png", 2]]
    table.write_text(json.dumps({"labels": labels}))
    for path in (tmp_path, table):
        dataset = TableDataset(TableConfig(name="table", path=str(path)))
        metadata = dataset.metadata()
        assert [metadata.class_names[i] for i in metadata.labels] == ["2", "10", "2"]
        assert metadata.class_names == ("2", "10")
    for text in ('{"labels": null}', "[]", '{"labels": [["a.png"]]}'):
        table.write_text(text)
        with pytest.raises(DataError, match=r"dataset.json: not \{"):
            TableDataset(TableConfig(name="table", path=str(table)))
