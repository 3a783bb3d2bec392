"""A folder of strips, one a photograph, that grows until all are done: stopped, it goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL.Image import Image

from ganzoo_core.errors import OutputError
from ganzoo_core.files import sha256
from ganzoo_core.files.atomic import reason
from ganzoo_core.report import save_image
from ganzoo_core.runs.folder import claim

LIST = "strips.jsonl"
"""First what was asked for, then a line a strip."""


@dataclass
class Album:
    """The strips of one request."""

    path: Path
    done: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """The record of each photograph, by its path and sha256."""
    drawn: int = 0
    """Strips ever written here; numbers their files."""

    @classmethod
    def open(cls, path: Path, request: dict[str, Any]) -> Album:
        """Take a new folder, or go on with one of the same request.

        Args:
            request: the weights, the ages, whatever makes strips differ; plain JSON.

        Raises:
            OutputError: the folder holds something else, or cannot be written.
        """
        album = cls(path)
        if not (path / LIST).exists():
            try:
                claim(path, "")
            except OSError as error:
                raise OutputError(f"cannot write to {path}: {reason(error)}") from None
            album.append({"request": request})
            return album
        first, *others = album.lines()
        if first.get("request") != request:
            raise OutputError(
                f"{path} holds strips of other weights or options: give another --out, or ask for "
                "the same again to continue"
            )
        whole = [x for x in others if (path / str(x.get("file"))).is_file()]
        album.done = {(str(x.get("photo")), str(x.pop("sha256", ""))): x for x in whole}
        album.drawn = len(others)
        return album

    def lines(self) -> list[dict[str, Any]]:
        """Read the list; a line that a crash cut short counts for nothing."""
        out: list[dict[str, Any]] = []
        for line in (self.path / LIST).read_text(encoding="utf-8").splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            out.append(value if isinstance(value, dict) else {})
        return out or [{}]

    def record(self, photo: Path) -> dict[str, Any] | None:
        """Return what is known of a photograph whose strip is there."""
        return self.done.get((str(photo), sha256(photo)))

    def add(self, photo: Path, strip: Image, record: dict[str, Any]) -> None:
        """Write a strip, then its record, so that only whole strips are counted."""
        name, key = f"{self.drawn:04d}-{photo.stem}.png", sha256(photo)
        save_image(strip, self.path / name)
        found = {"file": name, "photo": str(photo), **record}
        self.append({"sha256": key, **found})
        self.done[str(photo), key] = found
        self.drawn += 1

    def append(self, value: dict[str, Any]) -> None:
        """Add a line to the list."""
        try:
            with (self.path / LIST).open("a", encoding="utf-8") as file:
                file.write(json.dumps(value) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write {self.path / LIST}: {reason(error)}") from None
