"""A DCGAN step: the Trainer against a plain loop, and against the same optimisations by hand.

    python benchmarks/engine.py [--device cuda] [--no-compile] [--repeats N] [--steps N]

All contestants take turns in one run; figures are medians over the turns. The plain loop gets its
batches for nothing, the Trainer and the bare step gather theirs from the store. Networks are those
of Radford et al. 2015 (arXiv 1511.06434) at 64 px, 64 wide; the batch is 64 on a CPU, 128 on a GPU.
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
from ganzoo_core.cli.failures import reported
from ganzoo_core.config import TrainConfig
from ganzoo_core.data import Batches, Images
from ganzoo_core.engine import Trainer, Watcher, resolve_setup
from ganzoo_core.engine.setup import DTYPES
from ganzoo_core.interfaces import DataInfo, Draw

SIZE, WIDTH, LATENT, COUNT = 64, 64, 100, 2048
ENDLESS = 10**9
GOALS = {
    "cpu": {"fp32": 1.15, "fp32_compile": 1.25, "bf16": 1.9, "overhead": 0.02},
    "cuda": {"over_plain_fp32": 5.0, "over_plain_bf16": 2.0, "overhead": 0.02},
}
"""Least ratios to the plain fp32 loop, unless the name says another; `overhead` is a most."""


# --- the networks ---------------------------------------------------------------------------------


class G(Generator):
    """z [N, 100] -> [N, 3, 64, 64]."""

    latent_dim = LATENT

    def __init__(self):
        super().__init__()
        layers, before = [], LATENT
        for i, width in enumerate((8 * WIDTH, 4 * WIDTH, 2 * WIDTH, WIDTH)):
            conv = nn.ConvTranspose2d(before, width, 4, 2 if i else 1, min(i, 1), bias=False)
            layers += [conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            before = width
        layers += [nn.ConvTranspose2d(before, 3, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z, label=None):
        """Return images."""
        return self.layers(z[:, :, None, None])


class D(Discriminator):
    """[N, 3, 64, 64] -> logits [N]."""

    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, WIDTH, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        for before in (WIDTH, 2 * WIDTH, 4 * WIDTH):
            conv = nn.Conv2d(before, 2 * before, 4, 2, 1, bias=False)
            layers += [conv, nn.BatchNorm2d(2 * before), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8 * WIDTH, 1, 4, bias=False))

    def forward(self, image, label=None):
        """Return logits."""
        return self.layers(image).flatten()


class DCGANConfig(GANConfig):
    """Rates of the paper."""

    optim_d: Adam = Adam()
    optim_g: Adam = Adam()
    ema: float | None = None
    epochs: float = 1


class DCGAN(GAN):
    """As a plugin would write it; the steps are those of `ganzoo_core.GAN`."""

    Config = DCGANConfig

    def __init__(self, config, info):
        super().__init__(config, info)
        from ganzoo_core.losses import BCE

        self.generator, self.discriminator, self.loss = G(), D(), BCE()


# --- the contestants: each a function that does one step ------------------------------------------


def plain_loop(device, batch, dtype=torch.float32, channels_last=False):
    """The loop of pytorch/examples: D on real, D on fake, G through a D that is not frozen."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    g, d = G().to(device, memory_format=layout), D().to(device, memory_format=layout)
    optim_g = torch.optim.Adam(g.parameters(), 2e-4, (0.5, 0.999))
    optim_d = torch.optim.Adam(d.parameters(), 2e-4, (0.5, 0.999))
    real = (torch.rand(batch, 3, SIZE, SIZE, device=device) * 2 - 1).to(memory_format=layout)

    def loss_of(image, target):
        with torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32):
            logit = d(image)
        return logit, bce(logit.float(), torch.full((batch,), target, device=device))

    def step():
        d.zero_grad()
        seen, on_real = loss_of(real, 1.0)
        on_real.backward()
        seen.mean().item()
        with torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32):
            fake = g(torch.randn(batch, LATENT, device=device))
        seen, on_fake = loss_of(fake.detach(), 0.0)
        on_fake.backward()
        seen.mean().item()
        optim_d.step()
        g.zero_grad()
        seen, on_g = loss_of(fake, 1.0)
        on_g.backward()
        seen.mean().item()
        optim_g.step()
        return (on_real + on_fake).item(), on_g.item()

    return step


def bare_step(images, device, batch, dtype):
    """The Trainer's optimisations written by hand, and nothing more."""
    place = torch.device(device)
    g, d = (net.to(place, memory_format=torch.channels_last) for net in (G(), D()))
    params_g, params_d = list(g.parameters()), list(d.parameters())
    optim_g = torch.optim.Adam(params_g, 2e-4, (0.5, 0.999), fused=True)
    optim_d = torch.optim.Adam(params_d, 2e-4, (0.5, 0.999), fused=True)
    resident = place.type == "cuda"
    batches = Batches(images, Draw(), batch, place, 0, "bare", resident=resident)
    rounds = iter(range(ENDLESS))

    def freeze(params, on):
        for param in params:
            param.requires_grad_(not on)

    def step():
        real = batches(next(rounds)).image
        with torch.autocast(place.type, dtype, enabled=dtype != torch.float32):
            fake = g(torch.randn(batch, LATENT, device=place))
            on_d = softplus(-d(real).float()).mean() + softplus(d(fake.detach()).float()).mean()
        optim_d.zero_grad()
        on_d.backward()
        optim_d.step()
        freeze(params_d, True)
        with torch.autocast(place.type, dtype, enabled=dtype != torch.float32):
            on_g = softplus(-d(fake).float()).mean()
        optim_g.zero_grad()
        on_g.backward()
        optim_g.step()
        freeze(params_d, False)

    return step


