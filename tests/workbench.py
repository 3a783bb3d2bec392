"""What the tests of engine and contract share: tiny data, a trainer, a bit by bit comparison."""

from functools import lru_cache

import torch
from torch import nn

from ganzoo_core.config import TrainConfig
from ganzoo_core.data import prepare
from ganzoo_core.engine import Trainer, Watcher, resolve_setup
from ganzoo_core.interfaces import Judges
from ganzoo_core.testing.shapes import Shapes, ShapesConfig


@lru_cache
def drawn(count=40, size=16, people=6, channels=3, groups=()):
    """Return a few drawn pictures."""
    config = ShapesConfig(name="shapes", count=count, size=size, people=people)
    return prepare(Shapes(config), size=size, channels=channels, groups=groups)


class Embedder(nn.Module):
    """A judge: any fixed map will do."""

    input_size = 16

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.BatchNorm2d(4), nn.Flatten())

    def embed(self, image):
        """Return unit vectors."""
        self.heard = image.dtype, torch.is_autocast_enabled(image.device.type)
        return nn.functional.normalize(self.layers(image))


def make(cls, info, seed=0, config=None):
    """Build a model with the weights of a seed, its judges injected by role."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = cls(config or (cls.Config() if cls.Config else None), info)
        judges = {role: Embedder() for role in getattr(cls, "uses", ())}
    model.judges = Judges(judges)
    return model


class Notebook(Watcher):
    """A watcher that writes down what it is told."""

    def __init__(self):
        self.records, self.rounds, self.paths = [], [], []

    def advanced(self, round, total):
        """Take note of a round."""
        self.rounds.append(round)

    def logged(self, record):
        """Take a line."""
        self.records.append({k: v for k, v in record.items() if k not in {"seconds", "rounds"}})

    def sampled(self, model, round):
        """Draw nothing."""

    def saved(self, path):
        """Take note of a checkpoint."""
        self.paths.append(path)


def trainer(cls, *, model=None, images=None, precision="fp32", world=None, **train):
    """Return a Trainer of a fresh model, as a new process would build it."""
    images = images or drawn()
    settings = {"batch": 8, "log_every": 4, "checkpoint_every": 1000, **train}
    setup = resolve_setup("cpu", precision)
    model = model or make(cls, images.info)
    return Trainer(model, images, TrainConfig(**settings), setup, Notebook(), world=world)


def stopped_and_resumed(cls, folder, stops, **train):
    """Run to each stop in a Trainer of its own, then to the end; return the last Trainer."""
    for steps in (*stops, None):
        worker = trainer(cls, **{**train, "steps": steps or train.get("steps")})
        if folder.exists():
            worker.restore(folder)
        worker.run(folder)
    return worker


def differences(a, b):
    """Return the names whose tensors are not the same bit by bit."""
    names = set(a) ^ set(b)
    same = {n for n in set(a) & set(b) if a[n].dtype == b[n].dtype and torch.equal(a[n], b[n])}
    return sorted(names | (set(a) & set(b)) - same)
