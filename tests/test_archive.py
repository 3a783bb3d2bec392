"""Folders and tars: what is listed, what is read, what is refused, and every bad input."""

from __future__ import annotations

import gc
import gzip
import io
import os
import random
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ganzoo_core.data import archive
from ganzoo_core.data.archive import open_files
from ganzoo_core.errors import DataError

CONTENT = {f"faces/{i % 3}/{i}.jpg": bytes([i]) * (i * 97) for i in range(40)}


def folder(root: Path) -> Path:
    for name, data in CONTENT.items():
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root / "data"


def tar(path: Path, mode: str = "w", extra: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    with tarfile.open(path, mode) as out:
        for name, data in CONTENT.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
        for info in extra:
            out.addfile(info, io.BytesIO(bytes(info.size)) if info.size else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def message(path: Path | str) -> str:
    with pytest.raises(DataError) as caught:
        open_files(path)
    text = str(caught.value)
    assert "\n" not in text and str(path) in text
    return text


@pytest.fixture(params=["folder", "w", "w:gz", "pax", "gnu"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "folder":
        return folder(tmp_path)
    if request.param.startswith("w"):
        return tar(tmp_path / "a.tar", request.param)
    path = tmp_path / "a.tar"
    form = tarfile.PAX_FORMAT if request.param == "pax" else tarfile.GNU_FORMAT
    with tarfile.open(path, "w", format=form) as out:
        out.add(folder(tmp_path), arcname=".")
    return path


def test_every_source_gives_the_same_files(source: Path) -> None:
    with open_files(source) as files:
        assert sorted(files.names) == sorted(CONTENT)
        assert {name: files.read(name) for name in files.names} == CONTENT
        assert files.refused == {}
        assert "faces/0/0.jpg" in files and "faces/0" not in files and None not in files
        assert repr(files) == f"<{type(files).__name__} {str(source)!r}: 40 files>"


def test_threads_read_at_once(source: Path) -> None:
    names = [name for name in CONTENT for _ in range(25)]
    random.Random(0).shuffle(names)
    with open_files(source) as files, ThreadPoolExecutor(8) as pool:
        assert all(
            data == CONTENT[name]
            for name, data in zip(names, pool.map(files.read, names), strict=True)
        )


def test_a_system_without_pread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pread")
    test_threads_read_at_once(tar(tmp_path / "a.tar"))


def test_order_and_later_names_win(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as out:
        for name, data in [("z", b"1"), ("./a//b", b"2"), ("z", b"33")]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    files = open_files(path)
    assert files.names == ("z", "a/b")
    assert files.read("z") == b"33"
    assert files.refused == {"z": "an earlier file of the same name"}
    assert open_files(folder(tmp_path)).names == tuple(sorted(CONTENT))


def test_names_beyond_ascii_and_long_ones(tmp_path: Path) -> None:
    names = ["josé/李.jpg", "x" * 90 + "/" + "y" * 150]
    with tarfile.open(tmp_path / "a.tar", "w") as out:
        for name in names:
            out.addfile(tarfile.TarInfo(name))
    assert list(open_files(tmp_path / "a.tar").names) == names


def test_a_tar_refuses_what_leads_outside(tmp_path: Path) -> None:
    bad = {
        "/etc/passwd": (tarfile.REGTYPE, "an absolute path"),
        "a/../../b": (tarfile.REGTYPE, "a path that leaves the archive"),
        "soft": (tarfile.SYMTYPE, "a link"),
        "hard": (tarfile.LNKTYPE, "a link"),
        "null": (tarfile.CHRTYPE, "not a regular file"),
        "pipe": (tarfile.FIFOTYPE, "not a regular file"),
    }
    extra = tuple(member(name, kind, "/etc/passwd") for name, (kind, _) in bad.items())
    files = open_files(tar(tmp_path / "a.tar", extra=extra))
    assert files.refused == {name: why for name, (_, why) in bad.items()}
    assert sorted(files.names) == sorted(CONTENT)
    assert "40 files, 6 refused" in repr(files)
    with pytest.raises(DataError, match="there is no file 'soft'"):
        files.read("soft")


def test_a_folder_refuses_what_leads_outside(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (tmp_path / "secret").write_text("x")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "nothing").symlink_to("gone")
    (root / "loop").symlink_to("loop")
    (root / "up").symlink_to(tmp_path)
    (root / "again").symlink_to(root / "faces")
    (root / "inside").symlink_to("faces/0/3.jpg")
    os.mkfifo(root / "pipe")
    files = open_files(root)
    assert files.refused == {
        "out": "a link that leaves the folder",
        "nothing": "a link to nothing",
        "loop": "a link to nothing",
        "up": "a link that leaves the folder",
        "again": "a link to something that is not a file",
        "pipe": "not a regular file",
    }
    assert set(files.names) == {*CONTENT, "inside"}
    assert files.read("inside") == CONTENT["faces/0/3.jpg"]


def test_a_link_to_the_data_is_fine(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder(tmp_path))
    assert len(open_files(tmp_path / "link")) == 40


def test_bad_paths(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "holds no files; give the unpacked folder" in message(tmp_path / "empty")
    (tmp_path / "empty" / "out").symlink_to("/")
    assert "holds no files (1 refused, the first: 'out', a link" in message(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe")
    assert "neither a folder nor a file" in message(tmp_path / "pipe")
    with pytest.raises(DataError, match="null"):
        open_files("a\0b")


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff\xe0" * 400, b"\x01" * 4096])
def test_not_an_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    assert "is not a tar" in message(tmp_path / "a.tar")


def test_an_empty_tar(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(bytes(10240))
    assert "holds no files" in message(tmp_path / "a.tar")


def test_foreign_archives_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04" + bytes(600))
    assert "is a zip archive; unpack it" in message(tmp_path / "a.zip")
    assert "is a xz archive" in message(tar(tmp_path / "a.tar.xz", "w:xz"))


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, packed = folder(tmp_path), tar(tmp_path / "a.tar")

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", deny)
    monkeypatch.setattr(Path, "open", deny)
    assert "permission denied; give" in message(root)
    assert "permission denied; give" in message(packed)


def test_no_permission_further_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, scandir = folder(tmp_path), os.scandir

    def deny(path: Path) -> object:
        if path.name == "faces":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    assert f"{root / 'faces'}: permission denied; give" in message(root)


@pytest.mark.filterwarnings("error")
def test_a_forgotten_archive_closes_itself(tmp_path: Path) -> None:
    files = open_files(tar(tmp_path / "a.tar"))
    assert isinstance(files, archive.Tar)
    file = files.file
    del files
    gc.collect()
    assert file.closed


def test_a_cut_tar_says_how_far_it_goes(tmp_path: Path) -> None:
    whole = tar(tmp_path / "a.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as out:
        tenth = out.getmembers()[10]
    cuts = {tenth.offset: 10, tenth.offset + 100: 10, tenth.offset_data + 5: 11}
    for at, listed in cuts.items():
        (tmp_path / "cut.tar").write_bytes(whole[:at])
        text = message(tmp_path / "cut.tar")
        assert f"cut short or damaged: {listed} entries" in text and "download it again" in text
    (tmp_path / "cut.tar").write_bytes(
        whole[: tenth.offset] + b"?" * 512 + whole[tenth.offset + 512 :]
    )
    assert "damaged: 10 entries" in message(tmp_path / "cut.tar")


def test_a_cut_gzip(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar.gz", "w:gz")
    path.write_bytes(path.read_bytes()[:-200])
    assert "cannot be unzipped" in message(path)
    path.write_bytes(gzip.compress(b"no tar"))
    assert "is not a tar" in message(path)


def test_a_gzip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "ALWAYS_FINE", 2**20)
    (tmp_path / "a.tgz").write_bytes(gzip.compress(bytes(2**23)))
    assert "unzips to more than 1 MiB" in message(tmp_path / "a.tgz")


def test_reading_what_is_gone(source: Path) -> None:
    files = open_files(source)
    with pytest.raises(DataError, match="there is no file 'x'"):
        files.read("x")
    if source.is_dir():
        (source / "faces/0/3.jpg").unlink()
    else:
        files.close()
    with pytest.raises(DataError, match=r"faces/0/3\.jpg"):
        files.read("faces/0/3.jpg")


def test_an_archive_that_shrank(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar")
    files = open_files(path)
    os.truncate(path, 512)
    with pytest.raises(DataError, match="was the archive changed"):
        files.read("faces/0/3.jpg")


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_mutated_tars_give_files_or_a_data_error(tmp_path: Path, form: int) -> None:
    rng, good = random.Random(form), io.BytesIO()
    with tarfile.open(fileobj=good, mode="w", format=form) as out:
        for name in ("a", "é" * 80, "l" * 200, "b/c"):
            info = tarfile.TarInfo(name)
            info.size = 700
            out.addfile(info, io.BytesIO(bytes(700)))
    path, opened = tmp_path / "m.tar", 0
    for _ in range(200):
        data = bytearray(good.getvalue())
        for _ in range(rng.choice([1, 3, 20])):
            # The type, size and checksum fields lie in the first 160 bytes of a header.
            data[512 * rng.randrange(len(data) // 512) + rng.randrange(160)] = rng.randrange(256)
        path.write_bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
        try:
            with open_files(path) as files:
                opened += 1
                assert all(len(files.read(name)) < 10**6 for name in files.names)
        except DataError as error:
            assert "\n" not in str(error)
    assert 0 < opened < 200
