"""The terms of GANs against the formulas of their papers in fp64, values and gradients."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from training_helpers import FakeStepContext

from ganzoo_core import GAN, Batch, DataInfo, Discriminator, GANConfig, Generator
from ganzoo_core.errors import UsageError
from ganzoo_core.losses import make_heads, make_loss
from ganzoo_core.losses.terms.consistency import flip_and_shift
from ganzoo_core.losses.terms.contrastive import conditional_contrastive_loss
from ganzoo_core.losses.terms.multi_hinge import crammer_singer
from ganzoo_core.losses.terms.orthogonal import orthogonality

LABEL = torch.tensor([0, 2, 1, 2, 0])
N, K, F = len(LABEL), 3, 6
INFO = DataInfo(image_size=8, class_names=tuple("abc"))


class TinyGenerator(Generator):
    """z -> tanh of a linear layer, labels as an offset."""

    latent_dim, prior = 9, "uniform"

    def __init__(self):
        super().__init__()
        self.layer, self.shift = nn.Linear(9, 192), nn.Embedding(K, 192)

    def forward(self, z, label=None):
        """Return images [N, 3, 8, 8]."""
        out = self.layer(z.to(self.layer.weight)) + self.shift(label)
        return torch.tanh(out).view(-1, 3, 8, 8)


class TinyDiscriminator(Discriminator):
    """Softplus features of a linear layer, a linear logit, and heads."""

    def __init__(self, terms):
        super().__init__()
        self.body, self.out = nn.Linear(192, F), nn.Linear(F, 1)
        self.heads = make_heads(terms, F, K)

    def pooled(self, image):
        """Return features [N, F]."""
        return nn.functional.softplus(self.body(image.to(self.body.weight).flatten(1)))

    def logit(self, features, label=None):
        """Return logits [N]."""
        return self.out(features).flatten()

    def forward(self, image, label=None):
        """Return logits [N]."""
        return self.logit(self.pooled(image), label)


class TinyGAN(GAN):
    """Both, in fp64."""

    conditional = True

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator, self.discriminator = TinyGenerator(), TinyDiscriminator(self.terms)
        self.loss = make_loss(config.loss)


def build(loss="hinge", **terms):
    torch.manual_seed(0)
    terms = {name.replace("_", "-"): options for name, options in terms.items()}
    return TinyGAN(GANConfig(loss={"kind": loss}, terms=terms), INFO).double()


def context(step=0):
    image = torch.rand(N, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    return FakeStepContext(Batch(size=N, image=image, label=LABEL), step)


def log_p(gan, name, image):
    """Return log-probabilities by the definition of the softmax."""
    head = gan.discriminator.heads[name]
    scores = gan.discriminator.pooled(image) @ head.weight.T + head.bias
    return scores - scores.exp().sum(1, keepdim=True).log()


def check(gan, phase, formula, ctx=None):
    """Compare a term's part of the loss of a network, and its gradient, with a formula.

    Args:
        gan: with one term.
        phase: the network.
        formula: a function of (gan, real images, fakes), with the weight of the term.
        ctx: None for a new one.
    """
    ctx, (term,) = ctx or context(), gan.terms.values()
    out = getattr(gan, f"forward_{phase}")(ctx)
    actual = term.weight * getattr(term, phase)(gan, ctx, out)
    fake = out.fake_images
    expected = formula(gan, ctx.batch.image, fake)
    torch.testing.assert_close(actual.double(), expected.double(), rtol=1e-5, atol=1e-6)
    params = list(getattr(gan, phase).parameters())
    gradients = [
        torch.autograd.grad(value, params, allow_unused=True, retain_graph=True)
        for value in (actual, expected)
    ]
    assert any(g is not None and g.abs().max() > 0 for g in gradients[0])
    for pair in zip(*gradients, strict=True):
        ours, theirs = (torch.zeros(()) if g is None else g for g in pair)
        torch.testing.assert_close(*torch.broadcast_tensors(ours, theirs), rtol=1e-4, atol=1e-6)


def nll(log_probabilities):
    return -log_probabilities[torch.arange(N), LABEL].mean()


@pytest.mark.parametrize("on_fakes", [True, False])
def test_ac(on_fakes):
    """Odena et al. 2017: L_C of real images and of fakes."""
    gan = build(ac={"on_fakes": on_fakes, "weight": 0.5})

    def d(gan, real, fake):
        real_loss = nll(log_p(gan, "ac_log_probs", real))
        return 0.5 * (real_loss + on_fakes * nll(log_p(gan, "ac_log_probs", fake)))

    check(gan, "discriminator", d)
    check(gan, "generator", lambda gan, _, fake: 0.5 * nll(log_p(gan, "ac_log_probs", fake)))


def test_tac():
    """Gong et al. 2019: the twin is trained on fakes, and G against it."""
    gan = build(tac={})

    def classifier(gan, image):
        return nll(log_p(gan, "ac_log_probs", image))

    def twin(gan, image):
        return nll(log_p(gan, "twin_ac_log_probs", image))

    check(gan, "discriminator", lambda g, real, fake: classifier(g, real) + twin(g, fake))
    check(gan, "generator", lambda g, _, fake: classifier(g, fake) - twin(g, fake))


def unit(x):
    return x / x.square().sum(1, keepdim=True).sqrt()


def contrastive_by_loops(f, v, temperature):
    """Kang and Park 2020, equation 8, with unit vectors."""
    total = 0
    for i in range(N):
        proxy = (f[i] @ v[i] / temperature).exp()
        pairs = {j: (f[i] @ f[j] / temperature).exp() for j in range(N) if j != i}
        same = [value for j, value in pairs.items() if LABEL[j] == LABEL[i]]
        total = total - ((proxy + sum(same)) / (proxy + sum(pairs.values()))).log()
    return total / N


def test_contrastive():
    f, v = (unit(torch.randn(N, 4, dtype=torch.float64)).requires_grad_() for _ in range(2))
    actual = conditional_contrastive_loss(f, v, LABEL, 0.5)
    expected = contrastive_by_loops(f, v, 0.5)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-11)
    for a, b in zip(*(torch.autograd.grad(x, (f, v)) for x in (actual, expected)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)
    gan = build(**{"2c": {"embed_dim": 4, "temperature": 0.5}})

    def formula(gan, image):
        heads, d = gan.discriminator.heads, gan.discriminator
        embedding = d.pooled(image) @ heads["embedding"].weight.T + heads["embedding"].bias
        proxies = heads["class_proxies"].weight[LABEL]
        return contrastive_by_loops(unit(embedding), unit(proxies), 0.5)

    check(gan, "discriminator", lambda gan, real, fake: formula(gan, real))
    check(gan, "generator", lambda gan, real, fake: formula(gan, fake))


def crammer_singer_by_loops(scores, target):
    losses = []
    for row, k in zip(scores, target, strict=True):
        others = torch.cat([row[:k], row[k + 1 :]])
        losses.append((1 + others.max() - row[k]).clamp(min=0))
    return torch.stack(losses).mean()


def test_multi_hinge_replaces_both_losses():
    """Kavalerov et al. 2021, with the loss of Crammer and Singer."""
    scores = torch.randn(N, K + 1, dtype=torch.float64)
    expected = crammer_singer_by_loops(scores, LABEL)
    assert crammer_singer(scores, LABEL).item() == pytest.approx(expected.item(), rel=1e-6)
    gan = build(multi_hinge={"g_weight": 0.05})
    head, pooled = gan.discriminator.heads["multi_hinge"], gan.discriminator.pooled
    ctx = context()
    d_loss = gan.discriminator_loss(ctx)
    fake = gan.fake_images(ctx)
    real_loss = crammer_singer_by_loops(head(pooled(ctx.batch.image)), LABEL)
    fake_loss = crammer_singer_by_loops(head(pooled(fake)), torch.full((N,), K))
    assert d_loss.item() == pytest.approx((real_loss + fake_loss).item(), rel=1e-5)
    g_loss = 0.05 * crammer_singer_by_loops(head(pooled(fake)), LABEL)
    assert gan.generator_loss(ctx).item() == pytest.approx(g_loss.item(), rel=1e-5)


def replay(ctx, *shapes):
    """Return the uniform numbers of the first random calls of a context after those of z."""
    again = FakeStepContext(ctx.batch)
    again.rand(N, TinyGenerator.latent_dim)
    return [again.rand(*shape) for shape in shapes]


def augment_by_loops(images, flips, *shifts):
    out = []
    for image, flip, dy, dx in zip(images, flips.flatten(), *shifts, strict=True):
        flipped = image.flip(2) if flip < 0.5 else image
        padded = nn.functional.pad(flipped[None], (1, 1, 1, 1), mode="reflect")[0]  # 1/8 of 8 px
        y, x = (1 + min(int(3 * u), 2) - 1 for u in (dy, dx))
        out.append(padded[:, y : y + 8, x : x + 8])
    return torch.stack(out)


def test_flip_and_shift():
    images, ctx = context().batch.image, context()
    again = FakeStepContext(ctx.batch)
    numbers = [again.rand(N, 1, 1, 1), again.rand(N, 1), again.rand(N, 1)]
    expected = augment_by_loops(images, *numbers)
    assert torch.equal(flip_and_shift(images, ctx), expected)
    assert len({tuple(image.flatten()[:4].tolist()) for image in expected}) == N


@pytest.mark.parametrize("name", ["cr", "bcr"])
def test_consistency(name):
    """Zhang et al. 2020, Zhao et al. 2021: squared differences of logits."""
    gan = build(**{name: {"weight": 10.0}})
    shapes = [(N, 1, 1, 1), (N, 1), (N, 1)]

    def formula(gan, real, fake):
        numbers = replay(context(), *shapes * 2)
        d, total = gan.discriminator, 0
        kinds = (fake, real) if name == "bcr" else (real,)
        for images, own in zip(kinds, (numbers[:3], numbers[3:]), strict=False):
            total = total + (d(images) - d(augment_by_loops(images, *own))).square().mean()
        return 10 * total

    check(gan, "discriminator", formula)


def test_latent_consistency():
    """Zhao et al. 2021: |D(G(z)) - D(G(z'))|^2 for D, -|G(z) - G(z')|^2 for G."""
    gan = build(zcr={"noise_std": 0.5, "d_weight": 3.0, "g_weight": 2.0})
    ctx = context()

    def neighbors(gan, ctx):
        again = FakeStepContext(ctx.batch)
        z = again.uniform(-1, 1, N, 9)
        return gan.generator(z + 0.5 * again.randn(N, 9), LABEL)

    def d(gan, real, fake):
        other = neighbors(gan, ctx).detach()
        return 3 * (gan.discriminator(fake) - gan.discriminator(other)).square().mean()

    check(gan, "discriminator", d, ctx)
    g = lambda gan, real, fake: -2 * (fake - neighbors(gan, context())).square().mean()  # noqa: E731
    check(gan, "generator", g)


def test_lecam():
    """Tseng et al. 2021, in the authors' form, with moving averages by hand."""
    gan = build(lecam={"weight": 0.3, "decay": 0.75, "start": 1})
    means = []
    for step in range(3):
        ctx = context(step)
        out = gan.forward_discriminator(ctx)
        means.append([out.real_logits.mean().item(), out.fake_logits.mean().item()])
        if step < 2:
            assert (gan.terms["lecam"].discriminator(gan, ctx, out) is None) == (step < 1)
            with torch.no_grad():
                gan.discriminator.out.bias += 0.5
    (r0, f0), (r1, f1), (r2, f2) = means
    a_r, a_f = (0.75 * (0.75 * a + 0.25 * b) + 0.25 * c for a, b, c in ((r0, r1, r2), (f0, f1, f2)))

    def formula(gan, real, fake):
        real, fake = gan.discriminator(real), gan.discriminator(fake)
        above, below = (real - a_f).clamp(min=0), (a_r - fake).clamp(min=0)
        return 0.3 * (above.square().mean() + below.square().mean())

    check(gan, "discriminator", formula, context(2))


def test_lipschitz():
    """Zhou et al. 2019: the largest squared gradient between real and fake images."""
    gan = build(lipschitz={"weight": 10.0})

    def formula(gan, real, fake):
        (alpha,) = replay(context(), (N, 1, 1, 1))
        between = ((1 - alpha) * real + alpha * fake).float().flatten(1)
        d, params = gan.discriminator, gan.discriminator
        slope = torch.sigmoid(between.double() @ params.body.weight.T + params.body.bias)
        gradient = (slope * d.out.weight) @ d.body.weight  # of softplus features, [N, 192]
        return 10 * gradient.square().sum(1).max()

    check(gan, "discriminator", formula)


def test_orthogonal():
    """BigGAN: |W W^T o (1 - I)|_F^2, without embeddings and biases."""
    weight = torch.randn(4, 2, 3, dtype=torch.float64)
    rows = weight.reshape(4, 6)
    by_loops = sum((rows[i] @ rows[j]) ** 2 for i in range(4) for j in range(4) if i != j)
    assert orthogonality(weight).item() == pytest.approx(by_loops.item(), rel=1e-5)
    gan = build(orthogonal={"weight": 0.5})

    def formula(gan, real, fake):
        products = gan.generator.layer.weight @ gan.generator.layer.weight.T
        return 0.5 * (products * (1 - torch.eye(192))).square().sum()

    check(gan, "generator", formula)


def test_top_k():
    """Sinha et al. 2020: the loss of G over the k highest logits; k decays by epoch."""
    gan = build(top_k={"gamma": 0.5, "floor": 0.4})
    term = gan.terms["top-k"]
    assert [term.share(context(step)) for step in (0, 9, 10, 20)] == [1, 1, 0.5, 0.4]
    for step, k in ((0, 5), (10, 2)):
        ctx = context(step)
        logits = gan.discriminator(gan.fake_images(ctx))
        best = logits.sort(descending=True).values[:k]
        assert gan.generator_loss(ctx).item() == pytest.approx(-best.mean().item(), rel=1e-5)


def test_mode_seeking():
    """Mao et al. 2019: 1 / (mean |G(z) - G(z')| / mean |z - z'| + 1e-5)."""
    gan = build(mode_seeking={"weight": 1.0})

    def formula(gan, real, fake):
        again = FakeStepContext(context().batch)
        z, other = again.uniform(-1, 1, N, 9), again.uniform(-1, 1, N, 9)
        ratio = (fake - gan.generator(other, LABEL)).abs().mean() / (z - other).abs().mean()
        return 1 / (ratio + 1e-5)

    check(gan, "generator", formula)


def test_info():
    """Chen et al. 2016: -log q(c | G) - w log N(u; u^, 1) up to a constant; codes are in z."""
    gan = build(info={"categories": 4, "continuous": 2, "continuous_weight": 0.1})

    def formula(gan, real, fake):
        z = gan.sample_latents(N, context())
        d = gan.discriminator
        scores, means = d.heads["codes"](d.pooled(fake)).split([4, 2], 1)
        log_q = scores - scores.exp().sum(1, keepdim=True).log()
        squares = (means - z[:, 4:6]).square().sum(1).mean()
        return -(log_q * z[:, :4]).sum(1).mean() + 0.05 * squares

    check(gan, "discriminator", formula)
    check(gan, "generator", formula)
    z = gan.sample_latents(2000, context())
    assert set(z[:, :4].sum(1).tolist()) == {1.0} and (z[:, :4].mean(0) - 0.25).abs().max() < 0.05
    assert z[:, 4:6].abs().max() <= 1 and z[:, 4:6].mean().abs() < 0.05
    chosen = gan.sample_latents(3, context(), code=2)
    assert chosen[:, :4].argmax(1).tolist() == [2, 2, 2]
    assert torch.equal(chosen[:, 4:], gan.sample_latents(3, context())[:, 4:])
    with pytest.raises(UsageError, match="0 to 3"):
        gan.sample_latents(2, context(), code=4)
    with pytest.raises(UsageError, match="term info"):
        build().sample_latents(2, context(), code=0)


def test_latent_optimization():
    """Wu et al. 2019: one damped step of natural gradient ascent, clipped; its length is a loss."""
    options = {"weight": 0.2, "step_size": 0.9, "damping": 0.1, "share": 0.6}
    gan = build(latent_optimization=options)
    for phase in ("discriminator", "generator"):
        ctx = context()
        z = gan.latents(ctx)
        changed, length = gan.changed_latents(ctx, phase)
        g, d = gan.generator, gan.discriminator
        linear = z.double() @ g.layer.weight.T + g.layer.bias + g.shift(LABEL)
        image = torch.tanh(linear)
        slope = torch.sigmoid(image @ d.body.weight.T + d.body.bias)
        of_image = (slope * d.out.weight) @ d.body.weight
        gradient = (of_image * (1 - image.square())) @ g.layer.weight  # dD(G(z)) / dz, [N, 9]
        step = 0.9 * gradient / (0.1 + gradient.square().sum(1, keepdim=True))
        (draw,) = replay(ctx, (N, 1))
        expected = (z + (draw < 0.6) * step).clamp(-1, 1)
        assert 0 < (draw < 0.6).sum() < N
        torch.testing.assert_close(changed.double(), expected, rtol=1e-5, atol=1e-6)
        squares = step.square().sum(1).mean()
        assert length.item() == pytest.approx(squares.item(), rel=1e-5)
        params = list(getattr(gan, phase).parameters())
        for ours, theirs in zip(
            *(torch.autograd.grad(x, params, allow_unused=True) for x in (length, squares)),
            strict=True,
        ):
            if theirs is not None:
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    ctx = context()
    gan.discriminator_loss(ctx)
    gan.generator_loss(ctx)
    assert ctx.logged["loss/g_latent-optimization"].item() == pytest.approx(
        0.2 * gan.changed_latents(ctx, "generator")[1].item()
    )
    assert torch.equal(
        gan.fakes_for_g(ctx), gan.generator(gan.changed_latents(ctx, "generator")[0], LABEL)
    )


def test_apa_replaces_real_images():
    """Jiang et al. 2021: each real image is a fake with probability p, which follows ADA's rule."""
    gan = build(apa={"initial_p": 0.4, "target": 0.6, "ramp_images": 100.0})
    ctx = context()
    out = gan.forward_discriminator(ctx)
    (draw,) = [FakeStepContext(ctx.batch).rand(N, 1, 1, 1)]
    is_fake = (draw < 0.4).flatten()
    assert 0 < is_fake.sum() < N
    assert torch.equal(out.real_images[is_fake], gan.fake_images(ctx)[is_fake])
    assert torch.equal(out.real_images[~is_fake], ctx.batch.image[~is_fake])
    term, ctx.images_seen = gan.terms["apa"], torch.tensor(10.0)
    logits = SimpleNamespace(real_logits=torch.tensor([1.0, 2.0, -1.0, 3.0, 1.0]))  # r_t = 0.6
    term.discriminator(gan, ctx, logits)
    term.sign_sum += 0.1
    term.after_discriminator(gan, ctx)
    assert term.p.item() == pytest.approx(0.4 + 10 / 100)
    with pytest.raises(UsageError, match=r"model\.terms\.apa"):
        build(loss="relativistic", apa={}).stages()
