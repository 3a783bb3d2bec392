"""Read files of a folder or a tar by name, without unpacking; safe on malicious archives."""

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

from ganzoo_core import limits
from ganzoo_core.data.image_decoding import IMAGE_SUFFIXES
from ganzoo_core.errors import DataError

_TAR_BLOCK_BYTES = 512
"""Bytes of a tar header; two blocks of zeros end an archive."""
MIN_GZIP_LIMIT = limits.GZIP_SMALL_BYTES
"""Bytes that every gzip may expand to."""
_UNSUPPORTED_MAGIC = {
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
}
"""First bytes of archives that are not supported."""
_TAR_ERRORS = (
    tarfile.TarError,
    OSError,
    ValueError,
    OverflowError,
    LookupError,
    RecursionError,
    MemoryError,
)
"""Errors of tarfile for invalid headers."""


class FileSource(ABC):
    """The regular files of a folder or archive; `read` may be called from several threads."""

    path: Path
    """The folder or archive."""
    names: tuple[str, ...]
    """Relative POSIX paths: sorted for a folder, in archive order for a tar."""
    rejected: Mapping[str, str]
    """Entries that are never read, with the reason: links, devices, paths that lead outside, and
    files that a later one of the same name replaces."""

    @abstractmethod
    def __contains__(self, name: object) -> bool:
        """Return whether a regular file has this name."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            DataError: the file does not exist, or cannot be read any more.
        """

    def close(self) -> None:  # noqa: B027 - a folder has nothing to close
        """Close the archive; `read` then raises a DataError."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        rejected = f", {len(self.rejected)} rejected" if self.rejected else ""
        return f"<{type(self).__name__} {str(self.path)!r}: {len(self)} files{rejected}>"


def open_files(path: str | Path) -> FileSource:
    """Open a folder, a tar or a gzipped tar, and list its files. The content decides which it is.

    Listing a tar reads its headers only. A gzipped tar is first decompressed into an unnamed
    temporary file, since a gzip stream has no random access.

    Raises:
        DataError: the path is missing, empty, unreadable, not an archive, or cut short.
    """
    path = Path(path).expanduser()
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            files: FileSource = FolderSource(path)
        elif stat.S_ISREG(mode):
            files = TarSource(path)
        else:
            raise DataError(f"{path} is neither a folder nor a file; give a folder or a .tar")
    except (OSError, ValueError) as error:
        failed_path = getattr(error, "filename", None) or path
        why = short_error_message(error)
        raise DataError(
            f"{failed_path}: {why}; give a folder or a .tar that you may read"
        ) from None
    if not files.names:
        files.close()
        rejected = summarize_rejected(files.rejected)
        raise DataError(f"{path} contains no files{rejected}; give the unpacked folder or the .tar")
    return files


class FolderSource(FileSource):
    """A folder with its subfolders. Links are followed only to files inside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path.resolve()
        rejected: dict[str, str] = {}
        self.rejected = rejected
        self.names = tuple(sorted(self._iter_files(rejected)))
        self.name_set = frozenset(self.names)

    def _iter_files(self, rejected: dict[str, str]) -> Iterator[str]:
        """Yield the relative paths of readable files; add the others to `rejected`."""
        pending = [self.root]
        while pending:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    name = Path(entry.path).relative_to(self.root).as_posix()
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    elif why := self._rejection_reason(entry):
                        rejected[name] = why
                    else:
                        yield name

    def _rejection_reason(self, entry: os.DirEntry[str]) -> str:
        """Return why an entry must not be read, or an empty string."""
        try:
            if not entry.is_symlink():
                # Reading from a pipe blocks, and a device may have no end.
                return "" if entry.is_file() else "not a regular file"
            target = Path(entry.path).resolve(strict=True)
        except (OSError, RuntimeError):
            return "a link to nothing"
        if not target.is_relative_to(self.root):
            return "a link that leaves the folder"
        return "" if target.is_file() else "a link to something that is not a file"

    def __contains__(self, name: object) -> bool:
        return name in self.name_set

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        if name not in self.name_set:
            raise DataError(f"{self.path}: there is no file {name!r}")
        try:
            return limits.read_bytes(self.root / name, _max_bytes(name))
        except OSError as error:
            raise DataError(f"{self.path}: {name!r}: {short_error_message(error)}") from None


