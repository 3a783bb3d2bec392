"""Seconds per 1,000 images of training: `stylegan2` and the authors' code, in one process in turns.

    git clone https://github.com/NVlabs/stylegan2-ada-pytorch
    OMP_NUM_THREADS=1 python benchmarks/stylegan2.py --official stylegan2-ada-pytorch
    python benchmarks/stylegan2.py --device cuda --image-size 128 --channel-base 16384 \\
        --channel-max 512 --batch-size 32 --precision bf16

Both train on the same images in memory, without augmentation, with R1 in every 16th and path
lengths in every 4th step, so a turn is 16 steps. The authors' code runs its reference operations on
a CPU, and its CUDA kernels on a GPU, where they compile. Without `--official` only this plugin
runs. Figures are medians of the turns, in CPU time on a CPU, since another process may use it too;
the last line is one JSON object. With `--official` the networks are also compared at equal weights,
32 px: the largest difference of outputs, gradients, R1 and its gradients, each relative to the
largest value.

Published for a V100, fp16, with ADA: 12.8 s at 128 px and 21.6 s at 256 px.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch
from ganzoo_stylegan2.convert import rename

from ganzoo_core import DataInfo
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.config import TrainConfig, build_config
from ganzoo_core.data import PackedImages
from ganzoo_core.engine import Callback, Trainer, resolve_setup
from ganzoo_core.losses import r1
from ganzoo_core.zoo import import_target, zoo

TURN_STEPS, WARMUP_STEPS = 16, 2
VERY_LARGE = 10**9
GOAL = 1.3
"""Minimum speed relative to the authors' code on a CPU."""


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--official", type=Path, help="a copy of NVlabs/stylegan2-ada-pytorch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16", "fp16"))
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--channel-base", type=int, default=4096)
    parser.add_argument("--channel-max", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    runs = {"ganzoo": make_trainer(args)}
    if args.official:
        runs["official"] = make_official(args)
    for step in runs.values():
        for i in range(WARMUP_STEPS):
            step(i)
    seconds = {name: [] for name in runs}
    for _ in range(args.repeats):
        for name, step in runs.items():
            seconds[name].append(measure_turn(step, args.device))
    scale = 1000 / (TURN_STEPS * args.batch_size)
    kimg = {name: round(statistics.median(values) * scale, 2) for name, values in seconds.items()}
    for name, value in kimg.items():
        print(f"{name}: {value} s for 1,000 images")
    result = {"seconds_per_kimg": kimg, "image_size": args.image_size, "device": args.device}
    if args.official:
        result["speedup"] = round(kimg["official"] / kimg["ganzoo"], 3)
        result["goal"] = GOAL
        result["differences"] = compare_networks()
    print(json.dumps(result))


def compare_networks():
    """Return the largest relative differences to the authors' networks at equal weights."""
    from training.networks import Discriminator, Generator

    torch.manual_seed(0)
    widths, size = {"channel_base": 1024, "channel_max": 32}, 32
    common = {"c_dim": 2, "img_resolution": size, "img_channels": 3}
    theirs = {
        "generator": Generator(z_dim=16, w_dim=24, **common, synthesis_kwargs=widths),
        "discriminator": Discriminator(**common, **widths),
    }
    config_class = type(build_config("stylegan2", preset="smoke").model)
    config = config_class(**widths, latent_dim=16, style_dim=24)
    model_class = import_target(zoo().model("stylegan2").target)
    ours = model_class(config, DataInfo(image_size=size, class_names=("a", "b")))
    pairs = {"generator": [], "discriminator": []}
    for module, network in theirs.items():
        for parameter in network.parameters():
            parameter.data.add_(0.1 * torch.randn_like(parameter))
        state, parameters = ours.state_dict(), dict(network.named_parameters())
        for name, value in network.state_dict().items():
            if own_name := rename(name, module, size):
                state[own_name].copy_(value)
                if name in parameters:
                    pairs[module].append((ours.get_parameter(own_name), parameters[name]))
    z, image = torch.randn(8, 16), torch.randn(8, 3, size, size)
    label = torch.arange(8) % 2
    one_hot = torch.eye(2)[label]
    out = {}
    ws = theirs["generator"].mapping(z, one_hot)
    images = ours.generator(z, label), theirs["generator"].synthesis(ws, noise_mode="const")
    compare_outputs(out, "generator", images, pairs)
    d, official_d = ours.discriminator, theirs["discriminator"]
    logits = d(image, label), official_d(image, one_hot).flatten()
    compare_outputs(out, "discriminator", logits, pairs)
    penalties = (
        r1(lambda x: d(x, label), image),
        r1(lambda x: official_d(x, one_hot).flatten(), image),
    )
    compare_outputs(out, "discriminator", penalties, pairs, "R1")
    return out


def compare_outputs(out, module, values, pairs, name=""):
    """Add the differences of two values, and of their gradients of a random sum."""
    weights = torch.randn_like(values[0])
    gradients = [
        torch.autograd.grad(
            (value * weights).sum(), [pair[i] for pair in pairs[module]], allow_unused=True
        )
        for i, value in enumerate(values)
    ]
    used = [(a, b) for a, b in zip(*gradients, strict=True) if a is not None]
    out[name or module] = difference(*values)
    out[f"gradients of {name or module}"] = max(difference(a, b) for a, b in used)


def difference(ours, theirs):
    """Return the largest absolute difference, relative to the largest value."""
    return float(f"{(ours - theirs).abs().max() / theirs.abs().max():.2g}")


def measure_turn(step, device):
    """Return the seconds of 16 steps."""
    clock = time.perf_counter if device.startswith("cuda") else time.process_time
    start = clock()
    for i in range(TURN_STEPS):
        step(i)
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return clock() - start


def random_images(args):
    """Return 4 batches of random images."""
    shape = (4 * args.batch_size, 3, args.image_size, args.image_size)
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def make_trainer(args):
    """Return a function that runs one step of the Trainer."""
    options = {
        "channel_base": args.channel_base,
        "channel_max": args.channel_max,
        "mapping_layers": 2,
        "terms": {"r1": {"weight": 1.0, "interval": 16}, "path-length": {}},
        "ema_halflife_images": 10_000.0,
    }
    config = type(build_config("stylegan2", preset="smoke").model)(**options)
    images = random_images(args)
    info = DataInfo(image_size=args.image_size, num_images=len(images))
    torch.manual_seed(0)
    model = import_target(zoo().model("stylegan2").target)(config, info)
    setup = resolve_setup(args.device, args.precision)
    train = TrainConfig(batch_size=args.batch_size, steps=VERY_LARGE, log_every=VERY_LARGE)
    trainer = Trainer(model, PackedImages(images, info), train, setup, Callback())

    def step(i):
        trainer.train_step(trainer.plan.stage_at(trainer.step))

    return step


def make_official(args):
    """Return a function that runs one step of the authors' training loop.

    Raises:
        UsageError: the folder has no such code.
    """
    sys.path.insert(0, str(args.official))
    from training.loss import StyleGAN2Loss
    from training.networks import Discriminator, Generator

    widths = {"channel_base": args.channel_base, "channel_max": args.channel_max}
    common = {"c_dim": 0, "img_resolution": args.image_size, "img_channels": 3}
    device = torch.device(args.device)
    use_fp16 = {"num_fp16_res": 4, "conv_clamp": 256} if args.precision != "fp32" else {}
    torch.manual_seed(0)
    g = Generator(
        z_dim=512,
        w_dim=512,
        **common,
        mapping_kwargs={"num_layers": 2},
        synthesis_kwargs={**widths, **use_fp16},
    )
    d = Discriminator(**common, **widths, **use_fp16)
    g, d = (network.train().requires_grad_(False).to(device) for network in (g, d))
    g_ema = {name: value.clone() for name, value in g.state_dict().items()}
    loss = StyleGAN2Loss(device, g.mapping, g.synthesis, d, r1_gamma=1.0)
    phases = []
    for name, network, interval in (("G", g, 4), ("D", d, 16)):
        ratio = interval / (interval + 1)
        optimizer = torch.optim.Adam(
            network.parameters(), lr=0.0025 * ratio, betas=(0.0, 0.99**ratio), eps=1e-8
        )
        phases += [
            (f"{name}main", network, optimizer, 1),
            (f"{name}reg", network, optimizer, interval),
        ]
    images, n = random_images(args).to(device), args.batch_size
    no_label = torch.empty(n, 0, device=device)

    def step(i):
        real = images[i % 4 * n : (i % 4 + 1) * n].float() / 127.5 - 1
        for name, network, optimizer, interval in phases:
            if i % interval:
                continue
            z = torch.randn(n, 512, device=device)
            optimizer.zero_grad(set_to_none=True)
            network.requires_grad_(True)
            loss.accumulate_gradients(name, real, no_label, z, no_label, sync=True, gain=interval)
            network.requires_grad_(False)
            for parameter in network.parameters():
                if parameter.grad is not None:
                    torch.nan_to_num(
                        parameter.grad, nan=0, posinf=1e5, neginf=-1e5, out=parameter.grad
                    )
            optimizer.step()
        for name, parameter in g.named_parameters():
            g_ema[name].copy_(parameter.lerp(g_ema[name], 0.999))

    return step


if __name__ == "__main__":
    with exit_on_error():
        main()
