"""Checkpoints of rosinality/stylegan2-pytorch: every tensor arrives, under its name and shape."""

import argparse

import pytest
import torch
from ganzoo_stylegan2.config import StyleGAN2Config
from ganzoo_stylegan2.model import StyleGAN2

import ganzoo_core as gz
from ganzoo_core import DataInfo
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import load_tensors
from ganzoo_core.training.convert_weights import import_weights

OPTIONS = {
    "channel_base": 128,
    "channel_max": 6,
    "latent_dim": 5,
    "style_dim": 5,
    "mapping_layers": 2,
}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = StyleGAN2(StyleGAN2Config(**OPTIONS), DataInfo(image_size=32))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def styled_conv(name, layer, noise_name):
    return {
        f"{name}.conv.weight": layer.weight[None],
        f"{name}.conv.modulation.weight": layer.affine.weight,
        f"{name}.conv.modulation.bias": layer.affine.bias,
        f"{name}.noise.weight": layer.noise_strength[None],
        f"{name}.activate.bias": layer.bias,
        noise_name: layer.noise_const[None, None],
    }


def to_rgb(name, layer):
    return {
        f"{name}.conv.weight": layer.weight[None],
        f"{name}.conv.modulation.weight": layer.affine.weight,
        f"{name}.conv.modulation.bias": layer.affine.bias,
        f"{name}.bias": layer.bias[None, :, None, None],
        f"{name}.upsample.kernel": torch.ones(4, 4),
    }


def generator_state(generator):
    blocks, state = generator.synthesis.blocks, {"input.input": generator.synthesis.const[None]}
    for i, layer in enumerate(generator.mapping.layers, 1):
        state |= {f"style.{i}.weight": layer.weight, f"style.{i}.bias": layer.bias}
    state |= styled_conv("conv1", blocks[0].conv1, "noises.noise_0")
    state |= to_rgb("to_rgb1", blocks[0].torgb)
    for i, block in enumerate(blocks[1:]):
        first, second = 2 * i, 2 * i + 1
        state |= styled_conv(f"convs.{first}", block.conv0, f"noises.noise_{first + 1}")
        state |= styled_conv(f"convs.{second}", block.conv1, f"noises.noise_{second + 1}")
        state |= to_rgb(f"to_rgbs.{i}", block.torgb)
    return state


def discriminator_state(d):
    def conv(name, layer, index=0):
        return {f"{name}.{index}.weight": layer.weight, f"{name}.{index + 1}.bias": layer.bias}

    state = conv("convs.0", d.blocks[0].fromrgb) | conv("final_conv", d.conv)
    for i, block in enumerate(d.blocks, 1):
        state |= conv(f"convs.{i}.conv1", block.conv0) | conv(f"convs.{i}.conv2", block.conv1, 1)
        state |= {f"convs.{i}.skip.1.weight": block.skip.weight}
        state |= {f"convs.{i}.conv2.0.kernel": torch.ones(4, 4)}
    for i, layer in enumerate((d.fc, d.out)):
        state |= {f"final_linear.{i}.{k}": v for k, v in layer.state_dict().items()}
    return state


def save(path, model, **changed):
    g = generator_state(model.generator)
    networks = {"g": g, "d": discriminator_state(model.discriminator), "g_ema": g}
    options = {"args": argparse.Namespace(path="data", size=32), "ada_aug_p": 0.25}
    torch.save({**networks, **options, **changed}, path)


def test_import_of_a_training_checkpoint(model, tmp_path):
    save(tmp_path / "x.pt", model)
    import_weights(tmp_path / "x.pt", "stylegan2", tmp_path / "out")
    loaded = gz.load(tmp_path / "out", device="cpu")
    expected = dict(model.generator.state_dict())
    mean = expected.pop("w_mean")
    for name, value in expected.items():
        assert torch.equal(loaded.generator.state_dict()[name], value), name
    assert {k: getattr(loaded.config, k) for k in OPTIONS} == OPTIONS
    w = model.generator.mapping(torch.randn(4000, 5))
    error = (loaded.generator.w_mean - w.mean(0)).abs()
    assert mean.equal(torch.zeros(5)) and (error < 6 * w.std(0) / 4000**0.5).all()
    tensors, _ = load_tensors(tmp_path / "out" / "discriminator.safetensors")
    for name, value in model.discriminator.state_dict().items():
        assert torch.equal(tensors[f"discriminator.{name}"], value), name


def test_import_of_converted_weights(model, tmp_path):
    mean = torch.randn(5)
    state = {"g_ema": generator_state(model.generator), "latent_avg": mean}
    torch.save(state, tmp_path / "x.pt")
    import_weights(tmp_path / "x.pt", "stylegan2", tmp_path / "out", weights_license="MIT")
    loaded = gz.load(tmp_path / "out", device="cpu")
    assert torch.equal(loaded.generator.w_mean, mean) and loaded.info.license == "MIT"


def test_missing_tensor_is_named(model, tmp_path):
    generator = generator_state(model.generator)
    del generator["style.1.weight"]
    save(tmp_path / "x.pt", model, g_ema=generator)
    with pytest.raises(WeightsError, match=r"layers\.0\.weight.* is missing"):
        import_weights(tmp_path / "x.pt", "stylegan2", tmp_path / "out")
