"""list, info, schema, plugins, doctor, check, completion, and the verbs of plugins."""

import json
import os
import re
import sys

KEYS = [
    "kind",
    "name",
    "state",
    "summary",
    "paper",
    "license",
    "origin",
    "error",
    "install",
    "can",
    "uses",
    "gives",
    "family",
]


LAZY = """
import sys
from ganzoo_core.cli.main import main
for args in (["--help"], ["--version"], ["list"], ["list", "--json"], ["plugins"],
             ["completion", "zsh"], ["lst"]):
    try:
        main(args)
    except SystemExit:
        pass
found = {HEAVY} & set(sys.modules)
sys.exit(f"imported: {found}" if found else 0)
"""
HEAVY = {
    "torch",
    "torchvision",
    "pydantic",
    "numpy",
    "scipy",
    "sklearn",
    "PIL",
    "rich",
    "matplotlib",
    "safetensors",
    "tomli_w",
}


def test_help_and_lists_import_nothing_heavy(shell):
    done = shell(sys.executable, "-c", LAZY.replace("{HEAVY}", repr(HEAVY)))
    assert done.code == 0, done.err


def test_help_names_every_verb(command):
    text = command("--help").out
    for verb in ("list", "info", "run", "resume", "sample", "schema", "check", "plugins", "doctor"):
        assert f"\n  {verb} " in text
    assert command("--version").out.startswith("ganzoo ")
    assert command().code == 2


def test_list_is_plain_and_aligned_when_piped(command):
    lines = command("list").out.splitlines()
    assert lines[0].split() == ["KIND", "NAME", "SUMMARY"]
    column = lines[0].index("SUMMARY")
    assert all(line[column - 1] == " " != line[column] for line in lines)
    assert any(line.startswith("model    cgan") for line in lines)
    assert any(line.startswith("dataset  shapes") for line in lines)


def test_list_takes_a_kind_and_gives_json(command):
    records = json.loads(command("list", "models", "--json").out)
    assert {r["kind"] for r in records} == {"model"}
    assert all(list(r) == KEYS for r in records)
    assert {r["name"]: r["state"] for r in records}["cgan"] == "installed"
    assert command("list", "data").out == command("list", "dataset").out
    assert "cgan" not in command("list", "datasets").out


def test_list_models_groups_them_by_family(command):
    lines = command("list", "models").out.splitlines()
    at = {line: number for number, line in enumerate(lines)}
    heads = [number for line, number in at.items() if line.startswith("# ")]
    place = {line.split()[1]: sum(head < number for head in heads) for line, number in at.items()}
    assert place["cgan"] == place["pfa-gan"] == 1
    assert (place["pixelcnn"], place["vae"], place["facenet"]) == (2, 3, 4)
    families = {r["name"]: r["family"] for r in json.loads(command("list", "model", "--json").out)}
    assert families["vae"] == "approximate" and families["age-estimator"] == "reader"


def test_list_shows_what_is_switched_off_and_what_is_not_installed(command, shell):
    assert "switched off" in command("list", GANZOO_PLUGINS="shapes").out
    bare = (
        "from ganzoo_core.zoo import discovery as d; from ganzoo_core.cli.main import main\n"
        "scan = d.entry_points\n"
        "d.entry_points = lambda **k: [e for e in scan(**k) if e.dist.name == 'ganzoo-core']\n"
    )

    def alone(args):
        return shell(sys.executable, "-c", f"{bare}main({args!r})")

    assert "not installed - pip install -e . -e plugins/cgan" in alone(["list"]).out
    done = alone(["run", "cgan"])
    assert done.code == 4
    assert "Install it with: pip install -e . -e plugins/cgan" in done.err


def test_broken_plugins_are_rows_and_the_rest_works(command, bad):
    done = command("list", PYTHONPATH=bad)
    assert done.code == 0
    text = " ".join(done.out.split())
    assert "plugin foo broken - ModuleNotFoundError: No module named 'nowhere_to_be_found'" in text
    assert "(ganzoo-foo 0.2)" in text
    assert "unknown hook 'ganzoo_registre'" in text
    assert "late is written for plugin api 99" in text and "upgrade ganzoo-core" in text
    assert "quits broken - SystemExit: [/foo] no licence (ganzoo-quits 0.2)" in text
    assert text.count("'cgan' is claimed by ganzoo-cgan") == 2 and "and ganzoo-twin 0.2" in text
    assert "dataset shapes Drawn" in text
    records = json.loads(command("list", "--json", PYTHONPATH=bad).out)
    assert all(list(r) == KEYS for r in records)


