"""What `ganzoo new` wrote in earlier versions still installs, lists and passes its own tests.

Each file of tests/scaffolds holds the six distributions as one version wrote them, and is never
edited: a change that breaks one breaks the plugins of strangers. Freeze a version when it is
released: python tests/test_frozen.py
"""

import json
from pathlib import Path

import pytest
from walk import installed

import ganzoo_core
from ganzoo_core.scaffold import KINDS, files

SCAFFOLDS = Path(__file__).parent / "scaffolds"
FROZEN = {path.stem: path for path in sorted(SCAFFOLDS.glob("*.json"))}


@pytest.fixture(scope="module", params=FROZEN)
def frozen(request, tmp_path_factory):
    """(the folder of a version's six distributions, PYTHONPATH of them, their files by kind)."""
    home = tmp_path_factory.mktemp("frozen")
    texts, paths = json.loads(FROZEN[request.param].read_text(encoding="utf-8")), []
    for kind, own in texts.items():
        for name, text in own.items():
            path = home / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        paths += map(str, installed(home / kind, home / "site"))
    return home, ":".join(paths), texts


def test_they_stand_in_the_list(command, frozen):
    home, path, _ = frozen
    done = command("list", PYTHONPATH=path)
    listed = {line.split()[1] for line in done.out.splitlines()}
    assert {f"frozen-{folder.name}" for folder in home.iterdir() if folder.name != "site"} <= listed
    assert command("plugins", "--strict", PYTHONPATH=path).code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass(ganzoo, frozen, kind):
    home, path, texts = frozen
    if texts[kind] == files(f"frozen-{kind}", kind):
        pytest.skip("as `ganzoo new` writes it today, which test_new.py tries")
    done = ganzoo(str(home / kind), cwd=home, env={"PYTHONPATH": path}, call="walk:run_tests")
    assert done.code == 0, done.out[-3000:]
    assert "passed" in done.out


def freeze() -> None:
    """Write what this version's `ganzoo new` makes; a version is frozen once."""
    texts = {kind: files(f"frozen-{kind}", kind) for kind in KINDS}
    with (SCAFFOLDS / f"{ganzoo_core.__version__}.json").open("x", encoding="utf-8") as file:
        json.dump(texts, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    freeze()
