"""SAGAN, BigGAN and BigGAN-deep: shapes, conditioning, sampling options, and the checks of the
zoo."""

import pytest
import torch
from ganzoo_biggan.biggan import BigGAN
from ganzoo_biggan.biggan_deep import BigGANDeep
from ganzoo_biggan.config import BigGANConfig, BigGANDeepConfig, SAGANConfig
from ganzoo_biggan.sagan import SAGAN
from torch import nn

from ganzoo_core import DataInfo
from ganzoo_core.layers import SelfAttention2d
from ganzoo_core.testing import parametrize_with_checks

MODELS = {
    "sagan": (SAGAN, SAGANConfig),
    "biggan": (BigGAN, BigGANConfig),
    "biggan-deep": (BigGANDeep, BigGANDeepConfig),
}
SMALL = {"g_channels": 4, "d_channels": 4}
every_model = pytest.mark.parametrize("name", MODELS)


@parametrize_with_checks("sagan")
def test_conformance_of_sagan(check):
    check()


@parametrize_with_checks("biggan")
def test_conformance_of_biggan(check):
    check()


@parametrize_with_checks("biggan-deep")
def test_conformance_of_biggan_deep(check):
    check()


def build_model(name, image_size=32, class_names=("a", "b"), **options):
    torch.manual_seed(0)
    model, config = MODELS[name]
    return model(
        config(**{**SMALL, **options}), DataInfo(image_size=image_size, class_names=class_names)
    )


def layers_with_spectral_norm(network):
    return {name for name, m in network.named_modules() if hasattr(m, "parametrizations")}


@every_model
@pytest.mark.parametrize("image_size", [32, 64, 128])
def test_shapes_at_every_size(name, image_size):
    model = build_model(name, image_size)
    label = torch.tensor([0, 1])
    image = model.generator(torch.randn(2, model.generator.latent_dim), label)
    assert image.shape == (2, 3, image_size, image_size) and image.abs().max() <= 1
    assert model.discriminator(image, label).shape == (2,)
    (maps,) = model.discriminator.features(image)
    assert maps.shape == (2, *((16, 8, 8) if image_size == 32 else (64, 4, 4)))


@every_model
@pytest.mark.parametrize(("image_size", "size"), [(32, 16), (128, None), (128, 0)])
def test_attention_receives_maps_of_its_size(name, image_size, size):
    options = {} if size is None else {"attention_size": size or 0}
    model, sizes = build_model(name, image_size, **options), []
    for module in model.modules():
        if isinstance(module, SelfAttention2d):
            module.register_forward_hook(lambda _, args, out: sizes.append(out.shape[2]))
    z = torch.randn(2, model.generator.latent_dim)
    model.discriminator(model.generator(z, torch.tensor([0, 1])), torch.tensor([0, 1]))
    default = 32 if name == "sagan" else 64
    assert sizes == ([] if size == 0 else [size or default] * 2)


@every_model
def test_all_layers_but_embedding_of_g_have_spectral_norm(name):
    model = build_model(name)
    kinds = (nn.Conv2d, nn.Linear, nn.Embedding)
    for network in (model.generator, model.discriminator):
        layers = {key for key, m in network.named_modules() if isinstance(m, kinds)}
        without = layers - layers_with_spectral_norm(network)
        if network is model.discriminator:
            assert not without
        elif name == "sagan":  # the scales and shifts of the classes
            assert len(without) == 2 * 2 * 3
            assert all(key.endswith(("scale", "shift")) for key in without)
        else:
            assert without == {"class_embed"}


@every_model
def test_label_and_z_change_every_block(name):
    model = build_model(name).eval()
    generator = model.generator
    conds = []
    for block in generator.blocks:
        block.register_forward_hook(lambda _, args, out: conds.append(args[1]))
    z = torch.randn(1, generator.latent_dim)
    image = torch.randn(1, 3, 32, 32)
    a, b = torch.tensor([0]), torch.tensor([1])
    generator(z, a), generator(z, b)
    first, second = conds[: len(conds) // 2], conds[len(conds) // 2 :]
    assert all(not torch.equal(x, y) for x, y in zip(first, second, strict=True))
    logits = model.discriminator.forward_heads(image, [a, b])[0]
    assert not torch.equal(*logits)
    torch.testing.assert_close(logits[1], model.discriminator(image, b))
    if name == "biggan":  # each block has its own chunk of z
        moved = z.clone()
        moved[:, -1] += 1
        conds.clear()
        generator(moved, a)
        assert [not torch.equal(x, y) for x, y in zip(first, conds, strict=True)] == [
            False,
            False,
            True,
        ]


@every_model
def test_unconditional(name):
    model = build_model(name, conditional=False)
    assert not model.conditional and model.discriminator.class_embed is None
    image = model.generator(torch.randn(2, model.generator.latent_dim))
    assert model.discriminator(image).shape == (2,)
    assert "label" not in model.stages()[0].batch.fields


@every_model
def test_standing_statistics_are_those_of_the_fakes(name):
    """The first BatchNorm gets the mean statistics of the maps that it receives."""
    model = build_model(name)
    with torch.no_grad():
        for _ in range(3):  # as training would leave them
            model.generator(3 * torch.randn(8, model.generator.latent_dim), torch.zeros(8).long())
    plain = model.sample(2, seed=1)
    standing = model.sample(2, seed=1, standing_batches=2)
    assert not torch.allclose(plain, standing, atol=1e-3)
    torch.testing.assert_close(standing, model.sample(2, seed=1, standing_batches=2))
    torch.testing.assert_close(plain, model.sample(2, seed=1))  # the model keeps its own
    copied = model._standing_generator(2, 0.5)
    norm = next(m for m in copied.modules() if isinstance(m, nn.BatchNorm2d))
    z = model.generator.truncate(torch.randn(20_000, model.generator.latent_dim), 0.5)
    if name == "biggan-deep":
        z = torch.cat([copied.class_embed(torch.arange(20_000) % 2), z], 1)
    maps = copied.stem(z[:, : copied.stem.in_features]).unflatten(1, (-1, 4, 4))
    torch.testing.assert_close(norm.running_mean, maps.mean((0, 2, 3)), rtol=0, atol=0.05)
    torch.testing.assert_close(norm.running_var, maps.var((0, 2, 3)), rtol=0.25, atol=0)


def test_truncation_narrows_the_images():
    model = build_model("biggan").eval()
    wide, narrow = (model.sample(16, "a", truncation=t).std(0).mean() for t in (2.0, 0.05))
    assert narrow < 0.5 * wide


@every_model
def test_reset_parameters(name):
    model = build_model(name)
    before = [p.clone() for p in model.discriminator.parameters() if p.dim() > 1]
    model.discriminator.reset_parameters()
    after = [p for p in model.discriminator.parameters() if p.dim() > 1]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@every_model
@pytest.mark.parametrize("image_size", [16, 48, 1024])
def test_unsupported_sizes_raise(name, image_size):
    with pytest.raises(ValueError, match=rf"data\.image_size: {name} supports.*image_size=32"):
        build_model(name, image_size)
