"""Networks of NVIDIA (NVlabs/stylegan2-ada-pytorch, and StyleGAN2 of NVlabs/stylegan3) under the
names and options of this plugin.

Their pickles hold the Python source of each layer, which the authors' code executes. Here an object
of theirs is a record: its source is neither compiled nor kept.
"""

import re

import torch

from ganzoo_core import ConvertedCheckpoint, limits
from ganzoo_core.errors import WeightsError
from ganzoo_core.layers import num_halvings
from ganzoo_core.weights import read_inert_pickle
from ganzoo_stylegan2.networks import LR_MULTIPLIER

LICENSE = (
    "NVIDIA Source Code License for StyleGAN2 with ADA: non-commercial use only "
    "(research or evaluation)"
)
_IGNORED_OPTIONS = {"num_fp16_res", "fp16_channels_last", "fused_modconv_default", "freeze_layers"}
"""Options of the authors that change no result, but for precision, or only training."""
_FIXED_OPTIONS = {
    "activation": "lrelu",
    "embed_features": None,
    "layer_features": None,
    "lr_multiplier": LR_MULTIPLIER,
    "resample_filter": [1, 3, 3, 1],
    "use_noise": True,
    "cmap_dim": None,
    "mbstd_num_channels": 1,
}
"""Options that networks of this plugin have with this value only."""
_W_AVG_OPTION = "w_avg_beta"


class _Layer:
    """A module of a pickle."""

    def __init__(self, meta):
        state = meta["state"]
        self.name, self.kwargs = meta["class_name"], dict(state.get("_init_kwargs", {}))
        self.modules, self.has_args = state["_modules"], bool(state.get("_init_args"))
        self.tensors = {**state["_parameters"], **state["_buffers"]}


def _refuse_tensorflow(*args):
    raise ValueError(
        "it is of the TensorFlow code (dnnlib.tflib.network.Network): convert it with legacy.py of "
        "NVlabs/stylegan2-ada-pytorch, which runs code in it, or download the PyTorch file"
    )


BUILDERS = {
    "torch_utils.persistence._reconstruct_persistent_obj": _Layer,
    "dnnlib.util.EasyDict": dict,
    "dnnlib.tflib.network.Network": _refuse_tensorflow,
}
"""Globals of the authors' pickles."""


def convert_pickle(path):
    """Return the networks of a pickle: the averaged generator, and G and D of the training.

    Raises:
        WeightsError: damaged, with code, or networks that are not StyleGAN2.
    """
    found = read_inert_pickle(path, BUILDERS)
    try:
        return _convert_networks(found)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise WeightsError(f"{path}: {reason[:300]}") from None


def _convert_networks(found):
    networks = {name: found[name] for name in ("G", "D", "G_ema")}
    for name, network in networks.items():
        if not isinstance(network, _Layer) or network.has_args:
            raise ValueError(f"{name} is not a network of StyleGAN2")
    generator, discriminator = networks["G_ema"], networks["D"]
    options, num_classes = _generator_options(generator.kwargs)
    options |= _discriminator_options(discriminator.kwargs)
    size = _integer(generator.kwargs, "img_resolution", 4, limits.IMAGE_SIZE)
    info = {
        "image_size": size,
        "num_channels": _integer(generator.kwargs, "img_channels", 1, limits.IMAGE_CHANNELS),
        "class_names": tuple(map(str, range(num_classes))),
        "age_bins": (),
        "license": LICENSE,
    }
    return ConvertedCheckpoint(
        state=_named_tensors(generator, "generator", size),
        config={**options, "age_bins": []},
        info=info,
        extra_modules={
            "discriminator": _named_tensors(discriminator, "discriminator", size),
            "raw_generator": {
                f"raw_{name}": tensor
                for name, tensor in _named_tensors(networks["G"], "generator", size).items()
            },
        },
    )