def test_a_broken_plugin_breaks_no_run(ganzoo, bad, tmp_path):
    env = {"PYTHONPATH": bad, "GANZOO_PLUGINS": "foo,typo,quits,cgan,shapes"}
    quick = ("run", "cgan", "--preset", "tiny", "--set", "data.count=16", "--steps", 1, "-q")
    done = ganzoo(*quick, cwd=tmp_path, env=env)
    assert (done.code, done.out) == (0, "runs/cgan-1\n"), done.err
    done = ganzoo("run", "cgan", cwd=tmp_path, env={"PYTHONPATH": bad})
    assert done.code == 4
    assert "ganzoo-cgan" in done.error and "ganzoo-twin" in done.error
    done = ganzoo("run", "foo", cwd=tmp_path, env=env)
    assert done.code == 4
    assert "nowhere_to_be_found" in done.error and "plugins --debug" in done.error


def test_plugins_shows_tracebacks_and_may_be_strict(command, bad):
    done = command("plugins", PYTHONPATH=bad)
    assert done.code == 0
    assert "the verb 'run' of ganzoo-greedy 0.2 is refused" in done.out
    assert "Traceback" not in done.out
    done = command("plugins", "--debug", "--strict", PYTHONPATH=bad)
    assert done.code == 4
    assert "Traceback" in done.out and "nowhere_to_be_found" in done.out
    assert "plugins are broken" in done.error
    records = json.loads(command("plugins", "--json", PYTHONPATH=bad).out)
    states = {r["name"]: r["state"] for r in records}
    assert states["foo"] == states["twin"] == states["greedy"] == "broken"
    assert states["shapes"] == "ok"


def test_strict_makes_a_broken_plugin_fatal(command, bad):
    done = command("list", PYTHONPATH=bad, GANZOO_STRICT="1")
    assert (done.code, done.out) == (4, "")
    assert "GANZOO_STRICT" in done.error
    assert command("list", GANZOO_STRICT="1").code == 0
    assert command("plugins", PYTHONPATH=bad, GANZOO_STRICT="1").code == 4
    assert command("list", PYTHONPATH=bad, GANZOO_STRICT="0").code == 0


def test_verbs_of_plugins(command, extra, bad):
    text = command("--help", PYTHONPATH=extra).out
    assert "Verbs of plugins:" in text and "Say [hello]" in text
    assert command("hello", "--name", "zoo", PYTHONPATH=extra).out == "hello zoo\n"
    assert "Train MODEL" in command("run", "--help", PYTHONPATH=bad).out  # not greedy's


def test_terminal_output_escapes_and_fits_eighty_columns(command, extra, bad):
    path = f"{extra}{os.pathsep}{bad}"
    done = command("list", PYTHONPATH=path, FORCE_COLOR="1", NO_COLOR="1", COLUMNS="80")
    assert done.code == 0, done.err
    assert "[beta] pictures [/foo] of" in " ".join(done.out.split())
    assert "\x1b[31m" not in done.out  # the plugin's own colour
    seen = re.sub(r"\x1b\[[0-9;]*m", "", done.out)
    assert max(map(len, seen.splitlines())) <= 80
    plain = command("list", PYTHONPATH=path).out
    assert "\x1b" not in plain and "[beta] pictures [/foo] of" in plain


def test_a_reader_that_leaves_is_no_error(shell):
    done = shell("sh", "-c", f"{sys.executable} -m ganzoo_core.cli list --json | head -c 1")
    assert (done.out, done.err) == ("[", "")


def test_a_full_stdout_is_one_line(shell):
    done = shell("sh", "-c", f"{sys.executable} -m ganzoo_core.cli list > /dev/full")
    assert (done.code, done.err) == (5, "ganzoo: No space left on device\n")


def test_info_tells_presets_and_parameters(ganzoo, tmp_path):
    done = ganzoo("info", "cgan", "--json", cwd=tmp_path)
    about = json.loads(done.out)
    assert about["needs"] == ["image", "label"]
    notebook = about["presets"]["report-notebook"]
    assert notebook["parameters"] == {"generator": 3_625_856, "discriminator": 2_777_856}
    assert about["presets"]["tiny"]["settings"]["data.name"] == "shapes"
    text = ganzoo("info", "cgan", cwd=tmp_path).out
    assert "3,625,856" in text and 'data.name = "shapes"' in text
    for option in ('loss.kind="bce"', "cures.halt_d_above=(none)", 'discriminator.norm="batch"'):
        assert f"\n  model.{option}\n" in text and f"model.{option}" in about["options"]
    text = ganzoo("info", "shapes", cwd=tmp_path).out
    assert "--data shapes" in text and "data.count=1024" in text


