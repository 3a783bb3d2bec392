"""A folder, or the tar it came as: names and bytes, nothing unpacked, safe on hostile input."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import tempfile
import threading
import weakref
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Self

from ganzoo_core.errors import DataError

BLOCK = 512
"""Bytes of a tar header; two blocks of zeros end an archive."""
LARGEST_GROWTH = 20
"""A gzip that grows by more than this factor (and past `ALWAYS_FINE`) is taken for a bomb."""
ALWAYS_FINE = 2**30
FOREIGN = {
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
}
"""First bytes of archives that are not read here."""
DAMAGE = (
    tarfile.TarError,
    OSError,
    ValueError,
    OverflowError,
    LookupError,
    RecursionError,
    MemoryError,
)
"""What tarfile raises on headers that make no sense."""


class Files(ABC):
    """The regular files of a folder or archive; `read` may be called from several threads."""

    path: Path
    """What was opened."""
    names: tuple[str, ...]
    """Relative POSIX paths: sorted for a folder, in the order of the archive for a tar."""
    refused: Mapping[str, str]
    """Names of what is never read, and why: links, devices, paths that lead outside, earlier
    files of a name that comes again."""

    @abstractmethod
    def __contains__(self, name: object) -> bool:
        """Tell whether there is a regular file of this name."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            DataError: there is no such file, or it can no longer be read.
        """

    def close(self) -> None:  # noqa: B027 - a folder has nothing to close
        """Let go of the archive; reading from it afterwards is a DataError."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        refused = f", {len(self.refused)} refused" if self.refused else ""
        return f"<{type(self).__name__} {str(self.path)!r}: {len(self)} files{refused}>"


def open_files(path: str | Path) -> Files:
    """Open a folder, a .tar, or a gzipped tar (told by content, not by name) and list its files.

    Listing a tar reads its headers only. A gzipped one is first unzipped into a temporary file
    without a name, since a gzip stream cannot be read out of order.

    Raises:
        DataError: the path is missing, empty, unreadable, not an archive, or cut short.
    """
    path = Path(path).expanduser()
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            files: Files = Folder(path)
        elif stat.S_ISREG(mode):
            files = Tar(path)
        else:
            raise DataError(f"{path} is neither a folder nor a file; give a folder or a .tar")
    except (OSError, ValueError) as error:
        where = getattr(error, "filename", None) or path
        why = plain(error)
        raise DataError(f"{where}: {why}; give a folder or a .tar that you may read") from None
    if not files.names:
        files.close()
        refused = refusals(files.refused)
        raise DataError(f"{path} holds no files{refused}; give the unpacked folder or the .tar")
    return files


class Folder(Files):
    """A folder and all below it. Links are followed only to files inside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path.resolve()
        refused: dict[str, str] = {}
        self.refused = refused
        self.names = tuple(sorted(self.walk(refused)))
        self.known = frozenset(self.names)

    def walk(self, refused: dict[str, str]) -> Iterator[str]:
        """Yield the relative paths of readable files; note the others in `refused`."""
        pending = [self.root]
        while pending:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    name = Path(entry.path).relative_to(self.root).as_posix()
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    elif why := self.objection(entry):
                        refused[name] = why
                    else:
                        yield name

    def objection(self, entry: os.DirEntry[str]) -> str:
        """Return why an entry must not be read; empty if it may."""
        try:
            if not entry.is_symlink():
                # Reading a pipe would wait forever, a device might never end.
                return "" if entry.is_file() else "not a regular file"
            target = Path(entry.path).resolve(strict=True)
        except (OSError, RuntimeError):
            return "a link to nothing"
        if not target.is_relative_to(self.root):
            return "a link that leaves the folder"
        return "" if target.is_file() else "a link to something that is not a file"

    def __contains__(self, name: object) -> bool:
        return name in self.known

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        if name not in self.known:
            raise DataError(f"{self.path}: there is no file {name!r}")
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise DataError(f"{self.path}: {name!r}: {plain(error)}") from None


class Tar(Files):
    """A tar archive: where each member lies, and a file to read it from by position."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.file = opened(path)
        weakref.finalize(self, self.file.close)
        refused: dict[str, str] = {}
        self.refused = refused
        self.places: dict[str, tuple[int, int]] = {}
        for member in members(self.file, path):
            # PurePosixPath drops "./" and doubled slashes; of two equal names the last counts.
            name = str(PurePosixPath(member.name))
            if why := objection(member):
                refused[name] = why
            elif not member.isdir():
                if name in self.places:
                    refused[name] = "an earlier file of the same name"
                self.places[name] = (member.offset_data, member.size)
        self.names = tuple(self.places)

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def read(self, name: str) -> bytes:
        """Return the bytes of a member."""
        if name not in self.places:
            raise DataError(f"{self.path}: there is no file {name!r}")
        offset, size = self.places[name]
        try:
            data = self.read_at(offset, size)
        except (OSError, ValueError, OverflowError) as error:
            raise DataError(f"{self.path}: {name!r}: {plain(error)}") from None
        if len(data) != size:
            raise DataError(f"{self.path}: {name!r} is cut short; was the archive changed?")
        return data

    def read_at(self, offset: int, size: int) -> bytes:
        """Return bytes at a position, without a shared file pointer where the system can."""
        if hasattr(os, "pread"):
            return os.pread(self.file.fileno(), size, offset)
        with self.lock:
            self.file.seek(offset)
            return self.file.read(size)

    def close(self) -> None:
        """Close the archive."""
        self.file.close()


