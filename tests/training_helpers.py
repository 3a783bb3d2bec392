"""Small data, models and Trainers for the tests, and a bit by bit comparison of states."""

import json
from functools import lru_cache
from pathlib import Path

import torch
from PIL import Image
from torch import nn

import ganzoo_core as gz
from ganzoo_core.config import TrainConfig
from ganzoo_core.data import pack_images
from ganzoo_core.engine import Callback, Trainer, resolve_setup
from ganzoo_core.files import load_tensors
from ganzoo_core.interfaces import Auxiliaries, SeededRng
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
from ganzoo_core.training.run_folder import RunFolder

SMALL_RUN_OPTIONS = {
    "data": {"image_size": 16, "count": 40, "num_identities": 6},
    "train": {
        "batch_size": 8,
        "log_every": 4,
        "checkpoint_every": 5,
        "device": "cpu",
        "precision": "fp32",
        "sample_every": 1000,
    },
}
"""Options of a run on 40 images of `shapes`: 5 steps are an epoch."""


@lru_cache
def make_images(num_images=40, image_size=16, num_identities=6, num_channels=3, age_bins=()):
    """Return a few rendered images."""
    config = ShapesConfig(
        name="shapes", count=num_images, image_size=image_size, num_identities=num_identities
    )
    return pack_images(
        Shapes(config), image_size=image_size, num_channels=num_channels, age_bins=age_bins
    )


class FixedEmbedder(nn.Module):
    """An auxiliary network with random weights."""

    input_size = 16

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.BatchNorm2d(4), nn.Flatten())

    def embed(self, image):
        """Return unit vectors; record the dtype and the autocast mode of the call."""
        is_autocast = torch.is_autocast_enabled(image.device.type)
        self.last_input_dtype_and_autocast = image.dtype, is_autocast
        return nn.functional.normalize(self.layers(image))


def write_utkface(folder):
    """Write twelve images of one color with names of UTKFace, two for each age group."""
    for index, age in enumerate((5, 12, 22, 27, 33, 38, 44, 48, 52, 58, 66, 80)):
        name = f"{age}_{index % 2}_0_2017011617425{index:04d}.jpg.chip.jpg"
        Image.new("RGB", (64, 64), (age, 90, 90)).save(folder / name)


