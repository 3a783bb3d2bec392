"""The page of a run: self-contained, escaped, readable in a browser."""

import html
import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ganzoo_core.report.curves import Panel, draw_curves, make_panels
from ganzoo_core.report.run_page import _usage_commands as run_page_commands
from ganzoo_core.report.run_page import write_html
from ganzoo_core.report.svg_plot import MAX_POINTS, downsample_points, evenly_spaced, make_line_plot
from ganzoo_core.training import run_page
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.zoo.discovery import Plugin

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
    for number in range(0, 200, 10):
        Image.new("RGB", (1200, 300), (number, 90, 60)).save(folder / f"samples/{number:08d}.png")
    lines = [
        {
            "step": i,
            "images_seen": i * 8,
            "seconds": i * 2.0,
            "loss/d": 1 / (i + 1),
            "loss/g": i,
            "logits/real": -0.5 - i / 1000,
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
    config = {
        "run": {"model": HOSTILE_HTML, "preset": "smoke"},
        "data": {"name": "people", "path": HOSTILE_HTML},
        "train": {"batch_size": 8},
        "provenance": {"started": "2024-05-06T07:08:09+00:00"},
    }
    index = {
        "capabilities": ["sample"],
        "data": {"name": "people", "split": "gan-train", "num_images": 6000},
    }
    write_html(
        folder / "index.html",
        run=folder,
        config=config,
        config_text=f'a = "{HOSTILE_HTML}"',
        metrics=folder / "metrics.jsonl",
        samples=folder / "samples",
        index=index,
        evaluation=evaluation,
    )
    return folder


def test_page_is_self_contained_and_escaped(page_dir):
    text = (page_dir / "index.html").read_text()
    assert "<script" not in text and text.count("&lt;script&gt;") >= 5
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text) and "url(" not in text
    assert "default-src 'none'" in text
    assert text.count("<img ") == 8 and "step 190" in text and "step 0<" in text
    assert "<summary>By class</summary>" in text and '<td class="n">0.25</td>' in text
    assert text.count("<polyline") == 4 and "12.35 \N{PLUS-MINUS SIGN} 0.2" in text
    assert len(text) < 1_000_000


def read_facts(page):
    """Return name -> value of the boxes at the top."""
    return dict(re.findall(r"<div><span>(.*?)</span>(.*?)</div>", page.read_text()))


def test_page_has_facts_of_run(page_dir):
    assert read_facts(page_dir / "index.html") == {
        "preset": "smoke",
        "started": "2024-05-06 07:08 UTC",
        "duration": "23 min",
        "steps": "699",
        "images seen": "5,592",
        "batch size": "8",
        "data": "people",
        "data path": "&lt;script&gt;alert(1)&lt;/script&gt;",
        "split": "gan-train",
        "training images": "6,000",
    }


def test_commands_of_page_load_weights(trained_run, run_shell, tmp_path):
    run = tmp_path / "a run's folder"
    shutil.copytree(trained_run, run)
    page = run_page.write_page(RunFolder(run)).read_text()
    usage = page.partition("<h2>Use the weights</h2>")[2].partition("<h2>")[0]
    shell, python = (html.unescape(x) for x in re.findall("<pre>(.*?)</pre>", usage, re.DOTALL))
    words = shlex.split(shell)
    done = run_shell(sys.executable, "-m", "ganzoo_core.cli", *words[1:], cwd=tmp_path)
    assert words[0] == "ganzoo" and done.code == 0, done.err
    assert (tmp_path / "samples.png").exists()
    done = run_shell(sys.executable, "-c", f"{python}\nprint(len(images))", cwd=tmp_path)
    assert done.code == 0 and done.out.split() == ["16"], done.err


def test_commands_of_model_that_does_not_sample():
    assert run_page_commands("runs/x", {"capabilities": ["embed"]}) == [
        "import ganzoo_core as gz\n\nmodel = gz.load('runs/x')"
    ]


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
        return Plugin(name, name, "1", hooks={"ganzoo_page_pictures": pictures})

    plugins = [
        make_plugin("good", lambda run: [[(HOSTILE_HTML, grid), ("missing", run / "x.png")]]),
        make_plugin("broken", lambda run: 1 / 0),
        Plugin("other", "other", "1"),
    ]
    monkeypatch.setattr(run_page, "zoo", lambda: SimpleNamespace(plugins=plugins))
    pictures = run_page._plugin_pictures(page_dir)
    assert pictures == [(HOSTILE_HTML, grid), ("missing", page_dir / "x.png")]
    assert capsys.readouterr().err.startswith("plugin broken has no picture")
    page = page_dir / "pictures.html"
    write_html(
        page,
        run=page_dir,
        config={},
        config_text="",
        metrics=page_dir / "metrics.jsonl",
        samples=page_dir / "samples",
        pictures=pictures,
    )
    text = page.read_text()
    assert "<script" not in text and text.count("<img ") == 9 and "missing" not in text


def test_panels_by_kind_of_quantity():
    records = [
        {
            "step": i,
            "seconds": i,
            "loss/d": 10.0 ** (-i),
            "loss/g": 1.0,
            "logits/real": -float(i),
            "accuracy/d": 0.5,
            "grad_norm/d": math.inf,
            "lr": 0.1,
            "stage": "gan",
        }
        for i in range(1, 5)
    ]
    panels = make_panels(records)
    assert [(p.title, list(p.curves), p.is_log) for p in panels] == [
        ("Losses", ["loss/d", "loss/g"], True),
        ("Logits of D", ["logits/real"], False),
        ("Accuracy", ["accuracy/d"], False),
        ("Lr", ["lr"], False),
    ]
    assert make_panels([]) == []


def test_plots_stay_inside_their_area():
    curve = [(float(i), float(i % 7)) for i in range(5000)]
    assert len(downsample_points(curve)) <= MAX_POINTS and downsample_points(curve)[-1][0] == 4999
    for other in ([(1.0, 2.0)], [(float(i), 1e-5 * 10 ** (i / 900)) for i in range(5000)]):
        plot = make_line_plot(Panel("x", {"a": curve, "b": other}))
        for points in plot.lines.values():
            x, y = zip(*(map(float, point.split(",")) for point in points.split()), strict=True)
            assert plot.left <= min(x) and max(x) <= plot.right
            assert min(y) >= 0 and max(y) <= plot.height


@pytest.mark.parametrize(
    ("values", "y_labels"),
    [
        ([0, 1], ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        ([-1.13, 0.41], ["−1.0", "−0.5", "0.0"]),
        ([0.0102, 0.0118], ["0.0105", "0.0110", "0.0115"]),
        ([3.0, 3.0], ["2.8", "3.0", "3.2"]),
        ([-120_000, 60_000], ["−100,000", "−50,000", "0", "50,000"]),
        ([2e-6, 5e-6], ["2e−06", "3e−06", "4e−06", "5e−06"]),
        ([0.02, 300.0], ["0.1", "1", "10", "100"]),
    ],
)
def test_ticks_are_round_numbers(values, y_labels):
    plot = make_line_plot(Panel("x", {"a": list(enumerate(values))}))
    labels = [tick.label for tick in plot.y_ticks]
    assert labels == y_labels
    assert plot.left >= 10 * max(map(len, labels)), "the widest label fits on narrow screens"


def test_log_axis_of_rare_spikes_has_ticks():
    spikes = [(float(i), 1.0 if i % 1000 else 500.0) for i in range(5000)]
    assert len(make_line_plot(Panel("x", {"a": spikes})).y_ticks) >= 2


def test_x_ticks_are_whole_steps():
    plot = make_line_plot(Panel("x", {"a": [(20.0, 1.0), (600.0, 2.0)]}))
    assert [tick.label for tick in plot.x_ticks] == ["100", "200", "300", "400", "500", "600"]
    short = make_line_plot(Panel("x", {"a": [(1.0, 1.0), (2.0, 2.0)]}))
    assert [tick.label for tick in short.x_ticks] == ["1", "2"]


def test_legend_of_curves_covers_no_line(tmp_path):
    records = [{"step": i, "loss/d": 1.0, "loss/g": 2.0 - i / 10} for i in range(11)]
    assert draw_curves(records, tmp_path / "a.png", "title")
    assert not draw_curves([{"step": 1}], tmp_path / "b.png", "title")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    is_blue = (pixels[..., 2] - pixels[..., 0] > 80).any(0)  # the columns of loss/d
    columns = np.flatnonzero(is_blue)
    gaps = np.flatnonzero(np.diff(columns) > 10)
    assert len(gaps) == 1, "one line, and to the right of it one legend entry"


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


NARROW_PROBE = """<script>
const ends = [...document.querySelectorAll("svg text")].map(x => x.getBoundingClientRect());
const left = Math.min(...ends.map(x => x.left)), right = Math.max(...ends.map(x => x.right));
const sizes = [document.documentElement.scrollWidth, innerWidth, left, right];
parent.postMessage(sizes.join(" "), "*");
</script></body>"""
NARROW_FRAME = """<iframe src="probe.html" width="390" height="800" style="border:0"></iframe>
<script>onmessage = event => document.title = event.data</script>"""


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_page_fits_narrow_screen(page_dir):
    text = (page_dir / "index.html").read_text()
    text = re.sub(r"<meta http-equiv.*?>", "", text, flags=re.DOTALL)
    (page_dir / "probe.html").write_text(text.replace("</body>", NARROW_PROBE))
    frame = page_dir / "frame.html"
    frame.write_text(NARROW_FRAME)
    dom = run_chromium(page_dir, frame, "--virtual-time-budget=3000", "--dump-dom")
    found = re.search(r"<title>(.*?)</title>", dom)
    scroll_width, width, left, right = map(float, found[1].split())
    assert width == 390 and scroll_width <= 390
    assert left >= 0 and right <= 390, "no label of an axis is cut off"


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
