"""The page of a run: self-contained, escaped, readable in a browser."""

import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from PIL import Image

from ganzoo_core.report.run_page import write_html
from ganzoo_core.report.svg_plot import MAX_POINTS, downsample_points, evenly_spaced, svg_line_plot
from ganzoo_core.training import run_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_FLAGS = [
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
HOSTILE_HTML = "<script>alert(1)</script>"


@pytest.fixture
def page_dir(tmp_path):
    """The folder of a page with hostile text everywhere."""
    folder = tmp_path / "run"
    (folder / "samples").mkdir(parents=True)
    (folder / "weights").mkdir()
    for number in range(0, 200, 10):
        Image.new("RGB", (1200, 300), (number, 90, 60)).save(folder / f"samples/{number:08d}.png")
    lines = [
        {
            "step": i,
            "images_seen": i * 8,
            "loss/d": 1 / (i + 1),
            "loss/g": i,
            "logits/real": 0.5,
            HOSTILE_HTML: 1,
            "note": HOSTILE_HTML,
        }
        for i in range(700)
    ]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 7')
    value = {
        "value": 12.345,
        "std_error": 0.2,
        "better": "lower",
        "breakdown": {HOSTILE_HTML: 0.25},
    }
    evaluation = {
        "results": {"fid": {"settings": {"data": HOSTILE_HTML}, "values": {HOSTILE_HTML: value}}},
        "skipped": {"kid": f"kid: {HOSTILE_HTML}"},
        "notes": [HOSTILE_HTML],
    }
    config = {"run": {"model": HOSTILE_HTML, "preset": "smoke"}, "train": {"batch_size": 8}}
    write_html(
        folder / "index.html",
        config=config,
        config_text=f'a = "{HOSTILE_HTML}"',
        metrics=folder / "metrics.jsonl",
        samples=folder / "samples",
        weights=folder / "weights",
        evaluation=evaluation,
        data="people",
    )
    return folder


def test_page_is_self_contained_and_escaped(page_dir):
    text = (page_dir / "index.html").read_text()
    assert "<script" not in text and text.count("&lt;script&gt;") >= 5
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text) and "url(" not in text
    assert "default-src 'none'" in text
    assert text.count("<img ") == 8 and "step 190" in text and "step 0<" in text
    assert "<summary>By class</summary>" in text and '<td class="n">0.25</td>' in text
    assert text.count("<polyline") == 4 and "12.35 &plusmn; 0.2" in text
    assert "ganzoo sample run" in text and len(text) < 1_000_000


def test_page_includes_evaluation(trained_run, run_ganzoo, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run")
    page = tmp_path / "run/report/index.html"
    assert "<h2>Samples</h2>" in page.read_text() and "Evaluation" not in page.read_text()
    done = run_ganzoo("evaluate", "run", "-n", 20, "--metrics", "memorization", "-q", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "<h2>Evaluation</h2>" in page.read_text()
    assert "nearest distance ratio" in page.read_text()


def test_page_shows_pictures_of_plugins(page_dir, monkeypatch, capsys):
    grid = next((page_dir / "samples").glob("*.png"))

    def make_plugin(name, pictures):
        hook = SimpleNamespace(ganzoo_page_pictures=pictures)
        return SimpleNamespace(name=name, manager=SimpleNamespace(hook=hook))

    plugins = [
        make_plugin("good", lambda run: [[(HOSTILE_HTML, grid), ("missing", run / "x.png")]]),
        make_plugin("broken", lambda run: 1 / 0),
        SimpleNamespace(name="disabled", manager=None),
    ]
    monkeypatch.setattr(run_page, "zoo", lambda: SimpleNamespace(plugins=plugins))
    pictures = run_page._plugin_pictures(page_dir)
    assert pictures == [(HOSTILE_HTML, grid), ("missing", page_dir / "x.png")]
    assert capsys.readouterr().err.startswith("plugin broken has no picture")
    page = page_dir / "pictures.html"
    paths = {name: page_dir / name for name in ("metrics.jsonl", "samples", "weights")}
    write_html(
        page,
        config={},
        config_text="",
        metrics=paths["metrics.jsonl"],
        samples=paths["samples"],
        weights=paths["weights"],
        pictures=pictures,
    )
    text = page.read_text()
    assert "<script" not in text and text.count("<img ") == 9 and "missing" not in text


def test_curves_are_downsampled():
    curve = [(float(i), float(i % 7)) for i in range(5000)]
    assert len(downsample_points(curve)) <= MAX_POINTS and downsample_points(curve)[-1][0] == 4999
    svg = svg_line_plot({"a": curve, "b": [(0.0, float("nan"))], "c": [(1.0, 2.0)]}, "step")
    points = [float(x) for x in re.findall(r"[\d.]+", " ".join(re.findall('points="(.*?)"', svg)))]
    assert svg.count("<polyline") == 2 and max(points) <= 640 and min(points) >= 0
    assert svg_line_plot({"a": []}, "step") == ""


def test_sample_grids_are_spread_evenly():
    names = [f"{i}" for i in range(100)]
    shown = evenly_spaced(names, 8)
    assert len(shown) == 8 and shown[0] == "0" and shown[-1] == "99"
    assert evenly_spaced(names[:3], 8) == names[:3] and evenly_spaced([], 8) == []


def run_chromium(folder, page, *flags):
    """Open a page in headless Chromium; return its output."""
    done = subprocess.run(
        [CHROMIUM, *CHROMIUM_FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_page_fits_narrow_screen(page_dir):
    text = (page_dir / "index.html").read_text()
    probe = "document.title = document.documentElement.scrollWidth + ' ' + innerWidth"
    text = re.sub(r"<meta http-equiv.*?>", "", text, flags=re.DOTALL)
    page = page_dir / "probe.html"
    page.write_text(text.replace("</body>", f"<script>{probe}</script></body>"))
    found = re.search(
        r"<title>(\d+) (\d+)</title>",
        run_chromium(page_dir, page, "--window-size=390,800", "--dump-dom"),
    )
    assert found and int(found[1]) <= int(found[2])


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
@pytest.mark.parametrize(("scheme", "dark"), [("1", False), ("0", True)])
def test_page_dark_mode(page_dir, scheme, dark):
    shot = page_dir / "shot.png"
    run_chromium(
        page_dir,
        page_dir / "index.html",
        "--window-size=800,900",
        f"--blink-settings=preferredColorScheme={scheme}",
        f"--screenshot={shot}",
    )
    image = Image.open(shot).convert("L")
    assert (image.getpixel((5, 5)) < 60) is dark
    assert len(image.getcolors()) > 50
