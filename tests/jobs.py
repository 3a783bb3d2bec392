"""What tests run in processes of their own: `ganzoo(..., call="jobs:trained")`."""

import os
import signal
from itertools import count
from pathlib import Path

import torch
from workbench import drawn, make, trainer
from zoo_of_proofs import VAE, Handicapped, Judged, Pixels, Triplets
from zoo_of_proofs.adaptive import AdaptiveGAN
from zoo_of_proofs.lazy import LazyADA
from zoo_of_proofs.plain import PlainGAN
from zoo_of_proofs.relative import RelativeGAN

from ganzoo_core.data.draws import Batches
from ganzoo_core.engine.world import World
from ganzoo_core.files import save_tensors
from ganzoo_core.interfaces import Draw

MODELS = {
    c.__name__: c
    for c in (
        VAE,
        AdaptiveGAN,
        Handicapped,
        Judged,
        LazyADA,
        Pixels,
        Triplets,
        PlainGAN,
        RelativeGAN,
    )
}
CPU = torch.device("cpu")


def trained(name, folder, train, seeded=True):
    """Train a throw-away model as this rank; leave its state as `<rank>.safetensors`."""
    torch.set_num_threads(1)
    folder = Path(folder)
    before = (folder / "run").exists()  # asked before the ranks meet: then the first one writes
    world, cls = World.join(CPU), MODELS[name]
    model = make(cls, drawn().info, seed=0 if seeded else world.rank)
    run = trainer(cls, model=model, world=world, **train)
    if before:
        run.restore(folder / "run")
    run.run(folder / "run")
    state = {**run.state(), "records": torch.tensor([last(r) for r in run.watcher.records])}
    save_tensors(folder / f"{world.rank}.safetensors", state)
    world.leave()


def last(record):
    """Return the last value of a line of metrics."""
    return float(list(record.values())[-1])


def batches(folder):
    """Leave this rank's share of a batch of every draw."""
    world, images = World.join(CPU), drawn(40, 16, 6)
    found = {}
    for how in ("shuffle", "balanced", "pairs", "identities"):
        fields = ("image", "label", "identity")
        draw = Draw(fields=fields, how=how, per_identity=2)
        batch = Batches(images, draw, 8, CPU, 0, "gan", rank=world.rank, ranks=world.size)(3)
        found[f"{how}.image"], found[f"{how}.label"] = batch.image, batch.label
        found[f"{how}.identity"] = batch.identity
        if batch.target is not None:
            found[f"{how}.target"] = batch.target.image
    save_tensors(Path(folder) / f"{world.rank}.safetensors", found)
    world.leave()


# --- killed at the n-th moment --------------------------------------------------------------------


def killed(name, folder, train, moment):
    """Train, or continue, until moment number `moment`; then die as by `kill -9`.

    Moments: before a step, and around all that a checkpoint does to the disk, half-written files
    included.
    """
    torch.set_num_threads(1)
    moments = count()

    def tick(path=None):
        if next(moments) == moment:
            if path is not None and path.exists():
                os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    cls, folder = MODELS[name], Path(folder)
    run = trainer(cls, **train)
    if any(folder.glob("*.json")):
        run.restore(folder)
    step, replace, unlink = run.step, Path.replace, Path.unlink

    def stepping(*args):
        tick()
        step(*args)

    def replacing(self, target):
        tick(self)
        replace(self, target)
        tick()

    def unlinking(self, missing_ok=False):
        tick()
        unlink(self, missing_ok)

    run.step, Path.replace, Path.unlink = stepping, replacing, unlinking
    run.run(folder)
