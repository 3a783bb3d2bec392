"""ReACGAN: D2D-CE by hand, unit embeddings, conditioning."""

import math
from types import SimpleNamespace

import pytest
import torch
from ganzoo_reacgan.config import ReACGANConfig
from ganzoo_reacgan.model import ReACGAN
from training_helpers import FakeStepContext

from ganzoo_core import DataInfo
from ganzoo_core.errors import UsageError
from ganzoo_core.layers import SelfAttention2d
from ganzoo_core.losses.terms.d2d_ce import d2d_ce

SMALL_OPTIONS = {
    "g_channels": 8,
    "d_channels": 8,
    "latent_chunk_dim": 4,
    "class_embed_dim": 8,
    "embed_dim": 8,
}


def build_model(image_size=32, class_names=("a", "b"), **options):
    torch.manual_seed(0)
    return ReACGAN(
        ReACGANConfig(**{**SMALL_OPTIONS, **options}),
        DataInfo(image_size=image_size, class_names=class_names),
    )


def test_d2d_ce_by_hand():
    embeddings = torch.tensor([[1.0, 0], [0.6, 0.8], [0, 1.0]])
    proxies = torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]])
    label = torch.tensor([0, 0, 1])
    margin, temperature = 0.9, 0.5
    positives = [0.0, (0.6 - 0.9) / temperature, 0.0]  # cosines above the margin are clamped to it
    high = (0.8 - 0.1) / temperature
    negatives = [[0.0], [high], [0.0, high]]  # cosines of 0 are below m_n, so they are clamped
    expected = [
        math.log(math.exp(p) + sum(math.exp(x) for x in others)) - p
        for p, others in zip(positives, negatives, strict=True)
    ]
    loss = d2d_ce(embeddings, proxies, label, margin, temperature)
    assert loss.item() == pytest.approx(sum(expected) / 3, rel=1e-6)


def test_batch_of_one_class_has_no_negatives():
    embeddings = torch.nn.functional.normalize(torch.randn(4, 8)).requires_grad_()
    loss = d2d_ce(embeddings, embeddings.detach(), torch.zeros(4, dtype=torch.int64), 0.98, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6) and embeddings.grad.isfinite().all()


@pytest.mark.parametrize("image_size", [32, 64, 128])
def test_shapes_and_unit_embeddings(image_size):
    model = build_model(image_size)
    label = torch.tensor([0, 1, 1])
    image = model.generator(torch.randn(3, model.generator.latent_dim), label)
    assert image.shape == (3, 3, image_size, image_size) and image.abs().max() <= 1
    (logits,), heads = model.discriminator.forward_heads(image, [None], ["embedding"])
    embeddings = heads["embedding"]
    assert logits.shape == (3,) and embeddings.shape == (3, 8)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(3))


def test_every_block_uses_label_and_z_chunk():
    model = build_model().eval()
    label, z = torch.tensor([0]), torch.randn(1, 16)
    image = model.generator(z, label)
    assert not torch.equal(image, model.generator(z, 1 - label))
    for chunk in range(4):
        changed = z.clone()
        changed[:, 4 * chunk] += 1
        assert not torch.equal(image, model.generator(changed, label))


def test_d2d_ce_gradients():
    model = build_model(loss={"kind": "hinge"}, terms={"d2d-ce": {}})
    label = torch.tensor([0, 1])
    ctx = FakeStepContext(SimpleNamespace(image=torch.randn(2, 3, 32, 32), label=label))
    fake = model.generator(torch.randn(2, 16), label)
    ctx.cache["fake"] = fake
    model.generator_loss(ctx)
    ctx.logged["loss/g_d2d-ce"].backward()
    assert model.generator.class_embed.weight.grad.any()
    assert model.discriminator.class_proxies.parametrizations.weight.original.grad.any()
    assert model.discriminator.adv_head.parametrizations.weight.original.grad is None


def test_every_layer_has_spectral_norm():
    model = build_model(terms={"d2d-ce": {}}).train()
    label = torch.tensor([0, 1])
    for _ in range(60):  # each forward pass is one step of the power iteration
        model.discriminator(model.generator(torch.randn(2, 16), label))
    model.eval()
    layers = [m for m in model.modules() if hasattr(m, "parametrizations")]
    attention = 4
    in_d = 4 * 2 + 2 + attention + 2 + 1  # convs, shortcuts, both heads, proxies
    in_g = 1 + 3 * (2 + 1 + 4) + attention + 1  # stem, convs, shortcuts, norms, head
    assert len(layers) == in_d + in_g
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2) < 1.05


@pytest.mark.parametrize("image_size", [32, 64])
def test_attention_receives_maps_of_half_the_size(image_size):
    model, sizes = build_model(image_size), []
    for module in model.modules():
        if isinstance(module, SelfAttention2d):
            module.register_forward_hook(lambda _, args, out: sizes.append(out.shape[2]))
    z = torch.randn(2, model.generator.latent_dim)
    model.discriminator(model.generator(z, torch.tensor([0, 1])))
    assert sizes == [image_size // 2] * 2


def test_reset_parameters():
    model = build_model()
    before = [p.clone() for p in model.discriminator.parameters() if p.dim() > 1]
    model.discriminator.reset_parameters()
    after = [p for p in model.discriminator.parameters() if p.dim() > 1]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_unsupported_data_raises():
    with pytest.raises(ValueError, match=r"data\.image_size=32"):
        build_model(48)
    with pytest.raises(ValueError, match="--data people"):
        build_model(class_names=())
    with pytest.raises(UsageError, match=r"--set model\.terms\.wrong-labels=none"):
        build_model(terms={"wrong-labels": {}}).stages()
