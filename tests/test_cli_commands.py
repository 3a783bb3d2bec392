"""list, info, schema, plugins, doctor, check, completion, and commands of plugins."""

import json
import os
import re
import sys

LIST_KEYS = [
    "kind",
    "name",
    "state",
    "summary",
    "paper",
    "license",
    "origin",
    "error",
    "install",
    "capabilities",
    "auxiliaries",
    "fields",
    "family",
    "base",
]


LAZY_IMPORT_SCRIPT = """
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
HEAVY_MODULES = {
    "torch",
    "torchvision",
    "pydantic",
    "numpy",
    "scipy",
    "sklearn",
    "huggingface_hub",
    "jinja2",
    "PIL",
    "rich",
    "matplotlib",
    "safetensors",
    "tomli_w",
}


def test_help_and_list_import_no_torch(run_shell):
    done = run_shell(
        sys.executable, "-c", LAZY_IMPORT_SCRIPT.replace("{HEAVY}", repr(HEAVY_MODULES))
    )
    assert done.code == 0, done.err


def test_help_lists_every_command(ganzoo_subprocess):
    text = ganzoo_subprocess("--help").out
    for command in (
        "list",
        "info",
        "run",
        "resume",
        "sample",
        "schema",
        "check",
        "plugins",
        "doctor",
    ):
        assert f"\n  {command} " in text
    assert ganzoo_subprocess("--version").out.startswith("ganzoo ")
    assert ganzoo_subprocess().code == 0


def test_list_is_plain_when_piped(ganzoo_subprocess):
    lines = ganzoo_subprocess("list").out.splitlines()
    assert lines[0].split() == ["KIND", "NAME", "SUMMARY"]
    column = lines[0].index("SUMMARY")
    assert all(line[column - 1] == " " != line[column] for line in lines)
    assert any(line.split()[:2] == ["model", "cgan"] for line in lines)
    assert any(line.split()[:2] == ["dataset", "shapes"] for line in lines)


def test_list_kind_and_json(ganzoo_subprocess):
    records = json.loads(ganzoo_subprocess("list", "models", "--json").out)
    assert {r["kind"] for r in records} == {"model", "composition"}
    assert all(list(r) == LIST_KEYS for r in records)
    assert {r["name"]: r["state"] for r in records}["cgan"] == "installed"
    assert ganzoo_subprocess("list", "data").out == ganzoo_subprocess("list", "dataset").out
    assert "cgan" not in ganzoo_subprocess("list", "datasets").out


def test_list_models_by_family(ganzoo_subprocess):
    lines = ganzoo_subprocess("list", "models").out.splitlines()
    line_numbers = {line: number for number, line in enumerate(lines)}
    titles = [number for line, number in line_numbers.items() if line.startswith("# ")]
    family_index = {
        line.split()[1]: sum(title < number for title in titles)
        for line, number in line_numbers.items()
    }
    assert family_index["cgan"] == family_index["pfa-gan"] == 1
    assert (family_index["pixelcnn"], family_index["vae"], family_index["facenet"]) == (2, 3, 4)
    families = {
        r["name"]: r["family"] for r in json.loads(ganzoo_subprocess("list", "model", "--json").out)
    }
    assert families["vae"] == "approximate" and families["age-estimator"] == "discriminative"


def test_list_shows_disabled_and_not_installed(ganzoo_subprocess, run_shell):
    assert "GANZOO_PLUGINS" in ganzoo_subprocess("list", GANZOO_PLUGINS="shapes").out
    core_only = (
        "from ganzoo_core.zoo import discovery as d; from ganzoo_core.cli.main import main\n"
        "scan = d.find_entry_points\n"
        "d.find_entry_points = lambda: [e for e in scan() if e.distribution == 'ganzoo-core']\n"
    )

    def run_core_only(args):
        return run_shell(sys.executable, "-c", f"{core_only}main({args!r})")

    assert "pip install -e . -e plugins/cgan" in run_core_only(["list"]).out
    done = run_core_only(["run", "cgan"])
    assert done.code == 4
    assert "pip install -e . -e plugins/cgan" in done.err


def test_list_shows_broken_plugins(ganzoo_subprocess, broken_plugins_path):
    done = ganzoo_subprocess("list", PYTHONPATH=broken_plugins_path)
    assert done.code == 0
    text = " ".join(done.out.split())
    assert "plugin foo broken - ModuleNotFoundError: No module named 'nowhere_to_be_found'" in text
    assert "(ganzoo-foo 0.2)" in text
    assert "'ganzoo_registre'" in text
    assert "upgrade ganzoo-core" in text
    assert "quits broken - SystemExit: [/foo] no license (ganzoo-quits 0.2)" in text
    assert text.count("broken - 'cgan'") == 2 and "and ganzoo-twin 0.2" in text
    assert "dataset shapes Synthetic" in text
    records = json.loads(ganzoo_subprocess("list", "--json", PYTHONPATH=broken_plugins_path).out)
    assert all(list(r) == LIST_KEYS for r in records)


def test_broken_plugin_does_not_break_run(run_ganzoo, broken_plugins_path, tmp_path):
    env = {"PYTHONPATH": broken_plugins_path, "GANZOO_PLUGINS": "foo,typo,quits,cgan,shapes"}
    smoke = ("run", "cgan", "--preset", "smoke", "--set", "data.count=16", "--steps", 1, "-q")
    done = run_ganzoo(*smoke, cwd=tmp_path, env=env)
    assert (done.code, done.out) == (0, "runs/cgan-1\n"), done.err
    done = run_ganzoo("run", "cgan", cwd=tmp_path, env={"PYTHONPATH": broken_plugins_path})
    assert done.code == 4
    assert "ganzoo-cgan" in done.error and "ganzoo-twin" in done.error
    done = run_ganzoo("run", "foo", cwd=tmp_path, env=env)
    assert done.code == 4
    assert "nowhere_to_be_found" in done.error and "plugins --debug" in done.error


def test_plugins_debug_and_strict(ganzoo_subprocess, broken_plugins_path):
    done = ganzoo_subprocess("plugins", PYTHONPATH=broken_plugins_path)
    assert done.code == 0
    assert "'run' of ganzoo-greedy 0.2" in done.out
    assert "Traceback" not in done.out
    done = ganzoo_subprocess("plugins", "--debug", "--strict", PYTHONPATH=broken_plugins_path)
    assert done.code == 4
    assert "Traceback" in done.out and "nowhere_to_be_found" in done.out
    assert "foo" in done.error and "greedy" in done.error
    records = json.loads(ganzoo_subprocess("plugins", "--json", PYTHONPATH=broken_plugins_path).out)
    states = {r["name"]: r["state"] for r in records}
    assert states["foo"] == states["twin"] == states["greedy"] == "broken"
    assert states["shapes"] == "ok"


def test_strict_env_makes_broken_plugin_fatal(ganzoo_subprocess, broken_plugins_path):
    done = ganzoo_subprocess("list", PYTHONPATH=broken_plugins_path, GANZOO_STRICT="1")
    assert (done.code, done.out) == (4, "")
    assert "GANZOO_STRICT" in done.error
    assert ganzoo_subprocess("list", GANZOO_STRICT="1").code == 0
    assert ganzoo_subprocess("plugins", PYTHONPATH=broken_plugins_path, GANZOO_STRICT="1").code == 4
    assert ganzoo_subprocess("list", PYTHONPATH=broken_plugins_path, GANZOO_STRICT="0").code == 0


def test_plugin_commands(ganzoo_subprocess, extra_plugin_path, broken_plugins_path):
    text = ganzoo_subprocess("--help", PYTHONPATH=extra_plugin_path).out
    assert "Plugin commands:" in text and "Say [hello]" in text
    assert (
        ganzoo_subprocess("hello", "--name", "zoo", PYTHONPATH=extra_plugin_path).out
        == "hello zoo\n"
    )
    assert (
        "Train MODEL" in ganzoo_subprocess("run", "--help", PYTHONPATH=broken_plugins_path).out
    )  # not greedy's


def test_plugins_add_commands_to_a_group(ganzoo_subprocess, extra_plugin_path, broken_plugins_path):
    def run(*words):
        return ganzoo_subprocess(*words, PYTHONPATH=extra_plugin_path)

    assert re.search(r"talk +Commands: loud, never", run("--help").out)
    assert run("talk", "loud", "--name", "zoo").out == "hello zoo\n"
    broken = run("talk", "never", "--name", "zoo")  # costs this command alone
    assert broken.code == 4 and "ganzoo_extra.no" in broken.error
    problems = ganzoo_subprocess("plugins", "--json", PYTHONPATH=broken_plugins_path).out
    assert "'greet' is no group" in problems and "the command 'data mine' of" in problems


def test_terminal_output_escapes_markup(ganzoo_subprocess, extra_plugin_path, broken_plugins_path):
    path = f"{extra_plugin_path}{os.pathsep}{broken_plugins_path}"
    done = ganzoo_subprocess("list", PYTHONPATH=path, FORCE_COLOR="1", NO_COLOR="1", COLUMNS="80")
    assert done.code == 0, done.err
    assert "[beta] images [/foo] of" in " ".join(done.out.split())
    assert "\x1b[31m" not in done.out  # a color in the text of a plugin
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.out)
    assert max(map(len, text.splitlines())) <= 80
    plain = ganzoo_subprocess("list", PYTHONPATH=path).out
    assert "\x1b" not in plain and "[beta] images [/foo] of" in plain


def test_broken_pipe_is_silent(run_shell):
    done = run_shell("sh", "-c", f"{sys.executable} -m ganzoo_core.cli list --json | head -c 1")
    assert (done.out, done.err) == ("[", "")


def test_stdout_full_is_one_line(run_shell):
    done = run_shell("sh", "-c", f"{sys.executable} -m ganzoo_core.cli list > /dev/full")
    assert (done.code, done.err) == (5, "ganzoo: No space left on device\n")


def test_info_shows_presets_and_parameters(run_ganzoo, tmp_path):
    done = run_ganzoo("info", "cgan", "--json", cwd=tmp_path)
    facts = json.loads(done.out)
    assert facts["requires"] == ["image", "label"]
    notebook = facts["presets"]["report-notebook"]
    stages = json.loads(run_ganzoo("run", "cgan", "--dry-run", "--json", cwd=tmp_path).out)
    assert facts["presets"]["quick"]["images"] == sum(stage["images"] for stage in stages)
    assert notebook["parameters"] == {"generator": 3_625_856, "discriminator": 2_777_856}
    assert facts["presets"]["smoke"]["settings"]["data.name"] == "shapes"
    text = run_ganzoo("info", "cgan", cwd=tmp_path).out
    assert "3,625,856" in text and 'data.name = "shapes"' in text


def test_info_shows_options(run_ganzoo, tmp_path):
    def info_options(name):
        facts = json.loads(run_ganzoo("info", name, "--json", cwd=tmp_path).out)
        assert all(option["type"] and option["description"] for option in facts["options"])
        return {option["name"]: option for option in facts["options"]}

    expected = {
        "model.loss.kind": ("str", '"bce"'),
        "model.loss.real_target": ("float", "1.0"),
        "model.terms": ("dict", "{}"),
        "model.optim_g.kind": ('"adam" | "sgd"', '"adam"'),
        "model.optim_g.betas": ("[float, float]", "[0.5, 0.999]"),
        "model.class_balanced": ("bool", "false"),
    }
    options = info_options("cgan")
    for name, (type_text, default) in expected.items():
        assert (options[name]["type"], options[name]["default"]) == (type_text, default)
    assert info_options("shapes")["data.count"]["default"] == "1024"
    assert info_options("bce").keys() >= {"model.loss.real_target", "model.loss.halve_d_loss"}
    d_freeze = info_options("d-freeze")["model.terms.d-freeze.above_accuracy"]
    assert (d_freeze["type"], d_freeze["default"]) == ("float | none", "none")
    for name, option in (
        ("cgan", "model.loss.halve_d_loss"),
        ("r1", "model.terms.r1.interval"),
        ("shapes", "data.count"),
    ):
        text = run_ganzoo("info", name, cwd=tmp_path).out
        (line,) = (line for line in text.splitlines() if line.startswith(f"{option} "))
        assert "\nOptions\nNAME " in text and line.endswith(
            info_options(name)[option]["description"]
        )


def test_info_of_every_kind(run_ganzoo, tmp_path):
    def info(name):
        return json.loads(run_ganzoo("info", name, "--json", cwd=tmp_path).out)

    fid = info("fid")
    assert (fid["kind"], fid["use"]) == ("metric", "ganzoo evaluate RUN --metrics fid")
    assert "--feature-extractor" in fid["requires"][0]
    assert "MetricNotApplicableError" in fid["docstring"]
    assert info("bce")["use"] == "--set model.loss.kind=bce"
    assert (info("r1")["kind"], info("r1")["use"]) == ("term", "--set model.terms.r1.weight=VALUE")
    assert "sigma(D(G(z)))" in run_ganzoo("info", "bce", cwd=tmp_path).out
    evaluator = info("people-age-held-out")
    assert evaluator["kind"] == "evaluator" and evaluator["role"].startswith("age, held out")
    assert len(evaluator["sha256"]) == 64
    assert any(metric.startswith("age_mae=") for metric in evaluator["metrics"])
    plugin = info("tensorboard")
    assert plugin["kind"] == "plugin" and "ganzoo_step_logged" in plugin["hooks"]
    done = run_ganzoo("info", "fdi", cwd=tmp_path)
    assert (done.code, 'Did you mean "fid"?' in done.error) == (2, True)


def test_schema_covers_config_tree(ganzoo_subprocess):
    schema = json.loads(ganzoo_subprocess("schema", "cgan").out)
    assert list(schema["properties"]) == ["model", "data", "train"]
    options = schema["$defs"]["CGANConfig"]["properties"]
    assert "base_channels" in options
    # `--set model.ema_halflife_images=none` stands for null, which TOML lacks
    assert options["ema_halflife_images"]["anyOf"][-1] == {"const": "none"}


def test_schema_has_the_sampling_options(run_ganzoo, tmp_path):
    definitions = json.loads(run_ganzoo("schema", "cgan", cwd=tmp_path).out)["$defs"]
    assert "truncation" in definitions["Sampling"]["properties"]
    assert "Sampling" not in json.loads(run_ganzoo("schema", "vae", cwd=tmp_path).out)["$defs"]


def test_name_of_two_kinds(run_ganzoo, tmp_path):
    def reach(command, *options):
        json_flag = ["--json"] if command == "info" else []
        result = run_ganzoo(command, "feature-matching", *options, *json_flag, cwd=tmp_path)
        return json.loads(result.out), result.err

    facts, note = reach("info")
    assert facts["kind"] == "loss"
    assert note == "feature-matching is a loss, and also a term: --kind term\n"
    facts, note = reach("info", "--kind", "term")
    assert facts["kind"] == "term" and note == ""
    assert facts["use"].startswith("--set model.terms.feature-matching.")
    loss, note = reach("schema")
    assert note.endswith("--kind term\n") and "kind" in loss["properties"]
    term, note = reach("schema", "--kind", "term")
    assert note == "" and "weight" in term["properties"] and "kind" not in term["properties"]
    refused = run_ganzoo("info", "r1", "--kind", "loss", cwd=tmp_path)
    assert refused.code == 2 and "there is no loss 'r1'" in refused.error


def test_schema_has_option_descriptions(ganzoo_subprocess):
    schema = json.loads(ganzoo_subprocess("schema", "cgan").out)
    for config in ("CGANConfig", "DataConfig", "TrainConfig", "Adam"):
        for name, option in schema["$defs"][config]["properties"].items():
            assert option.get("description") or name == "kind", f"{config}.{name}"
    for name, option in (("shapes", "count"), ("bce", "halve_d_loss"), ("r1", "interval")):
        properties = json.loads(ganzoo_subprocess("schema", name).out)["properties"]
        assert properties[option]["description"]


def test_doctor_reports_broken_plugins(
    run_ganzoo, broken_plugins_path, extra_plugin_path, tmp_path
):
    env = {"PYTHONPATH": f"{broken_plugins_path}:{extra_plugin_path}"}
    findings = json.loads(run_ganzoo("doctor", "--json", cwd=tmp_path, env=env).out)
    assert all(list(f) == ["name", "state", "message", "remedy"] for f in findings)
    problems = {f["name"]: f for f in findings if f["state"] == "problem"}
    assert "nowhere_to_be_found" in problems["foo"]["message"]
    assert "pip uninstall ganzoo-foo" in problems["foo"]["remedy"]
    assert "ganzoo_extra.no" in problems["missing"]["message"]
    assert "uninstall one of them" in problems["cgan"]["message"]


def test_doctor_reports_torchvision_mismatch(run_ganzoo, tmp_path):
    folder = tmp_path / "torchvision-0.1.dist-info"
    folder.mkdir()
    text = (
        "Metadata-Version: 2.1\nName: torchvision\nVersion: 0.1\nRequires-Dist: torch (==0.4.0)\n"
    )
    (folder / "METADATA").write_text(text)
    done = run_ganzoo("doctor", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert done.code == 4
    assert "torchvision 0.1 is built for torch 0.4.0" in done.out
    assert "pip install --upgrade torch torchvision" in done.out
    assert "torchvision" in done.error


def test_check_prints_one_line_each(run_ganzoo, tmp_path):
    done = run_ganzoo(
        "check",
        "cgan",
        "--only",
        "spec-is-complete",
        "--only",
        "rejects-unknown-option",
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["ok", "spec-is-complete"],
        ["ok", "rejects-unknown-option"],
    ]
    done = run_ganzoo("check", "cgan", "--only", "spec-is-complete", "--json", cwd=tmp_path)
    (facts,) = json.loads(done.out)
    assert facts["kind"] == "model" and facts["name"] == "spec-is-complete" and facts["passed"]
    keys = {"entry", "kind", "name", "purpose", "passed", "skipped", "message", "seconds"}
    assert facts.keys() == keys


def test_check_failure_exit_code(run_ganzoo, extra_plugin_path, tmp_path):
    env = {"PYTHONPATH": extra_plugin_path}
    done = run_ganzoo("check", "missing", "--only", "spec-is-complete", cwd=tmp_path, env=env)
    assert done.code == 4
    assert done.out.startswith("FAIL  spec-is-complete")


def test_completion_script(ganzoo_subprocess):
    for name in ("bash", "zsh", "fish"):
        done = ganzoo_subprocess("completion", name)
        assert done.code == 0
        assert "_GANZOO_COMPLETE" in done.out


def test_completion_of_names(ganzoo_subprocess):
    def complete(words):
        done = ganzoo_subprocess(
            _GANZOO_COMPLETE="bash_complete",
            COMP_WORDS=words,
            COMP_CWORD=str(len(words.split(" ")) - 1),
        )
        return [line.partition(",")[2] for line in done.out.splitlines()]

    assert "resume" in complete("ganzoo re")
    assert complete("ganzoo run cg") == ["cgan", "cgan-pd"]
    assert "smoke" in complete("ganzoo run cgan --preset s")
    assert complete("ganzoo info gan-t") == ["gan-test", "gan-train"]
    assert "shapes" in complete("ganzoo run cgan --data sh")
