"""`--init`: a run begins with weights that are there, and says where it began."""

import json
import shutil

import pytest
import torch
from workbench import differences, drawn, make
from zoo_of_proofs import VAE, EncoderGAN

import ganzoo_core as gz
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import load_tensors
from ganzoo_core.runs import beginning, networks
from ganzoo_core.runs.exporting import export
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.weights import find_bundle, read_bundle
from ganzoo_core.weights.bundle import recard
from ganzoo_core.weights.card import effective_license

OPTIONS = {
    "data": {"size": 16, "count": 40, "people": 6},
    "train": {
        "batch": 8,
        "log_every": 4,
        "checkpoint_every": 5,
        "device": "cpu",
        "precision": "fp32",
        "sample_every": 1000,
    },
}


def train(out, cls=EncoderGAN, options=None, **more):
    tree = gz.config.merge(OPTIONS, options or {})
    return gz.train(cls, "shapes", options=tree, out=out, quiet=True, **more)


def state_of(run, at=None):
    files = sorted(RunFolder(run).checkpoints.glob("*.safetensors"))
    state = load_tensors(files[-1] if at is None else files[at])[0]
    return {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}


def served_by(run):
    return load_tensors(find_bundle(run).path / "model.safetensors")[0]


def of(state, *nets):
    return {k: v for k, v in state.items() if k.split(".")[0] in nets}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run of all stages, averaged: its bundle is not its last weights."""
    return train(tmp_path_factory.mktemp("first") / "run", seed=3).path


def test_every_network_begins_with_the_bits_that_are_there(first, tmp_path):
    run = train(tmp_path / "run", init=first, steps=0)
    begun = state_of(run.path)
    assert differences(of(begun, "generator", "encoder"), served_by(first)) == []
    assert differences(of(begun, "discriminator"), of(state_of(first), "discriminator")) == []
    assert differences(served_by(run.path), served_by(first)) == []  # the averages begin there too
    fresh = train(tmp_path / "fresh", steps=0)
    assert differences(of(begun, "discriminator"), of(state_of(fresh.path), "discriminator"))


def test_strides_stay_as_the_model_made_them(first):
    model = make(EncoderGAN, find_bundle(first).info).to(memory_format=torch.channels_last)
    strides = {k: v.stride() for k, v in model.state_dict().items()}
    told = Told()
    beginning.take_over(model, beginning.Beginning(first, find_bundle(first)), told)
    assert {k: v.stride() for k, v in model.state_dict().items()} == strides
    assert told.lines == [f"begins with generator, discriminator, encoder of {first}"]


class Told:
    """Takes the lines of progress."""

    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)

    warn = say


def test_what_a_bundle_lacks_starts_anew_and_is_named(first, tmp_path, capsys):
    run = gz.train(
        EncoderGAN, "shapes", options=OPTIONS, out=tmp_path / "run", init=first / "weights", steps=0
    )
    assert "/weights; new: discriminator\n" in capsys.readouterr().err
    fresh = train(tmp_path / "fresh", steps=0)
    new = of(state_of(run.path), "discriminator")
    assert differences(new, of(state_of(fresh.path), "discriminator")) == []


def test_networks_beside_the_bundle_are_taken_too(first, tmp_path):
    export(first, tmp_path / "shared", nets=("discriminator",))
    run = train(tmp_path / "run", init=tmp_path / "shared", steps=0)
    assert differences(state_of(run.path), state_of(first)) == differences(
        served_by(first), of(state_of(first), "generator", "encoder")
    )


def test_a_model_object_takes_them_over(first, tmp_path):
    model = make(EncoderGAN, drawn().info, seed=9)
    run = train(tmp_path / "run", model, init=str(first), steps=0)
    assert differences(served_by(run.path), served_by(first)) == []


def test_a_stage_of_no_rounds_changes_none_of_its_networks(first, tmp_path):
    for skipped, kept, learned in (
        ("gan", "generator", "encoder"),
        ("encoder", "encoder", "generator"),
    ):
        more = {"train": {skipped: {"rounds": 0}}}
        run = train(tmp_path / skipped, init=first, options=more)
        assert run.rounds == 6
        assert differences(of(served_by(run.path), kept), of(served_by(first), kept)) == []
        assert differences(of(served_by(run.path), learned), of(served_by(first), learned))


def test_the_run_and_its_bundle_say_where_it_began(first, tmp_path):
    run = train(tmp_path / "run", init=first, steps=1)
    origin = find_bundle(first)
    expected = {
        "model": "object:EncoderGAN",
        "sha256": origin.sha256,
        "data": "shapes",
        "license": effective_license(origin.index),
    }
    assert RunFolder(run.path).read_config()["made"]["init"] == expected
    bundle = find_bundle(run.path)
    assert bundle.index["init"] == expected and networks.parents(bundle) == {
        bundle.sha256,
        origin.sha256,
    }
    text = (bundle.path / "README.md").read_text()
    assert origin.sha256[:16] in text and "began with" in text
    for file in ("README.md", "ganzoo.json"):
        assert str(first.parent) not in (bundle.path / file).read_text()
    assert "init" not in find_bundle(first).index and not gz.load(run.path, model=EncoderGAN).judges


def test_the_terms_of_the_first_weights_bind_the_next(first, tmp_path):
    shutil.copytree(first / "weights", tmp_path / "theirs")
    path = tmp_path / "theirs" / "ganzoo.json"
    index = json.loads(path.read_text())
    index["data"]["license"] = "for research only"
    path.write_text(json.dumps(index))
    recard(tmp_path / "theirs")
    run = train(tmp_path / "run", init=tmp_path / "theirs", steps=0)
    bundle = read_bundle(run.path / "weights")
    own = bundle.index["data"]["license"]
    assert effective_license(bundle.index) == f"{own} and for research only"
    assert "bind these weights too" in (bundle.path / "README.md").read_text()


# --- resume ---------------------------------------------------------------------------------------


def test_stopped_and_resumed_without_the_first_weights_it_ends_in_the_same_bits(first, tmp_path):
    theirs = shutil.copytree(first, tmp_path / "theirs")
    straight = train(tmp_path / "straight", init=theirs)
    for steps in (3, 8):
        train(tmp_path / str(steps), init=theirs, steps=steps)
    shutil.rmtree(theirs)
    for steps in (3, 8):
        again = gz.resume(tmp_path / str(steps), steps=12, model=EncoderGAN, quiet=True)
        assert differences(state_of(again.path), state_of(straight.path)) == []
        assert find_bundle(again.path).index["init"] == find_bundle(straight.path).index["init"]


def test_stopped_before_its_first_checkpoint_it_begins_there_again(first, tmp_path):
    theirs = shutil.copytree(first, tmp_path / "theirs")
    run = train(tmp_path / "run", init=theirs, steps=2)
    tree = RunFolder(run.path).read_config()
    for name in ("late", "other"):
        (tmp_path / name).mkdir()
        RunFolder(tmp_path / name).write_config(tree)
    again = gz.resume(tmp_path / "late", model=EncoderGAN, quiet=True)
    assert differences(state_of(again.path), state_of(run.path)) == []
    shutil.rmtree(theirs)
    shutil.copytree(run.path, theirs)
    with pytest.raises(WeightsError, match=r"not what the run began with .* start a new run"):
        gz.resume(tmp_path / "other", model=EncoderGAN, quiet=True)


# --- refused --------------------------------------------------------------------------------------


def refused(tmp_path, words, **more):
    with pytest.raises(WeightsError, match=words) as caught:
        train(tmp_path / "no", **more)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "no").exists()


def test_weights_of_another_model_or_shape_or_none_are_refused(first, tmp_path):
    refused(tmp_path, "holds EncoderGAN, and this is a run of VAE: give", cls=VAE, init=first)
    refused(tmp_path, "missing is no folder: give a run", init=tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    refused(tmp_path, r"empty is no bundle", init=tmp_path / "empty")
    words = r"'generator\..*has shape.*its options are in .*run/config\.toml: give --config that"
    wide = type("EncoderGAN", (EncoderGAN,), {})
    wide.__init__ = lambda self, config, info: (
        EncoderGAN.__init__(self, config, info),
        setattr(self, "generator", torch.nn.Sequential(self.generator, torch.nn.Flatten())),
    )[0]
    refused(tmp_path, r"lacks 'generator\.0", cls=wide, init=first)
    more = {"data": {"channels": 1}}
    refused(tmp_path, words, init=first, options=more)
    refused(tmp_path, r"ganzoo\.json$", init=first / "weights", options=more)


def test_weights_that_are_not_finite_change_nothing(first, monkeypatch):
    found = beginning.Beginning(first, find_bundle(first))
    model = make(EncoderGAN, find_bundle(first).info)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    whole = beginning.weights_of

    def broken(*args):
        stored = whole(*args)
        name, value = next(iter(stored["encoder"][1].items()))
        stored["encoder"][1][name] = torch.full_like(value, torch.nan)
        return stored

    monkeypatch.setattr(beginning, "weights_of", broken)
    with pytest.raises(WeightsError, match="not finite"):
        beginning.take_over(model, found, Told())
    assert differences(model.state_dict(), before) == []


def test_a_run_that_is_not_done_is_to_be_finished_first(first, tmp_path):
    half = shutil.copytree(first, tmp_path / "half")
    shutil.rmtree(half / "weights")
    refused(tmp_path, "half has no weights yet: finish it with: ganzoo resume", init=half)


def test_a_damaged_checkpoint_is_passed_over_and_a_run_without_any_is_a_bundle(first, tmp_path):
    run = shutil.copytree(first, tmp_path / "theirs")
    newest = max((run / "checkpoints").glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-10])
    told, model = Told(), make(EncoderGAN, find_bundle(first).info)
    beginning.take_over(model, beginning.Beginning(run, find_bundle(run)), told)
    assert "truncated" in told.lines[0] and "discriminator" in told.lines[1]
    shutil.rmtree(run / "checkpoints")
    beginning.take_over(model, beginning.Beginning(run, find_bundle(run)), told)
    assert told.lines[-1].endswith("new: discriminator")


AGES = {"model": {"groups": (20, 40)}, "train": {"steps": 0, "batch": 8, "device": "cpu"}}


def test_labels_that_mean_other_ages_are_refused(tmp_path):
    def run(out, groups, **more):
        tree = gz.config.merge(AGES, {"model": {"groups": groups}, "data": {"count": 48}})
        return gz.train(
            "cgan", "shapes", preset="tiny", options=tree, out=tmp_path / out, quiet=True, **more
        )

    theirs = run("theirs", (20, 40)).path
    with pytest.raises(WeightsError, match=r"\[20, 40\].*\[30, 50\].*model\.groups=\[20,40\]$"):
        run("no", (30, 50), init=theirs)
    with pytest.raises(WeightsError, match="labels that are no ages: take data"):
        run("no", (), init=theirs)
    assert not (tmp_path / "no").exists()
    assert run("mine", (20, 40), init=theirs).rounds == 0


def test_what_fits_and_is_not_as_it_was_is_said(first):
    info = find_bundle(first).info
    other = gz.DataInfo(size=16, classes=tuple(f"{name}s" for name in info.classes))
    told = Told()
    beginning.take_over(
        make(EncoderGAN, other), beginning.Beginning(first, find_bundle(first)), told
    )
    assert "the labels had other names" in told.lines[-1]
    wide = gz.DataInfo(size=32, classes=info.classes)
    model = make(EncoderGAN, info)
    model.info = wide  # a model of convolutions alone fits any size
    beginning.take_over(model, beginning.Beginning(first, find_bundle(first)), told)
    assert told.lines[-1] == "its weights learned at 16 px, and go on at 32 px"
