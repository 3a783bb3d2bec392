"""Checkpoints of rosinality/stylegan2-pytorch under the names and options of this plugin."""

import re

import torch

from ganzoo_core import ConvertedCheckpoint
from ganzoo_stylegan2.networks import Mapping

_MEAN_LATENTS = 4096
"""Latents whose mean w is that of a checkpoint without one, as in the code's generate.py."""
_GENERATOR = (
    (r"style\.(\d+)\.", lambda m: f"mapping.layers.{int(m[1]) - 1}."),
    (r"input\.input$", lambda m: "synthesis.const"),
    (r"conv1\.", lambda m: "synthesis.blocks.0.conv1."),
    (r"to_rgb1\.", lambda m: "synthesis.blocks.0.torgb."),
    (r"convs\.(\d+)\.", lambda m: f"synthesis.blocks.{int(m[1]) // 2 + 1}.conv{int(m[1]) % 2}."),
    (r"to_rgbs\.(\d+)\.", lambda m: f"synthesis.blocks.{int(m[1]) + 1}.torgb."),
    (
        r"noises\.noise_(\d+)$",
        lambda m: f"synthesis.blocks.{(int(m[1]) + 1) // 2}.conv{(int(m[1]) + 1) % 2}.noise_const",
    ),
    (r"(.+)\.conv\.modulation\.", lambda m: f"{m[1]}.affine."),
    (r"(.+)\.conv\.weight$", lambda m: f"{m[1]}.weight"),
    (r"(.+)\.noise\.weight$", lambda m: f"{m[1]}.noise_strength"),
    (r"(.+)\.activate\.bias$", lambda m: f"{m[1]}.bias"),
)
_DISCRIMINATOR = (
    (r"convs\.0\.[01]\.", lambda m: "blocks.0.fromrgb."),
    (r"convs\.(\d+)\.conv([12])\.\d\.", lambda m: f"blocks.{int(m[1]) - 1}.conv{int(m[2]) - 1}."),
    (r"convs\.(\d+)\.skip\.\d\.", lambda m: f"blocks.{int(m[1]) - 1}.skip."),
    (r"final_conv\.\d\.", lambda m: "conv."),
    (r"final_linear\.0\.", lambda m: "fc."),
    (r"final_linear\.1\.", lambda m: "out."),
)


def convert_state_dicts(state):
    """Return the averaged generator and D, from tensors ``g_ema.*``, ``d.*``, ``g.*`` and, where a
    file has it, ``latent_avg``.

    Raises:
        KeyError: a tensor is missing.
    """
    generator = _rename(state, "g_ema.", _GENERATOR)
    mapping = {k.removeprefix("mapping."): v for k, v in generator.items() if k[:8] == "mapping."}
    channels = _channels(generator)
    image_size = 4 * 2 ** (len(channels) - 1)
    halved = [4 * 2**i * n for i, n in enumerate(channels) if n < max(channels)]
    config = {
        "latent_dim": mapping["layers.0.weight"].shape[1],
        "style_dim": mapping["layers.0.weight"].shape[0],
        "mapping_layers": len(mapping) // 2,
        "channel_base": max(halved, default=image_size * max(channels)),
        "channel_max": max(channels),
        "age_bins": [],
    }
    mean = state["latent_avg"] if "latent_avg" in state else _mean_style(mapping, config)
    generator["w_mean"] = mean.reshape(-1)
    networks = {
        "discriminator": _rename(state, "d.", _DISCRIMINATOR),
        "raw_generator": _rename(state, "g.", _GENERATOR),
    }
    return ConvertedCheckpoint(
        state={f"generator.{name}": tensor for name, tensor in generator.items()},
        config=config,
        extra_modules={
            module: {f"{module}.{name}": tensor for name, tensor in tensors.items()}
            for module, tensors in networks.items()
            if tensors
        },
        info={"image_size": image_size, "num_channels": 3, "class_names": (), "age_bins": ()},
    )


def _rename(state, prefix, rules):
    """Return the tensors of a network by their name here, in the shapes that they have here."""
    out = {}
    for full_name, tensor in state.items():
        if full_name.startswith(prefix) and not full_name.endswith(".kernel"):
            name = _rename_one(full_name.removeprefix(prefix), rules)
            out[name] = _reshape(name, tensor)
    return out


def _rename_one(name, rules):
    for pattern, replacement in rules:
        name = re.sub(f"^{pattern}", replacement, name)
    return name


def _reshape(name, tensor):
    """Return a tensor without the axes of length 1 that it has there."""
    if name.endswith("noise_strength"):
        return tensor.reshape(())
    if name.endswith("noise_const"):
        return tensor[0, 0]
    if name.endswith(".bias"):
        return tensor.reshape(-1)
    return tensor[0] if name.endswith("const") or tensor.dim() == 5 else tensor


def _channels(generator):
    """Return the channels of each block."""
    sizes = []
    while (key := f"synthesis.blocks.{len(sizes)}.conv1.weight") in generator or not sizes:
        sizes.append(generator[key].shape[0])
    return sizes


def _mean_style(mapping, config):
    """Return the mean w [D] of many z."""
    dims = config["latent_dim"], 0, config["style_dim"], config["mapping_layers"]
    network = Mapping(*dims)
    network.load_state_dict(mapping)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return network(torch.randn(_MEAN_LATENTS, dims[0], generator=rng)).mean(0)
