"""The command line for a newcomer: help texts, suggestions, aliases, and flags of training."""

import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import tomllib

import click
import pytest

from conftest import clean_environ
from ganzoo_core.cli import commands
from ganzoo_core.cli.main import cli
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import meanings, zoo


def all_commands():
    """Return (path, command) of every verb and every verb of a group; plugins' verbs too."""
    out = [(("ganzoo",), cli)]
    for name in [*commands.CORE_COMMANDS, *commands.plugin_commands()]:
        command = commands.load_command(name)
        out.append((("ganzoo", name), command))
        for sub_name, sub_command in getattr(command, "commands", {}).items():
            out.append((("ganzoo", name, sub_name), sub_command))
    return out


PTY_SCRIPT = """
import sys
from ganzoo_core.cli.main import main
for path in {paths!r}:
    print("@@@", *path, flush=True)
    try:
        main([*path[1:], "-h"])
    except SystemExit as end:
        assert not end.code, path
"""


def help_in_terminal(width, paths):
    """Return what each `PATH -h` prints on a terminal of this width."""
    main_end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", PTY_SCRIPT.format(paths=paths)],
        stdout=terminal,
        stderr=subprocess.PIPE,
        env=clean_environ(),
    )
    os.close(terminal)
    chunks = []
    while True:
        try:
            chunk = os.read(main_end, 65536)
        except OSError:  # the child closed the terminal
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(main_end)
    assert process.stderr
    errors = process.stderr.read()
    assert process.wait() == 0 and not errors, errors
    text = b"".join(chunks).decode().replace("\r\n", "\n")
    return dict(part.partition("\n")[::2] for part in text.split("@@@ ")[1:])


@pytest.fixture(scope="module")
def help_texts():
    paths = [path for path, _ in all_commands()]
    return {width: help_in_terminal(width, paths) for width in (80, 200)}


def test_help_follows_the_width_of_the_terminal(help_texts):
    for width, texts in help_texts.items():
        assert len(texts) == len(all_commands())
        for name, text in texts.items():
            assert text.startswith(f"Usage: {name}"), text
            assert max(map(len, text.splitlines())) <= width, (width, name)
    for name in ("ganzoo run", "ganzoo evaluate", "ganzoo info"):
        assert max(map(len, help_texts[200][name].splitlines())) > 100
        assert len(help_texts[200][name].splitlines()) < len(help_texts[80][name].splitlines())


def examples_of(command):
    lines = (command.epilog or "").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("ganzoo ")]


@pytest.mark.parametrize(
    ("path", "command"), all_commands(), ids=lambda v: " ".join(v) if isinstance(v, tuple) else ""
)
def test_every_help_has_examples_that_parse(path, command):
    examples = examples_of(command)
    assert len(examples) == 3 if isinstance(command, click.Group) else examples
    for line in examples:
        words = shlex.split(re.split(r"\s{2,}", line)[0])[1:]
        if words[0] == "help":
            words = [*words[1:], "--help"]
        context = click.Context(cli, info_name="ganzoo")
        target = commands.load_command(words.pop(0))
        while isinstance(target, click.Group):
            target = target.commands[words.pop(0)]
        if "--help" not in words:
            target.make_context(target.name, words, parent=context)  # raises if it does not parse


@pytest.mark.parametrize("args", ["", "data", "weights", "registry", "bench", "face", "vae"])
def test_bare_groups_print_help_and_next_steps(run_ganzoo, tmp_path, args):
    done = run_ganzoo(*args.split(), cwd=tmp_path)
    assert done.code == 0 and not done.err
    assert done.out.startswith("Usage: ganzoo")
    assert len(re.findall(r"^    ganzoo ", done.out.partition("Next steps:")[2], re.M)) == 3


def test_shared_options_are_alike():
    for path, command in all_commands():
        context = click.Context(command)
        for param in command.get_params(context):
            if "--json" in param.opts:
                assert param.name == "as_json" and param.is_flag, path
            if "--quiet" in param.opts:
                assert "-q" in param.opts, path


def test_aliases_and_case(run_ganzoo, tmp_path):
    for words in (("help", "run"), ("train", "-h"), ("RUN", "--help"), ("Train", "-h")):
        assert run_ganzoo(*words, cwd=tmp_path).out.startswith("Usage: ganzoo run ")
    assert run_ganzoo("generate", "-h", cwd=tmp_path).out.startswith("Usage: ganzoo sample ")
    for word in ("aging", "ageing", "Age"):
        assert run_ganzoo(word, "-h", cwd=tmp_path).out.startswith("Usage: ganzoo age ")
    assert run_ganzoo("visualise", "-h", cwd=tmp_path).out.startswith("Usage: ganzoo visualize ")
    assert run_ganzoo("help", cwd=tmp_path).out.startswith("Usage: ganzoo [OPTIONS] COMMAND")
    assert json.loads(run_ganzoo("info", "Fashion_MNIST", "--json", cwd=tmp_path).out)["name"] == (
        "fashion-mnist"
    )
    assert run_ganzoo("list", "Models", cwd=tmp_path).code == 0
    assert zoo().model("PFAGAN").name == "pfa-gan"
    with pytest.raises(UsageError, match=r'Did you mean "cgan"\?'):
        zoo().model("CGANN")


