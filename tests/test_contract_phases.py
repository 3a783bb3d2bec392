"""Training steps: gradients of a plain loop, shared fakes, frozen parameters, auxiliaries."""

import copy
from dataclasses import replace

import pytest
import torch
from contract_models import CONTRACT_MODELS, VAE, AuxiliaryLossModel, EncoderGAN, LazyADA
from contract_models.networks import (
    SmallDiscriminator,
    SmallGANConfig,
    SmallGenerator,
    conv_decoder,
    conv_encoder,
)
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from training_helpers import (
    FixedEmbedder,
    build_model,
    differing_keys,
    make_images,
    make_trainer,
    run_steps,
)

from ganzoo_core import GAN, SGD, BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.interfaces import Auxiliaries
from ganzoo_core.losses import BCE, Relativistic

LEARNING_RATE = 0.1


class SGDBatchNormGAN(GAN):
    """BatchNorm in both networks, no dropout, plain SGD."""

    Config = SmallGANConfig

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator, self.discriminator = SmallGenerator(info), SmallDiscriminator(info)
        self.discriminator.layers[6] = nn.Identity()  # no dropout
        self.loss = BCE()

    def configure_optimizers(self):
        return {
            "d": OptimizerSpec(("discriminator",), SGD(lr=LEARNING_RATE)),
            "g": OptimizerSpec(("generator",), SGD(lr=LEARNING_RATE)),
        }

    def stages(self):
        (stage,) = super().stages()
        return (replace(stage, steps=3),)


def clone_grads(net):
    return {name: p.grad.clone() for name, p in net.named_parameters()}


def all_close(a, b):
    return all(torch.allclose(a[name], b[name], rtol=1e-4, atol=1e-6) for name in a)


def test_step_matches_plain_loop():
    """The reference: D on real and detached fakes, then G through the updated D."""
    run = make_trainer(SGDBatchNormGAN)
    reference = copy.deepcopy(run.model)
    (ctx,) = run.step_contexts(run.plan.stages[0], 0, 0)
    z, real = ctx.randn(8, 8), ctx.batch.image
    run_steps(run)

    logits = reference.discriminator(real), reference.discriminator(reference.generator(z).detach())
    reference.loss.discriminator_loss(*logits).backward()
    assert all(p.grad is None for p in reference.generator.parameters())
    assert all_close(clone_grads(reference.discriminator), clone_grads(run.model.discriminator))
    with torch.no_grad():
        for p in reference.discriminator.parameters():
            p.sub_(LEARNING_RATE * p.grad)
    reference.loss.generator_loss(reference.discriminator(reference.generator(z))).backward()
    assert all_close(clone_grads(reference.generator), clone_grads(run.model.generator))
    with torch.no_grad():
        for p in reference.generator.parameters():
            p.sub_(LEARNING_RATE * p.grad)
    for net in ("generator", "discriminator"):
        new = dict(getattr(run.model, net).named_parameters())
        assert all_close(dict(getattr(reference, net).named_parameters()), new)


class GradRecordingGAN(SGDBatchNormGAN):
    """Records gradients and `requires_grad` around each phase."""

    def discriminator_loss(self, ctx):
        assert not any(p.requires_grad for p in self.generator.parameters())
        self.is_d_trainable = all(p.requires_grad for p in self.discriminator.parameters())
        return super().discriminator_loss(ctx)

    def record_grads(self, ctx):
        self.g_after_d = [p.grad for p in self.generator.parameters()]
        self.d_after_d = clone_grads(self.discriminator)

    def generator_loss(self, ctx):
        assert not any(p.requires_grad for p in self.discriminator.parameters())
        return super().generator_loss(ctx)

    def stages(self):
        (stage,) = super().stages()
        d, g = stage.phases
        return (replace(stage, phases=(replace(d, after_step=self.record_grads), g)),)


def test_phase_updates_only_its_optimizer():
    run = make_trainer(GradRecordingGAN)
    run_steps(run)
    assert run.model.is_d_trainable
    assert all(g is None for g in run.model.g_after_d)
    assert differing_keys(run.model.d_after_d, clone_grads(run.model.discriminator)) == []
    before = {n: p.clone() for n, p in run.model.generator.named_parameters()}
    assert all(g is not None for g in clone_grads(run.model.generator).values())
    run_steps(run)
    assert len(differing_keys(before, dict(run.model.generator.named_parameters()))) == len(before)


