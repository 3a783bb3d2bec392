"""A DCGAN step: the Trainer, a plain loop, and a loop with the same optimizations by hand.

    python benchmarks/train_step.py [--device cuda] [--no-compile] [--repeats N] [--steps N]

The implementations run in turn several times; figures are medians. The plain loop reuses one batch,
the Trainer and the bare step gather each batch from memory. The networks are those of Radford et
al. 2015 (arXiv 1511.06434) at 64 px with 64 channels; the batch size is 64 on a CPU, 128 on a GPU.
The last line is one JSON object.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from roofline import Roofline
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import softplus

from ganzoo_core import GAN, Adam, Discriminator, GANConfig, Generator
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.config import TrainConfig
from ganzoo_core.data import BatchLoader, PackedImages
from ganzoo_core.engine import Callback, Trainer, resolve_setup
from ganzoo_core.engine.setup import DTYPES
from ganzoo_core.interfaces import BatchSpec, DataInfo

IMAGE_SIZE, BASE_CHANNELS, LATENT_DIM, NUM_IMAGES = 64, 64, 100, 2048
VERY_LARGE = 10**9
_GOALS = {
    "cpu": {"fp32": 1.15, "fp32_compile": 1.25, "bf16": 1.9, "overhead": 0.02},
    "cuda": {"over_plain_fp32": 5.0, "over_plain_bf16": 2.0, "overhead": 0.02},
}
"""Minimum speed relative to the plain fp32 loop, or to the one that the key names; maximum
`overhead`."""


# --- the networks ---------------------------------------------------------------------------------


class _DCGANGenerator(Generator):
    """z [N, 100] -> [N, 3, 64, 64]."""

    latent_dim = LATENT_DIM

    def __init__(self):
        super().__init__()
        layers, in_channels = [], LATENT_DIM
        for i, multiplier in enumerate((8, 4, 2, 1)):
            channels, stride, padding = multiplier * BASE_CHANNELS, 2 if i else 1, min(i, 1)
            conv = nn.ConvTranspose2d(in_channels, channels, 4, stride, padding, bias=False)
            layers += [conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
            in_channels = channels
        layers += [nn.ConvTranspose2d(in_channels, 3, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z, label=None):
        """Return images."""
        return self.layers(z[:, :, None, None])


class _DCGANDiscriminator(Discriminator):
    """[N, 3, 64, 64] -> logits [N]."""

    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, BASE_CHANNELS, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        for channels in (BASE_CHANNELS, 2 * BASE_CHANNELS, 4 * BASE_CHANNELS):
            conv = nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False)
            layers += [conv, nn.BatchNorm2d(2 * channels), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8 * BASE_CHANNELS, 1, 4, bias=False))

    def forward(self, image, label=None):
        """Return logits."""
        return self.layers(image).flatten()


class DCGANConfig(GANConfig):
    """The learning rates of the paper."""

    optim_d: Adam = Adam()
    optim_g: Adam = Adam()
    epochs: float = 1


class DCGAN(GAN):
    """A DCGAN as a plugin; the phases are those of `ganzoo_core.GAN`."""

    Config = DCGANConfig

    def __init__(self, config, info):
        super().__init__(config, info)
        from ganzoo_core.losses import BCE

        self.generator, self.discriminator = _DCGANGenerator(), _DCGANDiscriminator()
        self.loss = BCE()


# --- the implementations: each returns a function that runs one step ------------------------------


def _make_plain_loop(device, batch_size, dtype=torch.float32, channels_last=False):
    """The loop of pytorch/examples: D on real images, D on fakes, G through an unfrozen D."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    g, d = (
        net.to(device, memory_format=layout) for net in (_DCGANGenerator(), _DCGANDiscriminator())
    )
    optim_g = torch.optim.Adam(g.parameters(), 2e-4, (0.5, 0.999))
    optim_d = torch.optim.Adam(d.parameters(), 2e-4, (0.5, 0.999))
    real = (torch.rand(batch_size, 3, IMAGE_SIZE, IMAGE_SIZE, device=device) * 2 - 1).to(
        memory_format=layout
    )

    def loss_of(image, target):
        with torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32):
            logit = d(image)
        return logit, bce(logit.float(), torch.full((batch_size,), target, device=device))

    def step():
        d.zero_grad()
        logits, loss_real = loss_of(real, 1.0)
        loss_real.backward()
        logits.mean().item()
        with torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32):
            fake = g(torch.randn(batch_size, LATENT_DIM, device=device))
        logits, loss_fake = loss_of(fake.detach(), 0.0)
        loss_fake.backward()
        logits.mean().item()
        optim_d.step()
        g.zero_grad()
        logits, loss_g = loss_of(fake, 1.0)
        loss_g.backward()
        logits.mean().item()
        optim_g.step()
        return (loss_real + loss_fake).item(), loss_g.item()

    return step