class TarSource(FileSource):
    """A tar archive, read by the offset of each member."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.file = _open_tar(path)
        weakref.finalize(self, self.file.close)
        rejected: dict[str, str] = {}
        self.rejected = rejected
        self.member_spans: dict[str, tuple[int, int]] = {}
        for member in _iter_tar_members(self.file, path):
            # PurePosixPath removes "./" and double slashes; the last of two equal names is used.
            name = str(PurePosixPath(member.name))
            if why := _member_rejection_reason(member):
                rejected[name] = why
            elif not member.isdir():
                if name in self.member_spans:
                    rejected[name] = "an earlier file of the same name"
                self.member_spans[name] = (member.offset_data, member.size)
        self.names = tuple(self.member_spans)

    def __contains__(self, name: object) -> bool:
        return name in self.member_spans

    def read(self, name: str) -> bytes:
        """Return the bytes of a member."""
        if name not in self.member_spans:
            raise DataError(f"{self.path}: there is no file {name!r}")
        offset, size = self.member_spans[name]
        if size > _max_bytes(name):
            raise DataError(f"{self.path}: {name!r}: larger than {_max_bytes(name):,} bytes")
        try:
            data = self._read_at(offset, size)
        except (OSError, ValueError, OverflowError) as error:
            raise DataError(f"{self.path}: {name!r}: {short_error_message(error)}") from None
        if len(data) != size:
            raise DataError(f"{self.path}: {name!r} is truncated; was the archive changed?")
        return data

    def _read_at(self, offset: int, size: int) -> bytes:
        """Return bytes at an offset, by pread where available, which needs no file pointer."""
        if hasattr(os, "pread"):
            return os.pread(self.file.fileno(), size, offset)
        with self.lock:
            self.file.seek(offset)
            return self.file.read(size)

    def close(self) -> None:
        """Close the archive."""
        self.file.close()


class ConcatSource(FileSource):
    """Several archives of one folder, read as one."""

    def __init__(self, path: Path, parts: Sequence[FileSource]) -> None:
        self.path, self.parts = path, tuple(parts)
        self.names = tuple(name for part in parts for name in part.names)
        self.rejected = {name: why for part in parts for name, why in part.rejected.items()}

    def __contains__(self, name: object) -> bool:
        return any(name in part for part in self.parts)

    def read(self, name: str) -> bytes:
        """Return the bytes of a member of the first archive that has it."""
        for part in self.parts:
            if name in part:
                return part.read(name)
        raise DataError(f"{self.path}: there is no file {name!r}")

    def close(self) -> None:
        """Close all archives."""
        for part in self.parts:
            part.close()


def _iter_tar_members(file: IO[bytes], path: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an uncompressed tar, without keeping them in memory.

    Raises:
        DataError: not a tar, or damaged or truncated; with the number of members before that.
    """
    count, last = 0, -1
    try:
        with tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # else tarfile keeps every member
                count += 1
                yield member
                if tar.offset <= last:
                    raise tarfile.ReadError("a header points backwards")
                last = tar.offset
            file.seek(tar.offset)
            # tarfile takes an invalid header for the end, but the real end is a block of zeros
            if file.read(_TAR_BLOCK_BYTES) != bytes(_TAR_BLOCK_BYTES):
                raise tarfile.ReadError("no end mark")
    except _TAR_ERRORS as error:
        why = short_error_message(error)
        if not count:
            raise DataError(f"{path} is not a tar ({why}); give a folder or a .tar") from None
        raise DataError(
            f"{path} is truncated or damaged after {count} entries ({why}); "
            "download it again, or unpack what is readable and give that folder"
        ) from None


def _member_rejection_reason(member: tarfile.TarInfo) -> str:
    """Return why a member must not be read, or an empty string."""
    if member.name.startswith("/"):
        return "an absolute path"
    if ".." in PurePosixPath(member.name).parts:
        return "a path that leaves the archive"
    if member.issym() or member.islnk():
        return "a link"
    if member.isdir() or (member.isreg() and not member.issparse() and member.size >= 0):
        return ""
    return "a sparse file" if member.issparse() else "not a regular file"


def _open_tar(path: Path) -> IO[bytes]:
    """Return a tar as an uncompressed file."""
    file = path.open("rb")
    head = file.read(8)
    file.seek(0)
    for magic, kind in _UNSUPPORTED_MAGIC.items():
        if head.startswith(magic):
            file.close()
            raise DataError(f"{path} is a {kind} archive; unpack it and give the folder")
    if not head.startswith(b"\x1f\x8b"):
        return file
    with file:
        return _gunzip_to_temp_file(file, path)


def _gunzip_to_temp_file(file: IO[bytes], path: Path) -> IO[bytes]:
    """Return an unnamed temporary file with the decompressed archive."""
    limit = max(MIN_GZIP_LIMIT, limits.GZIP_RATIO * path.stat().st_size)
    out = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with gzip.open(file) as stream:
            while block := stream.read(2**20):
                out.write(block)
                if out.tell() > limit:
                    raise DataError(
                        f"{path} decompresses to more than {limit >> 20} MiB; "
                        "if this is right, run gunzip first"
                    )
        out.seek(0)  # flushes too, which os.pread relies on
    except (OSError, EOFError, zlib.error) as error:
        out.close()
        raise DataError(
            f"{path} cannot be decompressed into {tempfile.gettempdir()} "
            f"({short_error_message(error)}); run gunzip first, or download it again if truncated"
        ) from None
    except BaseException:
        out.close()
        raise
    return out


def _max_bytes(name: str) -> int:
    """Return the limit of a file that is read whole."""
    is_image = name.lower().endswith(IMAGE_SUFFIXES)
    return limits.IMAGE_BYTES if is_image else limits.DATA_FILE_BYTES


def short_error_message(error: BaseException) -> str:
    """Return the message of an error in one line, without errno and file name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).lower()


def summarize_rejected(rejected: Mapping[str, str]) -> str:
    """Return `` (3 rejected, the first: NAME, a link)``, or an empty string."""
    if not rejected:
        return ""
    name, why = next(iter(rejected.items()))
    return f" ({len(rejected)} rejected, the first: {name!r}, {why})"
