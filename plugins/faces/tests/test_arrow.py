"""Parquet files and Arrow files of Hugging Face `datasets`: columns, splits, and bad input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import parquet

from ganzoo_core import limits
from ganzoo_core.cli.main import cli
from ganzoo_core.data import pack_images
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import UnreadableImage
from ganzoo_core.zoo.detect import detect_dataset

HUGGING_FACE = Path(__file__).parent / "hugging_face"
"""Four images of one color: `to_parquet` and `DatasetDict.save_to_disk` of `datasets` 5.2.0."""
FEATURES = {
    "image": {"_type": "Image"},
    "label": {"_type": "ClassLabel", "names": ["young", "adult", "100+"]},
}
ROWS = {"label": [2, 0, 1, 0], "age": [101, 7, 30, 8.5], "person": ["d", "a", "b", "a"]}


def write_parquet(
    path: Path, kit: Any, features: Any = FEATURES, drop: tuple[str, ...] = (), **columns: Any
) -> Path:
    """Write a file of four rows, two in each row group."""
    images = [{"bytes": kit.image_bytes("PNG", size=(20 + i, 24)), "path": "x"} for i in range(4)]
    columns = {"image": images, **ROWS, **columns}
    table = pa.table({name: value for name, value in columns.items() if name not in drop})
    if features is not None:
        text = (
            features if isinstance(features, str) else json.dumps({"info": {"features": features}})
        )
        table = table.replace_schema_metadata({"huggingface": text})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, row_group_size=2)
    return path


@pytest.mark.parametrize("name", ["parquet", "saved/train"])
def test_files_of_the_library(kit: Any, name: str) -> None:
    path = HUGGING_FACE / name
    assert detect_dataset(str(path))[0] == "parquet"
    data = kit.open_dataset("parquet", path)
    metadata = data.metadata()
    assert metadata.labels.tolist() == [0, 1, 1, 0] and metadata.class_names == ("cat", "dog")
    assert metadata.ages.tolist() == [31, 47, 5, 80]
    assert metadata.identities.tolist() == [0, 1, 1, 2]
    colors = [np.asarray(data.load_image(i))[0, 0].tolist() for i in range(4)]
    assert colors == [[40 * i, 255 - 40 * i, 128] for i in range(4)]


@pytest.mark.parametrize(
    ("name", "counts"), [("saved", {"train": 4, "test": 2, "all": 6}), ("parquet", {"train": 4})]
)
def test_splits_of_the_files(kit: Any, name: str, counts: dict[str, int]) -> None:
    for split, count in counts.items():
        data = kit.open_dataset("parquet", HUGGING_FACE / name, split=split)
        assert data.metadata().length == count, split
        held_out = dict(data.removed).get(f"not in the {split} split of the files", 0)
        assert held_out == (0 if name == "parquet" else 6 - count)


def test_validation_is_the_test_split_where_no_other_is(tmp_path: Path, kit: Any) -> None:
    for name in ("data/train-00000-of-00001", "data/validation-00000-of-00001"):
        write_parquet(tmp_path / f"{name}.parquet", kit)
    data = kit.open_dataset("parquet", tmp_path, split="test")
    assert {data.sample_name(i).partition("-")[0] for i in range(4)} == {"data/validation"}
    write_parquet(tmp_path / "data/test-00000-of-00001.parquet", kit)
    data = kit.open_dataset("parquet", tmp_path, split="test")
    assert {data.sample_name(i).partition("-")[0] for i in range(4)} == {"data/test"}


def test_rows_of_every_row_group(tmp_path: Path, kit: Any) -> None:
    data = kit.open_dataset("parquet", write_parquet(tmp_path / "a.parquet", kit))
    assert [data.load_image(i).width for i in (3, 0, 2, 1)] == [23, 20, 22, 21]
    assert data.metadata().class_names == ("young", "adult", "100+")  # as the feature has them
    packed = pack_images(data, image_size=16)
    assert packed.info.class_counts == (2, 1, 1) and packed.info.num_identities == 3


@pytest.mark.parametrize("features", [None, "no json", "[]", '{"info": {"features": [1]}}'])
def test_without_features(tmp_path: Path, kit: Any, features: str | None) -> None:
    path = write_parquet(tmp_path / "a.parquet", kit, features)
    assert kit.open_dataset("parquet", path).metadata().class_names == ("0", "1", "2")


def test_rows_that_lack_a_value(tmp_path: Path, kit: Any) -> None:
    images = [
        {"bytes": b, "path": "/etc/passwd"}
        for b in (None, b"x", kit.image_bytes(), kit.image_bytes())
    ]
    path = write_parquet(tmp_path / "a.parquet", kit, label=[0, 1, -1, 2], image=images)
    data = kit.open_dataset("parquet", path)
    assert data.metadata().length == 3 and dict(data.removed)["no label in the row"] == 1
    for index, words in ((0, "only the path of one"), (1, "not a JPEG")):
        with pytest.raises(UnreadableImage, match=words):
            data.load_image(index)
    assert data.load_image(2).width == 20
    path = write_parquet(tmp_path / "b.parquet", kit, age=[None, float("nan"), 30.0, 31.0])
    assert kit.open_dataset("parquet", path).metadata().ages.tolist() == [30, 31]


def test_columns_by_name(tmp_path: Path, kit: Any) -> None:
    images = [kit.image_bytes()] * 4
    path = write_parquet(
        tmp_path / "a.parquet", kit, None, ("image", "label"), front=images, kind=list("abca")
    )
    assert kit.open_dataset("parquet", path).metadata().labels is None
    data = kit.open_dataset("parquet", path, columns={"label": "kind"})
    assert data.metadata().class_names == ("a", "b", "c") and data.load_image(0).width == 20
    both = write_parquet(tmp_path / "b.parquet", kit, None, ("image",), a=images, b=images)
    assert "several image columns (a, b)" in kit.error_message("parquet", both)
    kit.open_dataset("parquet", both, columns={"image": "b"})
    groups = {"_type": "ClassLabel", "names": ["0-2", "3-9"]}
    path = write_parquet(tmp_path / "c.parquet", kit, {"age": groups}, age=[0, 1, 1, 0])
    assert kit.open_dataset("parquet", path).metadata().ages is None  # age groups are no years


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        ({"drop": ("image",)}, {}, "no image column, only label, age, person: name it with"),
        ({}, {"columns": {"label": "breed"}}, "no column 'breed', only image, label, age"),
        ({}, {"columns": {"age": "person"}}, "age=person: numbers of years are needed, not string"),
        ({"features": {"image": {"_type": "Video"}}}, {}, "no image column"),
        (
            {"seq": [[1]] * 4, "features": FEATURES | {"seq": {"_type": "Array2D"}}},
            {"columns": {"label": "seq"}},
            "label=seq: integers or texts are needed, not Array2D",
        ),
        ({name: [] for name in ("image", *ROWS)}, {"columns": {"image": "image"}}, "no"),
    ],
)
def test_columns_that_do_not_fit(
    tmp_path: Path, kit: Any, columns: Any, options: Any, words: str
) -> None:
    path = write_parquet(tmp_path / "a.parquet", kit, **columns)
    assert words in kit.error_message("parquet", path, **options)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_damaged_files(tmp_path: Path, kit: Any, suffix: str) -> None:
    source = next(HUGGING_FACE.rglob(f"*{suffix}"))
    whole, path = source.read_bytes(), tmp_path / f"a{suffix}"
    for data in (b"", b"PAR1", whole[:200], whole[:-100] if suffix == ".parquet" else whole[:900]):
        path.write_bytes(data)
        assert f"{path} cannot be read: " in kit.error_message("parquet", path)
    for at in range(0, len(whole), 23):  # no byte crashes the process
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            data = kit.open_dataset("parquet", path)
            for index in range(data.metadata().length):
                data.load_image(index)
        except (DataError, UnreadableImage):
            pass


def test_limits(tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "a.parquet", kit)
    arrow = next(HUGGING_FACE.rglob("*.arrow"))
    monkeypatch.setattr(limits, "DATA_FILE_BYTES", 100)
    assert "row_group_size" in kit.error_message("parquet", path)
    assert "max_shard_size" in kit.error_message("parquet", arrow)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install -e '.[parquet]'" in kit.error_message("parquet", path)


def test_files_of_two_data_sets(tmp_path: Path, kit: Any) -> None:
    write_parquet(tmp_path / "a.parquet", kit)
    write_parquet(tmp_path / "b.parquet", kit, drop=("age",))
    assert "b.parquet has no column 'age', unlike a.parquet" in kit.error_message(
        "parquet", tmp_path
    )


def test_a_script_in_the_folder_is_not_run(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(tmp_path / "data" / "train-0.parquet", kit)
    (tmp_path / f"{tmp_path.name}.py").write_text("raise SystemExit('was run')\n")
    (tmp_path / "README.md").write_text("---\nconfigs: []\n---\n")
    (tmp_path / "dataset_infos.json").write_text("{}")
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    words = ["data", "info", str(tmp_path), "--json", "--set", "data.split=all"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "1 .parquet file, read as --data parquet:" in done.stderr
    assert json.loads(done.stdout)["labels"] == {"young": 2, "adult": 1, "100+": 1}