def _make_bare_step(images, device, batch_size, dtype):
    """The optimizations of the Trainer by hand, without its features."""
    torch_device = torch.device(device)
    g, d = (
        net.to(torch_device, memory_format=torch.channels_last)
        for net in (_DCGANGenerator(), _DCGANDiscriminator())
    )
    params_g, params_d = list(g.parameters()), list(d.parameters())
    optim_g = torch.optim.Adam(params_g, 2e-4, (0.5, 0.999), fused=True)
    optim_d = torch.optim.Adam(params_d, 2e-4, (0.5, 0.999), fused=True)
    is_on_device = torch_device.type == "cuda"
    batches = BatchLoader(
        images, BatchSpec(), batch_size, torch_device, 0, "bare", keep_on_device=is_on_device
    )
    step_counter = iter(range(VERY_LARGE))

    def set_frozen(params, frozen):
        for param in params:
            param.requires_grad_(not frozen)

    def step():
        real = batches(next(step_counter)).image
        with torch.autocast(torch_device.type, dtype, enabled=dtype != torch.float32):
            fake = g(torch.randn(batch_size, LATENT_DIM, device=torch_device))
            loss_d = softplus(-d(real).float()).mean() + softplus(d(fake.detach()).float()).mean()
        optim_d.zero_grad()
        loss_d.backward()
        optim_d.step()
        set_frozen(params_d, True)
        with torch.autocast(torch_device.type, dtype, enabled=dtype != torch.float32):
            loss_g = softplus(-d(fake).float()).mean()
        optim_g.zero_grad()
        loss_g.backward()
        optim_g.step()
        set_frozen(params_d, False)

    return step


def _make_trainer_step(images, device, batch_size, precision, use_compile=False):
    """A step of the Trainer with its log and checks, without checkpoints and grids."""
    config = TrainConfig(
        batch_size=batch_size,
        steps=VERY_LARGE,
        compile=use_compile,
        sample_every=VERY_LARGE,
        checkpoint_every=VERY_LARGE,
    )
    setup = resolve_setup(device, precision)
    trainer = Trainer(DCGAN(DCGANConfig(), images.info), images, config, setup, Callback())
    trainer.started = time.perf_counter()
    return lambda: trainer.advance(Path())


