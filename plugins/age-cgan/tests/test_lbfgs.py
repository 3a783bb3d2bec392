"""Batched L-BFGS: known minima, independence of the rows, scipy's count of steps, bad values."""

import numpy as np
import pytest
import torch
from ganzoo_age_cgan.lbfgs import minimise
from scipy.optimize import minimize


def rosenbrock(x, rows=None):
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(1)


@pytest.fixture
def start():
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(0))


def test_a_quadratic_bowl_of_each_row(start):
    centre = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    scale = torch.logspace(0, 2, 8)
    found = minimise(lambda x, rows: (scale * (x - centre[rows]) ** 2).sum(1), start, rounds=60)
    assert torch.allclose(found.x, centre, atol=1e-2) and (found.value < 1e-3).all()


def test_a_curved_valley_takes_about_as_many_steps_as_scipy(start):
    found = minimise(rosenbrock, start, rounds=300, tolerance=1e-9)

    def alone(x):
        leaf = torch.tensor(x[None], dtype=torch.float32, requires_grad=True)
        value = rosenbrock(leaf).sum()
        (grad,) = torch.autograd.grad(value, leaf)
        return value.item(), grad[0].double().numpy()

    for row in range(3):
        theirs = minimize(alone, start[row].double().numpy(), jac=True, method="L-BFGS-B")
        assert found.value[row] < 1e-6 and found.rounds[row] < 2 * theirs.nit
        assert np.allclose(found.x[row].numpy(), theirs.x, atol=1e-2)


def test_rows_do_not_touch_each_other(start):
    many = minimise(rosenbrock, start, rounds=40)
    for row in range(len(start)):
        one = minimise(rosenbrock, start[row : row + 1], rounds=40)
        assert torch.allclose(one.x[0], many.x[row], atol=1e-4)
        assert one.rounds[0] == many.rounds[row]


def test_rows_at_rest_leave_the_batch(start):
    sizes, told = [], []

    def objective(x, rows):
        sizes.append(len(rows))
        return (x**2).sum(1) + torch.where(rows == 0, rosenbrock(x), 0)

    minimise(objective, start, rounds=60, advance=told.append)
    assert sizes[0] == 6 and sizes[-1] == 1
    assert told[-1] == 6 * 60 and told == sorted(told) and len(told) < 60


def test_values_that_are_not_finite(start):
    def objective(x, rows):  # a cliff: beyond 3 the value is nan; row 2 never has one
        value = torch.where(x[:, 0] > 3, torch.nan, -x[:, 0])
        value = torch.where(rows == 4, (x[:, 0] - 1) ** 2, value)  # rests before the cliff
        return torch.where(rows == 2, torch.inf, value)

    found = minimise(objective, start, rounds=30)
    assert found.sound.tolist() == [False, False, False, False, True, False]
    fallen = found.x[[0, 1, 3, 5], 0]  # the best of each before it
    assert (fallen <= 3).all() and (fallen > 2.9).all() and abs(found.x[4, 0] - 1) < 1e-2
    assert torch.equal(found.x[2], start[2]) and found.x.isfinite().all()


def test_no_rounds_leave_the_start(start):
    found = minimise(rosenbrock, start, rounds=0)
    assert torch.equal(found.x, start) and found.rounds.sum() == 0