def build_model(model_class, info, seed=0, config=None):
    """Return a model with the weights of a seed and its auxiliary networks."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config or (model_class.Config() if model_class.Config else None), info)
        roles = getattr(model_class, "auxiliary_roles", ())
        auxiliaries = {role: FixedEmbedder() for role in roles}
    model.auxiliaries = Auxiliaries(auxiliaries)
    return model


class FakeStepContext(SeededRng):
    """The context of one step on a given batch, with 10 steps an epoch; records what is logged.

    Args:
        batch: the batch.
        step: of the stage, from 0.
        cache: values that `cached` returns instead of computing them.
    """

    def __init__(self, batch, step=0, cache=None):
        super().__init__(torch.device("cpu"), 0)
        self.batch, self.step, self.cache, self.logged = batch, step, dict(cache or {}), {}

    def cached(self, name, make):
        """Return the value of a name, computed once."""
        if name not in self.cache:
            self.cache[name] = make()
        return self.cache[name]

    def all_reduce_mean(self, value):
        """Return the value: there is one process."""
        return value

    def epochs_to_steps(self, epochs):
        """Return ten steps an epoch."""
        return int(10 * epochs)

    def log(self, values=None, /, **named):
        """Record the values."""
        self.logged |= {**(values or {}), **named}


class RecordingCallback(Callback):
    """Records the lines of metrics, the steps and the checkpoints."""

    def __init__(self):
        self.records, self.steps, self.paths = [], [], []

    def on_step(self, step, total_steps):
        """Record the step."""
        self.steps.append(step)

    def on_log(self, record):
        """Record the line, without what differs between equal runs."""
        ignored = {"seconds", "total_steps"}
        self.records.append({k: v for k, v in record.items() if k not in ignored})

    def on_checkpoint(self, path):
        """Record the path."""
        self.paths.append(path)


def make_trainer(
    model_class, *, model=None, images=None, precision="fp32", world=None, **train_options
):
    """Return a Trainer of a new model, as a new process would build it."""
    images = images or make_images()
    options = {"batch_size": 8, "log_every": 4, "checkpoint_every": 1000, **train_options}
    setup = resolve_setup("cpu", precision)
    model = model or build_model(model_class, images.info)
    return Trainer(model, images, TrainConfig(**options), setup, RecordingCallback(), world=world)


def run_steps(trainer, num_steps=1):
    """Run training steps without the log, checkpoints and signals of `Trainer.run`."""
    for _ in range(num_steps):
        trainer.train_step(trainer.plan.stage_at(trainer.step))


def train_with_resumes(model_class, folder, stop_steps, **train_options):
    """Train to each stop and then to the end, each in a new Trainer; return the last one."""
    for steps in (*stop_steps, None):
        trainer = make_trainer(
            model_class, **{**train_options, "steps": steps or train_options.get("steps")}
        )
        if folder.exists():
            trainer.restore(folder)
        trainer.run(folder)
    return trainer


def assert_resume_is_bit_exact(model_class, folder, stop_steps, **train_options):
    """Compare a run that is stopped and resumed with an uninterrupted one; return both."""
    straight = make_trainer(model_class, **train_options)
    straight.run(folder / "straight")
    resumed = train_with_resumes(model_class, folder / "parts", stop_steps, **train_options)
    assert resumed.step == straight.step
    assert differing_keys(straight.state_dict(), resumed.state_dict()) == []
    return straight, resumed


def assert_resume_of_model_is_bit_exact(model_class, build, folder, images):
    """Compare four steps with two and two more, of models that `build()` returns, all equal."""

    def trainer(steps):
        return make_trainer(model_class, model=build(), images=images, steps=steps)

    straight, stopped, resumed = trainer(4), trainer(2), trainer(4)
    straight.run(folder / "straight")
    stopped.run(folder / "parts")
    resumed.restore(folder / "parts")
    resumed.run(folder / "parts")
    assert differing_keys(straight.state_dict(), resumed.state_dict()) == []


def assert_aged_alike_after_loading(name, folder):
    """Compare the faces that a model of age editing renders with those of its pretrained folder."""
    run = gz.train(name, preset="smoke", steps=2, out=folder / "run", quiet=True)
    faces, target_age = torch.rand(2, 3, 32, 32), torch.tensor([[5.0, 70.0], [70.0, 5.0]])
    loaded = gz.load(folder / "run" / "weights", device="cpu")
    with torch.no_grad():
        aged = loaded.edit_age(faces, None, target_age)
        torch.testing.assert_close(aged, run.model.eval().edit_age(faces, None, target_age))


def num_params(net, layer_types=(nn.Module,)):
    """Return the number of parameters of the layers of some types."""
    layers = (m for m in net.modules() if isinstance(m, layer_types))
    return sum(p.numel() for layer in layers for p in layer.parameters(recurse=False))


def output_shapes(net, layer_types, *inputs):
    """Return the output shape, without N, of each layer of some types in a forward pass."""
    shapes = []
    for module in net.modules():
        if isinstance(module, layer_types):
            module.register_forward_hook(lambda m, i, out: shapes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        net.eval()(*inputs)
    return shapes


def differing_keys(a, b):
    """Return the names of the tensors that are not bit-identical, or in one state only."""
    names = set(a) ^ set(b)
    same = {n for n in set(a) & set(b) if a[n].dtype == b[n].dtype and torch.equal(a[n], b[n])}
    return sorted(names | (set(a) & set(b)) - same)


def train_run(model_class, run_dir, options=None, **more):
    """Train a model class into a run folder on small data."""
    options = gz.config.merge(SMALL_RUN_OPTIONS, options or {})
    return gz.train(model_class, "shapes", options=options, out=run_dir, quiet=True, **more)


def last_checkpoint_state(run):
    """Return the tensors of the newest checkpoint of a run folder."""
    return load_tensors(max(RunFolder(Path(run)).checkpoints.glob("*.safetensors")))[0]


def read_metrics(run):
    """Return the lines of metrics.jsonl without the time."""
    lines = RunFolder(Path(run)).metrics.read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k != "seconds"} for x in lines]