def batchnorm_updates(run):
    return int(run.model.generator.layers[1].num_batches_tracked)


def test_cached_fakes_update_batchnorm_once():
    run = make_trainer(SGDBatchNormGAN)
    for num_steps in (1, 2):
        run_steps(run)
        assert batchnorm_updates(run) == num_steps


class RepeatedPhases(SGDBatchNormGAN):
    """Two D steps, three G steps."""

    def stages(self):
        (stage,) = super().stages()
        d, g = stage.phases
        return (replace(stage, phases=(replace(d, repeats=2), replace(g, repeats=3))),)


def test_repeats_get_fresh_batches():
    run = make_trainer(RepeatedPhases)
    calls = []
    run_phase = run.run_phase
    run.run_phase = lambda phase, contexts, keep: (
        calls.append((phase.name, contexts[0].seed_path[2:], contexts[0])),
        run_phase(phase, contexts, keep),
    )
    run_steps(run, 2)
    expected = [("d", (0, 0)), ("d", (0, 1)), ("g", (0, 1)), ("g", (0, 2)), ("g", (0, 3))]
    expected += [(name, (1, draw)) for name, (_, draw) in expected]
    assert [(name, step_and_draw) for name, step_and_draw, _ in calls] == expected
    assert calls[1][2] is calls[2][2]
    assert batchnorm_updates(run) == 8  # four batches a step
    images = [ctx.batch.image for name, place, ctx in calls if place != (0, 1) or name == "d"]
    assert not torch.equal(images[0], images[1])


class NestedCaching(SGDBatchNormGAN):
    """Nested calls of `ctx.cached`, first by D and under no_grad."""

    def fake_images(self, ctx):
        z = lambda: self.generator.sample_latent(len(ctx.batch), ctx)  # noqa: E731
        half = lambda: self.generator.layers[:3](ctx.cached("z", z)[:, :, None, None])  # noqa: E731
        return ctx.cached("fake", lambda: self.generator.layers[3:](ctx.cached("half", half)))

    def discriminator_loss(self, ctx):
        with torch.no_grad():
            self.fake_images(ctx)
        return super().discriminator_loss(ctx)


def test_nested_cached_values_keep_graph():
    nested, plain = make_trainer(NestedCaching), make_trainer(SGDBatchNormGAN)
    for run in (nested, plain):
        run_steps(run)
    assert all_close(clone_grads(plain.model.generator), clone_grads(nested.model.generator))


class RelativisticLossGAN(SGDBatchNormGAN):
    """A loss that compares with real logits in the phase of G too."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.loss = Relativistic()


def test_relativistic_loss_gets_real_logits(tmp_path):
    run = make_trainer(RelativisticLossGAN)
    run.run(tmp_path)
    assert run.step == 3 and run.callback.records[-1]["loss/g"] > 0


class SpareNetworkVAE(VAE):
    """An optimizer with a network that the loss does not use."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.spare = nn.Linear(2, 2)

    def configure_optimizers(self):
        (spec,) = super().configure_optimizers().values()
        return {"vae": replace(spec, modules=(*spec.modules, "spare"))}


def test_unused_network_unchanged(tmp_path):
    run = make_trainer(SpareNetworkVAE, steps=3)
    before = run.model.spare.weight.clone()
    run.run(tmp_path)
    assert torch.equal(before, run.model.spare.weight)
    make_trainer(SpareNetworkVAE).restore(tmp_path)


# --- auxiliary networks -----------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_auxiliary_is_frozen_fp32_differentiable(precision):
    run = make_trainer(AuxiliaryLossModel, precision=precision)
    auxiliary = run.model.auxiliaries["identity"]
    before = copy.deepcopy(auxiliary.module.state_dict())
    run_steps(run, 2)
    assert auxiliary.last_input_dtype_and_autocast == (torch.float32, False)
    assert not auxiliary.module.training
    assert all(p.grad is None and not p.requires_grad for p in auxiliary.module.parameters())
    assert differing_keys(before, auxiliary.module.state_dict()) == []
    image = torch.zeros(2, 3, 16, 16, requires_grad=True)
    auxiliary.embed(image)[:, 0].sum().backward()
    assert image.grad.abs().sum() > 0