def _make_steps(device, batch_size, precision, use_compile):
    """Return the step functions by name."""
    pixels = torch.randint(0, 256, (NUM_IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8)
    images = PackedImages(pixels, DataInfo(image_size=IMAGE_SIZE, num_images=NUM_IMAGES))
    out = {"plain_fp32": _make_plain_loop(device, batch_size)}
    if device == "cuda":
        out["plain_bf16"] = _make_plain_loop(device, batch_size, torch.bfloat16, channels_last=True)
    for kind in dict.fromkeys(("fp32", precision)):
        out[f"bare_{kind}"] = _make_bare_step(images, device, batch_size, DTYPES[kind])
        out[f"trainer_{kind}"] = _make_trainer_step(images, device, batch_size, kind)
        if use_compile:
            out[f"trainer_{kind}_compile"] = _make_trainer_step(
                images, device, batch_size, kind, True
            )
    return out


# --- measuring ------------------------------------------------------------------------------------


def _time_steps(step, num_steps, device):
    """Return the wall time of some steps in seconds."""
    synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None
    synchronize()
    start = time.perf_counter()
    for _ in range(num_steps):
        step()
    synchronize()
    return time.perf_counter() - start


def _measure(steps, num_steps, repeats, device, batch):
    """Return the images/s of each repeat by name. The first repeat, in which kernels are selected
    and networks compiled, does not count."""
    speeds = {name: [] for name in steps}
    for repeat in range(repeats + 1):
        for name, step in steps.items():
            elapsed = _time_steps(step, num_steps, device)
            if repeat:
                speeds[name].append(num_steps * batch / elapsed)
    return speeds


def _trainer_overhead(speeds, kind):
    """Return the median over repeats of the extra time of the Trainer relative to the bare step."""
    pairs = zip(speeds[f"bare_{kind}"], speeds[f"trainer_{kind}"], strict=True)
    return statistics.median(bare / trainer - 1 for bare, trainer in pairs)


def _speed_ratios(medians, speeds, device, precision):
    """Return speed ratios and the overhead, by name."""
    plain = medians["plain_fp32"]
    trainers = {name: value for name, value in medians.items() if name.startswith("trainer_")}
    figures = {name.removeprefix("trainer_"): value / plain for name, value in trainers.items()}
    if device == "cuda":
        best = max(trainers, key=trainers.get)
        figures |= {
            "over_plain_fp32": trainers[best] / plain,
            "over_plain_bf16": trainers[best] / medians["plain_bf16"],
        }
        print(f"fastest: {best}")
    figures["overhead"] = _trainer_overhead(speeds, precision)
    return {name: round(value, 3) for name, value in figures.items()}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=["cpu", "cuda"], default=found)
    parser.add_argument("--batch", type=int, help="default: 64 on a CPU, 128 on a GPU")
    parser.add_argument("--repeats", type=int, default=9, help="repeats of the measurement")
    parser.add_argument(
        "--steps", type=int, help="steps a repeat; default: 8 on a CPU, 200 on a GPU"
    )
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile")
    args = parser.parse_args()
    device, gpu = args.device, args.device == "cuda"
    batch, count = args.batch or (128 if gpu else 64), args.steps or (200 if gpu else 8)
    setup = resolve_setup(device, "auto")  # flushes denormals, which also speeds up the plain loop
    steps = _make_steps(device, batch, setup.precision, not args.no_compile)
    speeds = _measure(steps, count, args.repeats, device, batch)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    plain = medians["plain_fp32"]
    print(f"{'step':<24}{'images/s':>10}{'ms':>9}{'ratio':>8}")
    for name, speed in medians.items():
        print(f"{name:<24}{speed:>10,.0f}{1000 * batch / speed:>9.2f}{speed / plain:>8.2f}")
    figures = _speed_ratios(medians, speeds, device, setup.precision)
    best = max(value for name, value in medians.items() if name.startswith("trainer_"))
    roofline = Roofline(torch.device(device), DTYPES[setup.precision])
    figures["roofline_share"] = round(
        roofline.min_step_seconds(steps[f"bare_{setup.precision}"]) * best / batch, 3
    )
    goals = {name: goal for name, goal in _GOALS[device].items() if name in figures}
    met = {
        name: figures[name] <= goal if name == "overhead" else figures[name] >= goal
        for name, goal in goals.items()
    }
    print(
        json.dumps(
            {
                "benchmark": "train_step",
                **setup.to_json(),
                "batch_size": batch,
                "repeats": args.repeats,
                "images_per_second": {name: round(value, 1) for name, value in medians.items()},
                "figures": figures,
                "goals": goals,
                "met": met,
            }
        )
    )


if __name__ == "__main__":
    with exit_on_error():
        main()
