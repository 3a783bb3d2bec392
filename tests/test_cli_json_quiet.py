"""Every command has `--json` and `--quiet`, and they do what they say."""

import json
import shutil

import click
import pytest

from ganzoo_core.cli import commands

NO_OPTIONS = {"completion"}
"""It prints a script and nothing else."""

ARGUMENTS = {
    "list": "list model",
    "info": "info shapes",
    "run": "run cgan --preset smoke --set data.count=64 --steps 2 --out new",
    "resume": "resume {run} --steps 21",
    "reproduce": "reproduce {run}",
    "sample": "sample {run} --out grid.png",
    "evaluate": "evaluate {run} --metrics memorization -n 8",
    "compare": "compare {run} {other}",
    "data info": "data info shapes --set data.count=8",
    "data show": "data show shapes --set data.count=64 --out sheet.png",
    "data prepare": "data prepare shapes --set data.count=8 --verify",
    "data export": "data export shapes --count 2 --out images",
    "weights export": "weights export {run} exported",
    "weights space": "weights space {run} space",
    "weights verify": "weights verify {run}/weights",
    "weights import": "weights import {run}/weights/model.safetensors --model cgan --preset smoke "
    "--set data.name=shapes --out imported",
    "weights card": "weights card {run}/weights",
    "weights diff": "weights diff {run} {run}/weights",
    "weights push": "weights push {run}/weights pushed",
    "weights pull": "weights pull {run}/weights --out pulled",
    "weights list": "weights list",
    "weights to-onnx": "weights to-onnx {run} generator.onnx",
    "registry check": "registry check",
    "registry update": "registry update",
    "schema": "schema shapes",
    "new": "new my-gan",
    "check": "check shapes --only metadata-columns",
    "plugins": "plugins",
}
"""Arguments of the commands of the core."""
TRIED_ELSEWHERE = {"translate", "doctor", "weights publish"}
"""Commands that need a model or a plugin of their own, or seconds."""

WARNINGS = {"weights import": "unverified", "weights pull": "unverified"}
"""What a command prints on stderr in spite of `--quiet`."""


def iter_verbs(names):
    """Yield (words, command) of all commands that do something; of groups their commands."""
    for name in names:
        command = commands.load_command(name)
        verbs = command.commands if isinstance(command, click.Group) else {"": command}
        yield from ((f"{name} {verb}".strip(), found) for verb, found in verbs.items())


def test_every_verb_has_json_and_quiet():
    for words, command in iter_verbs([*commands.CORE_COMMANDS, *commands.plugin_commands()]):
        options = {option for param in command.params for option in param.opts}
        expected = set() if words in NO_OPTIONS else {"--json", "--quiet", "-q"}
        assert options & {"--json", "--quiet", "-q"} == expected, words


def test_every_verb_of_the_core_is_tried():
    verbs = {words for words, _ in iter_verbs(commands.CORE_COMMANDS)}
    assert set(ARGUMENTS) == verbs - NO_OPTIONS - TRIED_ELSEWHERE


@pytest.fixture(scope="module")
def runs(run_ganzoo, trained_run, tmp_path_factory):
    """Two evaluated runs."""
    home = tmp_path_factory.mktemp("json")
    run, other = home / "run", home / "other"
    shutil.copytree(trained_run, run)
    done = run_ganzoo("evaluate", run, "--metrics", "memorization", "-n", "8", cwd=home)
    assert done.code == 0, done.err
    shutil.copytree(run, other)
    return {"run": run, "other": other}


@pytest.mark.parametrize("words", ARGUMENTS)
def test_json_and_quiet(run_ganzoo, runs, tmp_path, words):
    line = ARGUMENTS[words].format(**runs)
    done = run_ganzoo(*line.split(), "--json", "--quiet", cwd=tmp_path)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    messages = done.err.splitlines()
    assert len(messages) == (words in WARNINGS), done.err
    assert all(WARNINGS[words] in message for message in messages)
    if isinstance(result, dict) and result.get("path"):  # what the command wrote
        assert (tmp_path / result["path"]).exists()