def test_info_tells_of_every_kind(ganzoo, tmp_path):
    def about(name):
        return json.loads(ganzoo("info", name, "--json", cwd=tmp_path).out)

    fid = about("fid")
    assert (fid["kind"], fid["use"]) == ("metric", "ganzoo evaluate RUN --metrics fid")
    assert "--features" in fid["needs"][0] and "Unfit" in fid["says"]
    loss = about("bce")
    assert loss["options"] == ["model.loss.real_target=1.0", "model.loss.half=False"]
    assert "sigma(D(G(z)))" in ganzoo("info", "bce", cwd=tmp_path).out
    judge = about("people-age-held-out")
    assert judge["kind"] == "judge" and judge["role"].startswith("age, kept for evaluation")
    assert len(judge["sha256"]) == 64 and any(m.startswith("age_mae=") for m in judge["measured"])
    plugin = about("tensorboard")
    assert plugin["kind"] == "plugin" and "ganzoo_round_logged" in plugin["hooks"]
    done = ganzoo("info", "fdi", cwd=tmp_path)
    assert (done.code, 'Did you mean "fid"?' in done.error) == (2, True)


def test_schema_is_of_the_whole_tree(command):
    schema = json.loads(command("schema", "cgan").out)
    assert list(schema["properties"]) == ["model", "data", "train"]
    options = schema["$defs"]["CGANConfig"]["properties"]
    assert "width" in options
    assert options["ema"]["anyOf"][-1] == {"const": "none"}  # as `--set model.ema=none` says it
    assert "count" in json.loads(command("schema", "shapes").out)["properties"]


def test_doctor_names_broken_plugins_and_hollow_ones(ganzoo, bad, extra, tmp_path):
    env = {"PYTHONPATH": f"{bad}:{extra}"}
    findings = json.loads(ganzoo("doctor", "--json", cwd=tmp_path, env=env).out)
    assert all(list(f) == ["name", "state", "message", "remedy"] for f in findings)
    problems = {f["name"]: f for f in findings if f["state"] == "problem"}
    assert "nowhere_to_be_found" in problems["foo"]["message"]
    assert "pip uninstall ganzoo-foo" in problems["foo"]["remedy"]
    assert "ganzoo_extra.no" in problems["hollow"]["message"]
    assert "uninstall one of them" in problems["cgan"]["message"]


def test_doctor_names_a_torchvision_of_another_torch(ganzoo, tmp_path):
    folder = tmp_path / "torchvision-0.1.dist-info"
    folder.mkdir()
    text = (
        "Metadata-Version: 2.1\nName: torchvision\nVersion: 0.1\nRequires-Dist: torch (==0.4.0)\n"
    )
    (folder / "METADATA").write_text(text)
    done = ganzoo("doctor", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert done.code == 4
    assert "torchvision 0.1 is built for torch 0.4.0" in done.out
    assert "pip install --upgrade torch torchvision" in done.out
    assert "torchvision" in done.error


def test_check_prints_a_line_a_check(ganzoo, tmp_path):
    done = ganzoo("check", "cgan", "--only", "spec", "--only", "unknown-option", cwd=tmp_path)
    assert done.code == 0, done.err
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["ok", "spec"],
        ["ok", "unknown-option"],
    ]
    done = ganzoo("check", "cgan", "--only", "spec", "--json", cwd=tmp_path)
    (facts,) = json.loads(done.out)
    assert facts["kind"] == "model" and facts["name"] == "spec" and facts["passed"]
    known = {"entry", "kind", "name", "purpose", "passed", "skipped", "message", "seconds"}
    assert facts.keys() == known


def test_check_fails_with_code_four(ganzoo, extra, tmp_path):
    env = {"PYTHONPATH": extra}
    done = ganzoo("check", "hollow", "--only", "spec", cwd=tmp_path, env=env)
    assert done.code == 4
    assert done.out.startswith("FAIL  spec")


def test_completion_prints_a_script(command):
    for name in ("bash", "zsh", "fish"):
        done = command("completion", name)
        assert done.code == 0
        assert "_GANZOO_COMPLETE" in done.out


def test_completion_completes_names(command):
    def complete(words):
        done = command(
            _GANZOO_COMPLETE="bash_complete",
            COMP_WORDS=words,
            COMP_CWORD=str(len(words.split(" ")) - 1),
        )
        return [line.partition(",")[2] for line in done.out.splitlines()]

    assert "resume" in complete("ganzoo re")
    assert complete("ganzoo run cg") == ["cgan"]
    assert "tiny" in complete("ganzoo run cgan --preset t")
    assert complete("ganzoo info gan-t") == ["gan-test", "gan-train"]
    assert "shapes" in complete("ganzoo run cgan --data sh")
