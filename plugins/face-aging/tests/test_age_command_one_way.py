"""`ganzoo age` with a model that supports older target groups only."""

import json

from PIL import Image


def test_age_command_refuses_younger_target(run_ganzoo, tmp_path):
    run = ("run", "pfa-gan", "--preset", "smoke", "--steps", 2, "--out", "run", "-q")
    auxiliaries = [
        arg
        for role in ("identity", "age")
        for arg in ("--set", f"model.auxiliaries.{role}.weights=people-{role}")
    ]
    done = run_ganzoo(*run, *auxiliaries, cwd=tmp_path)
    assert done.code == 0, done.err
    Image.new("RGB", (40, 40), "gray").save(tmp_path / "a.png")
    words = ("age", "run", "a.png", "--from", 45, "--out", "strip.png", "-q")
    younger = run_ganzoo(*words, "--to", "0-18", cwd=tmp_path)
    assert younger.code == 2 and "--to 0-18" in younger.error and "40-49" in younger.error
    assert not (tmp_path / "strip.png").exists() and "Traceback" not in younger.err
    older = run_ganzoo(*words, "--to", "60+", cwd=tmp_path)
    assert older.code == 0 and (tmp_path / "strip.png").exists(), older.err
    supported = run_ganzoo(*words, "--to", "all", "--json", cwd=tmp_path)
    names = [image["name"] for image in json.loads(supported.out)[0]["images"]]
    assert names == ["input", "40-49", "50-59", "60+"]
