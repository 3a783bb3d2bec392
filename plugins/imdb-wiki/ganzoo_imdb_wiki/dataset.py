"""IMDB-WIKI as a ganzoo data set: folder or tar, WIKI or IMDb or both, crops or full pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.data.archive import Files, Together, open_files
from ganzoo_core.data.picture import decode
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset, Table, UnreadableImage
from ganzoo_imdb_wiki.config import ImdbWikiConfig
from ganzoo_imdb_wiki.filters import identities, keeps
from ganzoo_imdb_wiki.mat import Faces, read_faces

PARTS = ("wiki", "imdb")
TARS = (".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class Part:
    """The kept pictures of WIKI or of IMDb."""

    names: tuple[str, ...]
    """[n] in the folder or archive."""
    ages: NDArray[np.int64]
    identities: NDArray[np.int64]
    boxes: NDArray[np.float64] | None
    """[n, 4] x1 y1 x2 y2 from 1, NaN where no face was found; None for crops."""
    removed: dict[str, int]


class ImdbWiki(Dataset):
    """Faces of IMDB-WIKI (Rothe, Timofte, Van Gool, IJCV 2018) with ages and identities."""

    license = "academic research only"
    example = "wiki_crop.tar"

    def __init__(self, config: ImdbWikiConfig) -> None:
        super().__init__(config)
        if not config.path:
            raise DataError(f"imdb-wiki needs a path: --data imdb-wiki:{self.example}")
        self.files = opened(config.path)
        parts = [self.part(kind, mat) for kind, mat in mats(self.files)]
        self.names = tuple(name for part in parts for name in part.names)
        self.boxes = [box for part in parts for box in boxes_of(part)]
        self.known = tabulate(parts)
        if not self.names:
            counts = ", ".join(f"{name}: {count}" for name, count in self.known.removed)
            raise DataError(
                f"{config.path}: no picture is left ({counts}); loosen data.filters, or give the "
                "folder with all archives of the set"
            )

    def part(self, kind: str, mat: str) -> Part:
        """Read one .mat and filter its pictures."""
        faces = read_faces(self.files.read(mat), kind, f"{self.files.path}: {mat}")
        folder = PurePosixPath(mat).parent
        names = [str(folder / path) if path else "" for path in faces.full_path]
        keep = np.array([name in self.files for name in names], bool)
        removed = {"file missing": int((~keep).sum())}
        for reason, stays in keeps(faces, self.config):
            removed[reason] = int((keep & ~stays).sum())
            keep &= stays
        rows = np.flatnonzero(keep)
        return Part(
            names=tuple(names[i] for i in rows),
            ages=faces.ages()[rows],
            identities=identities(faces)[rows],
            boxes=face_boxes(faces)[rows] if self.is_full(folder) else None,
            removed=removed,
        )

    def is_full(self, folder: PurePosixPath) -> bool:
        """Tell whether the pictures are uncropped."""
        if self.config.layout != "auto":
            return bool(self.config.layout == "full")
        # An archive of bare files, or a folder opened by itself, has its name on the path.
        name = folder.name or Path(self.files.path).resolve().name.split(".")[0]
        return name in PARTS

    def table(self) -> Table:
        """Return ages in whole years and one identity a person."""
        return self.known

    def image(self, index: int) -> Image.Image:
        """Return one face, grey or RGB, upright.

        Raises:
            UnreadableImage: empty, cut short, not a picture, too large, or below `min_size`.
        """
        try:
            data = self.files.read(self.names[index])
        except DataError as error:
            raise UnreadableImage(str(error)) from None
        return decode(
            data,
            size=self.config.size,
            min_size=self.config.min_size,
            box=self.boxes[index],
            margin=self.config.margin,
        )

    def describe(self, index: int) -> str:
        """Return the path of a picture inside the folder or archive."""
        return self.names[index]


def opened(path: str) -> Files:
    """Open a folder or archive; a folder of archives as downloaded is read as if unpacked."""
    files = open_files(path)
    names = [PurePosixPath(name).name.lower() for name in files.names]
    if any(f"{part}.mat" in names for part in PARTS):
        return files
    tars = [
        files.path / name
        for name, last in zip(files.names, names, strict=True)
        if last.startswith(PARTS) and last.endswith(TARS)
    ]
    return Together(files.path, [open_files(tar) for tar in tars]) if tars else files


def mats(files: Files) -> Iterator[tuple[str, str]]:
    """Yield ("wiki" or "imdb", path of its .mat).

    Raises:
        DataError: there is none, or there are two of a kind.
    """
    found = {p: [n for n in files.names if PurePosixPath(n).name == f"{p}.mat"] for p in PARTS}
    for part, names in found.items():
        if len(names) > 1:
            both = " and ".join(names[:2])
            raise DataError(f"{files.path} holds {both}; give the path of the folder of one")
        yield from ((part, name) for name in names)
    if not any(found.values()):
        raise DataError(
            f"{files.path} holds no wiki.mat or imdb.mat; give wiki_crop or imdb_crop as "
            "downloaded, or one folder with imdb_0.tar to imdb_9.tar and imdb_meta.tar"
        )


def face_boxes(faces: Faces) -> NDArray[np.float64]:
    """Return [N, 4] face locations, NaN where the detector found no face."""
    found = np.isfinite(faces.face_score)[:, None]
    return np.where(found, faces.face_location, np.nan)


def boxes_of(part: Part) -> list[tuple[float, ...] | None]:
    """Return the box of each picture, None where the whole picture is meant."""
    if part.boxes is None:
        return [None] * len(part.names)
    return [None if np.isnan(box).any() else tuple(box.tolist()) for box in part.boxes]


def tabulate(parts: list[Part]) -> Table:
    """Put the parts one after the other; counts of the same filter are added."""
    removed: dict[str, int] = {}
    for part in parts:
        for reason, count in part.removed.items():
            removed[reason] = removed.get(reason, 0) + count
    return Table(
        length=sum(len(part.names) for part in parts),
        ages=np.concatenate([part.ages for part in parts]).astype(np.float32),
        identities=np.concatenate([part.identities for part in parts]),
        removed=tuple(removed.items()),
    )
