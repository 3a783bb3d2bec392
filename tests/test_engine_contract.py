"""What the engine says to the author of a model, and what must agree on all ranks."""

import functools
import re
from dataclasses import replace

import pytest
import torch
from contract_models.image_pool import ImagePoolGAN
from contract_models.plain_gan import PlainGAN
from torch import nn
from training_helpers import differing_keys, make_trainer, run_steps

from ganzoo_core import BatchSpec
from ganzoo_core.engine.context import MetricLog
from ganzoo_core.engine.contract import running_statistics, source_location
from ganzoo_core.engine.plan import lr_factor
from ganzoo_core.engine.world import World
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.testing.rank_threads import run_ranks


class FaultyGAN(PlainGAN):
    """Its stage has a fault."""

    changes = {}
    phase_changes = {}

    def stages(self):
        (stage,) = super().stages()
        d, g = stage.phases
        g = replace(g, **self.phase_changes)
        return (replace(stage, **{"phases": (d, g), **self.changes}),)


LINE_OF_STAGES = FaultyGAN.stages.__code__.co_firstlineno


def gan_with(generator_loss=PlainGAN.generator_loss, changes=None, **phase_changes):
    attributes = {
        "generator_loss": generator_loss,
        "changes": changes or {},
        "phase_changes": phase_changes,
    }
    return type("MyGAN", (FaultyGAN,), attributes)


def error_of(model_class):
    with pytest.raises(PluginError) as error:
        run_steps(make_trainer(model_class, steps=1))
    assert error.value.exit_code == 4 and "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda loss: loss.expand(16), "the loss has shape [16], it must be 0-d"),
        (lambda loss: 0.5, "the loss is of type float, it must be a 0-d tensor"),
        (lambda loss: None, "the loss is of type NoneType"),
        (lambda loss: loss.long(), "the loss has dtype int64, it must be floating point"),
        (lambda loss: loss.detach(), "the loss has no gradient"),
    ],
)
def test_faulty_loss_is_named_with_its_place(change, problem):
    def generator_loss(self, ctx):
        return change(PlainGAN.generator_loss(self, ctx))

    line = generator_loss.__code__.co_firstlineno
    place = f"phase 'g' of 'MyGAN' (test_engine_contract.py:{line}): "
    assert error_of(gan_with(generator_loss)).startswith(place + problem)


def test_unknown_optimizer_of_a_phase():
    message = error_of(gan_with(optimizer="q"))
    assert re.match(r"phase 'g' of 'MyGAN' \(gan\.py:\d+\): .* no optimizer 'q'", message)
    assert "Known: d, g." in message


@pytest.mark.parametrize(
    ("batch", "problem"),
    [
        (
            BatchSpec(sampler="class_balance"),
            "there is no sampler 'class_balance'. Did you mean \"class_balanced\"?",
        ),
        (BatchSpec(fields=("image", "labels")), "a batch has no field 'labels'. Did you mean"),
    ],
)
def test_unknown_sampler_or_field(batch, problem):
    place = f"stage 'gan' of 'MyGAN' (test_engine_contract.py:{LINE_OF_STAGES}): "
    assert error_of(gan_with(changes={"batch": batch})).startswith(place + problem)


def test_reset_of_unknown_optimizer():
    message = error_of(gan_with(after_step=lambda ctx: ctx.reset_optimizer("q")))
    assert message == "ctx.reset_optimizer: there is no optimizer 'q'. Known: d, g."


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (1.5, "is of type float, not a 0-d tensor"),
        (torch.zeros(3), "has shape [3], it must be 0-d"),
    ],
)
def test_faulty_logged_value(value, problem):
    def generator_loss(self, ctx):
        ctx.log(mine=value)
        return PlainGAN.generator_loss(self, ctx)

    assert error_of(gan_with(generator_loss)).startswith(f"ctx.log: 'mine' {problem}")


@pytest.mark.parametrize("error", [KeyError("z"), TypeError("a\nb"), AssertionError("odd")])
def test_exception_of_a_loss_is_named_with_its_place(error):
    def generator_loss(self, ctx):
        raise error

    line = generator_loss.__code__.co_firstlineno
    message = error_of(gan_with(generator_loss))
    assert message.startswith(
        f"phase 'g' of 'MyGAN' (test_engine_contract.py:{line}): {type(error).__name__} at "
        f"test_engine_contract.py:{line + 1}: "
    )
    assert message.endswith("GANZOO_DEBUG=1 for the traceback")


