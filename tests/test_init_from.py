"""`--init-from`: initial weights of another run, and their record."""

import json
import shutil

import pytest
import torch
from contract_models import VAE, EncoderGAN
from training_helpers import (
    SMALL_RUN_OPTIONS,
    build_model,
    differing_keys,
    last_checkpoint_state,
    make_images,
    train_run,
)

import ganzoo_core as gz
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.evaluation import feature_networks
from ganzoo_core.files import load_tensors
from ganzoo_core.training import init_weights
from ganzoo_core.training.exporting import export
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import find_pretrained, read_pretrained
from ganzoo_core.weights.model_card import effective_license
from ganzoo_core.weights.pretrained import rewrite_card


def train_model(run_dir, model_class=EncoderGAN, options=None, **more):
    return train_run(model_class, run_dir, options, **more)


def load_into(model, path, progress):
    weights = init_weights.InitWeights(path, find_pretrained(path))
    return init_weights.load_init_weights(model, weights, progress)


class RecordingProgress:
    """Records the lines of progress."""

    def __init__(self):
        self.lines = []

    def info(self, text):
        self.lines.append(text)

    warning = info


def checkpoint_state(run):
    state = last_checkpoint_state(run)
    return {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}


def pretrained_state(run):
    return load_tensors(find_pretrained(run).path / "model.safetensors")[0]


def select_networks(state, *names):
    return {k: v for k, v in state.items() if k.split(".")[0] in names}


@pytest.fixture(scope="module")
def init_run(tmp_path_factory):
    """A run of all stages; its EMA weights differ from those of the last checkpoint."""
    return train_model(tmp_path_factory.mktemp("init") / "run", seed=3).path


def test_init_from_copies_every_network(init_run, tmp_path):
    run = train_model(tmp_path / "run", init_from=init_run, steps=0)
    initial_state = checkpoint_state(run.path)
    generator_and_encoder = select_networks(initial_state, "generator", "encoder")
    assert differing_keys(generator_and_encoder, pretrained_state(init_run)) == []
    discriminator = select_networks(initial_state, "discriminator")
    expected = select_networks(checkpoint_state(init_run), "discriminator")
    assert differing_keys(discriminator, expected) == []
    assert differing_keys(pretrained_state(run.path), pretrained_state(init_run)) == []  # the EMA
    fresh = train_model(tmp_path / "fresh", steps=0)
    random = select_networks(checkpoint_state(fresh.path), "discriminator")
    assert differing_keys(discriminator, random)


def test_init_from_keeps_strides(init_run):
    model = build_model(EncoderGAN, find_pretrained(init_run).info)
    model = model.to(memory_format=torch.channels_last)
    strides = {k: v.stride() for k, v in model.state_dict().items()}
    progress = RecordingProgress()
    load_into(model, init_run, progress)
    assert {k: v.stride() for k, v in model.state_dict().items()} == strides
    (line,) = progress.lines
    assert "generator, discriminator, encoder" in line and str(init_run) in line


def test_init_from_reports_missing_networks(init_run, tmp_path, capsys):
    run = gz.train(
        EncoderGAN,
        "shapes",
        options=SMALL_RUN_OPTIONS,
        out=tmp_path / "run",
        init_from=init_run / "weights",
        steps=0,
    )
    assert "random weights: discriminator\n" in capsys.readouterr().err
    fresh = train_model(tmp_path / "fresh", steps=0)
    new = select_networks(checkpoint_state(run.path), "discriminator")
    assert differing_keys(new, select_networks(checkpoint_state(fresh.path), "discriminator")) == []


def test_init_from_training_only_networks(init_run, tmp_path):
    export(init_run, tmp_path / "shared", extra_modules=("discriminator",))
    run = train_model(tmp_path / "run", init_from=tmp_path / "shared", steps=0)
    assert differing_keys(checkpoint_state(run.path), checkpoint_state(init_run)) == differing_keys(
        pretrained_state(init_run),
        select_networks(checkpoint_state(init_run), "generator", "encoder"),
    )


def test_init_from_with_model_object(init_run, tmp_path):
    model = build_model(EncoderGAN, make_images().info, seed=9)
    run = train_model(tmp_path / "run", model, init_from=str(init_run), steps=0)
    assert differing_keys(pretrained_state(run.path), pretrained_state(init_run)) == []


