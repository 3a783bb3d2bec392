"""Pickles of NVIDIA's layout: tensors are equal, and nothing in a file runs."""

import io
import os
import pickle
import random
import struct
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner
from ganzoo_stylegan2.config import StyleGAN2Config
from ganzoo_stylegan2.convert import BUILDERS
from ganzoo_stylegan2.model import StyleGAN2

import ganzoo_core as gz
from ganzoo_core import DataInfo, limits
from ganzoo_core.cli.main import cli
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import load_tensors
from ganzoo_core.weights import read_inert_pickle

OPTIONS = {
    "channel_base": 64,
    "channel_max": 6,
    "latent_dim": 4,
    "style_dim": 5,
    "mapping_layers": 3,
    "d_mapping_layers": 2,
    "mbstd_group_size": 2,
    "conv_clamp": 256.0,
}
MODULE_SRC = "open('ran', 'w').write('')\nimport os\nos.mkdir('made')\n"


class Call:
    """A call of a global in a pickle."""

    def __init__(self, name, *args, state=None):
        self.name, self.args, self.state = name, args, state


class Storage(Call):
    """The memory of a tensor in a pickle."""

    def __init__(self, tensor):
        content = io.BytesIO()
        storage = torch.TypedStorage(
            wrap_storage=tensor.untyped_storage(), dtype=tensor.dtype, _internal=True
        )
        torch.save(storage, content, _use_new_zipfile_serialization=False)
        super().__init__("torch.storage._load_from_bytes", content.getvalue())


def encode(value):  # noqa: PLR0911
    """Return the opcodes (protocol 3) that build a value."""
    if isinstance(value, Call):
        module, _, name = value.name.rpartition(".")
        out = b"c" + f"{module}\n{name}\n".encode() + encode(tuple(value.args)) + b"R"
        return out if value.state is None else out + encode(value.state) + b"b"
    if isinstance(value, torch.Tensor):
        rebuild = "torch._utils._rebuild_tensor_v2"
        arguments = Storage(value), 0, tuple(value.shape), value.stride(), False, ordered()
        return encode(Call(rebuild, *arguments))
    if isinstance(value, dict):
        return b"}(" + b"".join(encode(k) + encode(v) for k, v in value.items()) + b"u"
    if isinstance(value, list | tuple):
        items = b"".join(map(encode, value))
        return b"](" + items + b"e" if isinstance(value, list) else b"(" + items + b"t"
    if isinstance(value, bytes):
        return b"B" + struct.pack("<I", len(value)) + value
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    return b"J" + struct.pack("<i", value)


def dump(value):
    return b"\x80\x03" + encode(value) + b"."


def ordered():
    return Call("collections.OrderedDict")


def gain():
    """A NumPy scalar, as the gains of the authors' layers."""
    dtype = Call("numpy.dtype", "f8", 0, 1, state=(3, "<", None, None, None, -1, -1, 0))
    return Call("numpy.core.multiarray.scalar", dtype, struct.pack("<d", 2**0.5))


