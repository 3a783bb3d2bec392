"""A newcomer reads only the landing page, runs its commands, and finds a colored picture."""

import re
import shlex
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

INDEX = Path(__file__).parents[1] / "docs" / "index.md"


def page_commands():
    """Return the arguments of the `ganzoo` commands of the landing page."""
    (block,) = re.findall(r"^```sh\n(.*?)^```", INDEX.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line) for line in block.splitlines() if line]
    assert [line[0] for line in lines] == ["ganzoo"] * len(lines)
    return [line[1:] for line in lines]


def assert_is_colored(path):
    """The picture varies in space and in color: it is neither one gray nor one color."""
    pixels = np.asarray(Image.open(path).convert("RGB"), dtype=float)
    assert pixels.std(axis=(0, 1)).min() > 15, "one flat color"
    assert (pixels.max(axis=2) - pixels.min(axis=2)).mean() > 5, "gray"


def run_page(run_ganzoo, folder, *further_options):
    """Run the commands in an empty folder and check each picture that they name or write."""
    train, *others = page_commands()
    assert train[0] == "run" and others
    for command in ([*train, *further_options], *others):
        result = run_ganzoo(*command, cwd=folder)
        assert result.code == 0, result.err
    out = folder / train[train.index("--out") + 1]
    grids = sorted((out / "samples").glob("*.png"))
    named = [folder / word for command in others for word in command if word.endswith(".png")]
    assert grids and named
    for picture in [grids[-1], *named]:
        assert_is_colored(picture)


def test_landing_page_works_when_shortened(tmp_path, run_ganzoo):
    """The same commands with few portraits and steps: heads of several colors, still blurred."""
    run_page(run_ganzoo, tmp_path, "--steps", "60", "--set", "data.count=400", "--quiet")


@pytest.mark.soak
def test_landing_page_gives_a_picture_within_five_minutes(tmp_path, run_ganzoo):
    start = time.monotonic()
    run_page(run_ganzoo, tmp_path)
    assert time.monotonic() - start < 300


def test_landing_page_shows_pictures_that_exist():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", INDEX.read_text("utf-8"))
    assert len(pictures) >= 5
    assert_is_colored(INDEX.parent / pictures[0])