def test_zero_step_stage_changes_nothing(init_run, tmp_path):
    before = pretrained_state(init_run)
    for skipped, frozen, trained in (
        ("gan", "generator", "encoder"),
        ("encoder", "encoder", "generator"),
    ):
        options = {"train": {skipped: {"steps": 0}}}
        run = train_model(tmp_path / skipped, init_from=init_run, options=options)
        assert run.steps == 6
        after = pretrained_state(run.path)
        assert not differing_keys(select_networks(after, frozen), select_networks(before, frozen))
        assert differing_keys(select_networks(after, trained), select_networks(before, trained))


def test_init_from_is_recorded(init_run, tmp_path):
    run = train_model(tmp_path / "run", init_from=init_run, steps=1)
    origin = find_pretrained(init_run)
    expected = {
        "model": "object:EncoderGAN",
        "sha256": origin.sha256,
        "data": "shapes",
        "license": effective_license(origin.index),
    }
    assert RunFolder(run.path).read_config()["provenance"]["init_from"] == expected
    pretrained = find_pretrained(run.path)
    assert pretrained.index["init_from"] == expected
    hashes = {pretrained.sha256, origin.sha256}
    assert feature_networks.lineage_hashes(pretrained) == hashes
    assert origin.sha256[:16] in (pretrained.path / "README.md").read_text()
    for file in ("README.md", "ganzoo.json"):
        assert str(init_run.parent) not in (pretrained.path / file).read_text()
    assert "init_from" not in find_pretrained(init_run).index
    assert not gz.load(run.path, model=EncoderGAN).auxiliaries


def test_init_from_inherits_license(init_run, tmp_path):
    source = shutil.copytree(init_run / "weights", tmp_path / "source")
    path = source / "ganzoo.json"
    index = json.loads(path.read_text())
    index["data"]["license"] = "for research only"
    path.write_text(json.dumps(index))
    rewrite_card(source)
    run = train_model(tmp_path / "run", init_from=source, steps=0)
    pretrained = read_pretrained(run.path / "weights")
    own_license = pretrained.index["data"]["license"]
    assert effective_license(pretrained.index) == f"{own_license} and for research only"
    assert "for research only" in (pretrained.path / "README.md").read_text()


# --- resume ---------------------------------------------------------------------------------------


def test_resume_without_init_weights(init_run, tmp_path):
    source = shutil.copytree(init_run, tmp_path / "source")
    straight = train_model(tmp_path / "straight", init_from=source)
    for steps in (3, 8):
        train_model(tmp_path / str(steps), init_from=source, steps=steps)
    shutil.rmtree(source)
    for steps in (3, 8):
        again = gz.resume(tmp_path / str(steps), steps=12, model=EncoderGAN, quiet=True)
        assert differing_keys(checkpoint_state(again.path), checkpoint_state(straight.path)) == []
        records = [find_pretrained(run.path).index["init_from"] for run in (again, straight)]
        assert records[0] == records[1]


def test_resume_before_first_checkpoint(init_run, tmp_path):
    source = shutil.copytree(init_run, tmp_path / "source")
    run = train_model(tmp_path / "run", init_from=source, steps=2)
    tree = RunFolder(run.path).read_config()
    for name in ("late", "other"):
        (tmp_path / name).mkdir()
        RunFolder(tmp_path / name).write_config(tree)
    again = gz.resume(tmp_path / "late", model=EncoderGAN, quiet=True)
    assert differing_keys(checkpoint_state(again.path), checkpoint_state(run.path)) == []
    shutil.rmtree(source)
    shutil.copytree(run.path, source)
    with pytest.raises(WeightsError, match=r"train\.init_from"):
        gz.resume(tmp_path / "other", model=EncoderGAN, quiet=True)


# --- refused --------------------------------------------------------------------------------------


def expect_init_refused(tmp_path, key, **more):
    with pytest.raises(WeightsError, match=key) as caught:
        train_model(tmp_path / "no", **more)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "no").exists()