def layer(tensors, kwargs=None):
    """Return a module of the authors' code from its tensors by dotted name."""
    children, own = {}, {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        if rest:
            children.setdefault(first, {})[rest] = tensor
        else:
            own[name] = tensor
    buffers = {k: v for k, v in own.items() if k in {"noise_const", "w_avg", "resample_filter"}}
    parameters = {
        k: Call("torch._utils._rebuild_parameter", v, True, ordered())
        for k, v in own.items()
        if k not in buffers
    }
    state = {
        "training": False,
        "act_gain": gain(),
        "_non_persistent_buffers_set": Call("builtins.set", []),
        "_backward_hooks": ordered(),
        "_parameters": {**parameters, "unused": None},
        "_buffers": buffers,
        "_modules": {name: layer(inner) for name, inner in children.items()},
        "_init_args": (),
        "_init_kwargs": Call("dnnlib.util.EasyDict") if kwargs is None else kwargs,
    }
    meta = {"type": "class", "version": 6, "module_src": MODULE_SRC, "class_name": "Layer"}
    return Call("torch_utils.persistence._reconstruct_persistent_obj", {**meta, "state": state})


def authors_name(name):
    """Return the name of a tensor in the authors' network, at 16 px."""
    parts = name.split(".")
    if parts[0] == "w_mean":
        return "mapping.w_avg"
    if parts[0] == "mapping" and parts[1] == "layers":
        return ".".join(["mapping", f"fc{parts[2]}", *parts[3:]])
    if name == "synthesis.const":
        return "synthesis.b4.const"
    if parts[:2] == ["synthesis", "blocks"]:
        return ".".join(["synthesis", f"b{4 * 2 ** int(parts[2])}", *parts[3:]])
    if parts[0] == "blocks":
        return ".".join([f"b{16 // 2 ** int(parts[1])}", *parts[2:]])
    return name if parts[0] == "mapping" else f"b4.{name}"


def authors_tensors(network):
    tensors = {authors_name(k): v for k, v in network.state_dict().items()}
    return {**tensors, "b8.resample_filter": torch.ones(4, 4)}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = StyleGAN2(StyleGAN2Config(**OPTIONS), DataInfo(image_size=16, class_names=("0", "1")))
    model.generator.w_mean.normal_()
    return model


def network_pickle(model, **changed_kwargs):
    """Return a pickle of G, D and G_ema, the last one with the tensors of a model."""
    kwargs = {
        "z_dim": 4,
        "c_dim": 2,
        "w_dim": 5,
        "img_resolution": 16,
        "img_channels": 3,
        "mapping_kwargs": {"num_layers": 3},
        "synthesis_kwargs": {
            "channel_base": 64,
            "channel_max": 6,
            "conv_clamp": 256,
            "num_fp16_res": 4,
        },
        **changed_kwargs,
    }
    d_kwargs = {
        "c_dim": 2,
        "img_resolution": 16,
        "img_channels": 3,
        "channel_base": 64,
        "channel_max": 6,
        "mapping_kwargs": {"num_layers": 2},
        "epilogue_kwargs": {"mbstd_group_size": 2},
    }
    averaged = authors_tensors(model.generator)
    raw = {name: tensor + 1 for name, tensor in averaged.items()}
    options = Call("dnnlib.util.EasyDict")
    networks = {
        "training_set_kwargs": options,
        "G": layer(raw, kwargs),
        "D": layer(authors_tensors(model.discriminator), d_kwargs),
        "G_ema": layer(averaged, kwargs),
        "augment_pipe": None,
    }
    return dump(networks)


def test_import_of_a_network_pickle(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "network.pkl").write_bytes(network_pickle(model))
    words = ["weights", "import", "network.pkl", "--as", "stylegan2", "--out", "converted"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert names_in(tmp_path) == ["converted", "network.pkl"]
    loaded = gz.load(tmp_path / "converted", device="cpu")
    for name, value in model.generator.state_dict().items():
        assert torch.equal(loaded.generator.state_dict()[name], value), name
    assert {k: getattr(loaded.config, k) for k in OPTIONS} == OPTIONS
    assert torch.equal(
        loaded.sample(2, label=1, seed=3, truncation=0.5),
        model.sample(2, label=1, seed=3, truncation=0.5),
    )
    tensors, _ = load_tensors(tmp_path / "converted" / "discriminator.safetensors")
    expected = {f"discriminator.{k}": v for k, v in model.discriminator.state_dict().items()}
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], value) for name, value in expected.items())
    tensors, _ = load_tensors(tmp_path / "converted" / "raw_generator.safetensors")
    assert torch.equal(tensors["raw_generator.w_mean"], model.generator.w_mean + 1)
    card = (tmp_path / "converted" / "README.md").read_text()
    assert "non-commercial" in card and "non-commercial" in loaded.info.license
    assert not {"torch_utils", "dnnlib"} & set(sys.modules)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


class Reduced:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


HOSTILE = {
    "os.system": lambda: Reduced(os.system, "touch ran"),
    "eval": lambda: Reduced(eval, "open('ran', 'w')"),
    "exec": lambda: Reduced(exec, "open('ran', 'w')"),
    "getattr": lambda: Reduced(getattr, Reduced(__import__, "os"), "getcwd"),
    "open": lambda: Reduced(open, "ran", "w"),
    "Popen": lambda: Reduced(subprocess.Popen, ["touch", "ran"]),
    "torch.load": lambda: Reduced(torch.load, "ran"),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", HOSTILE)
def test_calls_of_other_functions_are_refused(name, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"G": HOSTILE[name]()}, protocol))
    with pytest.raises(WeightsError, match=r"x\.pkl is refused, and no code was run") as error:
        StyleGAN2.convert_file(tmp_path / "x.pkl")
    assert "\n" not in str(error.value) and names_in(tmp_path) == ["x.pkl"]


@pytest.mark.parametrize(
    "name", ["posix.system", "operator.attrgetter", "antigravity.main", "os.path.join", "turtle.x"]
)
def test_no_global_is_imported(name, tmp_path):
    before = set(sys.modules)
    (tmp_path / "x.pkl").write_bytes(dump({"G": Call(name, "system"), "D": layer({})}))
    with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
        StyleGAN2.convert_file(tmp_path / "x.pkl")
    assert set(sys.modules) == before