def test_second_backward_is_named_with_its_place():
    def generator_loss(self, ctx):
        loss = PlainGAN.generator_loss(self, ctx)
        loss.backward()
        return loss

    line = generator_loss.__code__.co_firstlineno
    place = f"phase 'g' of 'MyGAN' (test_engine_contract.py:{line}): RuntimeError: Trying to"
    assert error_of(gan_with(generator_loss)).startswith(place)


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "full"), UsageError("no")])
def test_errors_of_the_machine_keep_their_class(error):
    def generator_loss(self, ctx):
        raise error

    with pytest.raises(type(error)):
        run_steps(make_trainer(gan_with(generator_loss), steps=1))


def test_source_location():
    class CallableLoss:
        def __call__(self, ctx):
            return None

    @functools.wraps(error_of)
    def wrapper(model_class):
        return error_of(model_class)

    def line(function):
        return f"test_engine_contract.py:{function.__code__.co_firstlineno}"

    assert source_location(CallableLoss()) == line(CallableLoss.__call__)
    assert source_location(functools.partial(error_of, None)) == line(error_of)
    assert source_location(wrapper) == line(error_of)
    assert source_location(FaultyGAN.stages) == f"test_engine_contract.py:{LINE_OF_STAGES}"
    assert source_location(torch.relu) == "relu"


# --- ranks ----------------------------------------------------------------------------------------


def train_on_rank(model_class, world):
    trainer = make_trainer(model_class, steps=4, world=world)
    run_steps(trainer, 4)
    return trainer.state_dict()


def test_gathered_rows_are_in_rank_order():
    rows = torch.arange(6.0).view(6, 1).requires_grad_()
    found = run_ranks(lambda world: world.all_gather_rows(rows[2 * world.rank :][:2]), 3)
    assert all(torch.equal(x, rows) and not x.requires_grad for x in found)
    single = World().all_gather_rows(rows)
    assert torch.equal(single, rows) and not single.requires_grad


def test_gathered_pool_is_that_of_one_rank():
    first, second = run_ranks(lambda world: train_on_rank(ImagePoolGAN, world))
    single = train_on_rank(ImagePoolGAN, World())
    differing = differing_keys(first, second)
    assert [name for name in differing if not name.startswith("log.")] == []
    assert single["model.pool"].abs().min() > 0
    for name in ("model.pool", "model.pool_labels", "model.generator.layers.0.weight"):
        assert torch.allclose(first[name].float(), single[name].float(), atol=1e-5), name


def test_rank_local_pool_is_refused():
    class LocalPoolGAN(ImagePoolGAN):
        def gather(self, ctx, rows):
            return rows.detach()

    train_on_rank(LocalPoolGAN, World())
    with pytest.raises(UsageError, match=r"buffer 'pool' of 'LocalPoolGAN' differs .* step 1:"):
        run_ranks(lambda world: train_on_rank(LocalPoolGAN, world))


def test_only_running_statistics_are_averaged():
    net = nn.Sequential(nn.BatchNorm2d(2), nn.InstanceNorm2d(2), nn.Conv2d(2, 2, 1))
    net.register_buffer("running_mean", torch.zeros(2))
    assert set(running_statistics(net)) == {"0.running_mean", "0.running_var"}


def test_rank_that_ends_early_is_an_error():
    def work(world):
        return world.rank or world.barrier()

    with pytest.raises(Exception, match="same number of times"):
        run_ranks(work)


def test_first_loss_that_is_not_finite_is_named():
    nan, log = torch.tensor(float("nan")), MetricLog()
    log.add({"loss/d": torch.zeros(()), "logits/real": nan})
    log.add({"loss/g": nan})
    log.add({"loss/d": nan})
    assert log.first_nonfinite() == "loss/g"
    restored = MetricLog()
    restored.load_state_dict({"loss/d": torch.tensor([0.0, float("inf")])}, torch.device("cpu"))
    restored.add({"loss/g": nan})
    assert restored.first_nonfinite() == "loss/d"
    restored.clear()
    restored.add({"loss/g": torch.zeros(()), "logits/real": nan})
    assert restored.first_nonfinite() == "logits/real"


# --- learning rates -------------------------------------------------------------------------------


def test_constant_then_linear():
    factors = [lr_factor(step, 200, "constant-linear", 0) for step in (0, 99, 100, 150, 199, 200)]
    assert factors == pytest.approx([1, 1, 1, 0.5, 0.01, 0])


@pytest.mark.parametrize("scheduler", ["constant", "linear", "constant-linear", "cosine"])
def test_longer_run_under_a_scheduler_is_another_run(scheduler, tmp_path):
    options = {"lr_scheduler": scheduler}
    make_trainer(PlainGAN, steps=2, **options).run(tmp_path)
    same, longer = (make_trainer(PlainGAN, steps=steps, **options) for steps in (2, 6))
    for trainer in (same, longer):
        trainer.restore(tmp_path)
    assert same.notice == ""
    assert longer.notice == "" if scheduler == "constant" else "another run" in longer.notice
