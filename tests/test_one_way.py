"""A model that only makes people older, on the command line."""

import json

from PIL import Image


def test_the_verb_refuses_the_way_back_and_shows_the_way_on(ganzoo, tmp_path):
    run = ("run", "pfa-gan", "--preset", "tiny", "--steps", 2, "--out", "run", "-q")
    judges = [
        arg
        for role in ("identity", "age")
        for arg in ("--set", f"model.{role}.weights=people-{role}")
    ]
    done = ganzoo(*run, *judges, cwd=tmp_path)
    assert done.code == 0, done.err
    Image.new("RGB", (40, 40), "grey").save(tmp_path / "a.png")
    ask = ("age", "run", "a.png", "--from", 45, "--out", "strip.png", "-q")
    back = ganzoo(*ask, "--to", "0-18", cwd=tmp_path)
    assert back.code == 2 and "from 40-49 to 0-18" in back.err
    assert not (tmp_path / "strip.png").exists() and "Traceback" not in back.err
    on = ganzoo(*ask, "--to", "60+", cwd=tmp_path)
    assert on.code == 0 and (tmp_path / "strip.png").exists(), on.err
    some = ganzoo(*ask, "--to", "all", "--json", cwd=tmp_path)
    assert [x["name"] for x in json.loads(some.out)[0]["looks"]] == [
        "input",
        "40-49",
        "50-59",
        "60+",
    ]
