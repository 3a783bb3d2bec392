"""The page of a run: whole in one file, safe against what it shows, readable in a browser."""

import json
import re
import shutil
import subprocess

import pytest
from PIL import Image

from ganzoo_core.report.page import write_page
from ganzoo_core.report.plots import MOST, plot, spread_out, thinned

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def made(tmp_path):
    """A page of a run that shows hostile text; its folder."""
    folder = tmp_path / "run"
    (folder / "samples").mkdir(parents=True)
    (folder / "weights").mkdir()
    for number in range(0, 200, 10):
        Image.new("RGB", (1200, 300), (number, 90, 60)).save(folder / f"samples/{number:08d}.png")
    lines = [
        {"round": i, "images": i * 8, "d": 1 / (i + 1), "g": i, "d_real": 0.5, "note": EVIL}
        for i in range(700)
    ]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"round": 7')
    figure = {"value": 12.345, "error": 0.2, "better": "lower", "parts": {EVIL: 0.25}}
    evaluation = {
        "results": {"fid": {"stamp": {"data": EVIL}, "figures": {EVIL: figure}}},
        "skipped": {"kid": f"kid: {EVIL}"},
        "notes": [EVIL],
    }
    config = {"run": {"model": EVIL, "preset": "tiny"}, "train": {"batch": 8}}
    write_page(
        folder / "index.html",
        config=config,
        config_text=f'a = "{EVIL}"',
        metrics=folder / "metrics.jsonl",
        samples=folder / "samples",
        weights=folder / "weights",
        evaluation=evaluation,
        data="people",
    )
    return folder


def test_the_page_is_whole_and_runs_nothing(made):
    text = (made / "index.html").read_text()
    assert "<script" not in text and text.count("&lt;script&gt;") >= 5
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text) and "url(" not in text
    assert "default-src 'none'" in text
    assert text.count("<img ") == 8 and "round 190" in text and "round 0<" in text
    assert "<summary>By class</summary>" in text and '<td class="n">0.25</td>' in text
    assert text.count("<polyline") == 3 and "12.35 &plusmn; 0.2" in text
    assert "ganzoo sample run" in text and len(text) < 1_000_000


def test_a_run_has_a_page_and_an_evaluation_joins_it(trained, ganzoo, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    page = tmp_path / "run/report/index.html"
    assert "<h2>Samples</h2>" in page.read_text() and "Evaluation" not in page.read_text()
    done = ganzoo("evaluate", "run", "-n", 20, "--metrics", "memorisation", "-q", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "<h2>Evaluation</h2>" in page.read_text() and "nearest ratio" in page.read_text()


def test_curves_are_thinned_and_stay_in_their_box():
    curve = [(float(i), float(i % 7)) for i in range(5000)]
    assert len(thinned(curve)) <= MOST and thinned(curve)[-1][0] == 4999
    drawn = plot({"a": curve, "b": [(0.0, float("nan"))], "c": [(1.0, 2.0)]}, "round")
    points = [
        float(x) for x in re.findall(r"[\d.]+", " ".join(re.findall('points="(.*?)"', drawn)))
    ]
    assert drawn.count("<polyline") == 2 and max(points) <= 640 and min(points) >= 0
    assert plot({"a": []}, "round") == ""


def test_grids_are_spread_over_the_run():
    names = [f"{i}" for i in range(100)]
    shown = spread_out(names, 8)
    assert len(shown) == 8 and shown[0] == "0" and shown[-1] == "99"
    assert spread_out(names[:3], 8) == names[:3] and spread_out([], 8) == []


def browse(folder, page, *flags):
    """Open a page in headless Chromium; return what it prints."""
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_the_page_fits_a_phone(made):
    text = (made / "index.html").read_text()
    probe = "document.title = document.documentElement.scrollWidth + ' ' + innerWidth"
    text = re.sub(r"<meta http-equiv.*?>", "", text, flags=re.DOTALL)
    page = made / "probe.html"
    page.write_text(text.replace("</body>", f"<script>{probe}</script></body>"))
    found = re.search(
        r"<title>(\d+) (\d+)</title>", browse(made, page, "--window-size=390,800", "--dump-dom")
    )
    assert found and int(found[1]) <= int(found[2])


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
@pytest.mark.parametrize(("scheme", "dark"), [("1", False), ("0", True)])
def test_the_page_follows_the_dark(made, scheme, dark):
    shot = made / "shot.png"
    browse(
        made,
        made / "index.html",
        "--window-size=800,900",
        f"--blink-settings=preferredColorScheme={scheme}",
        f"--screenshot={shot}",
    )
    image = Image.open(shot).convert("L")
    assert (image.getpixel((5, 5)) < 60) is dark
    assert len(image.getcolors()) > 50