def _generator_options(kwargs):
    """Return `[model]` of a generator and the number of classes."""
    kwargs = {**kwargs, **kwargs.get("synthesis_kwargs", {})}
    mapping = dict(kwargs.get("mapping_kwargs", {}))
    options = {
        "latent_dim": kwargs["z_dim"],
        "style_dim": kwargs["w_dim"],
        "mapping_layers": mapping.pop("num_layers", 8),
        "channel_base": kwargs.get("channel_base", 32768),
        "channel_max": kwargs.get("channel_max", 512),
        "g_architecture": kwargs.get("architecture", "skip"),
        "conv_clamp": _conv_clamp(kwargs),
    }
    known = {"z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "synthesis_kwargs"}
    known |= {"mapping_kwargs", "channel_base", "channel_max", "architecture", "conv_clamp"}
    mapping.pop(_W_AVG_OPTION, None)
    _check_options({k: v for k, v in kwargs.items() if k not in known} | mapping)
    return options, _integer(kwargs, "c_dim", 0, limits.CLASSES)


def _discriminator_options(kwargs):
    """Return `[model]` of a discriminator, whose other options must be those of the generator."""
    epilogue = dict(kwargs.get("epilogue_kwargs", {}))
    mapping = dict(kwargs.get("mapping_kwargs", {}))
    options = {
        "d_architecture": kwargs.get("architecture", "resnet"),
        "d_mapping_layers": mapping.pop("num_layers", 8),
        "mbstd_group_size": epilogue.pop("mbstd_group_size", 4),
    }
    known = {"c_dim", "img_resolution", "img_channels", "architecture", "conv_clamp"}
    known |= {"channel_base", "channel_max", "block_kwargs", "epilogue_kwargs", "mapping_kwargs"}
    mapping.pop(_W_AVG_OPTION, None)
    rest = {k: v for k, v in kwargs.items() if k not in known}
    _check_options({**rest, **kwargs.get("block_kwargs", {}), **epilogue, **mapping})
    return options


def _integer(kwargs, name, low, high):
    value = kwargs[name]
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name}={str(value)[:80]} is not an integer from {low} to {high}")
    return value


def _conv_clamp(kwargs):
    clamp = kwargs.get("conv_clamp")
    return "none" if clamp is None else float(clamp)


def _check_options(options):
    for name, value in options.items():
        if name in _IGNORED_OPTIONS:
            continue
        if name not in _FIXED_OPTIONS:
            raise ValueError(f"the option {str(name)[:80]!r} is not one of StyleGAN2")
        if value != _FIXED_OPTIONS[name]:
            raise ValueError(f"{name}={str(value)[:80]} is not supported")


def _named_tensors(network, module, image_size):
    """Return the tensors of a network by their name here."""
    out, pending = {}, [("", network)]
    while pending:
        prefix, layer = pending.pop()
        if not isinstance(layer, _Layer) or len(prefix) > limits.TENSOR_NAME_LENGTH:
            raise ValueError(f"{module}: {prefix[:80]!r} is not a layer")
        for name, tensor in layer.tensors.items():
            if tensor is None:
                continue
            if not isinstance(tensor, torch.Tensor):
                raise ValueError(f"{module}: {prefix}{name} is not a tensor")
            if renamed := rename(f"{prefix}{name}", module, image_size):
                out[renamed] = tensor
        pending += [(f"{prefix}{name}.", child) for name, child in layer.modules.items() if child]
        if len(out) + len(pending) > limits.TENSORS:
            raise ValueError(f"{module}: more than {limits.TENSORS:,} layers or tensors")
    return out


def rename(name, module, image_size):
    """Return the name of a tensor here, or None for a constant.

    Args:
        name: in the authors' network.
        module: generator or discriminator.
        image_size: S, from which the blocks of the discriminator count.
    """
    if name.endswith("resample_filter"):
        return None
    name = re.sub(r"^mapping\.fc(\d+)\.", r"mapping.layers.\1.", name)
    if module == "generator":
        name = {"mapping.w_avg": "w_mean", "synthesis.b4.const": "synthesis.const"}.get(name, name)
        pattern, index = r"^synthesis\.b(\d+)\.", num_halvings
        replacement = "synthesis.blocks.{}."
    else:
        name = name.removeprefix("b4.")
        pattern, replacement = r"^b(\d+)\.", "blocks.{}."

        def index(size):
            return num_halvings(image_size, size)

    name = re.sub(pattern, lambda match: replacement.format(index(int(match[1]))), name)
    return f"{module}.{name}"