class Together(Files):
    """Archives of one folder that were split for downloading, as if they were one."""

    def __init__(self, path: Path, parts: Sequence[Files]) -> None:
        self.path, self.parts = path, tuple(parts)
        self.names = tuple(name for part in parts for name in part.names)
        self.refused = {name: why for part in parts for name, why in part.refused.items()}

    def __contains__(self, name: object) -> bool:
        return any(name in part for part in self.parts)

    def read(self, name: str) -> bytes:
        """Return the bytes of a member of the first archive that has it."""
        for part in self.parts:
            if name in part:
                return part.read(name)
        raise DataError(f"{self.path}: there is no file {name!r}")

    def close(self) -> None:
        """Close all of them."""
        for part in self.parts:
            part.close()


def members(file: IO[bytes], path: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an uncompressed tar, keeping none of them in memory.

    Raises:
        DataError: not a tar, or one that is damaged or ends early; tells how many came before.
    """
    count, last = 0, -1
    try:
        with tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # else it remembers every one
                count += 1
                yield member
                if tar.offset <= last:
                    raise tarfile.ReadError("a header points backwards")
                last = tar.offset
            file.seek(tar.offset)
            # tarfile takes a missing or broken header for the end; the real end is a zero block.
            if file.read(BLOCK) != bytes(BLOCK):
                raise tarfile.ReadError("no end mark")
    except DAMAGE as error:
        why = plain(error)
        if not count:
            raise DataError(f"{path} is not a tar ({why}); give a folder or a .tar") from None
        raise DataError(
            f"{path} is cut short or damaged: {count} entries could be listed ({why}); "
            "download it again, or unpack what there is and give that folder"
        ) from None


def objection(member: tarfile.TarInfo) -> str:
    """Return why a member must not be read; empty if it may."""
    if member.name.startswith("/"):
        return "an absolute path"
    if ".." in PurePosixPath(member.name).parts:
        return "a path that leaves the archive"
    if member.issym() or member.islnk():
        return "a link"
    if member.isdir() or (member.isreg() and not member.issparse() and member.size >= 0):
        return ""
    return "a sparse file" if member.issparse() else "not a regular file"


def opened(path: Path) -> IO[bytes]:
    """Open a tar, unzipped if need be."""
    file = path.open("rb")
    head = file.read(8)
    file.seek(0)
    for magic, kind in FOREIGN.items():
        if head.startswith(magic):
            file.close()
            raise DataError(f"{path} is a {kind} archive; unpack it and give the folder")
    if not head.startswith(b"\x1f\x8b"):
        return file
    with file:
        return unzipped(file, path)


def unzipped(file: IO[bytes], path: Path) -> IO[bytes]:
    """Return a temporary file without a name that holds the unzipped archive."""
    limit = max(ALWAYS_FINE, LARGEST_GROWTH * path.stat().st_size)
    out = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with gzip.open(file) as stream:
            while block := stream.read(2**20):
                out.write(block)
                if out.tell() > limit:
                    raise DataError(
                        f"{path} unzips to more than {limit >> 20} MiB; if right, unzip it first"
                    )
        out.seek(0)  # flushes too, which os.pread relies on
    except (OSError, EOFError, zlib.error) as error:
        out.close()
        raise DataError(
            f"{path} cannot be unzipped into {tempfile.gettempdir()} ({plain(error)}); "
            "unzip it yourself, or download it again if it is cut short"
        ) from None
    except BaseException:
        out.close()
        raise
    return out


def plain(error: BaseException) -> str:
    """Return what an error says, in one line without errno and file name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).lower()


def refusals(refused: Mapping[str, str]) -> str:
    """Return `` (3 refused, the first: NAME, a link)``, or nothing."""
    if not refused:
        return ""
    name, why = next(iter(refused.items()))
    return f" ({len(refused)} refused, the first: {name!r}, {why})"