RUN = "run cgan --preset smoke --out r"
WRONG_INPUTS = [
    # commands
    ("ls", '"list"'),
    ("models", '"list models"'),
    ("datasets", '"list data"'),
    ("losses", '"list losses"'),
    ("metrics", '"list metrics"'),
    ("fit cgan", '"run"'),
    ("trian cgan", '"train"|"run"'),
    ("start cgan", '"run"'),
    ("continue runs/x", '"resume"'),
    ("predict runs/x", '"sample"'),
    ("serve runs/x", '"sample"'),
    ("infer runs/x", '"sample"'),
    ("eval runs/x", '"evaluate"'),
    ("test runs/x", '"evaluate"'),
    ("FID runs/x", '"evaluate"'),
    ("show cgan", '"info"'),
    ("describe cgan", '"info"'),
    ("config cgan", '"schema"'),
    ("init my-gan", '"new"'),
    ("create my-gan", '"new"'),
    ("validate cgan", '"check"'),
    ("diagnose", '"doctor"'),
    ("push w", '"weights push"'),
    ("pull w", '"weights pull"'),
    ("export w", '"weights export"'),
    ("import w", '"weights import"'),
    ("onnx w", '"weights to-onnx"'),
    ("version", '"--version"'),
    ("prepare people", '"data prepare"'),
    ("dta info people", '"data"'),
    # names
    ("run WGAN", '"wgan-wc"'),
    ("run hinge-gan", '"ggan"'),
    ("run stylegan", '"stylegan2"'),
    ("run biggn", '"biggan"'),
    ("run arc-face", '"facenet"'),
    ("run autoencoder", '"vae"'),
    ("run dcgn", '"dcgan"'),
    ("info nll", '"likelihood"'),
    ("info precision", '"prdc"'),
    ("schema gp", '"gradient-penalty"'),
    (f"{RUN} --data fashion", '"fashion-mnist"'),
    (f"{RUN} --data cifar", '"cifar10"'),
    (f"{RUN} --data imagefolder", '"class-folder:PATH"'),
    (f"{RUN} --data csv", '"table"'),
    ("evaluate r --metrics is", '"inception-score"'),
    ("evaluate r --metrics recall", '"prdc"'),
    ("list modle", '"model"'),
    ("info zzqqx", r": (\w[\w-]*, ){2}\w[\w-]*; see `ganzoo list`\.$"),
    ("check zzqqx", r"; see `ganzoo list`\.$"),
    ("run nosuch", "The closest of \\d+ names: .*; see `ganzoo list`"),
    # options
    (f"{RUN} --learning-rate 1e-4", "--lr"),
    (f"{RUN} --batch 8", "--batch-size"),
    (f"{RUN} --iters 8", "--steps"),
    (f"{RUN} --resolution 8", "--size"),
    (f"{RUN} --gpus 2", "--nproc"),
    (f"{RUN} --cpu", "--device cpu"),
    (f"{RUN} --fp16", "--precision fp16"),
    (f"{RUN} --output x", "--out"),
    (f"{RUN} --loss hinge", "--set model.loss.kind=NAME"),
    (f"{RUN} --LR 1", "--lr"),
    ("sample r -o x.png", "--out"),
    ("sample r --num-samples 8", "-n"),
    ("evaluate r --dataset people", "--data"),
    # values
    (f"{RUN} --steps 5 --epochs 5", "give one of them"),
    (f"{RUN} --lr -1", "model.optim_d.lr"),
    (f"{RUN} --batch-size 0", "train.batch_size"),
    (f"{RUN} --size 4", "data.image_size"),
    ("run pfa-gan --epochs 3 --out r", "--steps"),
]


QUICK_ANSWERS = [
    ("sample nosuch --out a.png", 6, r"^ganzoo: nosuch .*ganzoo list weights"),
    ("evaluate nosuch", 6, r"^ganzoo: nosuch "),
    ("age nosuch photo.jpg --to 60", 6, r"^ganzoo: nosuch "),
    ("age nosuch.jpg --to 60", 3, r"^ganzoo: nosuch\.jpg: no such image"),
    ("age . --to 400", 2, "an age is 0 to 120"),
    ("info fid", 0, "(?i)fr.chet"),
    ("list weights", 0, "cgan-people-32"),
    ("weights list", 0, "cgan-people-32"),
]
"""Command line, exit code, what it prints."""


