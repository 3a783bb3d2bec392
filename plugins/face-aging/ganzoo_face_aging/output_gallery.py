"""A folder of pictures, one a photo, whose writing can be interrupted and continued."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganzoo_core.errors import OutputError
from ganzoo_core.files import file_sha256, read_jsonl
from ganzoo_core.training.run_folder import create_output_folder

_MANIFEST_FILE = "strips.jsonl"
"""The first line is the request; each further line is the record of a strip."""


@dataclass
class OutputGallery:
    """The strips of one request.

    A request is everything that changes the strips, such as the weights and the ages.
    """

    path: Path
    completed: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """Records by (path, sha256) of the photo."""
    num_written: int = 0
    """Lines of strips in the manifest; numbers the files."""

    @classmethod
    def open(cls, path: Path, request: dict[str, Any]) -> OutputGallery:
        """Create the folder, or continue one of the same request.

        Args:
            path: the folder.
            request: plain JSON.

        Raises:
            OutputError: the folder contains something else, or cannot be written.
        """
        gallery = cls(path)
        if not (path / _MANIFEST_FILE).exists():
            try:
                create_output_folder(path, "")
            except OSError as error:
                raise OutputError(f"cannot write to {path}: {error.strerror or error}") from None
            gallery._append_line({"request": request})
            return gallery
        first, *others = gallery._read_manifest()
        if first.get("request") != request:
            raise OutputError(
                f"{path} contains strips of other weights or options: give another --out, or "
                "repeat the former command to continue"
            )
        valid_records = [x for x in others if (path / str(x.get("file"))).is_file()]
        gallery.completed = {
            (str(x.get("photo")), str(x.pop("sha256", ""))): x for x in valid_records
        }
        gallery.num_written = len(others)
        return gallery

    def _read_manifest(self) -> list[dict[str, Any]]:
        """Return the lines of the manifest; a line that a crash cut off is skipped."""
        lines = read_jsonl(self.path / _MANIFEST_FILE, dict[str, Any], error=OutputError)
        return [value for _, value in lines if value is not None] or [{}]

    def find_record(self, photo: Path) -> dict[str, Any] | None:
        """Return the record of a photo whose strip exists."""
        return self.completed.get((str(photo), file_sha256(photo)))

    def next_file(self, photo: Path, suffix: str) -> Path:
        """Return the file to write for a photo, before `add`."""
        return self.path / f"{self.num_written:04d}-{photo.stem}{suffix}"

    def add(self, photo: Path, file: Path, faces: Sequence[dict[str, Any]]) -> None:
        """Record a photo whose file is written, so that only complete files have a record."""
        entry = {"file": file.name, "photo": str(photo), "faces": list(faces)}
        key = file_sha256(photo)
        self._append_line({"sha256": key, **entry})
        self.completed[str(photo), key] = entry
        self.num_written += 1

    def _append_line(self, value: dict[str, Any]) -> None:
        try:
            with (self.path / _MANIFEST_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(value) + "\n")
        except OSError as error:
            raise OutputError(
                f"cannot write {self.path / _MANIFEST_FILE}: {error.strerror or error}"
            ) from None
