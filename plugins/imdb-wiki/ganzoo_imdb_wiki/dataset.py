"""IMDB-WIKI as a ganzoo data set: folder or tar, WIKI or IMDb or both, crops or full images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.data.archive import ConcatSource, FileSource, open_files
from ganzoo_core.data.image_decoding import decode_image
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset, Metadata, UnreadableImage
from ganzoo_imdb_wiki.config import ImdbWikiConfig
from ganzoo_imdb_wiki.filters import iter_filter_masks, person_ids
from ganzoo_imdb_wiki.mat_records import read_face_records

_PART_NAMES = ("wiki", "imdb")
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class _FilteredPart:
    """The images of WIKI or of IMDb that the filters keep."""

    names: tuple[str, ...]
    """[n] paths in the folder or archive."""
    ages: NDArray[np.int64]
    identities: NDArray[np.int64]
    boxes: NDArray[np.float64] | None
    """[n, 4] x1 y1 x2 y2 from 1, NaN without a detected face; None for crops."""
    removed: dict[str, int]


class ImdbWiki(Dataset):
    """Faces of IMDB-WIKI (Rothe, Timofte, Van Gool, IJCV 2018) with ages and identities."""

    license = "academic research only"
    example_path = "wiki_crop.tar"

    def __init__(self, config: ImdbWikiConfig) -> None:
        super().__init__(config)
        if not config.path:
            raise DataError(f"imdb-wiki needs a path: --data imdb-wiki:{self.example_path}")
        self.files = _open_archives(config.path)
        parts = [self._load_part(kind, mat) for kind, mat in _find_mat_files(self.files)]
        self.names = tuple(name for part in parts for name in part.names)
        self.boxes: list[tuple[float, ...] | None] = []
        """Face boxes; None for the whole image."""
        for part in parts:
            boxes = [None] * len(part.names) if part.boxes is None else part.boxes
            self.boxes += [
                None if box is None or np.isnan(box).any() else tuple(box.tolist()) for box in boxes
            ]
        self.cached_metadata = _concat_metadata(parts)
        if not self.names:
            counts = ", ".join(f"{name}: {count}" for name, count in self.cached_metadata.removed)
            raise DataError(
                f"{config.path}: no image is left ({counts}); try --set data.filters=none, or "
                "give the folder with all archives"
            )

    def _load_part(self, part_name: str, mat_path: str) -> _FilteredPart:
        """Read one .mat and filter its images."""
        faces = read_face_records(
            self.files.read(mat_path), part_name, f"{self.files.path}: {mat_path}"
        )
        folder = PurePosixPath(mat_path).parent
        names = [str(folder / path) if path else "" for path in faces.full_path]
        keep = np.array([name in self.files for name in names], bool)
        removed = {"file missing": int((~keep).sum())}
        for reason, is_kept in iter_filter_masks(faces, self.config):
            removed[reason] = int((keep & ~is_kept).sum())
            keep &= is_kept
        rows = np.flatnonzero(keep)
        has_face = np.isfinite(faces.face_score)[:, None]
        boxes = np.where(has_face, faces.face_location, np.nan)
        return _FilteredPart(
            names=tuple(names[i] for i in rows),
            ages=faces.ages(self.config.age_rule)[rows],
            identities=person_ids(faces)[rows],
            boxes=boxes[rows] if self._is_uncropped(folder) else None,
            removed=removed,
        )

    def _is_uncropped(self, folder: PurePosixPath) -> bool:
        if self.config.layout != "auto":
            return bool(self.config.layout == "full")
        # without a folder inside, the name of the folder or archive itself decides
        name = folder.name or Path(self.files.path).resolve().name.split(".")[0]
        return name in _PART_NAMES

    def metadata(self) -> Metadata:
        """Return ages in whole years, and identities."""
        return self.cached_metadata

    def load_image(self, index: int) -> Image.Image:
        """Return one face, grayscale or RGB, upright.

        Raises:
            UnreadableImage: empty, truncated, not an image, too large, or below `min_size`.
        """
        try:
            data = self.files.read(self.names[index])
        except DataError as error:
            raise UnreadableImage(str(error)) from None
        return decode_image(
            data,
            target_size=self.config.image_size,
            min_size=self.config.min_size,
            box=self.boxes[index],
            margin=self.config.margin,
        )

    def sample_name(self, index: int) -> str:
        """Return the path of an image in the folder or archive."""
        return self.names[index]


def _open_archives(path: str) -> FileSource:
    """Open a folder, an archive, or a folder of the downloaded archives."""
    files = open_files(path)
    names = [PurePosixPath(name).name.lower() for name in files.names]
    if any(f"{part}.mat" in names for part in _PART_NAMES):
        return files
    tars = [
        files.path / name
        for name, last in zip(files.names, names, strict=True)
        if last.startswith(_PART_NAMES) and last.endswith(_TAR_SUFFIXES)
    ]
    return ConcatSource(files.path, [open_files(tar) for tar in tars]) if tars else files


def _find_mat_files(files: FileSource) -> Iterator[tuple[str, str]]:
    """Yield ("wiki" or "imdb", path of its .mat).

    Raises:
        DataError: no .mat was found, or two of one part.
    """
    found = {
        p: [n for n in files.names if PurePosixPath(n).name == f"{p}.mat"] for p in _PART_NAMES
    }
    for part, names in found.items():
        if len(names) > 1:
            both = " and ".join(names[:2])
            raise DataError(f"{files.path} contains {both}; give the path of one folder")
        yield from ((part, name) for name in names)
    if not any(found.values()):
        raise DataError(
            f"{files.path} contains no wiki.mat or imdb.mat; give wiki_crop or imdb_crop as "
            "downloaded, or one folder with imdb_0.tar to imdb_9.tar and imdb_meta.tar"
        )


def _concat_metadata(parts: list[_FilteredPart]) -> Metadata:
    """Concatenate the parts; the counts of each filter are added."""
    removed: dict[str, int] = {}
    for part in parts:
        for reason, count in part.removed.items():
            removed[reason] = removed.get(reason, 0) + count
    return Metadata(
        length=sum(len(part.names) for part in parts),
        ages=np.concatenate([part.ages for part in parts]).astype(np.float32),
        identities=np.concatenate([part.identities for part in parts]),
        removed=tuple(removed.items()),
    )