def trainer_step(images, device, batch, precision, compiled=False):
    """A round of the Trainer, with its log and its checks; no checkpoint, no grid."""
    config = TrainConfig(
        batch=batch, steps=ENDLESS, compile=compiled, sample_every=ENDLESS, checkpoint_every=ENDLESS
    )
    setup = resolve_setup(device, precision)
    trainer = Trainer(DCGAN(DCGANConfig(), images.info), images, config, setup, Watcher())
    trainer.started = time.perf_counter()
    return lambda: trainer.advance(Path())


def contestants(device, batch, precision, compiled):
    """Return name -> step."""
    pixels = torch.randint(0, 256, (COUNT, 3, SIZE, SIZE), dtype=torch.uint8)
    images = Images(pixels, DataInfo(size=SIZE, images=COUNT))
    out = {"plain_fp32": plain_loop(device, batch)}
    if device == "cuda":
        out["plain_bf16"] = plain_loop(device, batch, torch.bfloat16, channels_last=True)
    for kind in dict.fromkeys(("fp32", precision)):
        out[f"bare_{kind}"] = bare_step(images, device, batch, DTYPES[kind])
        out[f"trainer_{kind}"] = trainer_step(images, device, batch, kind)
        if compiled:
            out[f"trainer_{kind}_compile"] = trainer_step(images, device, batch, kind, True)
    return out


# --- measuring ------------------------------------------------------------------------------------


def seconds(step, count, device):
    """Return the wall seconds of some steps, the GPU's work done."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    begun = time.perf_counter()
    for _ in range(count):
        step()
    wait()
    return time.perf_counter() - begun


def measure(steps, count, repeats, device, batch):
    """Return name -> images/s in each turn; the first turn, in which kernels are chosen and
    networks compiled, does not count."""
    speeds = {name: [] for name in steps}
    for turn in range(repeats + 1):
        for name, step in steps.items():
            took = seconds(step, count, device)
            if turn:
                speeds[name].append(count * batch / took)
    return speeds


def overhead(speeds, kind):
    """Return the share of time that the Trainer takes beyond the bare step, turn by turn."""
    pairs = zip(speeds[f"bare_{kind}"], speeds[f"trainer_{kind}"], strict=True)
    return statistics.median(bare / ours - 1 for bare, ours in pairs)


def ratios(medians, speeds, device, precision):
    """Return the figures that have goals, and those beside them."""
    plain = medians["plain_fp32"]
    ours = {name: value for name, value in medians.items() if name.startswith("trainer_")}
    figures = {name.removeprefix("trainer_"): value / plain for name, value in ours.items()}
    if device == "cuda":
        best = max(ours, key=ours.get)
        figures |= {
            "over_plain_fp32": ours[best] / plain,
            "over_plain_bf16": ours[best] / medians["plain_bf16"],
        }
        print(f"fastest: {best}")
    figures["overhead"] = overhead(speeds, precision)
    return {name: round(value, 3) for name, value in figures.items()}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=["cpu", "cuda"], default=found)
    parser.add_argument("--batch", type=int, help="default: 64 on a CPU, 128 on a GPU")
    parser.add_argument("--repeats", type=int, default=9, help="turns")
    parser.add_argument("--steps", type=int, help="in a turn; default: 8 on a CPU, 200 on a GPU")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    args = parser.parse_args()
    device, gpu = args.device, args.device == "cuda"
    batch, count = args.batch or (128 if gpu else 64), args.steps or (200 if gpu else 8)
    setup = resolve_setup(device, "auto")  # flushes denormals, which helps the plain loop as well
    steps = contestants(device, batch, setup.precision, not args.no_compile)
    speeds = measure(steps, count, args.repeats, device, batch)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    plain = medians["plain_fp32"]
    print(f"{'step':<24}{'images/s':>10}{'ms':>9}{'ratio':>8}")
    for name, speed in medians.items():
        print(f"{name:<24}{speed:>10,.0f}{1000 * batch / speed:>9.2f}{speed / plain:>8.2f}")
    figures = ratios(medians, speeds, device, setup.precision)
    best = max(value for name, value in medians.items() if name.startswith("trainer_"))
    roofline = Roofline(torch.device(device), DTYPES[setup.precision])
    figures["roofline_share"] = round(
        roofline.seconds(steps[f"bare_{setup.precision}"]) * best / batch, 3
    )
    goals = {name: goal for name, goal in GOALS[device].items() if name in figures}
    met = {
        name: figures[name] <= goal if name == "overhead" else figures[name] >= goal
        for name, goal in goals.items()
    }
    print(
        json.dumps(
            {
                "benchmark": "engine",
                **setup.to_json(),
                "batch": batch,
                "repeats": args.repeats,
                "images_per_second": {name: round(value, 1) for name, value in medians.items()},
                "figures": figures,
                "goals": goals,
                "met": met,
            }
        )
    )


if __name__ == "__main__":
    with reported():
        main()
