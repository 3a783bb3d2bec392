"""`ganzoo gallery --export`: a site whose links and pictures are all there."""

import html
import re

import pytest
from click.testing import CliRunner
from ganzoo_gallery.commands import gallery as command
from PIL import Image

from ganzoo_core.errors import OutputError


def test_site(runs_dir, tmp_path):
    out = tmp_path / "site"
    done = CliRunner().invoke(command, [str(runs_dir), "--export", str(out)])
    assert (done.exit_code, done.output.split()[0]) == (0, str(out))
    pages = [out / "index.html", *(out / "runs").glob("*.html")]
    assert len(pages) == 4
    for page in pages:
        text = page.read_text()
        assert str(runs_dir) not in text and "<img src=x" not in text
        links = re.findall(r'(?:href|src)="([^"#]+)"', text)
        assert links
        for link in links:
            assert (page.parent / html.unescape(link)).is_file(), f"{link} of {page.name}"
    grids = list(out.glob("runs/*/grids/*.png"))
    assert grids and Image.open(grids[0]).size[0] > 100
    assert "<polyline" in "".join(page.read_text() for page in pages)


def test_site_is_not_written_over(runs_dir, tmp_path):
    (tmp_path / "own.txt").touch()
    with pytest.raises(OutputError, match="not empty"):
        CliRunner().invoke(
            command, [str(runs_dir), "--export", str(tmp_path)], catch_exceptions=False
        )
