"""Folders and tars: listing, reading, rejected entries, and invalid input."""

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

FILE_CONTENTS = {f"faces/{i % 3}/{i}.jpg": bytes([i]) * (i * 97) for i in range(40)}


def write_folder(root: Path) -> Path:
    for name, data in FILE_CONTENTS.items():
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root / "data"


def write_tar(path: Path, mode: str = "w", extra_members: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    with tarfile.open(path, mode) as out:
        for name, data in FILE_CONTENTS.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
        for info in extra_members:
            out.addfile(info, io.BytesIO(bytes(info.size)) if info.size else None)
    return path


def tar_member(name: str, member_type: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = member_type, link
    return info


def open_error_message(path: Path | str) -> str:
    with pytest.raises(DataError) as caught:
        open_files(path)
    text = str(caught.value)
    assert "\n" not in text and str(path) in text
    return text


@pytest.fixture(params=["folder", "w", "w:gz", "pax", "gnu"])
def archive_path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "folder":
        return write_folder(tmp_path)
    if request.param.startswith("w"):
        return write_tar(tmp_path / "a.tar", request.param)
    path = tmp_path / "a.tar"
    form = tarfile.PAX_FORMAT if request.param == "pax" else tarfile.GNU_FORMAT
    with tarfile.open(path, "w", format=form) as out:
        out.add(write_folder(tmp_path), arcname=".")
    return path


def test_folder_and_tar_give_same_files(archive_path: Path) -> None:
    with open_files(archive_path) as files:
        assert sorted(files.names) == sorted(FILE_CONTENTS)
        assert {name: files.read(name) for name in files.names} == FILE_CONTENTS
        assert files.rejected == {}
        assert "faces/0/0.jpg" in files and "faces/0" not in files and None not in files
        assert repr(files) == f"<{type(files).__name__} {str(archive_path)!r}: 40 files>"


def test_concurrent_reads(archive_path: Path) -> None:
    names = [name for name in FILE_CONTENTS for _ in range(25)]
    random.Random(0).shuffle(names)
    with open_files(archive_path) as files, ThreadPoolExecutor(8) as pool:
        assert all(
            data == FILE_CONTENTS[name]
            for name, data in zip(names, pool.map(files.read, names), strict=True)
        )


def test_read_without_pread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pread")
    test_concurrent_reads(write_tar(tmp_path / "a.tar"))


def test_duplicate_names_last_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as out:
        for name, data in [("z", b"1"), ("./a//b", b"2"), ("z", b"33")]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    files = open_files(path)
    assert files.names == ("z", "a/b")
    assert files.read("z") == b"33"
    assert files.rejected == {"z": "an earlier file of the same name"}
    assert open_files(write_folder(tmp_path)).names == tuple(sorted(FILE_CONTENTS))


def test_unicode_and_long_names(tmp_path: Path) -> None:
    names = ["josé/李.jpg", "x" * 90 + "/" + "y" * 150]
    with tarfile.open(tmp_path / "a.tar", "w") as out:
        for name in names:
            out.addfile(tarfile.TarInfo(name))
    assert list(open_files(tmp_path / "a.tar").names) == names


def test_tar_rejects_path_traversal(tmp_path: Path) -> None:
    bad = {
        "/etc/passwd": (tarfile.REGTYPE, "an absolute path"),
        "a/../../b": (tarfile.REGTYPE, "a path that leaves the archive"),
        "soft": (tarfile.SYMTYPE, "a link"),
        "hard": (tarfile.LNKTYPE, "a link"),
        "null": (tarfile.CHRTYPE, "not a regular file"),
        "pipe": (tarfile.FIFOTYPE, "not a regular file"),
    }
    extra = tuple(tar_member(name, kind, "/etc/passwd") for name, (kind, _) in bad.items())
    files = open_files(write_tar(tmp_path / "a.tar", extra_members=extra))
    assert files.rejected == {name: why for name, (_, why) in bad.items()}
    assert sorted(files.names) == sorted(FILE_CONTENTS)
    assert "40 files, 6 rejected" in repr(files)
    with pytest.raises(DataError, match="soft"):
        files.read("soft")


def test_folder_rejects_escaping_links(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    (tmp_path / "secret").write_text("x")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "nothing").symlink_to("gone")
    (root / "loop").symlink_to("loop")
    (root / "up").symlink_to(tmp_path)
    (root / "again").symlink_to(root / "faces")
    (root / "inside").symlink_to("faces/0/3.jpg")
    os.mkfifo(root / "pipe")
    files = open_files(root)
    assert files.rejected == {
        "out": "a link that leaves the folder",
        "nothing": "a link to nothing",
        "loop": "a link to nothing",
        "up": "a link that leaves the folder",
        "again": "a link to something that is not a file",
        "pipe": "not a regular file",
    }
    assert set(files.names) == {*FILE_CONTENTS, "inside"}
    assert files.read("inside") == FILE_CONTENTS["faces/0/3.jpg"]


def test_symlink_to_data_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(write_folder(tmp_path))
    assert len(open_files(tmp_path / "link")) == 40


def test_bad_paths(tmp_path: Path) -> None:
    assert "no such file" in open_error_message(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    open_error_message(tmp_path / "empty")
    (tmp_path / "empty" / "out").symlink_to("/")
    assert "1 rejected, the first: 'out'" in open_error_message(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe")
    open_error_message(tmp_path / "pipe")
    with pytest.raises(DataError, match="null"):
        open_files("a\0b")


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff\xe0" * 400, b"\x01" * 4096])
def test_not_an_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    open_error_message(tmp_path / "a.tar")


def test_empty_tar(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(bytes(10240))
    open_error_message(tmp_path / "a.tar")


def test_unsupported_archive_formats(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04" + bytes(600))
    assert " zip " in open_error_message(tmp_path / "a.zip")
    assert " xz " in open_error_message(write_tar(tmp_path / "a.tar.xz", "w:xz"))


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, packed = write_folder(tmp_path), write_tar(tmp_path / "a.tar")

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", deny)
    monkeypatch.setattr(Path, "open", deny)
    assert "permission denied" in open_error_message(root)
    assert "permission denied" in open_error_message(packed)


def test_no_permission_in_subfolder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, scandir = write_folder(tmp_path), os.scandir

    def deny(path: Path) -> object:
        if path.name == "faces":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    assert f"{root / 'faces'}: permission denied" in open_error_message(root)


@pytest.mark.filterwarnings("error")
def test_archive_closes_on_gc(tmp_path: Path) -> None:
    files = open_files(write_tar(tmp_path / "a.tar"))
    assert isinstance(files, archive.TarSource)
    file = files.file
    del files
    gc.collect()
    assert file.closed


def test_truncated_tar(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "a.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as out:
        tenth_member = out.getmembers()[10]
    cuts = {
        tenth_member.offset: 10,
        tenth_member.offset + 100: 10,
        tenth_member.offset_data + 5: 11,
    }
    for offset, listed in cuts.items():
        (tmp_path / "cut.tar").write_bytes(whole[:offset])
        text = open_error_message(tmp_path / "cut.tar")
        assert f"{listed} entries" in text
    (tmp_path / "cut.tar").write_bytes(
        whole[: tenth_member.offset] + b"?" * 512 + whole[tenth_member.offset + 512 :]
    )
    assert "10 entries" in open_error_message(tmp_path / "cut.tar")


def test_truncated_gzip(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar.gz", "w:gz")
    path.write_bytes(path.read_bytes()[:-200])
    open_error_message(path)
    path.write_bytes(gzip.compress(b"no tar"))
    open_error_message(path)


def test_gzip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MIN_GZIP_LIMIT", 2**20)
    (tmp_path / "a.tgz").write_bytes(gzip.compress(bytes(2**23)))
    assert "1 MiB" in open_error_message(tmp_path / "a.tgz")


def test_read_missing_file(archive_path: Path) -> None:
    files = open_files(archive_path)
    with pytest.raises(DataError, match="'x'"):
        files.read("x")
    if archive_path.is_dir():
        (archive_path / "faces/0/3.jpg").unlink()
    else:
        files.close()
    with pytest.raises(DataError, match=r"faces/0/3\.jpg"):
        files.read("faces/0/3.jpg")


def test_archive_truncated_after_open(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar")
    files = open_files(path)
    os.truncate(path, 512)
    with pytest.raises(DataError, match=r"faces/0/3\.jpg"):
        files.read("faces/0/3.jpg")


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_mutated_tars(tmp_path: Path, form: int) -> None:
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
            # the type, size and checksum fields are in the first 160 bytes of a header.
            data[512 * rng.randrange(len(data) // 512) + rng.randrange(160)] = rng.randrange(256)
        path.write_bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
        try:
            with open_files(path) as files:
                opened += 1
                assert all(len(files.read(name)) < 10**6 for name in files.names)
        except DataError as error:
            assert "\n" not in str(error)
    assert 0 < opened < 200