def hostile_storage():
    return dump({"G": Call("torch.storage._load_from_bytes", pickle.dumps(HOSTILE["open"]()))})


def tensor_of_shape(*shape, offset=0):
    storage = Storage(torch.ones(4))
    strides = (0,) * len(shape)
    return dump(Call("torch._utils._rebuild_tensor_v2", storage, offset, shape, strides, False))


def deep_key():
    """A dict whose key is a tuple of tuples: to hash it takes 2^60 steps."""
    return b"\x80\x03}N" + b"\x86".join(b"q\x00h\x00" for _ in range(60)) + b"\x86Ns."


DAMAGED = {
    "empty": lambda: b"",
    "text": lambda: b"not a pickle",
    "truncated": lambda: tensor_of_shape(4)[:-60],
    "storage with code": hostile_storage,
    "2^31 elements": lambda: tensor_of_shape(2**30, 2),
    "behind its data": lambda: tensor_of_shape(1, offset=4),
    "deep key": deep_key,
    "huge bytes": lambda: b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "huge integer": lambda: b"\x80\x03\x8b" + struct.pack("<i", 99) + bytes(98) + b"\x01.",
    "unknown memo": lambda: b"\x80\x03j\xff\xff\xff\x7f.",
    "state of a dict": lambda: b"\x80\x03}}X\x01\x00\x00\x00aNsb.",
    "persistent id": lambda: b"\x80\x03X\x01\x00\x00\x00aQ.",
    "no global called": lambda: b"\x80\x03})R.",
    "no networks": lambda: dump({"G": 1, "D": 2, "G_ema": 3}),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_pickles_are_refused_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pkl").write_bytes(DAMAGED[name]())
    with pytest.raises(WeightsError) as error:
        StyleGAN2.convert_file(tmp_path / "x.pkl")
    assert "x.pkl" in str(error.value) and "\n" not in str(error.value)
    assert names_in(tmp_path) == ["x.pkl"]


def test_memo_of_any_index_takes_no_memory(tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"\x80\x03]r\xff\xff\xff\x7fj\xff\xff\xff\x7f.")
    assert read_inert_pickle(tmp_path / "x.pkl", BUILDERS) == []


def test_opcodes_are_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "PICKLE_OPCODES", 100)
    (tmp_path / "x.pkl").write_bytes(b"\x80\x03" + b"N0" * 60 + b"N.")
    with pytest.raises(WeightsError, match="100 opcodes"):
        read_inert_pickle(tmp_path / "x.pkl", BUILDERS)


def test_pickles_of_other_networks_are_named(model, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(dump((Call("dnnlib.tflib.network.Network"),)))
    with pytest.raises(WeightsError, match=r"TensorFlow code.*legacy\.py"):
        StyleGAN2.convert_file(path)
    path.write_bytes(network_pickle(model, magnitude_ema_beta=0.999))
    with pytest.raises(WeightsError, match=r"'magnitude_ema_beta' is not one of StyleGAN2"):
        StyleGAN2.convert_file(path)
    path.write_bytes(network_pickle(model, mapping_kwargs={"activation": "relu"}))
    with pytest.raises(WeightsError, match="activation=relu is not supported"):
        StyleGAN2.convert_file(path)


def test_2000_mutated_pickles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = layer({"fc0.weight": torch.ones(2)}, {"z_dim": 4, "c_dim": 0})
    valid = dump({"G": 1, "D": 2.5, "G_ema": network})
    rng, before, path = random.Random(0), set(sys.modules), tmp_path / "x.pkl"
    num_refused = 0
    for _ in range(2000):
        content = bytearray(valid)
        for _ in range(rng.randint(1, 4)):
            start = rng.randrange(len(content))
            edit = rng.randrange(4)
            if edit == 0:
                content[start] = rng.randrange(256)
            elif edit == 1:
                del content[start : start + rng.randint(1, 30)]
            elif edit == 2:
                content[start:start] = rng.choice((b"c", b"R", b"b", b"(", b"\x81", b"\x93", b"0"))
            else:
                other = rng.randrange(len(content))
                content[start : start + 8] = content[other : other + 8]
        path.write_bytes(content)
        try:
            StyleGAN2.convert_file(path)
        except WeightsError as error:
            num_refused += "\n" not in str(error)
    assert num_refused == 2000  # G and D are no networks
    assert set(sys.modules) == before and names_in(tmp_path) == ["x.pkl"]