def test_mismatched_init_weights_refused(init_run, tmp_path):
    expect_init_refused(tmp_path, "EncoderGAN", model_class=VAE, init_from=init_run)
    expect_init_refused(tmp_path, "missing", init_from=tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    expect_init_refused(tmp_path, "empty", init_from=tmp_path / "empty")

    def init(self, config, info):
        EncoderGAN.__init__(self, config, info)
        self.generator = torch.nn.Sequential(self.generator, torch.nn.Flatten())

    wrapped = type("EncoderGAN", (EncoderGAN,), {"__init__": init})
    expect_init_refused(tmp_path, r"generator\.0", model_class=wrapped, init_from=init_run)
    gray = {"data": {"num_channels": 1}}
    key = r"generator\..*--config .*config\.toml"
    expect_init_refused(tmp_path, key, init_from=init_run, options=gray)
    expect_init_refused(tmp_path, r"ganzoo\.json", init_from=init_run / "weights", options=gray)


def test_nonfinite_init_weights_refused(init_run, monkeypatch):
    model = build_model(EncoderGAN, find_pretrained(init_run).info)
    before = {k: v.clone() for k, v in model.state_dict().items()}

    def load_with_nan(path):
        tensors, metadata = load_tensors(path)
        name = next(name for name in tensors if name.startswith("encoder."))
        return {**tensors, name: torch.full_like(tensors[name], torch.nan)}, metadata

    monkeypatch.setattr(init_weights, "load_tensors", load_with_nan)
    with pytest.raises(WeightsError, match="not finite"):
        load_into(model, init_run, RecordingProgress())
    assert differing_keys(model.state_dict(), before) == []


def test_unfinished_run_refused(init_run, tmp_path):
    half = shutil.copytree(init_run, tmp_path / "half")
    shutil.rmtree(half / "weights")
    expect_init_refused(tmp_path, "ganzoo resume", init_from=half)


def test_init_from_skips_damaged_checkpoint(init_run, tmp_path):
    run = shutil.copytree(init_run, tmp_path / "source")
    newest = max((run / "checkpoints").glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-10])
    progress, model = RecordingProgress(), build_model(EncoderGAN, find_pretrained(init_run).info)
    load_into(model, run, progress)
    assert "truncated" in progress.lines[0] and "discriminator" in progress.lines[1]
    shutil.rmtree(run / "checkpoints")
    load_into(model, run, progress)
    assert progress.lines[-1].endswith("random weights: discriminator")


def test_other_age_bins_refused(tmp_path):
    def train_with_bins(out, age_bins, **more):
        options = {
            "model": {"age_bins": age_bins},
            "data": {"count": 48},
            "train": {"steps": 0, "batch_size": 8, "device": "cpu"},
        }
        return gz.train(
            "cgan",
            "shapes",
            preset="smoke",
            options=options,
            out=tmp_path / out,
            quiet=True,
            **more,
        )

    source = train_with_bins("source", (20, 40)).path
    with pytest.raises(WeightsError, match=r"\[20, 40\].*\[30, 50\].*model\.age_bins=\[20,40\]"):
        train_with_bins("no", (30, 50), init_from=source)
    with pytest.raises(WeightsError, match="labels"):
        train_with_bins("no", (), init_from=source)
    assert not (tmp_path / "no").exists()
    assert train_with_bins("same", (20, 40), init_from=source).steps == 0


def test_partial_names_the_layers_that_do_not_fit(tmp_path, capsys):
    def train_with_bins(out, age_bins, **train_options):
        options = {
            "model": {"age_bins": age_bins},
            "data": {"count": 48},
            "train": {"steps": 0, "batch_size": 8, "device": "cpu", **train_options},
        }
        return gz.train("cgan", "shapes", preset="smoke", options=options, out=tmp_path / out)

    source = train_with_bins("source", (20, 40)).path
    with pytest.raises(WeightsError) as caught:
        train_with_bins("no", (20, 40, 60), init_from=str(source))
    message = str(caught.value)
    assert "[20, 40, 60]" in message and "\n" not in message
    refused = message.partition("--partial keeps the random weights of ")[2].split(", ")
    run = train_with_bins("new", (20, 40, 60), init_from=str(source), init_partial=True)
    warning = next(x for x in capsys.readouterr().err.splitlines() if "do not fit" in x)
    new, fresh, old = (
        checkpoint_state(path)
        for path in (run.path, train_with_bins("fresh", (20, 40, 60)).path, source)
    )
    misfits = [name for name in new if new[name].shape != old[name].shape]
    layers = {name.rpartition(".")[0] for name in misfits}
    assert layers == set(refused) and all(layer in warning for layer in layers)
    for name, tensor in new.items():
        assert torch.equal(tensor, (fresh if name in misfits else old)[name]), name
    with pytest.raises(UsageError, match="--init-from"):
        train_with_bins("no", (20, 40), init_partial=True)


def test_init_from_reports_differences(init_run):
    info = find_pretrained(init_run).info
    other = gz.DataInfo(image_size=16, class_names=tuple(f"{name}s" for name in info.class_names))
    progress = RecordingProgress()
    load_into(build_model(EncoderGAN, other), init_run, progress)
    assert "names" in progress.lines[-1]
    wide = gz.DataInfo(image_size=32, class_names=info.class_names)
    model = build_model(EncoderGAN, info)
    model.info = wide  # a fully convolutional model accepts any size
    load_into(model, init_run, progress)
    assert "16 px" in progress.lines[-1] and "32 px" in progress.lines[-1]