FORK_SCRIPT = """
import json, os, sys, time
from ganzoo_core.cli.main import main
from ganzoo_core.zoo import zoo
zoo()  # the discovery of plugins, which every command needs, is counted for each line
answers, startup = [], time.process_time()
for line in json.load(sys.stdin):
    child = os.fork()
    if not child:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
        os.mkdir("cwd")
        os.chdir("cwd")
        try:
            main(line.split())
        finally:
            open("../torch", "w").write("torch" if "torch" in sys.modules else "")
    _, status, used = os.wait4(child, 0)
    answers.append({name: open(name).read() for name in ("out", "err", "torch")})
    answers[-1]["files"] = os.listdir("cwd")
    answers[-1]["code"] = os.waitstatus_to_exitcode(status)
    answers[-1]["cpu_seconds"] = startup + used.ru_utime + used.ru_stime
    for name in ("out", "err", "torch"):
        os.remove(name)
    os.rmdir("cwd")
json.dump(answers, sys.stdout)
"""
"""Runs each line in a process that is forked after the discovery of plugins, without torch."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    lines = [line for line, *_ in (*WRONG_INPUTS, *QUICK_ANSWERS)]
    done = subprocess.run(
        [sys.executable, "-c", FORK_SCRIPT],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path_factory.mktemp("answers"),
        env=clean_environ(),
    )
    return dict(zip(lines, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(("line", "expected"), WRONG_INPUTS, ids=lambda v: v)
def test_wrong_input_is_answered_with_a_suggestion(answers, line, expected):
    done = answers[line]
    assert done["code"] == 2 and not done["out"]
    assert len(done["err"].splitlines()) == 1
    assert re.search(expected, done["err"]), done["err"]
    assert not done["files"]


def test_wrong_inputs_are_answered_within_a_second(answers):
    """Of CPU time, from the start of the interpreter: other processes do not count."""
    assert len(answers) > 60
    slow = {line: s for line, answer in answers.items() if (s := answer["cpu_seconds"]) >= 1}
    assert not slow


@pytest.mark.parametrize(("line", "code", "expected"), QUICK_ANSWERS, ids=str)
def test_names_are_answered_within_half_a_second_without_torch(answers, line, code, expected):
    """Of CPU time, as above."""
    done = answers[line]
    assert done["code"] == code, done
    assert re.search(expected, done["err"] if code else done["out"]), done
    assert len(done["err"].splitlines()) == (code > 0)
    assert not done["torch"] and done["cpu_seconds"] < 0.5, done["cpu_seconds"]


def test_suggestions_exist():
    names = {name for path, _ in all_commands() for name in [" ".join(path[1:])]}
    for meant in meanings.COMMANDS.values():
        assert meant in names | {"--version"} or meant.startswith("list ")
    for kind, table in meanings.NAMES.items():
        for typed, meant in table.items():
            assert meanings.normal_form(typed) == typed
            known = [*zoo().names(kind), *(zoo().names("composition") if kind == "model" else ())]
            assert meant.split()[0].split(":")[0] in known, meant
    flags = {f for _, c in all_commands() for p in c.get_params(click.Context(c)) for f in p.opts}
    assert {meant.split()[0] for meant in meanings.OPTIONS.values()} <= flags
    assert not flags & set(meanings.OPTIONS) - {
        "--classes",
        "--metric",
        "--weights",
        "--num",
        "-d",
        "-s",
    }


def test_training_flags_are_aliases_of_keys(run_ganzoo, tmp_path):
    flags = "--epochs 0.01 --batch-size 8 --lr 3e-5 --size 32 --json -q"
    done = run_ganzoo(*RUN.split(), *flags.split(), "--data", "shapes", cwd=tmp_path)
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["run"] == "r" and facts["steps"] >= 1
    config = tomllib.loads((tmp_path / "r" / "config.toml").read_text())
    assert config["model"]["epochs"] == 0.01
    assert config["train"]["batch_size"] == 8
    assert config["data"]["image_size"] == 32
    assert config["model"]["optim_d"]["lr"] == config["model"]["optim_g"]["lr"] == 3e-5


@pytest.mark.parametrize("name", zoo().names("model"))
def test_every_model_has_learning_rates(name):
    from ganzoo_core.cli.run import _alias_options

    assert _alias_options(name, None, 1e-4, None)["model"]


@pytest.mark.parametrize("kind", ["model", "dataset", "loss", "term"])
def test_every_schema_property_has_a_description(kind):
    from ganzoo_core.cli.schema import _options_schema

    for name in zoo().names(kind):
        schema = _options_schema(name)
        for part in [schema, *schema.get("$defs", {}).values()]:
            for key, entry in part.get("properties", {}).items():
                text = entry.get("description", "")
                assert text and text.strip().endswith((".", ")", "%")), (name, part["title"], key)
                assert len(text) < 400, (name, key)


def complete(words, at):
    """Return what bash completes at a word, with `=` as a word of its own, as bash splits it."""
    done = subprocess.run(
        [sys.executable, "-m", "ganzoo_core.cli"],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environ(COMP_WORDS=words, COMP_CWORD=str(at), _GANZOO_COMPLETE="bash_complete"),
    )
    assert not done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_assignments_are_completed():
    assert complete("ganzoo run cgan --set train.pre", 4) == ["train.precision="]
    assert complete("ganzoo run cgan --set train.precision = b", 6) == ["bf16"]
    assert complete("ganzoo run cgan --set train.compile =", 5) == ["true", "false"]
    assert "model.terms.r1.weight=" in complete("ganzoo run cgan --set model.terms.r", 4)
    assert "data.nuisance_scale=" in complete("ganzoo run cgan --data people --set data.n", 6)
    assert complete("ganzoo data info people --set model", 5) == []
