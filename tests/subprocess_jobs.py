"""Functions that tests run in other processes: ``call="subprocess_jobs:train_rank"``."""

import os
import resource
import signal
import sys
from itertools import count
from pathlib import Path

import torch
from contract_models import (
    VAE,
    AuxiliaryLossModel,
    ControlledDiscriminatorGAN,
    LazyADA,
    TinyPixelCNN,
    TripletEmbedder,
)
from contract_models.adaptive_augment import AdaptiveGAN
from contract_models.image_pool import ImagePoolGAN
from contract_models.per_image_terms_gan import PerImageTermsGAN
from contract_models.plain_gan import PlainGAN
from contract_models.relativistic import RelativisticGAN
from training_helpers import build_model, make_images, make_trainer

from ganzoo_core import limits
from ganzoo_core.cli.main import main
from ganzoo_core.data.samplers import BatchLoader
from ganzoo_core.engine.world import World
from ganzoo_core.files import save_tensors
from ganzoo_core.interfaces import BatchSpec

MODELS = {
    c.__name__: c
    for c in (
        VAE,
        AdaptiveGAN,
        ImagePoolGAN,
        ControlledDiscriminatorGAN,
        AuxiliaryLossModel,
        LazyADA,
        TinyPixelCNN,
        TripletEmbedder,
        PlainGAN,
        PerImageTermsGAN,
        RelativisticGAN,
    )
}
CPU = torch.device("cpu")


def train_rank(name, folder, train_options, same_seed=True):
    """Train a contract model as this rank; save its state as `<rank>.safetensors`."""
    torch.set_num_threads(1)
    folder = Path(folder)
    # Read before the ranks meet, since the first rank then creates the folder.
    is_resumed = (folder / "run").exists()
    world, cls = World.init(CPU), MODELS[name]
    model = build_model(cls, make_images().info, seed=0 if same_seed else world.rank)
    trainer = make_trainer(cls, model=model, world=world, **train_options)
    if is_resumed:
        trainer.restore(folder / "run")
    trainer.run(folder / "run")
    last_values = [float(list(record.values())[-1]) for record in trainer.callback.records]
    state = {**trainer.state_dict(), "records": torch.tensor(last_values)}
    save_tensors(folder / f"{world.rank}.safetensors", state)
    world.destroy()


def print_child_peak(*args):
    """Run `ganzoo ARGS`; print the most memory that its child process took, in kB.

    The child has 6 seconds of processor time.
    """
    limits.CHILD_CPU_SECONDS = 6.0
    try:
        main(list(args))
    finally:
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def save_rank_batches(folder):
    """Save this rank's part of one batch of every sampler."""
    world, images = World.init(CPU), make_images(40, 16, 6)
    tensors = {}
    for sampler in ("random", "class_balanced", "group_pairs", "identity_pairs", "pk"):
        fields = ("image", "label", "identity")
        spec = BatchSpec(fields=fields, sampler=sampler, images_per_identity=2)
        loader = BatchLoader(images, spec, 8, CPU, 0, "gan", rank=world.rank, world_size=world.size)
        batch = loader(3)
        tensors[f"{sampler}.image"], tensors[f"{sampler}.label"] = batch.image, batch.label
        tensors[f"{sampler}.identity"] = batch.identity
        if batch.target is not None:
            tensors[f"{sampler}.target"] = batch.target.image
    save_tensors(Path(folder) / f"{world.rank}.safetensors", tensors)
    world.destroy()


# --- SIGKILL --------------------------------------------------------------------------------------


def train_until_killed(name, folder, train_options, kill_at):
    """Train or resume, and kill this process at kill point number `kill_at`.

    There is a kill point before each phase, and before and after each change that a checkpoint
    makes on the disk; before a rename, the file is truncated to half.
    """
    torch.set_num_threads(1)
    kill_point = count()

    def maybe_kill(path=None):
        if next(kill_point) == kill_at:
            if path is not None and path.exists():
                os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    cls, folder = MODELS[name], Path(folder)
    trainer = make_trainer(cls, **train_options)
    if any(folder.glob("*.json")):
        trainer.restore(folder)
    run_phase, replace, unlink = trainer.run_phase, Path.replace, Path.unlink

    def run_phase_with_kill(*args):
        maybe_kill()
        run_phase(*args)

    def replace_with_kill(self, target):
        maybe_kill(self)
        replace(self, target)
        maybe_kill()

    def unlink_with_kill(self, missing_ok=False):
        maybe_kill()
        unlink(self, missing_ok)

    trainer.run_phase = run_phase_with_kill
    Path.replace, Path.unlink = replace_with_kill, unlink_with_kill
    trainer.run(folder)


# --- streams --------------------------------------------------------------------------------------


def run_with_broken_stderr(stderr, args):
    """Run `ganzoo ARGS` with a stderr that cannot be written."""
    from ganzoo_core.cli.main import main

    if stderr == "closed":
        os.close(2)
        sys.stderr = None
    elif stderr == "full":
        os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
    else:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 2)
    main(args)
