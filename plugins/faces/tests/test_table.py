"""CSV and JSONL: what they may hold, and every wrong line by its number."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganzoo_core.data import prepare
from ganzoo_core.data.export import write_folder
from ganzoo_core.errors import DataError

CSV = """path,age,identity,label
p/1.jpg,31,ana,in
p/2.jpg,47.5,ana,out
p/ü.jpg,0,Bo,out
"""


def written(root: Path, kit: Any, text: str | bytes = CSV, name: str = "labels.csv") -> Path:
    kit.fill(root, "p/1.jpg", "p/2.jpg", "p/ü.jpg")
    data = text.encode() if isinstance(text, str) else text
    (root / name).write_bytes(data)
    return root / name


def check(data: Any) -> None:
    table = data.table()
    assert table.ages.tolist() == [31, 47.5, 0] and table.ages.dtype == np.float32
    assert table.identities.tolist() == [1, 1, 0] and data.people == ("Bo", "ana")
    assert table.labels.tolist() == [0, 1, 1] and table.classes == ("in", "out")
    assert prepare(data, size=16).info.images == 3


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_every_dialect(tmp_path: Path, kit: Any, delimiter: str) -> None:
    text = "\ufeff" + CSV.replace(",", delimiter).replace("\n", "\r\n").replace("path", " Path ")
    check(kit.opened("table", written(tmp_path, kit, text + "\r\n")))


def test_jsonl(tmp_path: Path, kit: Any) -> None:
    rows = [
        {"path": "p/1.jpg", "age": 31, "identity": "ana", "label": "in", "more": [1]},
        {"path": "p/2.jpg", "age": "47.5", "identity": "ana", "label": "out"},
        {"path": "p/ü.jpg", "age": 0.0, "identity": "Bo", "label": "out"},
    ]
    text = "\n\n".join(json.dumps(row) for row in rows)
    check(kit.opened("table", written(tmp_path, kit, text, "x.jsonl")))


@pytest.mark.parametrize("way", ["folder", "tar"])
def test_a_table_inside(tmp_path: Path, kit: Any, way: str) -> None:
    root = tmp_path / "set"
    written(root / "inner", kit)
    check(kit.opened("table", root if way == "folder" else kit.packed(root)))
    (root / "inner" / "b.csv").write_text("path\np/1.jpg\n")
    path = root if way == "folder" else kit.packed(root)
    text = kit.message("table", path)
    inner = "inner" if way == "folder" else "set/inner"
    assert f"holds 2 tables ({inner}/b.csv, {inner}/labels.csv); say which" in text
    data = kit.opened("table", path, table=f"{inner}/b.csv")
    assert data.table().length == 1 and data.table().ages is None
    assert "there is no file" in kit.message("table", path, table="c.csv")
    (root / "p").mkdir()
    assert "no .csv or .jsonl" in kit.message("table", root / "inner" / "p")


def test_columns_may_be_left_out_and_numbers_keep_their_order(tmp_path: Path, kit: Any) -> None:
    text = "label,path\n10,p/1.jpg\n9,p/2.jpg\n"
    table = kit.opened("table", written(tmp_path, kit, text)).table()
    assert table.classes == ("9", "10") and table.labels.tolist() == [1, 0]
    assert table.ages is None and table.identities is None


def test_what_is_missing_is_counted(tmp_path: Path, kit: Any) -> None:
    text = CSV + "p/gone.jpg,3,a,in\np/1.png,,a,in\nx,1,,in\ny,1,a,\n,,,\np/2.png,130,a,in\n"
    kit.fill(tmp_path, "p/1.png", "p/2.png")
    data = kit.opened("table", written(tmp_path, kit, text))
    assert dict(data.table().removed) == {
        "file missing": 1,
        "no age in the table": 1,
        "no identity in the table": 1,
        "no label in the table": 1,
        "age below 0": 0,
        "age above 120": 1,
    }
    assert data.table().length == 3


WRONG = {
    "p/1.jpg,old,a,in": "line 5: the age 'old' is not a number of years such as 31.5",
    'p/3.jpg,"25,5",a,in': "the age '25,5' is not a number",
    "p/3.jpg,nan,a,in": "the age 'nan' is not a number",
    "p/3.jpg,1e999,a,in": "the age '1e999' is not a number",
    "p/3.jpg,5,a": "line 5: 3 fields, and the first line names 4",
    "p/3.jpg,5,a,in,5": "line 5: 5 fields",
    ",5,a,in": "line 5: no path",
    "/etc/passwd,5,a,in": "line 5: the path '/etc/passwd' leads out of the table's folder",
    "../x.jpg,5,a,in": "leads out",
    "p/../../x.jpg,5,a,in": "leads out",
    "..\\x.jpg,5,a,in": "leads out",
    "C:\\x.jpg,5,a,in": "leads out",
    "\\\\host\\x.jpg,5,a,in": "leads out",
    "p/1.jpg,5,a,in": "line 5: 'p/1.jpg' is listed in line 2 already",
    "./p//1.jpg,5,a,in": "is listed in line 2 already",
    '"p/3.jpg,5,a,in': "line 5: ",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_line_is_named(tmp_path: Path, kit: Any, line: str) -> None:
    assert WRONG[line] in kit.message("table", written(tmp_path, kit, CSV + line + "\n"))


WRONG_JSON = {
    "{": "line 2: not JSON",
    "[1]": "line 2: not an object",
    '{"path": ["a"]}': "line 2: 'path' is [\"a\"], not text or a number",
    '{"path": "p/2.jpg", "age": true}': "'age' is true",
    '{"path": "p/2.jpg", "age": NaN}': "the age 'nan' is not a number",
    '{"path": "p/2.jpg", "age": 1' + "0" * 5000 + "}": "line 2",
    "[" * 100000: "line 2: not JSON",
}


@pytest.mark.parametrize("line", WRONG_JSON, ids=lambda line: line[:30])
def test_a_wrong_object_is_named(tmp_path: Path, kit: Any, line: str) -> None:
    text = '{"path": "p/1.jpg", "age": 3}\n' + line
    assert WRONG_JSON[line] in kit.message("table", written(tmp_path, kit, text, "a.jsonl"))


def test_tables_that_are_none(tmp_path: Path, kit: Any) -> None:
    def text(table: str | bytes) -> str:
        return str(kit.message("table", written(tmp_path, kit, table)))

    assert "lists no picture" in text("")
    assert "lists no picture" in text("path,age\n")
    assert "column 'path' is missing, there is p/1.jpg, 31" in text("p/1.jpg,31\np/2.jpg,32\n")
    assert "column 'ages' must be named 'age'" in text("path,ages\np/1.jpg,3\n")
    assert "column 'age' is there twice" in text("path,age,age\np/1.jpg,3,3\n")
    assert "line 3: not UTF-8; save the table as UTF-8" in text(b"path\np/1.jpg\np/\xfc.jpg\n")
    assert "file missing: 1" in text("path\ngone.jpg\n")
    assert "no such file" in kit.message("table", tmp_path / "no.csv")
    assert kit.message("table", "") == "table needs a path: --data table:labels.csv"


def test_names_of_other_systems(tmp_path: Path, kit: Any) -> None:
    text = "path\np\\1.jpg\np/u\u0308.jpg\n"
    data = kit.opened("table", written(tmp_path, kit, text))
    assert [data.describe(i) for i in range(2)] == ["p/1.jpg", "p/ü.jpg"]


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, kit: Any) -> None:
    root = tmp_path / "set"
    table = written(root, kit, "path\np/1.jpg\np/out.jpg\nloop\n")
    kit.fill(tmp_path, "out.jpg")
    (root / "p" / "out.jpg").symlink_to(tmp_path / "out.jpg")
    (root / "loop").symlink_to(root / "loop")
    assert kit.opened("table", table).table().removed == (("file missing", 2),)


def test_nothing_beside_a_table_is_listed(tmp_path: Path, kit: Any, monkeypatch: Any) -> None:
    table = written(tmp_path, kit)
    monkeypatch.setattr("os.scandir", None)
    check(kit.opened("table", table))


def test_the_split_is_by_person(tmp_path: Path, kit: Any) -> None:
    names = [f"{n}.jpg" for n in range(60)]
    kit.fill(tmp_path, *names)
    (tmp_path / "a.csv").write_text(
        "path,identity\n" + "".join(f"{n}.jpg,{n % 20}\n" for n in range(60))
    )
    sides = [
        kit.opened("table", tmp_path / "a.csv", split=s, test_share=0.4) for s in ("train", "test")
    ]
    people = [set(side.table().identities.tolist()) for side in sides]
    assert people[1] and not people[0] & people[1] and len(people[0] | people[1]) == 20


def test_the_fingerprint_follows_table_and_pictures(tmp_path: Path, kit: Any) -> None:
    table = written(tmp_path, kit)
    first = kit.opened("table", table).source()
    assert kit.opened("table", table).source() == first
    kit.fill(tmp_path, "unrelated.jpg")
    assert kit.opened("table", table).source() == first
    kit.fill(tmp_path, "p/2.jpg", data=kit.picture(size=(9, 9)))
    assert kit.opened("table", table).source() != first


def test_it_reads_what_ganzoo_data_make_writes(tmp_path: Path, kit: Any) -> None:
    data = kit.opened("table", written(tmp_path, kit), size=16)
    out = tmp_path / "out"
    out.mkdir()
    write_folder(data, out, lambda done, total: None)
    again = kit.opened("table", out).table()
    assert again.ages.tolist() == [31, 47.5, 0] and again.labels.tolist() == [0, 1, 1]


def test_mutated_tables_give_pictures_or_a_data_error(tmp_path: Path, kit: Any) -> None:
    rng, good, read = random.Random(5), CSV.encode(), 0
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.choice([1, 2, 6])):
            data[rng.randrange(len(data))] = rng.choice(b'\0\n\r",;\t/.\\\xff\xc3a9-')
        try:
            kit.opened("table", written(tmp_path, kit, bytes(data)))
        except DataError as error:
            assert "\n" not in str(error)
        else:
            read += 1
    assert 0 < read < 300
