"""What a step does: the gradients of a plain loop, shared fakes, frozen players, judges."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from workbench import Embedder, differences, drawn, make, trainer
from zoo_of_proofs import PROOFS, VAE, EncoderGAN, Judged, LazyADA
from zoo_of_proofs.parts import Small, SmallD, SmallG, down, up

from ganzoo_core import GAN, SGD, Draw, Model, Player, Stage, Step
from ganzoo_core.interfaces import Judges
from ganzoo_core.losses import BCE, Relativistic

RATE = 0.1


class Plain(GAN):
    """BatchNorm in both networks, no dropout, plain SGD."""

    Config = Small

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator, self.discriminator = SmallG(info), SmallD(info)
        self.discriminator.layers[6] = nn.Identity()  # no dropout
        self.loss = BCE()

    def players(self):
        return {
            "d": Player(("discriminator",), SGD(lr=RATE)),
            "g": Player(("generator",), SGD(lr=RATE)),
        }

    def stages(self):
        (stage,) = super().stages()
        return (replace(stage, rounds=3),)


def grads(net):
    return {name: p.grad.clone() for name, p in net.named_parameters()}


def close(a, b):
    return all(torch.allclose(a[name], b[name], rtol=1e-4, atol=1e-6) for name in a)


def test_a_round_has_the_gradients_of_a_plain_loop():
    """Own code: D on real and detached fakes; then a second forward of G through the new D."""
    run = trainer(Plain)
    mine = copy.deepcopy(run.model)
    (turn,) = run.turns(run.plan.legs[0], 0, 0)
    z, real = turn.noise(8, 8), turn.batch.image
    run.play(run.plan.legs[0])

    logits = mine.discriminator(real), mine.discriminator(mine.generator(z).detach())
    mine.loss.d(*logits).backward()
    assert all(p.grad is None for p in mine.generator.parameters())
    assert close(grads(mine.discriminator), grads(run.model.discriminator))
    with torch.no_grad():
        for p in mine.discriminator.parameters():
            p.sub_(RATE * p.grad)
    mine.loss.g(mine.discriminator(mine.generator(z))).backward()
    assert close(grads(mine.generator), grads(run.model.generator))
    with torch.no_grad():
        for p in mine.generator.parameters():
            p.sub_(RATE * p.grad)
    for net in ("generator", "discriminator"):
        new = dict(getattr(run.model, net).named_parameters())
        assert close(dict(getattr(mine, net).named_parameters()), new)


class Spy(Plain):
    """Looks at gradients and switches around each step."""

    def discriminator_loss(self, t):
        assert not any(p.requires_grad for p in self.generator.parameters())
        self.d_free = all(p.requires_grad for p in self.discriminator.parameters())
        return super().discriminator_loss(t)

    def look(self, t):
        self.g_after_d = [p.grad for p in self.generator.parameters()]
        self.d_after_d = grads(self.discriminator)

    def generator_loss(self, t):
        assert not any(p.requires_grad for p in self.discriminator.parameters())
        return super().generator_loss(t)

    def stages(self):
        (stage,) = super().stages()
        d, g = stage.steps
        return (replace(stage, steps=(replace(d, after=self.look), g)),)


def test_each_step_gives_gradients_to_its_player_only():
    run = trainer(Spy)
    run.play(run.plan.legs[0])
    assert run.model.d_free
    assert all(g is None for g in run.model.g_after_d)
    assert differences(run.model.d_after_d, grads(run.model.discriminator)) == []
    before = {n: p.clone() for n, p in run.model.generator.named_parameters()}
    assert all(g is not None for g in grads(run.model.generator).values())
    run.play(run.plan.legs[0])
    assert len(differences(before, dict(run.model.generator.named_parameters()))) == len(before)


def count_batches(run):
    return int(run.model.generator.layers[1].num_batches_tracked)


def test_a_shared_fake_runs_the_generators_batchnorm_once_a_draw():
    run = trainer(Plain)
    for rounds in (1, 2):
        run.play(run.plan.legs[0])
        assert count_batches(run) == rounds


class Repeats(Plain):
    """Two D steps, three G steps."""

    def stages(self):
        (stage,) = super().stages()
        d, g = stage.steps
        return (replace(stage, steps=(replace(d, repeat=2), replace(g, repeat=3))),)


def test_each_repetition_gets_a_fresh_draw_and_the_next_step_shares_the_last():
    run = trainer(Repeats)
    seen = []
    play = run.step
    run.step = lambda step, turns, go: (
        seen.append((step.name, turns[0].place[2:], turns[0])),
        play(step, turns, go),
    )
    run.play(run.plan.legs[0])
    run.play(run.plan.legs[0])
    places = [(step, place) for step, place, _ in seen]
    one = [("d", (0, 0)), ("d", (0, 1)), ("g", (0, 1)), ("g", (0, 2)), ("g", (0, 3))]
    assert places == one + [(step, (1, draw)) for step, (_, draw) in one]
    assert seen[1][2] is seen[2][2]
    assert count_batches(run) == 8  # four draws a round
    images = [turn.batch.image for _, place, turn in seen if place != (0, 1) or _ == "d"]
    assert not torch.equal(images[0], images[1])


class Nested(Plain):
    """One `once` inside another, first asked for by D, and under no_grad."""

    def fake(self, t):
        z = lambda: self.generator.latent(t.noise, len(t.batch))  # noqa: E731
        half = lambda: self.generator.layers[:3](t.once("z", z)[:, :, None, None])  # noqa: E731
        return t.once("fake", lambda: self.generator.layers[3:](t.once("half", half)))

    def discriminator_loss(self, t):
        with torch.no_grad():
            self.fake(t)
        return super().discriminator_loss(t)


def test_nested_shared_values_keep_their_graph():
    nested, plain = trainer(Nested), trainer(Plain)
    for run in (nested, plain):
        run.play(run.plan.legs[0])
    assert close(grads(plain.model.generator), grads(nested.model.generator))


class Paired(Plain):
    """A loss that compares with real logits in the G step too."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.loss = Relativistic()