def test_auxiliary_not_in_state_dict():
    run = make_trainer(AuxiliaryLossModel)
    auxiliary_params = {id(p) for p in run.model.auxiliaries["identity"].module.parameters()}
    assert not auxiliary_params & {id(p) for p in run.model.parameters()}
    optimizers = run.optimizers.values()
    assert not auxiliary_params & {id(p) for o in optimizers for p in o.params.values()}
    networks = {name.split(".")[1] for name in run.state_dict() if name.startswith("model.")}
    assert networks == {"generator", "discriminator"}
    run.model.train()
    assert not run.model.auxiliaries["identity"].module.training
    assert run.ema_model().auxiliaries is run.model.auxiliaries


def test_auxiliaries_lookup_by_role():
    auxiliaries = Auxiliaries({"identity": FixedEmbedder(), "age": nn.Linear(2, 1)})
    assert list(auxiliaries) == ["identity", "age"] and len(auxiliaries) == 2
    assert auxiliaries["identity"].input_size == 16
    with torch.autocast("cpu", torch.bfloat16):
        assert auxiliaries["age"](torch.ones(3, 2, dtype=torch.bfloat16)).dtype == torch.float32
    with pytest.raises(KeyError):
        auxiliaries["unknown"]


# --- nothing waits for the device ---------------------------------------------------------------


class CountDeviceSyncs(TorchDispatchMode):
    """Records operations that copy a tensor to Python and so wait for the device."""

    def __init__(self):
        super().__init__()
        self.synced_ops = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.name() in {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero"}:
            self.synced_ops.append(func.name())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("cls", CONTRACT_MODELS, ids=lambda cls: cls.__name__)
def test_phases_do_not_sync_device(cls, precision):
    run = make_trainer(cls, precision=precision)
    run_phase = run.run_phase
    sync_counter = CountDeviceSyncs()

    def run_phase_counting_syncs(*args):
        with sync_counter:
            run_phase(*args)

    run.run_phase = run_phase_counting_syncs
    run_steps(run, 5)
    assert sync_counter.synced_ops == []
    assert run.log.values


def test_step_does_not_sync_device(monkeypatch):
    run, calls = make_trainer(LazyADA), []
    for name in ("item", "tolist", "cpu"):
        real = getattr(torch.Tensor, name)

        def counting_method(tensor, *args, _name=name, _real=real, **kwargs):
            calls.append(_name)
            return _real(tensor, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, counting_method)
    with CountDeviceSyncs() as sync_counter:
        run_steps(run, 4)
    assert sync_counter.synced_ops == calls == []
    run.log.means()
    assert calls == ["tolist"]


# --- optimizers ---------------------------------------------------------------------------------


class SharedDecoder(Model):
    """Two optimizers share the decoder; each has a phase."""

    inference_modules = ("decoder",)

    def __init__(self, config, info):
        super().__init__(config, info)
        self.encoder, self.decoder = (
            conv_encoder(info.num_channels, 4, 4),
            conv_decoder(4, 4, info.num_channels),
        )

    def reconstruct(self, ctx):
        z = self.encoder(ctx.batch.image)
        return (self.decoder(z[:, :, None, None]) - ctx.batch.image).square().mean()

    def shrink(self, ctx):
        return self.decoder(ctx.randn(8, 4, 1, 1)).square().mean()

    def configure_optimizers(self):
        both = OptimizerSpec(("encoder", "decoder"), SGD(lr=0.1, momentum=0.5))
        return {"both": both, "dec": OptimizerSpec(("decoder",), SGD(lr=0.1), ema_halflife=10.0)}

    def stages(self):
        phases = (Phase("both", "both", self.reconstruct), Phase("dec", "dec", self.shrink))
        return (Stage("shared", phases, BatchSpec(), steps=6),)


def test_optimizers_may_share_network(tmp_path):
    run = make_trainer(SharedDecoder)
    before = build_model(SharedDecoder, make_images().info).state_dict()
    run.run(tmp_path)
    moved = differing_keys(before, run.model.state_dict())
    assert any(n.startswith("encoder") for n in moved) and any(n.startswith("dec") for n in moved)
    again = make_trainer(SharedDecoder)
    again.restore(tmp_path)
    assert differing_keys(run.state_dict(), again.state_dict()) == []


def test_ema_model_shares_other_networks():
    run = make_trainer(EncoderGAN)
    view = run.ema_model()
    assert view.generator is run.optimizers["g"].ema.modules["generator"]
    assert view.discriminator is run.model.discriminator
    assert run.model.generator is not view.generator
