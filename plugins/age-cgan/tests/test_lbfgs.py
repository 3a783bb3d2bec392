"""Batched L-BFGS: known minima, independent rows, step counts beside scipy's, values not finite."""

import numpy as np
import pytest
import torch
from ganzoo_age_cgan.lbfgs import minimize
from scipy import optimize


def rosenbrock(x, rows=None):
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(1)


@pytest.fixture
def x0():
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(0))


def test_quadratic_minimum_of_each_row(x0):
    center = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    scale = torch.logspace(0, 2, 8)
    result = minimize(lambda x, rows: (scale * (x - center[rows]) ** 2).sum(1), x0, max_steps=60)
    assert torch.allclose(result.x, center, atol=1e-2) and (result.value < 1e-3).all()


def test_step_count_beside_scipy(x0):
    result = minimize(rosenbrock, x0, max_steps=300, relative_tolerance=1e-9)

    def value_and_grad(x):
        leaf = torch.tensor(x[None], dtype=torch.float32, requires_grad=True)
        value = rosenbrock(leaf).sum()
        (grad,) = torch.autograd.grad(value, leaf)
        return value.item(), grad[0].double().numpy()

    for row in range(3):
        expected = optimize.minimize(
            value_and_grad, x0[row].double().numpy(), jac=True, method="L-BFGS-B"
        )
        assert result.value[row] < 1e-6 and result.num_steps[row] < 2 * expected.nit
        assert np.allclose(result.x[row].numpy(), expected.x, atol=1e-2)


def test_rows_are_independent(x0):
    batch = minimize(rosenbrock, x0, max_steps=40)
    for row in range(len(x0)):
        single = minimize(rosenbrock, x0[row : row + 1], max_steps=40)
        assert torch.allclose(single.x[0], batch.x[row], atol=1e-4)
        assert single.num_steps[0] == batch.num_steps[row]


def test_converged_rows_leave_the_batch(x0):
    batch_sizes, progress = [], []

    def objective(x, rows):
        batch_sizes.append(len(rows))
        return (x**2).sum(1) + torch.where(rows == 0, rosenbrock(x), 0)

    minimize(objective, x0, max_steps=60, progress=progress.append)
    assert batch_sizes[0] == 6 and batch_sizes[-1] == 1
    assert progress[-1] == 6 * 60 and progress == sorted(progress) and len(progress) < 60


def test_nonfinite_values(x0):
    def objective(x, rows):  # nan above 3; row 2 is infinite everywhere
        value = torch.where(x[:, 0] > 3, torch.nan, -x[:, 0])
        value = torch.where(rows == 4, (x[:, 0] - 1) ** 2, value)  # its minimum is below 3
        return torch.where(rows == 2, torch.inf, value)

    result = minimize(objective, x0, max_steps=30)
    assert result.is_finite.tolist() == [False, False, False, False, True, False]
    best = result.x[[0, 1, 3, 5], 0]  # the best finite point of the other rows
    assert (best <= 3).all() and (best > 2.9).all() and abs(result.x[4, 0] - 1) < 1e-2
    assert torch.equal(result.x[2], x0[2]) and result.x.isfinite().all()


def test_zero_steps_return_x0(x0):
    result = minimize(rosenbrock, x0, max_steps=0)
    assert torch.equal(result.x, x0) and result.num_steps.sum() == 0