def test_a_relativistic_loss_gets_real_logits_in_both_steps(tmp_path):
    run = trainer(Paired)
    run.run(tmp_path)
    assert run.round == 3 and run.watcher.records[-1]["g"] > 0


class Unused(VAE):
    """A player with a network that the loss does not touch."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.spare = nn.Linear(2, 2)

    def players(self):
        (player,) = super().players().values()
        return {"vae": replace(player, nets=(*player.nets, "spare"))}


def test_an_unused_network_stays_as_it_is(tmp_path):
    run = trainer(Unused, steps=3)
    before = run.model.spare.weight.clone()
    run.run(tmp_path)
    assert torch.equal(before, run.model.spare.weight)
    trainer(Unused).restore(tmp_path)


# --- judges -----------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_judge_is_frozen_full_precision_and_passes_gradients(precision):
    run = trainer(Judged, precision=precision)
    judge = run.model.judges["identity"]
    before = copy.deepcopy(judge.module.state_dict())
    for _ in range(2):
        run.play(run.plan.legs[0])
    assert judge.heard == (torch.float32, False)
    assert not judge.module.training
    assert all(p.grad is None and not p.requires_grad for p in judge.module.parameters())
    assert differences(before, judge.module.state_dict()) == []
    image = torch.zeros(2, 3, 16, 16, requires_grad=True)
    judge.embed(image)[:, 0].sum().backward()
    assert image.grad.abs().sum() > 0


def test_a_judge_is_outside_of_state_players_and_average():
    run = trainer(Judged)
    mine = {id(p) for p in run.model.judges["identity"].module.parameters()}
    assert not mine & {id(p) for p in run.model.parameters()}
    assert not mine & {id(p) for player in run.players.values() for p in player.params.values()}
    kinds = {name.split(".")[1] for name in run.state() if name.startswith("model.")}
    assert kinds == {"generator", "discriminator"}
    run.model.train()
    assert not run.model.judges["identity"].module.training
    assert run.averaged().judges is run.model.judges


def test_judges_are_found_by_role_and_called_as_what_they_are():
    judges = Judges({"identity": Embedder(), "age": nn.Linear(2, 1)})
    assert list(judges) == ["identity", "age"] and len(judges) == 2
    assert judges["identity"].input_size == 16
    with torch.autocast("cpu", torch.bfloat16):
        assert judges["age"](torch.ones(3, 2, dtype=torch.bfloat16)).dtype == torch.float32
    with pytest.raises(KeyError):
        judges["taste"]


# --- nothing waits for the device ---------------------------------------------------------------


class Syncs(TorchDispatchMode):
    """Counts what reads a tensor back to Python, or copies it off its device."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.name() in {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero"}:
            self.found.append(func.name())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("cls", PROOFS, ids=lambda cls: cls.__name__)
def test_no_step_reads_a_value_back(cls, precision):
    run = trainer(cls, precision=precision)
    step = run.step
    watch = Syncs()

    def watched(*args):
        with watch:
            step(*args)

    run.step = watched
    for _ in range(5):
        run.play(run.plan.at(run.round))
    assert watch.found == []
    assert run.log.values


def test_a_round_reads_nothing_back_either(monkeypatch):
    run, calls = trainer(LazyADA), []
    for name in ("item", "tolist", "cpu"):
        real = getattr(torch.Tensor, name)

        def counted(tensor, *args, _name=name, _real=real, **kwargs):
            calls.append(_name)
            return _real(tensor, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, counted)
    with Syncs() as watch:
        for _ in range(4):
            run.play(run.plan.legs[0])
    assert watch.found == calls == []
    run.log.means()
    assert calls == ["tolist"]


# --- players ------------------------------------------------------------------------------------


class Shared(Model):
    """Two players share the decoder; each has a step."""

    serves = ("decoder",)

    def __init__(self, config, info):
        super().__init__(config, info)
        self.encoder, self.decoder = down(info.channels, 4, 4), up(4, 4, info.channels)

    def reconstruct(self, t):
        z = self.encoder(t.batch.image)
        return (self.decoder(z[:, :, None, None]) - t.batch.image).square().mean()

    def shrink(self, t):
        return self.decoder(t.noise(8, 4, 1, 1)).square().mean()

    def players(self):
        both = Player(("encoder", "decoder"), SGD(lr=0.1, momentum=0.5))
        return {"both": both, "dec": Player(("decoder",), SGD(lr=0.1), ema=10.0)}

    def stages(self):
        steps = (Step("both", "both", self.reconstruct), Step("dec", "dec", self.shrink))
        return (Stage("shared", steps, Draw(), rounds=6),)


def test_two_players_may_share_a_network(tmp_path):
    run, before = trainer(Shared), make(Shared, drawn().info).state_dict()
    run.run(tmp_path)
    moved = differences(before, run.model.state_dict())
    assert any(n.startswith("encoder") for n in moved) and any(n.startswith("dec") for n in moved)
    again = trainer(Shared)
    again.restore(tmp_path)
    assert differences(run.state(), again.state()) == []


def test_the_averaged_view_shares_all_but_the_averaged_networks():
    run = trainer(EncoderGAN)
    view = run.averaged()
    assert view.generator is run.players["g"].average.nets["generator"]
    assert view.discriminator is run.model.discriminator
    assert run.model.generator is not view.generator
