"""Every throw-away model resumes to the bits of a run that never stopped."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import zoo_of_proofs
from workbench import differences, drawn, make, stopped_and_resumed, trainer
from zoo_of_proofs import PROOFS, VAE, EncoderGAN, LazyADA, Triplets
from zoo_of_proofs.parts import SmallD, SmallG

from ganzoo_core import SGD, Adam, Player
from ganzoo_core.interfaces import SeededNoise

# rounds after which each model stops: mid-stage, twice, and on the boundary of its stages
STOPS = {"EncoderGAN": (3, 6, 9), "LazyADA": (2, 4, 9)}


def name(cls):
    return cls.__name__


def test_each_proof_is_short():
    folder = Path(zoo_of_proofs.__file__).parent
    for path in set(folder.glob("*.py")) - {folder / "parts.py"}:
        assert len(path.read_text(encoding="utf-8").splitlines()) < 60, path


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("cls", PROOFS, ids=name)
def test_it_resumes_bit_by_bit(cls, precision, tmp_path):
    straight = trainer(cls, precision=precision)
    start = copy.deepcopy(straight.state())
    straight.run(tmp_path / "straight")
    stops = STOPS.get(cls.__name__, (1, 5))
    resumed = stopped_and_resumed(cls, tmp_path / "parts", stops, precision=precision)
    assert resumed.round == straight.round
    assert differences(straight.state(), resumed.state()) == []
    assert resumed.seen == straight.seen == 8 * straight.round
    moved = [n for n in differences(start, straight.state()) if n.startswith("model.")]
    assert len(moved) > len(start) / 8


@pytest.mark.parametrize("cls", PROOFS, ids=name)
def test_its_metrics_are_those_of_a_run_that_never_stopped(cls, tmp_path):
    straight = trainer(cls)
    straight.run(tmp_path / "straight")
    first = trainer(cls, steps=5)
    first.run(tmp_path / "parts")
    second = trainer(cls)
    second.restore(tmp_path / "parts")
    kept = [r for r in first.watcher.records if r["round"] <= second.line]
    second.run(tmp_path / "parts")
    assert kept + second.watcher.records == straight.watcher.records


@pytest.mark.parametrize("every", [1, 3])
def test_checkpoints_do_not_change_a_run(every, tmp_path):
    plain, often = trainer(LazyADA), trainer(LazyADA, checkpoint_every=every, keep=3)
    plain.run(tmp_path / "plain")
    often.run(tmp_path / "often")
    assert differences(plain.state(), often.state()) == []
    assert plain.watcher.records == often.watcher.records


def test_another_seed_is_another_run(tmp_path):
    runs = [trainer(VAE, seed=seed, model=make(VAE, drawn().info)) for seed in (0, 1)]
    for number, run in enumerate(runs):
        run.run(tmp_path / str(number))
    assert differences(*(run.state() for run in runs))


def test_adas_strength_moves_in_after_and_is_saved(tmp_path):
    run = trainer(LazyADA, steps=6)
    run.run(tmp_path)
    assert run.model.p != 0.5
    again = trainer(LazyADA)
    again.restore(tmp_path)
    assert torch.equal(again.model.p, run.model.p)


class Often(LazyADA):
    """Three D steps, one G step in every second round, D halted for a while."""

    def stages(self):
        (stage,) = super().stages()
        d, r1, g = stage.steps
        d = replace(d, repeat=3, when=lambda t: t.round not in {4, 5})
        return (replace(stage, steps=(d, r1, replace(g, every=2, repeat=2)), rounds=9),)


class Momentum(LazyADA):
    """SGD with momentum, for both players; D averaged too."""

    def players(self):
        optim = SGD(lr=0.01, momentum=0.9)
        return {
            "d": Player(("discriminator",), optim, ema=30.0),
            "g": Player(("generator",), optim),
        }


@pytest.mark.parametrize("cls", [Often, Momentum], ids=name)
@pytest.mark.parametrize("stop", [1, 4, 5, 8])
def test_repeat_every_when_and_momentum_resume_too(cls, stop, tmp_path):
    straight = trainer(cls)
    straight.run(tmp_path / "straight")
    resumed = stopped_and_resumed(cls, tmp_path / "parts", (stop,))
    assert differences(straight.state(), resumed.state()) == []


class PlainAdam(VAE):
    """torch's own optimiser, without the core's options."""

    def players(self):
        return {"vae": Player(("encoder", "decoder"), torch.optim.RMSprop)}


def test_any_torch_optimiser_resumes(tmp_path):
    straight = trainer(PlainAdam)
    straight.run(tmp_path / "straight")
    resumed = stopped_and_resumed(PlainAdam, tmp_path / "parts", (3,))
    assert differences(straight.state(), resumed.state()) == []


def test_fused_adam_keeps_its_moments_beside_channels_last_weights(tmp_path):
    """Restored contiguous, they would be permuted without a word: after five steps it shows."""
    straight = trainer(VAE, steps=10)
    straight.run(tmp_path / "straight")
    resumed = stopped_and_resumed(VAE, tmp_path / "parts", (5,), steps=10)
    assert isinstance(straight.model.players()["vae"].optim, Adam)
    param = resumed.model.decoder[3].weight
    assert param.stride() == straight.model.decoder[3].weight.stride()
    assert not param.is_contiguous() and param.is_contiguous(memory_format=torch.channels_last)
    (player,) = resumed.players.values()
    assert player.optim.state[param]["exp_avg"].stride() == param.stride()
    assert differences(straight.state(), resumed.state()) == []


def test_the_users_random_numbers_are_left_alone(tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trainer(Triplets, steps=2).run(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_longer_run_continues_a_finished_one(tmp_path):
    straight = trainer(EncoderGAN, steps=15)
    straight.run(tmp_path / "straight")
    resumed = stopped_and_resumed(EncoderGAN, tmp_path / "parts", (4, 12), steps=15)
    assert resumed.round == 15
    assert differences(straight.state(), resumed.state()) == []


def test_networks_of_a_player_that_rests_are_in_eval_mode_and_settled(tmp_path):
    run = trainer(EncoderGAN, steps=6)
    run.run(tmp_path)
    average = run.players["g"].average.nets["generator"]
    assert run.model.generator.training
    assert differences(average.state_dict(), run.model.generator.state_dict())
    later = trainer(EncoderGAN)
    later.restore(tmp_path)
    later.run(tmp_path)
    modes = [later.model.generator.training, later.model.discriminator.training]
    assert [*modes, later.model.encoder.training] == [False, False, True]
    served = later.averaged().generator.state_dict()
    assert differences(served, later.model.generator.state_dict()) == []
    assert differences(served, average.state_dict()) == []


@pytest.mark.parametrize("cls", [c for c in PROOFS if hasattr(c, "generate")], ids=name)
def test_it_samples_the_same_images_for_the_same_seed(cls):
    model = make(cls, drawn().info)
    a, b, c = model.sample(6, seed=1), model.sample(6, seed=1), model.sample(6, seed=2)
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert a.shape == (6, 3, 16, 16) and a.dtype == torch.float32
    assert a.abs().max() <= 1 and model.training


def test_noise_is_a_function_of_its_place():
    def noises(*place):
        noise = SeededNoise(torch.device("cpu"), *place)
        return [noise(3, 4), noise(3, 4), noise(50, kind="uniform"), noise(50, kind="unit")]

    one, same, other = noises(0, "gan", 3, 0), noises(0, "gan", 3, 0), noises(0, "gan", 4, 0)
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(one[0], one[1])
    assert -1 <= one[2].min() < -0.5 and 0.5 < one[2].max() < 1
    assert 0 <= one[3].min() < 0.25 and one[3].max() < 1


def test_parts_are_gans():
    info = drawn().info
    assert SmallG(info)(torch.zeros(2, 8)).shape == (2, 3, 16, 16)
    assert SmallD(info)(torch.zeros(2, 3, 16, 16)).shape == (2,)
